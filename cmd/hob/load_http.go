package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// remote is a target that is a running server: PUT where a resource has an id, POST where it has none.
type remote struct {
	base   string
	client *http.Client
	token  string // that is sent; "": none
	n      int
	wait   func(context.Context, time.Duration) error
}

// patience is how often a server that has no time is asked again, at growing distances: about two minutes in all.
const patience = 20

func openRemote(ctx context.Context, base, token string, parallel int) (*remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("url %s: a FHIR base is needed, as http://127.0.0.1:8080/fhir", base)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = parallel
	t.MaxConnsPerHost = parallel
	r := &remote{base: strings.TrimRight(base, "/"), token: token, client: &http.Client{Transport: t, Timeout: 5 * time.Minute}, n: parallel, wait: sleep}
	status, _, body, err := r.send(ctx, http.MethodGet, "/metadata", nil)
	switch {
	case err != nil:
		return nil, fmt.Errorf("no server answers: %w; start one with hob serve, or name another with --url", err)
	case status != http.StatusOK || !bytes.Contains(body, []byte("CapabilityStatement")):
		return nil, fmt.Errorf("%s/metadata answers %d and no CapabilityStatement; --url must be a FHIR base, as http://127.0.0.1:8080/fhir", r.base, status)
	}
	return r, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (r *remote) batch() int   { return 1 }
func (r *remote) workers() int { return r.n }
func (r *remote) close() error { r.client.CloseIdleConnections(); return nil }

func (r *remote) load(ctx context.Context, items []*item) error {
	for _, it := range items {
		if err := r.one(ctx, it); err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) one(ctx context.Context, it *item) error {
	method, path := http.MethodPost, "/"+url.PathEscape(it.typ)
	if fhirmap.IsID(it.id) {
		method, path = http.MethodPut, path+"/"+it.id
		if it.doubt {
			status, _, body, err := r.send(ctx, http.MethodGet, path, nil)
			if err != nil || status == http.StatusOK && same(body, it.data) {
				return err
			}
		}
	}
	return r.post(ctx, it, method, path)
}

// post sends an item until the server has taken or refused it.
func (r *remote) post(ctx context.Context, it *item, method, path string) error {
	for try := 0; ; try++ {
		status, after, body, err := r.send(ctx, method, path, it.data)
		switch {
		case err != nil:
			return err
		case status == http.StatusOK || status == http.StatusCreated:
			return nil
		case status == http.StatusInsufficientStorage:
			return fmt.Errorf("the server's disk is full: %w", answered(status, body))
		case status == http.StatusUnauthorized:
			return fmt.Errorf("the server wants to know who is asking, give it a --token: %w", answered(status, body))
		case status == http.StatusGatewayTimeout && try == 3:
			it.refused = answered(status, body) // too much for the server's deadline
			return nil
		case busy(status) && try < patience:
			pause := time.Duration(min(100<<try, 10_000)) * time.Millisecond
			if err := r.wait(ctx, cmp.Or(after, pause/2+rand.N(pause))); err != nil {
				return err
			}
		case busy(status):
			return fmt.Errorf("the server has no time: %w", answered(status, body))
		default:
			it.refused = answered(status, body)
			return nil
		}
	}
}

// busy statuses say that nothing was done and the same may be tried again.
func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// answered is what a server said.
func answered(status int, body []byte) *fhirmap.Outcome {
	if o := outcome(body); o != nil {
		return o
	}
	return fhirmap.Errorf(fhirmap.CodeProcessing, "", "HTTP %d: %s", status, clip(string(body), 200))
}

// send sends one request. after is what the server asks to wait.
func (r *remote) send(ctx context.Context, method, path string, data []byte) (status int, after time.Duration, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(data))
	if err != nil {
		return 0, 0, nil, err
	}
	req.Header.Set("Accept", "application/fhir+json")
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if data != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Prefer", "return=minimal")
		if method == http.MethodPut {
			// The transport may send it again on a new connection when the server had closed an idle one. The header is not sent.
			req.Header["X-Idempotency-Key"] = nil
		}
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, 0, nil, lost(ctx, err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return 0, 0, nil, lost(ctx, err)
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		after = min(time.Duration(s)*time.Second, time.Minute)
	}
	return res.StatusCode, after, body, nil
}

func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("the connection is lost: %w", err)
}
