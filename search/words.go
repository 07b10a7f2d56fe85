package search

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// The fields of words: those of the narrative, and those of all text of a resource (R4 search.html#text). They are written if Options.Text
// asks for them, since they cost a row for each different word.
const (
	narrativeField = "_text"
	contentField   = "_content"
)

// The bounds of a search for words, and of a word.
const (
	maxWords     = 50
	maxWordDepth = 10
	maxWord      = 100 // bytes; what lies beyond does not count
)

// words adds the rows of the words of a resource.
func (x *indexer) words(r *fhirmap.Resource) error {
	narrative, content := map[string]bool{}, map[string]bool{}
	gather(r.Root(), content)
	if text := r.Root().First("text"); text != nil && text.Type == "Narrative" {
		gather(text, narrative)
	}
	if n := len(x.rows) + len(narrative) + len(content); n > x.options.MaxRows {
		return fhirmap.Errorf(fhirmap.CodeTooLong, r.Type(), "the resource has more than %d searchable values, words among them; split it, or raise the limit", x.options.MaxRows)
	}
	x.wordRows(narrativeField, narrative)
	x.wordRows(contentField, content)
	return nil
}

func (x *indexer) wordRows(field string, words map[string]bool) {
	for _, word := range slices.Sorted(maps.Keys(words)) {
		x.rows = append(x.rows, driver.Row{Field: field, Value: driver.Point([]byte(word))})
	}
}

// gather collects the words of an element and all below it: of strings, markdown and narratives.
func gather(e *fhirmap.Element, words map[string]bool) {
	switch e.Type {
	case "string", "markdown":
		for _, w := range wordsOf(e.Text) {
			words[w] = true
		}
	case "xhtml":
		for _, w := range wordsOf(plain(e.Text)) {
			words[w] = true
		}
	}
	for _, c := range e.Children {
		gather(c, words)
	}
}

// plain is the text of XHTML: tags count as spaces.
func plain(xhtml string) string {
	d := xml.NewDecoder(strings.NewReader(xhtml))
	d.Strict, d.Entity = false, xml.HTMLEntity
	var b strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return b.String()
		}
		if text, ok := t.(xml.CharData); ok {
			b.Write(text)
		} else {
			b.WriteByte(' ')
		}
	}
}

// wordsOf splits a text into words as strings are compared: without case, accents and punctuation.
func wordsOf(s string) []string {
	var out []string
	for part := range strings.FieldsFuncSeq(s, blank) {
		for w := range strings.FieldsSeq(normalise(part)) {
			out = append(out, w[:min(len(w), maxWord)])
		}
	}
	return out
}

// contains makes the search of a field of words: words that all occur, OR and NOT between them, parentheses, and a * at the end of the
// beginning of a word; commas are OR too.
func contains(field string) func(*ask, string) (driver.Query, *fhirmap.Outcome) {
	return func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
		if !a.options.Text {
			a.absent = true
			return nil, a.fail(fhirmap.CodeNotSupported, "words are not indexed on this server; its operator can turn that on (text-search)")
		}
		values, err := a.list(value)
		if err != nil {
			return nil, err
		}
		var or driver.Or
		n := 0
		for _, v := range values {
			s := wordSearch{field: field, tokens: wordTokens(unescape(v)), count: &n}
			q, err := s.any()
			if err == nil && len(s.tokens) > 0 {
				err = fmt.Errorf("%q stands where no word can be", s.tokens[0])
			}
			if err != nil {
				return nil, a.bad("%v; write words, with OR and NOT and parentheses, and word* for a beginning", err)
			}
			or = append(or, q)
		}
		if len(or) == 1 {
			return or[0], nil
		}
		return or, nil
	}
}

// wordTokens splits a search into words and parentheses.
func wordTokens(s string) []string {
	s = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)
	return strings.Fields(s)
}

type wordSearch struct {
	field  string
	tokens []string
	depth  int
	count  *int
}

func (s *wordSearch) next(word string) bool {
	return len(s.tokens) > 0 && strings.EqualFold(s.tokens[0], word)
}

func (s *wordSearch) take() { s.tokens = s.tokens[1:] }

// any reads alternatives.
func (s *wordSearch) any() (driver.Query, error) {
	if s.depth++; s.depth > maxWordDepth {
		return nil, fmt.Errorf("parentheses nest more than %d deep", maxWordDepth)
	}
	defer func() { s.depth-- }()
	var or driver.Or
	for {
		q, err := s.all()
		if err != nil {
			return nil, err
		}
		or = append(or, q)
		if !s.next("or") {
			break
		}
		s.take()
	}
	if len(or) == 1 {
		return or[0], nil
	}
	return or, nil
}

// all reads what must all hold.
func (s *wordSearch) all() (driver.Query, error) {
	var and driver.And
	for len(s.tokens) > 0 && !s.next(")") && !s.next("or") {
		if s.next("and") && len(and) > 0 {
			if s.take(); s.next("or") || s.next(")") {
				return nil, fmt.Errorf("a word is missing after AND")
			}
		}
		q, err := s.word()
		if err != nil {
			return nil, err
		}
		and = append(and, q)
	}
	switch len(and) {
	case 0:
		return nil, fmt.Errorf("a word is missing")
	case 1:
		return and[0], nil
	}
	return and, nil
}

// word reads one word, which may be several where it has a hyphen, or an expression in parentheses; NOT before either.
func (s *wordSearch) word() (driver.Query, error) {
	if len(s.tokens) == 0 {
		return nil, fmt.Errorf("a word is missing")
	}
	token := s.tokens[0]
	s.take()
	switch {
	case strings.EqualFold(token, "not"):
		if *s.count++; *s.count > maxWords {
			return nil, fmt.Errorf("more than %d words", maxWords)
		}
		q, err := s.word()
		return driver.Not{Of: q}, err
	case token == "(":
		q, err := s.any()
		if err == nil && !s.next(")") {
			return nil, fmt.Errorf("a parenthesis is not closed")
		}
		if err == nil {
			s.take()
		}
		return q, err
	case strings.Contains(token, `"`):
		return nil, fmt.Errorf("phrases are not searched, only words")
	}
	text, begins := strings.CutSuffix(token, "*")
	words := wordsOf(text)
	if *s.count += len(words); *s.count > maxWords {
		return nil, fmt.Errorf("more than %d words", maxWords)
	}
	var and driver.And
	for i, w := range words {
		v := driver.Point([]byte(w))
		if begins && i == len(words)-1 {
			v = driver.Prefix([]byte(w))
		}
		and = append(and, driver.Lookup{Field: s.field, Op: driver.EQUAL, Values: []driver.Value{v}})
	}
	switch len(and) {
	case 0:
		return nil, fmt.Errorf("%q is no word", token)
	case 1:
		return and[0], nil
	}
	return and, nil
}

// claims are the parameters of words, of a type that can have them, if words are indexed.
func (o Options) words(typ string) []Parameter {
	if !o.Text {
		return nil
	}
	out := []Parameter{{Code: contentField, Definition: "http://hl7.org/fhir/SearchParameter/Resource-content", Type: "string"}}
	if slices.ContainsFunc(fhirmap.Elements(typ), func(e fhirmap.ElementDef) bool { return e.Name == "text" && e.Type == "Narrative" }) {
		out = append(out, Parameter{Code: narrativeField, Definition: "http://hl7.org/fhir/SearchParameter/DomainResource-text", Type: "string"})
	}
	return out
}
