package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// TestReferredUnseen deletes what is referred to by what the caller may not see: it stays, and the answer tells only that something refers to it.
func TestReferredUnseen(t *testing.T) {
	for name, hidden := range map[string]storage.Access{
		"some of a type": func(_ storage.Action, typ string) (driver.Query, error) {
			if typ == "Observation" {
				return driver.Not{Of: driver.IDs{"secret1", "secret2"}}, nil
			}
			return nil, nil
		},
		"a whole type": func(_ storage.Action, typ string) (driver.Query, error) {
			if typ == "Observation" {
				return nil, fmt.Errorf("not for you: %w", storage.ErrForbidden)
			}
			return nil, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, func(c *server.Config) {
				c.Policy.Referential, c.Policy.Cascade = true, true
				c.Caller = func(r *http.Request) (server.Caller, error) {
					if r.Header.Get("Caller") == "ann" {
						return server.Caller{Access: hidden}, nil
					}
					return server.Caller{Access: storage.System}, nil
				}
			})
			f.put("a", "Ann").is(201)
			f.do("PUT", "/fhir/Observation/secret1", observation("secret1", "a")).is(201)
			one := f.do("DELETE", "/fhir/Patient/a", "", "Caller: ann").fails(409, "conflict", "Patient/a is referred to by what you may not see")
			f.do("PUT", "/fhir/Observation/secret2", observation("secret2", "a")).is(201)
			two := f.do("DELETE", "/fhir/Patient/a", "", "Caller: ann").is(409)
			if one.body != two.body || strings.Contains(one.body, "Observation") || strings.Contains(one.body, "secret") {
				t.Errorf("the answers tell of what is not seen:\n%s\n%s", one.body, two.body)
			}
			f.do("DELETE", "/fhir/Patient/a?_cascade=delete", "", "Caller: ann").fails(409, "conflict", "what you may not see")
			f.do("GET", "/fhir/Patient/a", "").is(200)
			f.do("DELETE", "/fhir/Patient/a", "").fails(409, "conflict", "2 Observation")
			f.do("DELETE", "/fhir/Observation/secret1", "").is(204)
			f.do("DELETE", "/fhir/Observation/secret2", "").is(204)
			f.do("DELETE", "/fhir/Patient/a", "", "Caller: ann").is(204)
		})
	}
}

// TestReferredByAudit deletes what the audit tells of, which is everything.
func TestReferredByAudit(t *testing.T) {
	f, _ := auditedBy(t, server.AuditAll, func(c *server.Config) { c.Policy.Referential, c.Policy.Cascade = true, true })
	for _, how := range []string{"", "?_cascade=delete"} {
		f.do("PUT", "/fhir/Patient/ann", patient("ann", "Ann"), "Caller: dan").is(201)
		f.do("DELETE", "/fhir/Patient/ann"+how, "", "Caller: dan").is(204)
	}
}
