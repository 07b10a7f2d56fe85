package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// keys are the public keys of one issuer. They are an oidc.KeySet.
//
// The set is fetched when it is first needed, when a token names a key that is not in it, and in the background once it is old. However
// many tokens name unknown keys, it is fetched no more often than once per pause, and after failures less and less often; tokens of
// known keys never wait for it.
type keys struct {
	issuer     *Issuer
	client     *http.Client
	algorithms []jose.SignatureAlgorithm
	clock      func() time.Time

	fetching sync.Mutex // held by the one who fetches

	mu       sync.Mutex
	set      jose.JSONWebKeySet
	fetched  time.Time     // when the set came
	tried    time.Time     // when it was last asked for
	pause    time.Duration // until it may be asked for again
	trouble  error         // of the last try
	found    *discovery
	refresh  bool // one goes on in the background
	failures int
}

// discovery is what is needed of an issuer's metadata.
type discovery struct {
	JWKS       string `json:"jwks_uri"`
	Introspect string `json:"introspection_endpoint"`
}

const (
	fetchPause   = 10 * time.Second // between two fetches
	fetchBackoff = 2 * time.Minute  // the same, after many failures
	fetchTime    = 5 * time.Second  // for one fetch
	keysOld      = 10 * time.Minute // when the set is fetched again although nothing is missing
	maxDocument  = 1 << 20          // bytes of what an issuer answers
)

// errDown says that an issuer could not be asked.
var errDown = errors.New("the issuer cannot be asked")

// VerifySignature returns the payload of a token that one of the keys has signed.
func (k *keys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, k.algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errors.New("it is not signed once")
	}
	id := jws.Signatures[0].Header.KeyID
	set, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	payload, known := verify(jws, set, id)
	if payload == nil && k.issuer.Keys == nil && (!known || id == "") {
		if set, err = k.newer(ctx, set); err != nil {
			return nil, err
		}
		payload, _ = verify(jws, set, id)
	}
	if payload == nil {
		return nil, errors.New("no key of the issuer has signed it")
	}
	return payload, nil
}

// verify tries the keys of an id, or all if the token names none. Keys that are not public, or are for encryption, are passed over.
func verify(jws *jose.JSONWebSignature, set *jose.JSONWebKeySet, id string) (payload []byte, known bool) {
	for i := range set.Keys {
		key := &set.Keys[i]
		if id != "" && key.KeyID != id || !key.IsPublic() || !key.Valid() || key.Use == "enc" {
			continue
		}
		known = true
		if alg := key.Algorithm; alg != "" && alg != jws.Signatures[0].Header.Algorithm {
			continue
		}
		if payload, err := jws.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, known
}

// current returns the set as it is, fetched if it never was.
func (k *keys) current(ctx context.Context) (*jose.JSONWebKeySet, error) {
	if k.issuer.Keys != nil {
		set, err := k.issuer.Keys(ctx)
		if err != nil {
			err = fmt.Errorf("%s: %w: %w", k.issuer.URL, errDown, err)
		}
		return &set, err
	}
	k.mu.Lock()
	set, fetched, old := k.set, k.fetched, k.clock().Sub(k.fetched) > keysOld && !k.refresh && k.due()
	if !fetched.IsZero() && old {
		k.refresh = true
		go func() {
			k.fetch(context.Background())
			k.mu.Lock()
			k.refresh = false
			k.mu.Unlock()
		}()
	}
	k.mu.Unlock()
	if fetched.IsZero() {
		return k.newer(ctx, nil)
	}
	return &set, nil
}

// due reports whether the pause since the last try is over. k.mu is held.
func (k *keys) due() bool { return k.tried.IsZero() || k.clock().Sub(k.tried) >= k.pause }

// newer returns a set that was fetched after the one given, if one may be fetched. Without any set it is an errDown.
func (k *keys) newer(ctx context.Context, than *jose.JSONWebKeySet) (*jose.JSONWebKeySet, error) {
	err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched.IsZero() {
		if err == nil {
			err = k.trouble
		}
		return nil, fmt.Errorf("%s: %w: %w", k.issuer.URL, errDown, err)
	}
	set := k.set
	return &set, nil
}

// fetch asks the issuer for its keys unless that is not due. Those who come while another fetches wait for him.
func (k *keys) fetch(ctx context.Context) error {
	k.fetching.Lock()
	defer k.fetching.Unlock()
	k.mu.Lock()
	if !k.due() {
		defer k.mu.Unlock()
		return nil
	}
	k.tried = k.clock()
	k.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime) // for all who wait, not for the first alone
	defer cancel()
	var set jose.JSONWebKeySet
	at, err := k.jwks(ctx)
	if err == nil {
		err = get(ctx, k.client, at, &set)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trouble = err
	if err != nil {
		k.failures++
		k.pause = min(time.Second<<min(k.failures, 10), fetchBackoff)
		return err
	}
	k.set, k.fetched, k.failures, k.pause = set, k.clock(), 0, fetchPause
	return nil
}

// jwks is where the keys are.
func (k *keys) jwks(ctx context.Context) (string, error) {
	if k.issuer.JWKS != "" {
		return k.issuer.JWKS, nil
	}
	d, err := k.discover(ctx)
	if err == nil && d.JWKS == "" {
		err = errors.New("its discovery document names no jwks_uri")
	}
	return d.JWKS, err
}

// discover asks the issuer for its metadata, once it has answered never again.
func (k *keys) discover(ctx context.Context) (discovery, error) {
	k.mu.Lock()
	found := k.found
	k.mu.Unlock()
	if found != nil {
		return *found, nil
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.issuer.URL)
	if err != nil {
		return discovery{}, err
	}
	var d discovery
	if err := p.Claims(&d); err != nil {
		return d, err
	}
	for _, at := range []string{d.JWKS, d.Introspect} {
		if at != "" && !secure(at) {
			return d, fmt.Errorf("its discovery document names %s, which is not https", at)
		}
	}
	k.mu.Lock()
	k.found = &d
	k.mu.Unlock()
	return d, nil
}

// get reads a JSON document.
func get(ctx context.Context, client *http.Client, at string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answers %s", at, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// bounded is a transport whose answers end after maxDocument bytes.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxDocument), res.Body}
	}
	return res, err
}

// newClient makes the client by which issuers are asked. It follows no redirect to where a listener could read along.
func newClient(t http.RoundTripper) *http.Client {
	if t == nil {
		t = http.DefaultTransport
	}
	return &http.Client{
		Transport: bounded{t}, Timeout: fetchTime,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || !secure(r.URL.String()) {
				return fmt.Errorf("a redirect to %s is not followed", r.URL.Redacted())
			}
			return nil
		},
	}
}
