// Package auth says who is asking, and what he may see and do: the resource server of OAuth 2.0 (RFC 6750), OpenID Connect and
// SMART on FHIR.
//
//	Authorization: Bearer … ─▶ Verifier.Verify ─▶ Grant ─▶ Policy.Access ─▶ storage.Access
//	                           (Issuers: keys,     (plain    (Scopes, classes of types,
//	                            introspection)      data)     who treats whom)
//
// The few types: an Issuer is whose tokens are believed; a Verifier turns a token of one of them into a Grant; a Policy turns a
// Grant into the storage.Access under which a transaction runs. A Refusal is why a caller was not let in.
package auth
