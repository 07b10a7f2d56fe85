package smart

import (
	"context"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// metadata is what both discovery documents say: those of OpenID Connect (Discovery section 3) and of SMART (App Launch 2.2,
// conformance).
func (s *Server) metadata() map[string]any {
	authentication := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT}
	return map[string]any{
		"issuer":                                s.base,
		"jwks_uri":                              s.URL("/auth/jwks"),
		"authorization_endpoint":                s.URL("/auth/authorize"),
		"token_endpoint":                        s.URL("/auth/token"),
		"introspection_endpoint":                s.URL("/auth/introspect"),
		"revocation_endpoint":                   s.URL("/auth/revoke"),
		"userinfo_endpoint":                     s.URL("/auth/userinfo"),
		"grant_types_supported":                 []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"scopes_supported":                      scopesSupported,
		"token_endpoint_auth_methods_supported": append([]oidc.AuthMethod{oidc.AuthMethodNone}, authentication...),
		"token_endpoint_auth_signing_alg_values_supported": assertionAlgorithms,
		"introspection_endpoint_auth_methods_supported":    authentication,
		"code_challenge_methods_supported":                 []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
		"authorization_response_iss_parameter_supported":   true,
	}
}

// URIs are what a CapabilityStatement says of the Server, by the names of SMART 1.0. Each is what the metadata says.
func (s *Server) URIs() map[string]string {
	return map[string]string{
		"authorize": s.URL("/auth/authorize"), "token": s.URL("/auth/token"), "introspect": s.URL("/auth/introspect"),
		"revoke": s.URL("/auth/revoke"), "manage": s.URL("/auth/grants"),
	}
}

var scopesSupported = []string{
	"openid", "fhirUser", "profile", "launch", "launch/patient", "offline_access", "online_access",
	"patient/*.cruds", "patient/*.rs", "patient/*.read", "user/*.cruds", "user/*.rs", "user/*.read", "system/*.cruds", "system/*.rs",
	"patient/Observation.rs", "patient/Condition.rs", "patient/Patient.rs",
}

// Discovery is [iss]/.well-known/openid-configuration.
func (p provider) Discovery(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	m := p.metadata()
	m["subject_types_supported"] = []string{"public"}
	m["id_token_signing_alg_values_supported"] = []string{"RS256"}
	m["claims_supported"] = []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "fhirUser"}
	m["claims_parameter_supported"] = false
	m["request_parameter_supported"] = false
	m["request_uri_parameter_supported"] = false
	return op.NewResponse(m), nil
}

// Keys is the JWKS (RFC 7517).
func (p provider) Keys(ctx context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	set, err := p.published(ctx)
	return op.NewResponse(set), p.told(ctx, err)
}
