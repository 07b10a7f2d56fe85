package auth

import (
	"net/http"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
)

// Refusal is why a caller is not let in, or may not do a thing: an Outcome, and what OAuth calls it.
type Refusal struct {
	*fhirmap.Outcome
	Code string // invalid_request, invalid_token or insufficient_scope (RFC 6750 section 3.1); "": no token was given
}

func refuse(code string, issue fhirmap.Code, format string, args ...any) *Refusal {
	return &Refusal{fhirmap.Errorf(issue, "", format, args...), code}
}

// lacking refuses what no scope of the caller allows. It is a storage.ErrForbidden.
func lacking(a storage.Action, typ string) *Refusal {
	return refuse("insufficient_scope", fhirmap.CodeForbidden, "no scope of the token allows to %s %s", a, typ)
}

// Unwrap lets the Outcome be found, and storage.ErrForbidden where a scope is lacking.
func (r *Refusal) Unwrap() []error {
	if r.Code == "insufficient_scope" {
		return []error{r.Outcome, storage.ErrForbidden}
	}
	return []error{r.Outcome}
}

// Challenge is the value of WWW-Authenticate (RFC 6750 section 3).
func (r *Refusal) Challenge() string {
	if r.Code == "" {
		return `Bearer realm="fhir"`
	}
	say := strings.Map(func(c rune) rune { // quoted-string without escapes
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, r.Issues[0].Diagnostics)
	return `Bearer realm="fhir", error="` + r.Code + `", error_description="` + say + `"`
}

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 16 << 10

// Bearer takes the token out of a request: from one Authorization header and from nowhere else, since URLs and bodies are logged and kept.
// The error is a *Refusal.
func Bearer(r *http.Request) (string, error) {
	lines := r.Header["Authorization"]
	if len(lines) == 0 {
		if strings.Contains(r.URL.RawQuery, "access_token=") {
			return "", refuse("invalid_request", fhirmap.CodeLogin, "a token belongs into the Authorization header, never into a URL; do not use this one again")
		}
		return "", refuse("", fhirmap.CodeLogin, "a token is needed: send Authorization: Bearer and the token")
	}
	if len(lines) > 1 {
		return "", refuse("invalid_request", fhirmap.CodeLogin, "the Authorization header is given %d times; give it once", len(lines))
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	token = strings.Trim(token, " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", refuse("", fhirmap.CodeLogin, "the Authorization header is of another scheme; Bearer is what is taken")
	case len(token) > maxToken:
		return "", refuse("invalid_token", fhirmap.CodeLogin, "the token has more than %d bytes", maxToken)
	case token == "" || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") != "":
		return "", refuse("invalid_request", fhirmap.CodeLogin, "what follows Bearer is no token")
	}
	return token, nil
}
