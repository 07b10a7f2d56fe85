package server

import (
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hob-fhir/hob/fhirmap"
)

// throttle holds every caller to a rate of requests: a bucket of burst requests that fills up by rate each second. Who could not be
// told who he is has the bucket of the address that he came from. A Bundle is one request, whatever its size: what it may take is
// bounded by other limits.
type throttle struct {
	rate  rate.Limit
	burst int
	clock func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// mostBuckets bounds the memory. Full buckets are forgotten when there are more: their callers lose nothing.
const mostBuckets = 1 << 16

// newThrottle returns nil, which lets everything pass, if the rate is none.
func newThrottle(perSecond float64, burst int, clock func() time.Time) *throttle {
	if perSecond <= 0 {
		return nil
	}
	return &throttle{rate: rate.Limit(perSecond), burst: burst, clock: clock, buckets: map[string]*rate.Limiter{}}
}

// admit takes one request from a caller's bucket, or refuses and says when there will be room for the next.
func (t *throttle) admit(caller string) error {
	now := t.clock()
	b := t.bucket(caller, now)
	if b.AllowN(now, 1) {
		return nil
	}
	wait := time.Duration((1 - b.TokensAt(now)) / float64(t.rate) * float64(time.Second))
	return refuse(http.StatusTooManyRequests, fhirmap.CodeThrottled,
		"more than %g requests a second; wait as long as Retry-After says", float64(t.rate)).
		with("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
}

func (t *throttle) bucket(caller string, now time.Time) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[caller]
	if b == nil {
		if len(t.buckets) >= mostBuckets {
			t.forget(now)
		}
		b = rate.NewLimiter(t.rate, t.burst)
		t.buckets[caller] = b
	}
	return b
}

// forget drops the buckets that are full again. If an attacker keeps as many unfull as there may be, all begin anew: the alternative
// would be to refuse those who have done nothing.
func (t *throttle) forget(now time.Time) {
	for caller, b := range t.buckets {
		if b.TokensAt(now) >= float64(t.burst) {
			delete(t.buckets, caller)
		}
	}
	if len(t.buckets) >= mostBuckets {
		clear(t.buckets)
	}
}

// throttled holds callers to the rate of the limits. A request that lets nobody in counts against the address that it came from.
func throttled(c Config) func(*http.Request) (Caller, error) {
	t := newThrottle(c.Limits.Rate, c.Limits.Burst, c.Clock)
	if t == nil {
		return c.Caller
	}
	return func(r *http.Request) (Caller, error) {
		who, err := c.Caller(r)
		bucket := "caller " + who.Subject + "|" + who.Client
		if err != nil || who.Subject == "" && who.Client == "" {
			bucket = addressBucket(c.Proxies, r)
		}
		if no := t.admit(bucket); no != nil {
			return Caller{}, no
		}
		return who, err
	}
}

// addressBucket names the bucket of an address: of IPv6 all addresses of one network are one, for their owner has them all.
func addressBucket(proxies []netip.Prefix, r *http.Request) string {
	a := remote(proxies, r)
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return "address " + p.Addr().String()
		}
	}
	return "address " + a.String()
}

// remote is the address of the client: what the nearest trusted proxy wrote, else the peer of the connection.
func remote(proxies []netip.Prefix, r *http.Request) netip.Addr {
	if len(proxies) > 0 && trusted(proxies, r.RemoteAddr) {
		if a, err := netip.ParseAddr(last(r.Header["X-Forwarded-For"])); err == nil {
			return a.Unmap()
		}
	}
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
