package connect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// The Noteworth API: GET /auth gives a token in the response header Super-Secure-Token, each of which ends the one before. GET /providers wants
// X-Request-Checksum, and gives {"providers": [{"name_given", "name_family", "title", "clinic"}]}, which says it is JSON or does not.
const (
	tokenHeader    = "Super-Secure-Token"
	checksumHeader = "X-Request-Checksum"
	providersPath  = "/providers"
)

// Checksum is what X-Request-Checksum must be for a token and a path: the SHA-256 of one after the other, in lower-case hex.
func Checksum(token, path string) string {
	sum := sha256.Sum256([]byte(token + path))
	return hex.EncodeToString(sum[:])
}

func noteworthAuthenticate(ctx context.Context, v *visit) (string, error) {
	got, err := v.get(ctx, v.base.JoinPath("auth"), false, func(h http.Header, _ []byte) error {
		if h.Get(tokenHeader) == "" {
			return &shape{says: "no token: the header " + tokenHeader + " is missing"}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return got.header.Get(tokenHeader), nil
}

// noteworthAuthorize signs the path that the API knows, whatever stands before it in the URL of the source.
func noteworthAuthorize(r *http.Request, token string) {
	r.Header.Set(checksumHeader, Checksum(token, providersPath))
}

func noteworthFetch(ctx context.Context, v *visit) (b batch, err error) {
	_, err = v.get(ctx, v.base.JoinPath("providers"), true, func(_ http.Header, body []byte) (err error) {
		b.rows, err = noteworthRows(body)
		return err
	})
	return b, err
}

// noteworthRows reads a body. One cut in half is no JSON; what is JSON must have every field of every provider.
func noteworthRows(body []byte) ([]Row, error) {
	if isText(body) {
		return nil, &shape{says: "a text, not JSON", text: true}
	}
	var list struct {
		Providers *[]map[string]any `json:"providers"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&list); err != nil {
		return nil, &shape{says: "the body is broken JSON, or of another shape"}
	}
	if d.More() {
		return nil, &shape{says: "something follows the JSON"}
	}
	if list.Providers == nil {
		return nil, &shape{says: "the list providers is missing"}
	}
	rows := make([]Row, len(*list.Providers))
	for i, p := range *list.Providers {
		rows[i] = Row{}
		for _, name := range []string{"name_given", "name_family", "title", "clinic"} {
			text, err := fieldOf(p, name)
			if err != nil {
				return nil, &shape{says: fmt.Sprintf("providers[%d]: %v", i, err)}
			}
			rows[i][name] = text
		}
	}
	return rows, nil
}

func fieldOf(p map[string]any, name string) (string, error) {
	text, ok := p[name].(string)
	if !ok || text == "" {
		return "", errors.New(name + " is missing, empty or no text")
	}
	return text, nil
}
