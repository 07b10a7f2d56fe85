package smart

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// ask is an authorization request that has been looked at (RFC 6749 section 4.1.1, SMART App Launch 2.2). Nothing of it is kept between
// the pages: each brings the query of the request back, and it is looked at again.
type ask struct {
	query    string // as it came
	client   Client
	redirect *url.URL
	state    string
	scopes   auth.Scopes
	nonce    string
	pkce     string
	login    bool           // the user must sign in now, though he has
	silent   bool           // prompt=none: no page may be shown
	maxAge   *time.Duration // since he signed in, at most
	hint     string         // the name he signs in by
	launch   *launch        // nil: a standalone launch
	launchID string
}

// denied is why a request is refused. Where the app is known it is sent back to the app, else it is shown to the user: an error is never
// sent where a code would not be.
type denied struct {
	code string // of RFC 6749 section 4.1.2.1
	text string
	page bool
}

func (d *denied) Error() string { return d.code + ": " + d.text }

func shown(text string) error { return &denied{"invalid_request", text, true} }

const (
	maxState = 2 << 10
	maxQuery = 12 << 10
)

// once is the value of a parameter that is there once.
func once(q url.Values, name string) (string, bool) {
	v := q[name]
	if len(v) > 1 {
		return "", false
	}
	return strings.Join(v, ""), true
}

// asked looks at an authorization request. The ask is of use even where the error is a denied, unless that is for a page.
func (s *Server) asked(ctx context.Context, query string) (*ask, error) {
	if len(query) > maxQuery {
		return nil, shown("The request of the app is too long.")
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, shown("The request of the app cannot be read.")
	}
	a := &ask{query: query}
	id, ok := once(q, "client_id")
	if a.client, err = s.client(ctx, id); !ok || errors.Is(err, errNoClient) {
		return nil, shown("The app is not registered here. Whoever runs it must register it first.")
	}
	if err != nil {
		return nil, err
	}
	redirect, ok := once(q, "redirect_uri")
	if !ok || !slices.Contains(a.client.RedirectURIs, redirect) {
		return nil, shown("The app wants to be answered at an address that is not registered for it. To be safe, it is not answered at all.")
	}
	if a.redirect, err = url.Parse(redirect); err != nil {
		return nil, err
	}
	a.state, ok = once(q, "state")
	if !ok || len(a.state) > maxState {
		a.state = ""
		return a, &denied{code: "invalid_request", text: "the state must be there once, and not be longer than 2 KiB"}
	}
	for name, values := range q {
		if len(values) > 1 {
			return a, &denied{code: "invalid_request", text: "the parameter " + clip(name) + " is there more than once"}
		}
	}
	return a, s.judge(ctx, a, q)
}

// judge looks at what is refused by an answer to the app.
func (s *Server) judge(ctx context.Context, a *ask, q url.Values) error {
	no := func(code, text string) error { return &denied{code: code, text: text} }
	challenge, err := base64.RawURLEncoding.DecodeString(q.Get("code_challenge"))
	switch {
	case q.Has("request") || q.Has("request_uri"):
		return no("request_not_supported", "the parameters must stand in the request itself")
	case q.Get("response_type") != "code":
		return no("unsupported_response_type", "the response_type must be code")
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return no("invalid_request", "the response_mode can only be query")
	case q.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != 32:
		return no("invalid_request", "a code_challenge with the code_challenge_method S256 is needed")
	case strings.TrimRight(q.Get("aud"), "/") != s.base:
		return no("invalid_request", "the aud must be "+s.base)
	case len(q.Get("nonce")) > maxState:
		return no("invalid_request", "the nonce is too long")
	}
	a.pkce, a.nonce, a.hint = q.Get("code_challenge"), q.Get("nonce"), q.Get("login_hint")
	if a.scopes = s.offered(q.Get("scope"), a.client).forUser(); len(a.scopes) == 0 {
		return no("invalid_scope", "none of the scopes may be granted to this app")
	}
	prompts := strings.Fields(q.Get("prompt"))
	a.login, a.silent = slices.Contains(prompts, "login"), slices.Contains(prompts, "none")
	if text := q.Get("max_age"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return no("invalid_request", "the max_age must be a number of seconds")
		}
		age := time.Duration(min(n, 1<<30)) * time.Second
		a.maxAge = &age
	}
	if !q.Has("launch") {
		if a.scopes.Has("launch") && !aboutPatient(a.scopes) {
			return no("invalid_request", "the scope launch is for an app that was started with the parameter launch")
		}
		a.scopes = slices.DeleteFunc(a.scopes, func(s auth.Scope) bool { return s.Name == "launch" })
		return nil
	}
	a.launchID = digest(q.Get("launch"))
	var l launch
	err = s.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		l, _, err = launches.Load(tx, a.launchID)
		return err
	})
	if errors.Is(err, driver.ErrNotFound) || err == nil && (!s.Clock().Before(l.Expires) || l.Client != "" && l.Client != a.client.ID) {
		return no("invalid_request", "the launch is not known, was used, or has expired: start the app again")
	}
	a.launch = &l
	return err
}

// answer sends the user back to the app with parameters, and with the issuer (RFC 9207), so that an app that knows several is not
// mixed up.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, a *ask, params url.Values) {
	if a.state != "" {
		params.Set("state", a.state)
	}
	params.Set("iss", s.base)
	to := *a.redirect
	q := to.Query()
	for name, values := range params {
		q[name] = values
	}
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// deny answers a request that is refused, or could not be looked at.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, a *ask, err error) {
	var d *denied
	switch {
	case !errors.As(err, &d):
		s.broken(w, r, err)
	case d.page || a == nil:
		s.show(w, http.StatusBadRequest, "error", view{Title: "This app cannot be connected", Text: d.text})
	default:
		s.answer(w, r, a, url.Values{"error": {d.code}, "error_description": {d.text}})
	}
}
