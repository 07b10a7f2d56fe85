package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Policy turns Grants into what their callers may see and do (docs/access.md).
type Policy struct {
	catalog    *search.Catalog
	types      byType
	treats     []way
	everything []string
	curators   []string
}

// Rules are what a Policy may be told. The zero value is useful.
type Rules struct {
	Treats     []Path   `yaml:"treats"`     // how a clinician comes to see a patient; none: Treats
	Everything []string `yaml:"everything"` // roles whose user/ scopes are about everything, as those of system/ are
	Curators   []string `yaml:"curators"`   // roles whose user/ scopes may change what is shared too
}

// NewPolicy makes a Policy. The error names a rule that cannot be.
func NewPolicy(c *search.Catalog, r Rules) (*Policy, error) {
	treats, err := ways(c, r.Treats)
	return &Policy{catalog: c, types: newClasses(), treats: treats, everything: r.Everything, curators: r.Curators}, err
}

// Check tells whether the search of a granular scope is one: whether it can ever allow anything.
func (p *Policy) Check(s Scope) error {
	if s.Params == "" {
		return nil
	}
	if s.Type == "*" {
		return fmt.Errorf("the scope %s: a search needs a type; * has none", clip(s.Name))
	}
	_, err := condition(p.catalog, s.Type, s.Params)
	return err
}

// condition translates the parameters of a granular scope; nil if there are none. A search that only shapes an answer is none.
func condition(c *search.Catalog, typ, params string) (driver.Query, error) {
	if params == "" {
		return nil, nil
	}
	ps, _, err := search.Decode(strings.ReplaceAll(params, "+", "%2B")) // a plus of a scope is a plus: words of scopes hold no blanks
	if err != nil {
		return nil, err
	}
	s, err := c.Parse(typ, ps, search.ParseOptions{})
	if err != nil {
		return nil, err
	}
	if s.Where == nil {
		return nil, fmt.Errorf("%s?%s asks for nothing", typ, clip(params))
	}
	return s.Where, nil
}

// Access is what a Grant allows. It must be made anew for what outlives the request, after Verifier.Live. The error says that the Grant
// allows nothing at all; it is a *Refusal.
func (p *Policy) Access(g Grant) (storage.Access, error) {
	if !slices.ContainsFunc(g.Scopes, func(s Scope) bool { return s.Context != "" }) {
		return nil, refuse("insufficient_scope", "forbidden", "no scope of the token is about resources")
	}
	a := &access{Policy: p, scopes: g.Scopes}
	if g.Patient != "" {
		a.patient = only(p.types, g.Patient)
	}
	a.all = holds(p.everything, g.Roles)
	a.curates = a.all || holds(p.curators, g.Roles)
	typ, id, _ := strings.Cut(g.FHIRUser, "/")
	switch typ {
	case "Patient":
		a.user = only(p.types, id)
	case "RelatedPerson":
		a.user = &circle{types: p.types, patients: related(id)}
	case "Practitioner", "PractitionerRole":
		a.user = &circle{types: p.types, patients: treated(p.treats, g.FHIRUser), treats: p.treats}
	}
	return a.allows, nil
}

func holds(some, roles []string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(some, r) })
}

// access is a Grant made ready to be asked.
type access struct {
	*Policy
	scopes  Scopes
	patient *circle // of patient/ scopes; nil: the token names no patient
	user    *circle // of user/ scopes; nil: the token names no user that sees patients
	all     bool    // user/ scopes are about everything
	curates bool    // user/ scopes may change what is shared
}

// allows is the storage.Access. What several scopes allow is the Or of it.
func (a *access) allows(action storage.Action, typ string) (driver.Query, error) {
	var some driver.Or
	why := lacking(action, typ)
	for _, context := range []Context{SystemContext, UserContext, PatientContext} {
		var conditions driver.Or
		whole := false // a scope without a condition is among them
		for _, s := range a.scopes {
			if s.Context != context || !s.Allows(action, typ) || typ == "AuditEvent" && s.Type != typ {
				continue
			}
			where, err := condition(a.catalog, typ, s.Params)
			if err != nil {
				continue // a search that is none allows nothing
			}
			whole = whole || where == nil
			conditions = append(conditions, where)
		}
		if len(conditions) == 0 {
			continue
		}
		within, refused := a.within(context, action, typ)
		if refused != nil {
			why = refused
			continue
		}
		switch {
		case whole && within == nil:
			return nil, nil
		case whole:
			some = append(some, within)
		case within == nil:
			some = append(some, conditions...)
		default:
			some = append(some, driver.And{within, conditions})
		}
	}
	switch len(some) {
	case 0:
		return nil, why
	case 1:
		return some[0], nil
	}
	return some, nil
}

// within is what a context lets its scopes be about, nil for everything of the type.
func (a *access) within(context Context, action storage.Action, typ string) (driver.Query, *Refusal) {
	reads := action == storage.Read || action == storage.Search
	if typ == "AuditEvent" && !reads && action != storage.Create {
		return nil, refuse("insufficient_scope", "forbidden", "an AuditEvent is never changed or deleted")
	}
	whose := a.patient
	switch context {
	case SystemContext:
		return nil, nil
	case UserContext:
		if a.all {
			return nil, nil
		}
		whose = a.user
	}
	switch a.types.of(typ) {
	case shared:
		if reads || context == UserContext && a.curates {
			return nil, nil
		}
		return nil, refuse("insufficient_scope", "forbidden", "%s is shared by all: a %s/ scope does not allow to %s it", typ, context, action)
	case administrative:
		return nil, refuse("insufficient_scope", "forbidden", "%s is of the house: no %s/ scope is about it", typ, context)
	}
	if whose == nil {
		return nil, refuse("insufficient_scope", "forbidden", "a %s/ scope needs a token that names the %s", context, context)
	}
	q := whose.sees(typ)
	if !reads {
		q = whose.writes(typ)
	}
	if q == nil {
		return nil, refuse("insufficient_scope", "forbidden", "no %s/ scope is about %s", context, typ)
	}
	return q, nil
}
