package smart_test

import (
	"testing"

	"github.com/hob-fhir/hob/auth"
)

// BenchmarkRevoked is what the question whether a token was revoked costs a request.
func BenchmarkRevoked(b *testing.B) {
	f := open(b, nil)
	a := f.tokens("ada", "app", "offline_access patient/*.rs")
	jti, _ := f.claims(a.str("access_token"))["jti"].(string)
	g := auth.Grant{ID: jti, Client: "app"}
	for b.Loop() {
		if gone, err := f.server.Issuer().Revoked(b.Context(), g); gone || err != nil {
			b.Fatal(gone, err)
		}
	}
}
