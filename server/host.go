package server

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// addressed refuses a request that was sent to another host than this server's. A page of another site whose name an attacker lets
// point to this machine (DNS rebinding) is of the same origin as this server for a browser, and only the Host header tells.
func addressed(hosts []string, r *http.Request) *refusal {
	if len(hosts) == 0 || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, hostname(r.Host)) }) {
		return nil
	}
	return refuse(http.StatusMisdirectedRequest, fhirmap.CodeNotFound,
		"this server is not %s; its operator can name the hosts that it answers to", clip(r.Host))
}

// hostname is a host without its port, an IPv6 address without its brackets.
func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
