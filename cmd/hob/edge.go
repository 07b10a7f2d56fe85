package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// edgeKeys are about the way between clients and the server.
type edgeKeys struct {
	TLSCert string   `name:"tls-cert" placeholder:"FILE" help:"Serve HTTPS (TLS 1.2 or newer) with this certificate and those that certify it, in PEM. The file is read anew when it changes."`
	TLSKey  string   `name:"tls-key" placeholder:"FILE" help:"The private key of the certificate, in PEM."`
	Hosts   []string `placeholder:"NAME,..." help:"Names and addresses, without ports, that requests may be sent to; others are answered 421. Without it, where Hob listens on loopback, those of loopback and of base; else any."`
	Origins []string `placeholder:"ORIGIN,..." help:"Origins whose pages may read answers in a browser (CORS), as https://app.example or http://127.0.0.1:*. A lone * is every origin; without it none but the server's own."`
	Rate    float64  `default:"0" help:"Requests a second that one caller may make in the long run; 0 is as many as he likes. More are answered 429."`
	Burst   int      `default:"0" help:"Requests that one caller may make at once, where there is a rate; 0 is what the rate gives in ten seconds."`
}

// hosts are the hosts that requests may be sent to, none for any.
func (k edgeKeys) hosts(listen *net.TCPAddr, base string) []string {
	if len(k.Hosts) > 0 || !listen.IP.IsLoopback() {
		return k.Hosts
	}
	hosts := []string{"localhost", "127.0.0.1", "::1", listen.IP.String()}
	if u, err := url.Parse(base); err == nil && base != "" {
		hosts = append(hosts, u.Hostname())
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// origins are the origins as they were given, refused if one can be none. A server for development lets pages of this machine read.
func (k edgeKeys) origins(auth string) ([]string, error) {
	if len(k.Origins) == 0 && auth == "dev" {
		return []string{"http://localhost:*", "http://127.0.0.1:*"}, nil
	}
	for _, o := range k.Origins {
		u, err := url.Parse(strings.Replace(o, ":*", "", 1))
		if o == "*" && len(k.Origins) == 1 {
			continue
		}
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("origins: %q is no origin as https://app.example or http://127.0.0.1:*, nor a lone *", o)
		}
	}
	return k.Origins, nil
}

// scheme is that of the server's own address.
func (k edgeKeys) scheme() string {
	if k.TLSCert != "" {
		return "https"
	}
	return "http"
}

// tls is the configuration of HTTPS, nil for HTTP.
func (k edgeKeys) tls(log *slog.Logger) (*tls.Config, error) {
	if k.TLSCert == "" && k.TLSKey == "" {
		return nil, nil
	}
	if k.TLSCert == "" || k.TLSKey == "" {
		return nil, fmt.Errorf("tls-cert and tls-key go together; %s is missing", cmp.Or(map[bool]string{true: "tls-cert"}[k.TLSCert == ""], "tls-key"))
	}
	c := &certificate{cert: k.TLSCert, key: k.TLSKey, log: log, clock: time.Now}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// certificate is a pair of files that may be replaced while the server runs. While what they hold does not fit together, as between the
// replacing of one and of the other, the last that did is used.
type certificate struct {
	cert, key string
	log       *slog.Logger
	clock     func() time.Time

	mu     sync.Mutex
	pair   *tls.Certificate
	seen   [2]time.Time // when the files were changed that were read last
	looked time.Time
}

// freshFor is how long a look at the files is good for.
const freshFor = time.Second

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.clock(); now.Sub(c.looked) >= freshFor {
		c.looked = now
		if changed, err := c.changed(); err == nil && changed == c.seen {
			return c.pair, nil
		}
		if err := c.read(); err != nil {
			c.log.Warn("the certificate cannot be read anew; the last one stays in use", "error", err)
		} else {
			c.log.Info("the certificate was read anew", "file", c.cert)
		}
	}
	return c.pair, nil
}

func (c *certificate) changed() (times [2]time.Time, err error) {
	for i, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}

func (c *certificate) read() error {
	times, err := c.changed()
	if err != nil {
		return err
	}
	c.seen = times
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.pair = &pair
	return nil
}
