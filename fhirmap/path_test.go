package fhirmap

import (
	"strings"
	"testing"
	"time"
)

// value makes a primitive, part an object, of a tree for tests; repeat numbers siblings.
func value(name, typ, text string) *Element {
	return &Element{Name: name, Key: name, Type: typ, Index: -1, Text: text, Value: true}
}

func part(name, typ string, children ...*Element) *Element {
	seen := map[string]int{}
	for _, c := range children {
		seen[c.Name]++
	}
	at := map[string]int{}
	for _, c := range children {
		if seen[c.Name] > 1 {
			c.Index = at[c.Name]
			at[c.Name]++
		}
	}
	return &Element{Name: name, Key: name, Type: typ, Index: -1, Children: children}
}

func pathPatient() *Element {
	birth := value("birthDate", "date", "1974-12-25")
	birth.Children = []*Element{part("extension", "Extension",
		value("url", "uri", "http://hl7.org/fhir/StructureDefinition/patient-birthTime"),
		value("value", "dateTime", "1974-12-25T14:35:45-05:00"))}
	gender := value("gender", "code", "")
	gender.Value = false
	gender.Children = []*Element{part("extension", "Extension", value("url", "uri", "http://x.org/why"), value("value", "code", "unknown"))}
	return part("Patient", "Patient",
		value("id", "id", "p1"),
		part("contained", "Organization", value("id", "id", "o1"), value("name", "string", "Home")),
		value("active", "boolean", "true"),
		part("name", "HumanName", value("use", "code", "official"), value("family", "string", "Chalmers"),
			value("given", "string", "Peter"), value("given", "string", "James")),
		part("name", "HumanName", value("use", "code", "usual"), value("given", "string", "Jim")),
		part("name", "HumanName", value("use", "code", "maiden"), value("family", "string", "Windsor"),
			value("given", "string", "Peter"), value("given", "string", "James"),
			part("period", "Period", value("end", "dateTime", "2002"))),
		part("telecom", "ContactPoint", value("system", "code", "phone"), value("value", "string", "555"), value("rank", "positiveInt", "1")),
		part("telecom", "ContactPoint", value("system", "code", "email"), value("value", "string", "a@b.c")),
		birth, gender,
		value("deceased", "dateTime", "2015-02-14T13:42:00+10:00"),
		part("managingOrganization", "Reference", value("reference", "string", "#o1")),
		part("generalPractitioner", "Reference", value("reference", "string", "http://x.org/fhir/Practitioner/7/_history/2")),
		part("generalPractitioner", "Reference", value("type", "uri", "Organization"), part("identifier", "Identifier", value("value", "string", "9"))),
		part("link", "BackboneElement", part("other", "Reference", value("reference", "string", "RelatedPerson/r1")), value("type", "code", "seealso")),
	)
}

func pathObservation() *Element {
	component := func(code, number string) *Element {
		return part("component", "BackboneElement",
			part("code", "CodeableConcept", part("coding", "Coding", value("system", "uri", "http://loinc.org"), value("code", "code", code))),
			part("value", "Quantity", value("value", "decimal", number), value("unit", "string", "mmHg"),
				value("system", "uri", systemUCUM), value("code", "code", "mm[Hg]")))
	}
	return part("Observation", "Observation",
		value("status", "code", "final"),
		part("code", "CodeableConcept", part("coding", "Coding", value("system", "uri", "http://loinc.org"), value("code", "code", "85354-9")),
			value("text", "string", "Blood  pressure")),
		part("subject", "Reference", value("reference", "string", "Patient/p1")),
		part("value", "Age", value("value", "decimal", "12.50"), value("unit", "string", "a")),
		value("issued", "instant", "2015-02-07T13:28:17.239+02:00"),
		component("8480-6", "107"), component("8462-4", "107"))
}

// show writes a collection: primitives by value, objects by name and type.
func show(items []*Element) string {
	parts := []string{}
	for _, e := range items {
		switch {
		case e.Value:
			parts = append(parts, e.Text)
		case e.Name == "" && e.Type == "Quantity":
			parts = append(parts, e.String("value")+" "+e.String("unit"))
		default:
			parts = append(parts, e.Name+":"+e.Type)
		}
	}
	return strings.Join(parts, ", ")
}

// at is the time of today() in tests.
var at = time.Date(2026, 3, 4, 15, 30, 45, 123_000_000, time.FixedZone("", 3600))

func evaluate(t *testing.T, expr string, root *Element) string {
	t.Helper()
	p, err := CompilePath(expr)
	if err != nil {
		return "compile: " + err.Error()
	}
	items, err := p.Evaluate(Focus{Resource: root, Now: at})
	if err != nil {
		return "error: " + err.Error()
	}
	return show(items)
}

func TestPath(t *testing.T) {
	patient, observation := pathPatient(), pathObservation()
	for _, test := range []struct{ expr, want string }{
		// Members, types, indexes.
		{"Patient.name.given", "Peter, James, Jim, Peter, James"},
		{"name.given", "Peter, James, Jim, Peter, James"},
		{"Observation.status", ""},
		{"DomainResource.id | Resource.active | Element.id", "p1, true"},
		{"Patient.name[1].given[0]", "Jim"},
		{"name[9]", ""},
		{"name[-1]", ""},
		{"`Patient`.`name`.`given`[0]", "Peter"},
		{"name.given.unknown", ""},
		{"Patient", "Patient:Patient"},
		{"%resource.id & %context.id & %rootResource.id", "p1p1p1"},
		{"name.select($index)", "0, 1, 2"},
		{"Patient . /* a comment */ active // and the rest", "true"},

		// Types.
		{"deceased as dateTime", "2015-02-14T13:42:00+10:00"},
		{"deceased.as(boolean)", ""},
		{"Patient.deceased.exists() and Patient.deceased != false", "true"},
		{"deceased.ofType(DateTime)", "2015-02-14T13:42:00+10:00"},
		{"deceased.ofType(System.DateTime)", ""},
		{"deceased is FHIR.dateTime", "true"},
		{"gender is string", "true"},
		{"gender is code and name[0].family is code", "false"},
		{"children().ofType(Element).count()", "14"},
		{"contained is DomainResource and (contained is Element).not()", "true"},
		{"link is BackboneElement", "true"},
		{"1 is Integer and 1.0 is System.Decimal and 'a' is String", "true"},
		{"5 'mg' is Quantity", "true"},
		{"{} is Integer", ""},
		{"active.type().name & active.type().namespace", "booleanFHIR"},
		{"(1 = 1).type().name & (1 = 1).type().namespace", "BooleanSystem"},

		// Subsetting and sets.
		{"name.given.first()", "Peter"}, {"name.given.last()", "James"}, {"name.given.tail().count()", "4"},
		{"name.given.skip(3)", "Peter, James"}, {"name.given.take(2)", "Peter, James"}, {"name.given.take(-1)", ""},
		{"name[0].family.single()", "Chalmers"},
		{"name.single()", "error: path \"name.single()\": 3 items stand where one is needed; write first() or single() after name"},
		{"name.given.distinct()", "Peter, James, Jim"},
		{"name.given.isDistinct()", "false"},
		{"name.use.isDistinct()", "true"},
		{"name.given | name.given", "Peter, James, Jim, Peter, James"}, // places
		{"(name.given | name.given).count()", "3"},                     // values
		{"name.given.union(name.use)", "Peter, James, Jim, official, usual, maiden"},
		{"name.given.combine(name.use).count()", "8"},
		{"name.select(use | given).count()", "8"},
		{"name[0].given.intersect(name[2].given)", "Peter, James"},
		{"name.given.exclude(name[1].given)", "Peter, James, Peter, James"},
		{"name[1].given.subsetOf(name.given)", "true"}, {"name.given.subsetOf(name[1].given)", "false"},
		{"name.given.supersetOf(name[1].given)", "true"},
		{"(1 | 2 | 1 | 1.0).count()", "2"},
		{"name.count()", "3"},

		// Existence and filters.
		{"name.where(use = 'usual').given", "Jim"},
		{"name.where(period.exists()).use", "maiden"},
		{"name.where($index = 1).given", "Jim"},
		{"name.where($this.use = 'usual').given", "Jim"},
		{"name.exists(use = 'x')", "false"}, {"name.exists(use = 'usual')", "true"},
		{"photo.empty()", "true"}, {"name.empty()", "false"},
		{"name.all(given.exists())", "true"}, {"name.all(family.exists())", "false"}, {"photo.all(false)", "true"},
		{"(true | false).allTrue()", "false"}, {"(true | false).anyTrue()", "true"}, {"{}.allTrue()", "true"},
		{"(false).allFalse()", "true"}, {"(true | false).anyFalse()", "true"}, {"(true).anyFalse()", "false"}, {"{}.anyTrue()", "false"},
		{"active.not()", "false"}, {"{}.not()", ""},
		{"name.where(given)", "error: path \"name.where(given)\": a condition has 2 items; it may have one"},
		{"name.select(given.first())", "Peter, Jim, Peter"},
		{"name.repeat(given).count()", "3"},
		{"Patient.repeat(children()).count() <= Patient.descendants().count()", "true"},
		{"children().count()", "15"},
		{"descendants().where($this is Extension).count()", "2"},
		{"name.given.aggregate($total & $this, '')", "PeterJamesJimPeterJames"},
		{"(1|2|3).aggregate($this + $total, 0)", "6"},
		{"(3|1|2).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total)))", "1"},
		{"iif(active, 'a', 'b')", "a"}, {"iif(false, 'a')", ""}, {"iif({}, 'a', 'b')", "b"},
		{"name[1].given.iif($this = 'Jim', 'yes', 'no')", "yes"},
		{"name.trace('n', given).count()", "3"},

		// FHIR's own.
		{"birthDate.extension('http://hl7.org/fhir/StructureDefinition/patient-birthTime').value", "1974-12-25T14:35:45-05:00"},
		{"extension('http://x.org').exists()", "false"},
		{"gender.hasExtension('http://x.org/why')", "true"},
		{"gender.exists() and gender.hasValue().not() and birthDate.hasValue()", "true"},
		{"gender.getValue().exists()", "false"}, {"birthDate.getValue().type().namespace", "System"},
		{"gender = 'male'", "false"}, {"gender < 'm'", ""},
		{"managingOrganization.resolve().name", "Home"},
		{"managingOrganization.resolve() is Organization", "true"},
		{"generalPractitioner.where(resolve() is Practitioner).reference", "http://x.org/fhir/Practitioner/7/_history/2"},
		{"generalPractitioner.where(resolve() is Organization).identifier.value", "9"},
		{"link.other.where(resolve() is Patient)", ""}, {"link.other.where(resolve() is RelatedPerson)", "other:Reference"},
		{"link.other.where(resolve() is DomainResource)", "other:Reference"},
		{"'http://hl7.org/fhir/ValueSet/x|1.0'.resolve() is ValueSet", "true"},
		{"('a/b/Patient/1' | 'Nobody/1' | 'Patient' | 'Patient/' | '/Patient/1' | 'urn:uuid:1' | '#x' | '').resolve()", ""},
		{"'#'.resolve().id", "p1"},
		{"text.div.htmlChecks()", "true"},
		{"%`vs-gender` & %'ext-x'", "http://hl7.org/fhir/ValueSet/genderhttp://hl7.org/fhir/StructureDefinition/x"},
		{"%ucum", "http://unitsofmeasure.org"},

		// Equality, order, membership.
		{"name[0].given = name[2].given", "true"}, {"name[0] = name[2]", "false"}, {"name[0] = name[0]", "true"},
		{"{} = 1", ""}, {"1 = 1.0", "true"}, {"1 != 2", "true"}, {"'a' = 1", "false"}, {"{} != {}", ""},
		{"(1 | 2) = (2 | 1)", "false"}, {"(1 | 2) ~ (2 | 1)", "true"}, {"{} ~ {}", "true"}, {"1 ~ {}", "false"},
		{"'Peter  james' ~ 'peter James'", "true"}, {"'a' !~ 'b'", "true"}, {"1.05 ~ 1.1", "true"}, {"1.2 ~ 1", "true"}, {"1.5 ~ 1", "false"},
		{"@2012 = @2012-01", ""}, {"@2012 ~ @2012-01", "false"}, {"@2012 = @2013-01", "false"},
		{"@2012-01-01T10:00Z = @2012-01-01T12:00+02:00", "true"}, {"@2012-01-01T10:00 = @2012-01-01T10:00Z", ""},
		{"@T10:30:00 = @T10:30:00.000", "true"}, {"@T10 < @T11", "true"},
		{"birthDate = @1974-12-25", "true"}, {"birthDate < today()", "true"}, {"birthDate > @1974", ""}, {"birthDate > @1973", "true"},
		{"deceased > birthDate", "true"},
		{"'a' < 'b'", "true"}, {"1 <= 1.0", "true"}, {"2 >= 3", "false"}, {"1 > {}", ""},
		{"'a' < 1", "error: path \"'a' < 1\": string (string) and integer (integer) have no order"},
		{"'Jim' in name.given", "true"}, {"'Tom' in name.given", "false"}, {"{} in name.given", ""}, {"name.given contains 'Jim'", "true"},
		{"1 'mg' = 1 'mg'", "true"}, {"1 'mg' = 1 'g'", ""}, {"3 days = 3 'd'", "true"}, {"1 year = 1 'a'", ""}, {"1 year ~ 1 'a'", "true"},
		{"1 'mg' < 2 'mg'", "true"}, {"2 years > 1 year", "true"}, {"7 days = 1 week and 90 'min' < 2 hours", "true"}, {"(-5 'mg').abs() = 5 'mg'", "true"},
		{"telecom.rank = 1", "true"},

		// Logic.
		{"true and {}", ""}, {"false and {}", "false"}, {"{} or true", "true"}, {"{} or false", ""}, {"true xor true", "false"},
		{"true xor {}", ""}, {"false implies {}", "true"}, {"{} implies true", "true"}, {"true implies {}", ""},
		{"true or false and false", "true"}, {"(true or false) and false", "false"},
		{"false and name.single().exists()", "false"},
		{"'x' and true", "true"},

		// Numbers, strings, times.
		{"1 + 2 * 3 - 4", "3"}, {"(1 + 2) * 3", "9"}, {"7 - 2 - 1", "4"}, {"8 / 4 / 2", "1"}, {"7 div 2", "3"}, {"7 mod 2", "1"}, {"-7 div 2", "-3"}, {"7 / 2", "3.5"}, {"1 / 0", ""}, {"1 div 0", ""},
		{"1.50 + 1", "2.50"}, {"-(1).abs()", "-1"}, {"(-1).abs()", "1"}, {"-1 + -2", "-3"}, {"+1", "1"},
		{"0.1 + 0.2 = 0.3", "true"}, {"9223372036854775807 + 1", ""},
		{"1.7.ceiling()", "2"}, {"(-1.7).floor()", "-2"}, {"(-1.7).truncate()", "-1"}, {"1.255.round(2)", "1.26"}, {"4.sqrt()", "2"}, {"2.power(10)", "1024"},
		{"16.log(2)", "4"}, {"0.exp()", "1"}, {"1.ln()", "0"}, {"(-1).sqrt()", ""}, {"2.power(-1)", "0.5"},
		{"2 * 3 'mg'", "6 mg"}, {"4 'mg' - 1 'mg'", "3 mg"}, {"4 'mg' + 1 's'", ""}, {"6 'mg' / 2", "3 mg"}, {"-(3 'mg')", "-3 mg"}, {"6 'mg' / 2 'mg'", "3 1"},
		{"'a' + 'b' & {} & 'c'", "abc"}, {"'a' + {}", ""},
		{"'abc'.substring(1)", "bc"}, {"'abc'.substring(1, 1)", "b"}, {"'abc'.substring(3).exists()", "false"}, {"'añb'.substring(2, 9)", "b"}, {"'añb'.length()", "3"},
		{"'abc'.indexOf('c')", "2"}, {"'añb'.indexOf('b')", "2"}, {"'abc'.indexOf('x')", "-1"},
		{"'abc'.startsWith('ab') and 'abc'.endsWith('bc') and 'abc'.contains('b')", "true"},
		{"'abc'.upper() & 'ABC'.lower()", "ABCabc"}, {"'aXbX'.replace('X', '-')", "a-b-"}, {"' a '.trim()", "a"},
		{"'a,b'.split(',').join(';')", "a;b"}, {"'ab'.toChars().count()", "2"}, {"name.given.join()", "PeterJamesJimPeterJames"},
		{"'abc'.matches('^b')", "false"}, {"'abc'.matches('b')", "true"}, {"'abc'.matchesFull('b')", "false"}, {"'abc'.matchesFull('a|abc')", "true"},
		{"'2012-01'.replaceMatches('([0-9]+)-([0-9]+)', '$2x$1')", "01x2012"},
		{"name.given.first().startsWith(name.given.first().substring(0, 1))", "true"},
		{`'it\'s é \\'`, `it's é \`},
		{"1.length()", "error: path \"1.length()\": integer is of type integer; want a string (toString() makes one)"},
		{"@2012-01-31 + 1 month", "2012-02-29"}, {"@2012-02-29 - 1 year", "2011-02-28"}, {"@2012 + 13 months", "2013"}, {"@2012-01-31 + 24 hours", "2012-02-01"},
		{"@2012-01-01T10:00:00Z + 90 minutes", "2012-01-01T11:30:00Z"}, {"@T23:30 + 1 hour", "00:30"}, {"@2012-01-01T10:00:00.500 + 1500 'ms'", "2012-01-01T10:00:02"},
		{"@2012-12-31 + 3 weeks", "2013-01-21"}, {"@9999-12-31 + 1 day", ""}, {"@2012 + 5 'mg'", "error: path \"@2012 + 5 'mg'\": mg cannot be added to a date; want a unit of time such as days or 'min'"},
		{"today()", "2026-03-04"}, {"now()", "2026-03-04T15:30:45.123+01:00"}, {"timeOfDay()", "15:30:45.123"}, {"now() = now()", "true"},
		{"@2012T", "2012"}, {"@2012T.type().name", "DateTime"},

		// Conversions.
		{"'true'.toBoolean() and 'N'.toBoolean().not()", "true"}, {"'x'.toBoolean()", ""}, {"'x'.convertsToBoolean()", "false"},
		{"'12'.toInteger() + 1", "13"}, {"'1.5'.toInteger()", ""}, {"true.toInteger()", "1"}, {"'+7'.toInteger()", "7"},
		{"'1.50'.toDecimal()", "1.50"}, {"'1e2'.toDecimal()", "100"}, {"'NaN'.toDecimal()", ""},
		{"1.50.toString()", "1.50"}, {"5 'mg'.toString()", "5 'mg'"}, {"3 days.toString()", "3 days"},
		{"'2012-02-30'.toDate()", ""}, {"'2012-02-29T10:00'.toDate()", "2012-02-29"}, {"@2012-02.toDateTime().type().name", "DateTime"},
		{"'10:30'.toTime()", "10:30"}, {"'25:00'.convertsToTime()", "false"},
		{"'5 \\'mg\\''.toQuantity() = 5 'mg'", "true"}, {"'3 days'.toQuantity()", "3 days"}, {"'x'.convertsToQuantity()", "false"}, {"7.toQuantity()", "7 1"},
	} {
		if got := evaluate(t, test.expr, patient); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.expr, got, test.want)
		}
	}
	for _, test := range []struct{ expr, want string }{
		{"Observation.value as Quantity", "value:Age"}, // an Age is a Quantity
		{"Observation.value.ofType(Age)", "value:Age"},
		{"(Observation.component.value as Quantity)", "value:Quantity, value:Quantity"},
		{"(Observation.value as CodeableConcept) | (Observation.component.value as Quantity)", "value:Quantity, value:Quantity"},
		{"component.value.distinct()", "value:Quantity"},
		{"Observation.subject.where(resolve() is Patient)", "subject:Reference"},
		{"value > 12 'a'", "true"}, {"value = 12.5 'a'", "true"}, {"value.value", "12.50"}, {"value.value = 12.5", "true"},
		{"component.value.value", "107, 107"},
		{"component.where(code.coding.exists(system = %loinc and code = '8480-6')).value > 100 'mm[Hg]'", "true"},
		{"code.text ~ 'blood pressure'", "true"},
		{"issued < @2015-02-07T11:28:17.240Z and issued > @2015-02-07T11:28:17.238Z", "true"},
	} {
		if got := evaluate(t, test.expr, observation); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.expr, got, test.want)
		}
	}
}

// TestPathPlaces shows that what is selected is the tree's own node, at its place.
func TestPathPlaces(t *testing.T) {
	root := pathObservation()
	p, err := CompilePath("(Observation.component.value as Quantity) | (Observation.component.value as SampledData)")
	if err != nil {
		t.Fatal(err)
	}
	items, err := p.Select(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []*Element{root.Children[5].First("value"), root.Children[6].First("value")}
	if len(items) != 2 || items[0] != want[0] || items[1] != want[1] {
		t.Errorf("got %s, want the two nodes of the tree", show(items))
	}
}

// TestPathFocus evaluates what a composite's component says about an element within its resource.
func TestPathFocus(t *testing.T) {
	root := pathObservation()
	for _, test := range []struct{ expr, want string }{
		{"code.coding.code", "8462-4"},
		{"%resource.status", "final"},
		{"%context.code.coding.code", "8462-4"},
		{"BackboneElement.value.value", "107"},
	} {
		p, err := CompilePath(test.expr)
		if err != nil {
			t.Fatal(err)
		}
		items, err := p.Evaluate(Focus{Resource: root, Element: root.Children[6]})
		if err != nil || show(items) != test.want {
			t.Errorf("%s: got %s, %v; want %s", test.expr, show(items), err, test.want)
		}
	}
	p, _ := CompilePath("today() > @2020")
	if items, err := p.Select(root); err != nil || show(items) != "true" {
		t.Errorf("today without a clock: %s, %v", show(items), err)
	}
	if items, err := p.Select(nil); len(items) != 0 || err != nil {
		t.Errorf("nothing selects %s, %v", show(items), err)
	}
}

func TestPathBundle(t *testing.T) {
	bundle := part("Bundle", "Bundle",
		part("entry", "BackboneElement", value("fullUrl", "uri", "urn:uuid:1"), part("resource", "Patient", value("id", "id", "a"))),
		part("entry", "BackboneElement", value("fullUrl", "uri", "urn:uuid:2"), part("resource", "Observation",
			part("subject", "Reference", value("reference", "string", "urn:uuid:1")))))
	if got := evaluate(t, "Bundle.entry.resource.subject.resolve().id", bundle); got != "a" {
		t.Errorf("got %s, want the entry of that fullUrl", got)
	}
	if got := evaluate(t, "Bundle.entry[0].resource", bundle); got != "resource:Patient" {
		t.Errorf("got %s, want the first resource", got)
	}
}

// TestPathParsed selects from a tree as Trusted builds it.
func TestPathParsed(t *testing.T) {
	r, err := Trusted([]byte(`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://x.org/Observation/1","resource":{
		"resourceType":"Observation","status":"final","code":{"text":"BP"},"effectiveDateTime":"2026-01","valueInteger":3,
		"_status":{"extension":[{"url":"http://x.org/e","valueCode":"c"}]},
		"component":[{"code":{"text":"a"},"valueQuantity":{"value":1.50,"unit":"g"}},{"code":{"text":"b"},"valueQuantity":{"value":1.50,"unit":"g"}}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ expr, want string }{
		{"Bundle.entry[0].resource", "resource:Observation"},
		{"Bundle.entry.resource.ofType(Observation).value", "3"},
		{"entry.resource.status.extension('http://x.org/e').value is code", "true"},
		{"entry.resource.effective.ofType(dateTime)", "2026-01"},
		{"entry.resource.component.value.ofType(Quantity).value", "1.50, 1.50"},
		{"entry.resource.component[1] is BackboneElement", "true"},
		{"entry.resource.select(Observation.code.text)", "BP"},
	} {
		if got := evaluate(t, test.expr, r.Root()); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.expr, got, test.want)
		}
	}
	p, err := CompilePath("(Bundle.entry.resource.component.value as Quantity) | Bundle.entry.resource.code")
	if err != nil {
		t.Fatal(err)
	}
	items, err := p.Select(r.Root())
	if err != nil || len(items) != 3 {
		t.Fatalf("got %s, %v; want two values and a code", show(items), err)
	}
	if a, b := items[0].Group, items[1].Group; a == 0 || b == 0 || a == b {
		t.Errorf("groups %d and %d, want those of two components", a, b)
	}
	if items[0].Key != "valueQuantity" {
		t.Errorf("key %s, want valueQuantity", items[0].Key)
	}
}
