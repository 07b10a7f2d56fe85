package subscribe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// AllowList says where may be sent to: hosts by name, and networks. A URL must name a host that is listed, or an address of a network that
// is. Whatever the name of a host resolves to, by then and at each connection, must be a public address or one of a listed network. The
// zero value allows nothing.
type AllowList struct {
	Names    []string       // as ehr.example; *.example is every name below it, * every name
	Networks []netip.Prefix // as 10.1.0.0/16
}

// ParseAllow reads entries as they stand in a configuration: names, addresses and networks.
func ParseAllow(entries []string) (AllowList, error) {
	var a AllowList
	for _, e := range entries {
		if p, err := netip.ParsePrefix(e); err == nil {
			a.Networks = append(a.Networks, p.Masked())
			continue
		}
		if ip, err := netip.ParseAddr(e); err == nil {
			a.Networks = append(a.Networks, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		if e == "" || strings.ContainsAny(e, "/: @") || strings.Contains(strings.TrimPrefix(e, "*"), "*") {
			return a, fmt.Errorf("%q is no destination: a name as ehr.example or *.example, an address, or a network as 10.1.0.0/16", e)
		}
		a.Names = append(a.Names, strings.ToLower(e))
	}
	return a, nil
}

// Loopback allows this machine alone.
func Loopback() AllowList {
	return AllowList{Names: []string{"localhost"}, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
}

// And allows what either does.
func (a AllowList) And(b AllowList) AllowList {
	return AllowList{slices.Concat(a.Names, b.Names), slices.Concat(a.Networks, b.Networks)}
}

// check refuses a URL to which nothing may be sent. What its host resolves to is asked when it is connected to.
func (a AllowList) check(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the URL cannot be read")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("a URL as https://ehr.example/hook is needed")
	case u.User != nil:
		return nil, fmt.Errorf("the URL holds a password; send it in a header")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the URL has a query or a fragment, to which no path can be added")
	}
	host := strings.ToLower(u.Hostname())
	if ip, err := netip.ParseAddr(host); err == nil {
		if !a.lists(ip) {
			return nil, fmt.Errorf("%s is no destination that the configuration of this server lists", host)
		}
		return u, nil
	}
	if !slices.ContainsFunc(a.Names, func(n string) bool {
		return n == "*" || n == host || strings.HasPrefix(n, "*.") && strings.HasSuffix(host, n[1:])
	}) {
		return nil, fmt.Errorf("%s is no destination that the configuration of this server lists", host)
	}
	return u, nil
}

func (a AllowList) lists(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(a.Networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// inside are networks beyond those that netip knows as private, loopback, link-local or multicast, to which nothing public belongs:
// "this host", carrier NAT, protocol assignments, benchmarking, reserved (RFC 6890), and IPv6 that holds an IPv4 address (RFC 6052, 3056, 4380).
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("::/96"),
}

// public reports whether an address is one that anybody may reach.
func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() &&
		!slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// unreachable says that an address may not be connected to.
type unreachable struct{ ip netip.Addr }

func (u *unreachable) Error() string {
	return fmt.Sprintf("the host resolves to %s, which is not public and which the configuration of this server does not list", u.ip)
}

// client makes a client that connects to nothing else, follows no redirects, and asks no proxy, which would connect in its stead.
func (a AllowList) client(timeout time.Duration) *http.Client {
	dial := &net.Dialer{
		Timeout: 10 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !public(at.Addr()) && !a.lists(at.Addr()) {
				return &unreachable{at.Addr()}
			}
			return nil
		},
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.DialContext = nil, dial.DialContext
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = 2, 32
	t.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Transport: t, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
