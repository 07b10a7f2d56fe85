package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/hob-fhir/hob/conformance/suite"
)

// server runs the scripts of conformance/suite against a server. If it is interrupted, what was run is told.
func (c check) server(p *process) error {
	s := suite.Config{Base: c.URL, Match: c.Match}
	if c.Token != "" {
		s.Header = http.Header{"Authorization": {"Bearer " + c.Token}}
	}
	results, err := suite.Run(p, s)
	if len(results) > 0 {
		if err := suite.Table(p.out, results); err != nil {
			return err
		}
	}
	switch {
	case p.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	}
	if n := suite.Summarize(results).Failed; n > 0 {
		fmt.Fprintf(p.err, "hob: %s does not do %d things as FHIR wants them\n", masked(c.URL), n)
		return exit(1)
	}
	return nil
}
