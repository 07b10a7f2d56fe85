package fhirmap

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	apb "github.com/google/fhir/go/proto/google/fhir/proto/annotations_go_proto"
	dpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	rpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ElementDef is what R4 says of one element, as ElementDefinition does for a profile.
type ElementDef struct {
	Name     string   // as in FHIRPath: "value"
	Type     string   // "Quantity", "code", "BackboneElement", "Resource" (any resource); "" for a choice
	Types    []string // all types, in the order of R4: one, or those of a choice
	Path     string   // where Define finds its children: its Type, or "Observation.component" for a backbone element; "" for a choice
	Targets  []string // the resource types that a Reference may point to, sorted; "Resource" for any; nil if it is none
	Repeats  bool
	Required bool
}

// Define returns the definition of an element of a resource, data type or backbone element, which is named by its path:
// Define("Observation", "value"), Define("Observation.component", "value"), Define("Quantity", "unit").
func Define(typ, element string) (ElementDef, bool) {
	t := schema().byPath[typ]
	if t == nil {
		return ElementDef{}, false
	}
	i, ok := t.byName[element]
	if !ok {
		return ElementDef{}, false
	}
	return t.elements[i], true
}

// Elements returns the definitions of all elements of a type, in R4's order; nil if the type is unknown.
func Elements(typ string) []ElementDef {
	if t := schema().byPath[typ]; t != nil {
		return slices.Clone(t.elements)
	}
	return nil
}

// IsResource tells whether a name is that of one of R4's 146 resource types.
func IsResource(typ string) bool { return schema().resources[typ] != nil }

// ResourceTypes returns the names of the resource types, sorted.
func ResourceTypes() []string { return slices.Clone(schema().names) }

// kind is how a type looks in JSON.
type kind uint8

const (
	kindObject   kind = iota // a complex type or backbone element
	kindResource             // a resource of its own type, or any resource
	kindString               // primitives
	kindNumber
	kindBoolean
)

// A typeDef is a type as the reader needs it.
type typeDef struct {
	name     string // as Element.Type
	path     string // as Define takes it; also how an error names it
	kind     kind
	check    func(text string) string // of a primitive's text: what is wrong with it, or ""
	codes    map[string]bool          // of a code with an enumerated value set
	set      string                   // the canonical url of that value set
	members  map[string]*member       // by JSON name, those with an underscore too
	elements []ElementDef
	byName   map[string]int
}

func (t *typeDef) primitive() bool { return t.kind >= kindString }

// A member is an element as one JSON name: a choice has a member for each type, and a primitive has one more for its id and
// extensions, which share all but beside.
type member struct {
	name    string // "value"
	key     string // "valueQuantity"
	typ     *typeDef
	repeats bool
	beside  bool // JSON writes it with an underscore: the id and extensions of a primitive
	choice  bool // one of several types of one element
	foreign bool // google/fhir does not read it, though R4 has it
}

// graph is the whole schema.
type graph struct {
	resources map[string]*typeDef
	byPath    map[string]*typeDef // also the data types and backbone elements
	types     map[protoreflect.FullName]*typeDef
	names     []string
}

// schema is compiled at the first use, from the descriptors of google/fhir: 1,200 messages in about 20 ms.
var schema = sync.OnceValue(func() *graph {
	c := &compiler{graph: graph{resources: map[string]*typeDef{}, byPath: map[string]*typeDef{}, types: map[protoreflect.FullName]*typeDef{}}}
	container := (&rpb.ContainedResource{}).ProtoReflect().Descriptor()
	c.anyResource = &typeDef{name: "Resource", path: "Resource", kind: kindResource}
	for _, f := range fields(container) {
		t := c.typeOf(f.Message())
		c.resources[t.name] = t
		c.names = append(c.names, t.name)
	}
	for len(c.todo) > 0 {
		next := c.todo[0]
		c.todo = c.todo[1:]
		c.compile(next.typ, next.desc)
	}
	slices.Sort(c.names)
	return &c.graph
})

type compiler struct {
	graph
	anyResource *typeDef
	todo        []uncompiled
}

type uncompiled struct {
	typ  *typeDef
	desc protoreflect.MessageDescriptor
}

func fields(d protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	fs := make([]protoreflect.FieldDescriptor, d.Fields().Len())
	for i := range fs {
		fs[i] = d.Fields().Get(i)
	}
	return fs
}

// quantities are the profiles of Quantity that the descriptors have as messages; in R4 their type is Quantity.
var quantities = map[string]string{"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity"}

// typeOf returns the type of a message; its elements follow when its turn comes.
func (c *compiler) typeOf(d protoreflect.MessageDescriptor) *typeDef {
	if name := d.Name(); name == "ContainedResource" || name == "Any" {
		return c.anyResource
	}
	if t := c.types[d.FullName()]; t != nil {
		return t
	}
	name := string(d.Name())
	t := &typeDef{name: name, path: name}
	c.types[d.FullName()] = t
	owner, nested := d.Parent().(protoreflect.MessageDescriptor)
	switch proto.GetExtension(d.Options(), apb.E_StructureDefinitionKind).(apb.StructureDefinitionKindValue) {
	case apb.StructureDefinitionKindValue_KIND_RESOURCE:
		t.kind = kindResource
		c.byPath[name] = t
	case apb.StructureDefinitionKindValue_KIND_PRIMITIVE_TYPE:
		t.name = lowerFirst(name)
		if set := proto.GetExtension(d.Options(), apb.E_FhirValuesetUrl).(string); set != "" {
			t.name, t.set = "code", set
			t.codes = codesOf(d)
		}
		t.path = t.name
		p := primitives[t.name]
		t.kind, t.check = p.kind, p.check
		if t.codes == nil {
			c.byPath[t.name] = t
		}
	default:
		if nested {
			// Other elements may have this type too, by content reference: the path is that of the element which defines it.
			for _, f := range fields(owner) {
				if f.Message() != nil && f.Message().FullName() == d.FullName() {
					t.path = c.typeOf(owner).path + "." + f.JSONName()
					break
				}
			}
			t.name = "Element"
			if d.Fields().ByName("modifier_extension") != nil {
				t.name = "BackboneElement"
			}
			c.byPath[t.path] = t
		} else if as, ok := quantities[name]; ok {
			t.name = as
			c.byPath[name] = t
		} else {
			c.byPath[name] = t
		}
	}
	c.todo = append(c.todo, uncompiled{t, d})
	return t
}

// codesOf returns the codes of an enumerated value set, nil if the descriptor lists none (languages, media types).
func codesOf(d protoreflect.MessageDescriptor) map[string]bool {
	value := d.Fields().ByName("value")
	if value.Kind() != protoreflect.EnumKind {
		return nil
	}
	codes := map[string]bool{}
	for i := range value.Enum().Values().Len() {
		v := value.Enum().Values().Get(i)
		if v.Number() == 0 {
			continue // INVALID_UNINITIALIZED
		}
		code := proto.GetExtension(v.Options(), apb.E_FhirOriginalCode).(string)
		if code == "" {
			code = strings.ToLower(strings.ReplaceAll(string(v.Name()), "_", "-"))
		}
		codes[code] = true
	}
	return codes
}

// compile adds the elements of a message to its type.
func (c *compiler) compile(t *typeDef, d protoreflect.MessageDescriptor) {
	t.members = map[string]*member{}
	t.byName = map[string]int{}
	if t.kind == kindResource {
		t.members["resourceType"] = &member{name: "resourceType", key: "resourceType"}
	}
	reference := proto.HasExtension(d.Options(), apb.E_FhirReferenceType)
	for _, f := range fields(d) {
		if f.Message() == nil {
			continue // the value of a primitive
		}
		if reference && f.ContainingOneof() != nil && f.JSONName() != "reference" {
			continue // the forms into which google/fhir takes a reference apart
		}
		name := f.JSONName()
		def := ElementDef{Name: name, Repeats: f.IsList(), Targets: targetsOf(f), Required: requiredByFHIR(f)}
		if proto.HasExtension(f.Message().Options(), apb.E_IsChoiceType) {
			for _, alternative := range fields(f.Message()) {
				at := c.typeOf(alternative.Message())
				def.Types = append(def.Types, at.name)
				if targets := targetsOf(alternative); targets != nil {
					def.Targets = targets
				}
				c.add(t, &member{name: name, key: name + upperFirst(alternative.JSONName()), typ: at, choice: true})
			}
			if t.name == "Extension" { // the only element that R4 and the descriptors define differently
				def.Types = append(def.Types, "Meta")
				meta := c.typeOf((&dpb.Meta{}).ProtoReflect().Descriptor())
				c.add(t, &member{name: name, key: "valueMeta", typ: meta, choice: true, foreign: true})
			}
		} else {
			ft := c.typeOf(f.Message())
			def.Type, def.Types, def.Path = ft.name, []string{ft.name}, ft.path
			// It reads a resource in an Any, as in Parameters, only where the name is contained.
			foreign := f.Message().Name() == "Any" && name != "contained"
			c.add(t, &member{name: name, key: name, typ: ft, repeats: def.Repeats, foreign: foreign})
		}
		t.byName[name] = len(t.elements)
		t.elements = append(t.elements, def)
	}
}

func (c *compiler) add(t *typeDef, m *member) {
	t.members[m.key] = m
	if m.typ.primitive() {
		beside := *m
		beside.beside = true
		t.members["_"+m.key] = &beside
	}
}

func targetsOf(f protoreflect.FieldDescriptor) []string {
	targets := slices.Clone(proto.GetExtension(f.Options(), apb.E_ValidReferenceType).([]string))
	slices.Sort(targets)
	return slices.Compact(targets)
}

func requiredByFHIR(f protoreflect.FieldDescriptor) bool {
	return proto.GetExtension(f.Options(), apb.E_ValidationRequirement).(apb.Requirement) == apb.Requirement_REQUIRED_BY_FHIR
}

func lowerFirst(s string) string {
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}

func upperFirst(s string) string {
	return string(unicode.ToUpper(rune(s[0]))) + s[1:]
}
