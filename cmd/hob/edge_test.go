package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned writes a certificate of 127.0.0.1 with a name of its own, and its key.
func selfSigned(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS serves by TLS, replaces the certificate while the server runs, then breaks the files.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	selfSigned(t, "first", cert, key)
	s := serving(t, "badger::memory:", "--tls-cert="+cert, "--tls-key="+key)
	address := strings.TrimPrefix(s.root, "https://")
	if !strings.HasPrefix(s.root, "https://") {
		t.Fatalf("the base is %s", s.root)
	}
	shake := func(most uint16) (string, error) {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: most})
		if err != nil {
			return "", err
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	if _, err := shake(tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	if name, err := shake(tls.VersionTLS12); err != nil || name != "first" {
		t.Errorf("by TLS 1.2: %q, %v", name, err)
	}
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := insecure.Get(s.base + "/metadata")
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("by HTTPS: %v, %v", res, err)
	}
	res.Body.Close()

	selfSigned(t, "second", cert, key)
	s.until("the new certificate is used", func() bool {
		name, err := shake(0)
		return err == nil && name == "second"
	})
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.until("the log tells that the certificate cannot be read", func() bool {
		if name, err := shake(0); err != nil || name != "second" {
			t.Fatalf("with a broken key file: %q, %v", name, err)
		}
		return strings.Contains(s.logged(), "stays in use")
	})
	s.stop()
}

// TestEdgeRefused starts servers whose edge is not right.
func TestEdgeRefused(t *testing.T) {
	cert := file(t, "cert.pem", "no certificate")
	for _, c := range []struct {
		args []string
		say  string
	}{
		{[]string{"--tls-cert=" + cert}, "tls-key is missing"},
		{[]string{"--tls-key=" + cert}, "tls-cert is missing"},
		{[]string{"--tls-cert=" + cert, "--tls-key=" + cert}, "cert.pem"},
		{[]string{"--origins=app.example"}, `"app.example" is no origin`},
		{[]string{"--origins=https://app.example/path"}, "is no origin"},
		{[]string{"--origins=*,https://app.example"}, `"*" is no origin`},
	} {
		r := hob(t, nil, nil, append([]string{"serve", "--listen=127.0.0.1:0", "--store=badger::memory:", "--min-free=0"}, c.args...)...)
		if r.code != 1 || !strings.Contains(r.err, c.say) {
			t.Errorf("%v: exit code %d, %s; want %s", c.args, r.code, r.err, c.say)
		}
	}
}

// TestRebinding asks a server on loopback by a name that is not loopback's, and one that was told its hosts.
func TestRebinding(t *testing.T) {
	ask := func(s *running, host string) int {
		req, err := http.NewRequest(http.MethodGet, s.base+"/metadata", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		args []string
		want map[string]int
	}{
		{nil, map[string]int{"localhost": 200, "127.0.0.1": 200, "evil.example": 421}},
		{[]string{"--base=http://ehr.example/fhir"}, map[string]int{"ehr.example": 200, "localhost": 200, "evil.example": 421}},
		{[]string{"--hosts=ehr.example"}, map[string]int{"ehr.example": 200, "localhost": 421}},
	} {
		s := serving(t, "badger::memory:", c.args...)
		for host, want := range c.want {
			if got := ask(s, host); got != want {
				t.Errorf("with %v the host %s is answered %d, want %d", c.args, host, got, want)
			}
		}
		s.terminate()
		s.over = true
		<-s.read
		s.Wait()
	}
}

// TestRate sends more than a caller may.
func TestRate(t *testing.T) {
	s := serving(t, "badger::memory:", "--rate=0.01", "--burst=2")
	var got []int
	for range 3 {
		status, _, err := call(http.MethodGet, s.base+"/Patient", "")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, status)
	}
	if fmt.Sprint(got) != "[200 200 429]" {
		t.Errorf("three requests of a burst of two are answered %v", got)
	}
	s.stop()
}
