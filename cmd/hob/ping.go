package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ping asks /readyz. It is what a container's health check runs, since an image of Hob holds nothing but Hob.
type ping struct {
	URL     string        `arg:"" optional:"" default:"http://127.0.0.1:8080/readyz" help:"What to ask."`
	Timeout time.Duration `default:"5s" help:"How long to wait."`
}

func (ping) Help() string {
	return "Prints the answer. The exit code is 0 if the server is ready and 1 if it is not or cannot be reached.\n\n" +
		"Example:\n  hob ping http://127.0.0.1:8080/readyz"
}

func (c ping) Run(p *process) error {
	ctx, cancel := context.WithTimeout(p, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 200))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", c.URL, res.Status, bytes.TrimSpace(body))
	}
	fmt.Fprintf(p.out, "%s\n", bytes.TrimSpace(body))
	return nil
}
