package server

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// base is the FHIR base as the client sees it, without a slash at the end: what was configured, else what the request was sent to.
func base(c *Config, r *http.Request) (string, error) {
	if c.Base != nil {
		return strings.TrimRight(c.Base.String(), "/"), nil
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if len(c.Proxies) > 0 && trusted(c.Proxies, r.RemoteAddr) {
		if s := last(r.Header["X-Forwarded-Proto"]); s == "http" || s == "https" {
			scheme = s
		}
		if h := last(r.Header["X-Forwarded-Host"]); h != "" {
			host = h
		}
	}
	if !isHost(host) {
		return "", fhirmap.Errorf(fhirmap.CodeInvalid, "", "the host %s is no name or address of a server", clip(host))
	}
	return scheme + "://" + host + Prefix, nil
}

// last is what the nearest proxy wrote: those before it are only claims.
func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}

func trusted(proxies []netip.Prefix, remote string) bool {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, p := range proxies {
		if p.Contains(a.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// isHost admits what may stand in a URL as its host and port.
func isHost(s string) bool {
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case b == '.', b == '-', b == '_', b == ':', b == '[', b == ']':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 255
}
