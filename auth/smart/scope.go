package smart

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/auth"
)

const maxScopes = 200 // of one request

// scopes are what may be granted of what was asked for.
type scopes auth.Scopes

// offered is what a client may be granted of a scope parameter. What is not known, malformed or beyond its registration is left out, as
// RFC 6749 section 3.3 has it; the answer tells what was granted. The word * alone asks for all that the client may have.
func (s *Server) offered(asked string, c Client) scopes {
	most := auth.ParseScopes(c.Scope)
	if c.Scope == "*" {
		most = auth.ParseScopes("system/*.cruds user/*.cruds patient/*.cruds")
	}
	if asked == "*" || strings.TrimSpace(asked) == "" && len(c.RedirectURIs) == 0 {
		return scopes(most)
	}
	words := strings.Fields(asked)
	if len(words) > maxScopes {
		words = words[:maxScopes]
	}
	var out scopes
	for _, scope := range auth.ParseScopes(strings.Join(words, " ")).Intersect(most) {
		if scope.Context == "" && strings.Contains(scope.Name, "/") && !slices.Contains(contexts, scope.Name) {
			continue // malformed
		}
		if s.Policy.Check(scope) != nil {
			continue
		}
		out = append(out, scope)
	}
	return out
}

// contexts are the scopes with a slash that are about no resources.
var contexts = []string{"launch/patient", "launch/encounter", LaunchScope}

// forUser are those that a user can grant.
func (ss scopes) forUser() auth.Scopes {
	return slices.DeleteFunc(auth.Scopes(ss), func(s auth.Scope) bool { return s.Context == auth.SystemContext || s.Name == LaunchScope })
}

// forService are those that a client has by itself.
func (ss scopes) forService() scopes {
	return slices.DeleteFunc(ss, func(s auth.Scope) bool { return s.Context != auth.SystemContext && s.Name != LaunchScope })
}

// aboutPatient reports whether a scope needs a patient to be about.
func aboutPatient(ss auth.Scopes) bool {
	return ss.Has("launch/patient") || slices.ContainsFunc(ss, func(s auth.Scope) bool { return s.Context == auth.PatientContext })
}
