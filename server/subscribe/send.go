package subscribe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answer is the error of a receiver that did not take what it was sent.
type answer struct {
	status int
	after  time.Duration // that it asks to be left alone for
	say    string        // what it said, if it said it in FHIR
}

func (a *answer) Error() string {
	text := fmt.Sprintf("the receiver answers %d %s", a.status, http.StatusText(a.status))
	if a.status/100 == 3 {
		text += "; redirects are not followed"
	}
	if a.say != "" {
		text += ": " + a.say
	}
	return strings.TrimSpace(text)
}

// refused statuses are about what was sent: sent again it is refused again. All others are about the receiver, its address or its login.
var refused = map[int]bool{
	http.StatusBadRequest: true, http.StatusConflict: true, http.StatusGone: true, http.StatusLengthRequired: true,
	http.StatusPreconditionFailed: true, http.StatusRequestEntityTooLarge: true, http.StatusUnsupportedMediaType: true, http.StatusUnprocessableEntity: true,
}

// refuses reports whether an error is a refusal of what was sent.
func refuses(err error) (*answer, bool) {
	var a *answer
	ok := errors.As(err, &a) && refused[a.status]
	return a, ok
}

// linger is how long a delivery under way may go on when the feed is to end, so that it need not be made twice.
const linger = time.Second

// send sends one request. nil means that the receiver has taken it.
func send(ctx context.Context, client *http.Client, method, to string, header http.Header, body []byte) error {
	parent := ctx
	if err := parent.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	defer cancel()
	defer context.AfterFunc(parent, func() { time.AfterFunc(linger, cancel) })()
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return errors.New("the request cannot be made")
	}
	req.Header = header
	res, err := client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 == 2 {
		return nil
	}
	a := &answer{status: res.StatusCode, say: outcomeOf(text)}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		a.after = time.Duration(min(s, 86400)) * time.Second
	}
	return a
}

// plain is what went wrong without the URL, which may hold what is nobody's business.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("the receiver cannot be reached: %w", err)
}

// outcomeOf is the first text of an OperationOutcome, "" if it is none.
func outcomeOf(body []byte) string {
	var o struct {
		ResourceType string
		Issue        []struct {
			Diagnostics string
			Details     struct{ Text string }
		}
	}
	if json.Unmarshal(body, &o) != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
		return ""
	}
	say := o.Issue[0].Diagnostics
	if say == "" {
		say = o.Issue[0].Details.Text
	}
	return clip(say)
}

// clip shortens what others said before it is kept.
func clip(s string) string {
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
