package connect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// visit is one run's dealings with a source: its attempts, and the token it has.
type visit struct {
	*Source
	client *http.Client
	tokens tokenKeeper
	report *Report
	clock  func() time.Time
	random func() float64                             // in [0, 1)
	wait   func(context.Context, time.Duration) error // until that long has passed
	mark   *mark                                      // where a source that is read on was read to
	tell   func(Attempt)                              // as they are made

	token    string
	reused   bool // the token is from an earlier run
	rejected bool // a token was refused in this run, and another asked for
}

// Attempt is one request and what came of it.
type Attempt struct {
	Endpoint string `json:"endpoint"` // method and path
	Status   int    `json:"status,omitempty"`
	Outcome  string `json:"outcome"` // ok, or why it counts as failed
	Millis   int64  `json:"took-ms"`
}

// OK reports whether the attempt brought what was asked for.
func (a Attempt) OK() bool { return a.Outcome == "ok" }

// exhausted says that an endpoint failed as often as it may.
type exhausted struct {
	endpoint string
	attempts int
	last     string
}

func (e *exhausted) Error() string {
	return fmt.Sprintf("%s failed %d times, the last time: %s; nothing was changed", e.endpoint, e.attempts, e.last)
}

// shape is an answer of status 200 that is not what was asked for.
type shape struct {
	says string
	text bool // it is not even JSON: words for a reader
}

func (s *shape) Error() string { return s.says }

// answer is what an attempt brought.
type answer struct {
	header http.Header
	body   []byte
	from   body
	status int
	after  time.Duration // that the server asks to be left alone
}

// get asks an endpoint until it answers 200 with a body that accept takes, at most 1 + max-api-retry times. If the source has a login and bears,
// the request bears the token; refused, another is asked for, once in a run.
func (v *visit) get(ctx context.Context, at *url.URL, bears bool, accept func(http.Header, []byte) error) (answer, error) {
	endpoint := "GET " + at.EscapedPath()
	last := ""
	for n := 0; n <= *v.MaxAPIRetry; n++ {
		if bears && v.token == "" && v.kind.authenticate != nil {
			if err := v.login(ctx); err != nil {
				return answer{}, err
			}
		}
		begun := v.clock()
		got, err := v.once(ctx, at, bears)
		if err == nil {
			err = accept(got.header, got.body)
		}
		a := Attempt{Endpoint: endpoint, Status: got.status, Outcome: "ok", Millis: v.clock().Sub(begun).Milliseconds()}
		if err != nil {
			a.Outcome = err.Error()
		}
		v.report.Attempts = append(v.report.Attempts, a)
		v.tell(a)
		if err == nil {
			if bears { // a login is nothing that people come from
				v.report.Read = append(v.report.Read, got.from)
			}
			return got, nil
		}
		if ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}
		last = a.Outcome
		if bears && v.kind.authenticate != nil && v.refused(got.status, err) {
			if err := v.tokens.forget(ctx, v.Source, v.token); err != nil {
				return answer{}, err
			}
			if !v.rejected {
				v.rejected, v.token = true, ""
				continue // with a new token, and at once: it is this that the answer asks for
			}
		}
		if n < *v.MaxAPIRetry {
			if err := v.wait(ctx, v.pause(n, got.after)); err != nil {
				return answer{}, err
			}
		}
	}
	return answer{}, &exhausted{endpoint, *v.MaxAPIRetry + 1, last}
}

// refused reports whether an answer says that the token is not good. A server that was started anew and never gave one may say so by 200
// and words, so words that meet a token of an earlier run are taken as that too.
func (v *visit) refused(status int, err error) bool {
	var s *shape
	return status == http.StatusUnauthorized || status == http.StatusForbidden || v.reused && errors.As(err, &s) && s.text
}

// login gets a token and keeps it.
func (v *visit) login(ctx context.Context) (err error) {
	v.reused = false
	if v.token, err = v.kind.authenticate(ctx, v); err != nil {
		return err
	}
	return v.tokens.keep(ctx, v.Source, v.token)
}

// pause is how long to wait after attempt n: growing, with jitter so that many that failed at once do not come back at once; what the server
// asks for, but never more than max-wait.
func (v *visit) pause(n int, asked time.Duration) time.Duration {
	d := min(v.Backoff<<min(n, 20), v.MaxWait)
	d = d/2 + time.Duration(v.random()*float64(d/2))
	return min(max(d, asked), v.MaxWait)
}

// once makes one attempt. What it returns of the answer is there even with an error.
func (v *visit) once(ctx context.Context, at *url.URL, bears bool) (got answer, err error) {
	if at.Scheme != v.base.Scheme || at.Host != v.base.Host {
		return got, fmt.Errorf("it leads to %s, which is not the host of the source", at.Host)
	}
	own, cancel := context.WithTimeoutCause(ctx, v.Timeout, fmt.Errorf("no whole answer within %s", v.Timeout))
	defer cancel()
	r, err := http.NewRequestWithContext(own, http.MethodGet, at.String(), nil)
	if err != nil {
		return got, err
	}
	r.Close = true // on a connection that was used before, the transport would make a second attempt of its own
	r.Header.Set("Accept", "application/fhir+json, application/json, text/csv;q=0.9, */*;q=0.1")
	r.Header.Set("User-Agent", "hob")
	if bears && v.kind.authorize != nil {
		v.kind.authorize(r, v.token)
	}
	res, err := v.client.Do(r)
	if err != nil {
		return got, plain(own, err)
	}
	defer res.Body.Close()
	got.status, got.header, got.after = res.StatusCode, res.Header, v.after(res.Header.Get("Retry-After"))
	if res.StatusCode != http.StatusOK {
		return got, fmt.Errorf("status %d", res.StatusCode)
	}
	got.body, err = io.ReadAll(io.LimitReader(res.Body, v.MaxBytes+1))
	if err != nil {
		return got, plain(own, err)
	}
	if int64(len(got.body)) > v.MaxBytes {
		return got, fmt.Errorf("the body is longer than max-bytes, %d", v.MaxBytes)
	}
	got.from = digested(at.String(), got.body)
	return got, nil
}

func digested(from string, b []byte) body {
	sum := sha256.Sum256(b)
	return body{URL: from, Digest: hex.EncodeToString(sum[:]), Bytes: len(b)}
}

// after reads Retry-After: seconds or a date.
func (v *visit) after(text string) time.Duration {
	if s, err := strconv.Atoi(text); err == nil && s > 0 {
		return time.Duration(min(s, 24*3600)) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, t.Sub(v.clock()))
	}
	return 0
}

// plain tells why there is no answer, without the URL, which the endpoint says already.
func plain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the body broke off")
	case errors.Is(err, io.EOF):
		return errors.New("the connection was closed without an answer")
	}
	return fmt.Errorf("no answer: %w", err)
}

// client makes one that goes to no other host than that it was sent to.
func client(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != via[0].URL.Scheme || r.URL.Host != via[0].URL.Host {
			return fmt.Errorf("a redirect to %s, which is not the host of the source, is not followed", r.URL.Host)
		}
		if len(via) >= 5 {
			return errors.New("more than 5 redirects are not followed")
		}
		return nil
	}}
}

// isText reports whether a body is not even the begin of JSON.
func isText(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) == 0 || !strings.ContainsRune("{[", rune(b[0]))
}
