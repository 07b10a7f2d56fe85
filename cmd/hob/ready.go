package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ready is what a server for development leaves for hob token, in a file that only the user who started it can read.
type ready struct {
	Base     string    `json:"base"`
	Token    string    `json:"token"`
	Password string    `json:"password"` // of the people for development
	Expires  time.Time `json:"expires"`
}

// readyFile is the place of it: one for each host and port.
func readyFile(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("url %s: a FHIR base is needed, as http://127.0.0.1:8080/fhir", base)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no place to keep a token: %w", err)
	}
	return filepath.Join(dir, "hob", "dev-"+strings.NewReplacer(":", "-", "/", "-", "[", "", "]", "").Replace(u.Host)+".json"), nil
}

// write replaces the file, so that none who had the old one open sees the new.
func (d ready) write() error {
	path, err := readyFile(d.Base)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".dev-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// readReady reads what the server for development at a base has left.
func readReady(base string) (d ready, err error) {
	path, err := readyFile(base)
	if err != nil {
		return d, err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, fmt.Errorf("no server for development was started at %s on this machine; start one with hob serve, or say --client or --store", base)
	}
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err == nil && time.Now().After(d.Expires) {
		err = fmt.Errorf("the token of %s has expired; start hob serve again", base)
	}
	return d, err
}
