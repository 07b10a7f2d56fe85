package suite

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// script is a parsed script.
type script struct {
	name    string // file and name
	title   string
	section string
	level   Level
	needs   []need
	steps   []step
	place   place
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string { return p.file + ":" + strconv.Itoa(p.line) }

// step is one line of a script and the indented lines below it.
type step struct {
	place
	line   string // as written
	do     func(*visit) error
	asks   bool // it sends a request
	judges bool // it judges the status of the answer
}

// need is something that the CapabilityStatement must claim.
type need struct {
	code string // of an interaction, or search, operation, or an element of CapabilityStatement.rest.resource
	typ  string // "" of the system
	args string // the code of a search parameter, the name of an operation, or the value of the element
}

func (n need) String() string {
	return strings.TrimSpace(strings.Join([]string{n.code, n.typ, n.args}, " "))
}

// parser reads one file.
type parser struct {
	place
	at      place    // the line that an error is about
	lines   []string // those not yet read
	scripts []script
	vars    map[string]bool // of the script at hand: those that are set above
	crowded bool            // the last request is a parallel one
	optOut  bool            // the script at hand says what counts as not offered
}

// words are the first words of steps: each parses the rest of its line.
var words = map[string]func(p *parser, rest string) (step, error){
	"GET":      requestOf("GET"),
	"HEAD":     requestOf("HEAD"),
	"POST":     requestOf("POST"),
	"PUT":      requestOf("PUT"),
	"PATCH":    requestOf("PATCH"),
	"DELETE":   requestOf("DELETE"),
	"parallel": parseParallel,
	"tally":    parseTally,
	"await":    parseAwait,
	"entries":  parseEntries,
	"search":   parseSearch,
	"status":   parseStatus,
	"refused":  parseRefused,
	"header":   parseHeader,
	"body":     parseBody,
	"assert":   parseAssert,
	"json":     parseJSON,
	"kept":     parseKept,
	"valid":    parseValid,
	"ids":      parseIDs(false),
	"order":    parseIDs(true),
	"let":      parseLet,
	"pause":    parsePause,
}

// methods are those that a script may send.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

// builtin are the variables that every script has.
var builtin = []string{"run", "tag", "meta", "system", "base"}

// parse reads a file of scripts. Its error names file and line.
func parse(file, text string) ([]script, error) {
	p := &parser{place: place{file: file}, lines: strings.Split(text, "\n")}
	seen := map[string]place{}
	for len(p.lines) > 0 {
		line := p.next()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p.at = p.place
		if err := p.read(line); err != nil {
			return nil, fmt.Errorf("%v: %w", p.at, err)
		}
		if last := &p.scripts[len(p.scripts)-1]; strings.HasPrefix(line, "script ") {
			if before, ok := seen[last.name]; ok {
				return nil, fmt.Errorf("%v: the name %s stands at %v already", p.at, last.name, before)
			}
			seen[last.name] = p.at
		}
	}
	if err := p.finish(); err != nil {
		return nil, fmt.Errorf("%v: %w", p.at, err)
	}
	return p.scripts, nil
}

// next takes the next line.
func (p *parser) next() string {
	line := strings.TrimRight(p.lines[0], " \t\r")
	p.lines = p.lines[1:]
	p.line++
	return line
}

// indented takes the indented lines that follow, with what is empty between them.
func (p *parser) indented() []string {
	var out []string
	for n, line := range p.lines {
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			break
		}
		if strings.TrimSpace(line) != "" {
			for len(out) < n {
				out = append(out, "")
			}
			out = append(out, strings.TrimRight(line, "\r"))
		}
	}
	p.lines = p.lines[len(out):]
	p.line += len(out)
	return out
}

var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// read parses one line that is neither empty nor a comment.
func (p *parser) read(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	if word == "script" {
		if err := p.finish(); err != nil {
			return err
		}
		name, title, ok := strings.Cut(rest, ": ")
		if !ok || !nameForm.MatchString(name) || strings.TrimSpace(title) == "" {
			return fmt.Errorf("%q is not name: title, the name of small letters, digits and hyphens", rest)
		}
		p.scripts = append(p.scripts, script{name: strings.TrimSuffix(p.file, ".test") + "/" + name, title: strings.TrimSpace(title), place: p.place})
		p.vars, p.optOut = map[string]bool{}, false
		for _, v := range builtin {
			p.vars[v] = true
		}
		return nil
	}
	if len(p.scripts) == 0 {
		return fmt.Errorf("%q stands before the first script", word)
	}
	s := &p.scripts[len(p.scripts)-1]
	switch word {
	case "spec":
		return s.spec(rest)
	case "needs":
		return s.need(rest)
	}
	offered := false
	if expectation, ok := strings.CutPrefix(line, "offered if "); ok {
		word, rest, _ = strings.Cut(expectation, " ")
		rest, offered, p.optOut = strings.TrimSpace(rest), true, true
	}
	parse := words[word]
	if parse == nil {
		return fmt.Errorf("%q begins no line; script, spec, needs, offered if, %s do", word, strings.Join(slices.Sorted(maps.Keys(words)), ", "))
	}
	if s.section == "" {
		return fmt.Errorf("%s has steps but no spec line above them", s.name)
	}
	st, err := parse(p, rest)
	if err != nil {
		return err
	}
	if st.asks {
		p.crowded = word == "parallel"
	}
	if offered {
		if st.asks || word == "let" || word == "pause" {
			return fmt.Errorf("offered if %s: an expectation must follow", word)
		}
		st.do = optional(st.do)
	}
	if !st.asks && !slices.ContainsFunc(s.steps, func(s step) bool { return s.asks }) && word != "pause" {
		return fmt.Errorf("%s stands before the first request", word)
	}
	st.place, st.line = p.at, line
	s.steps = append(s.steps, st)
	return nil
}

func (s *script) spec(rest string) error {
	level, section, _ := strings.Cut(rest, " ")
	section = strings.TrimSpace(section)
	switch Level(level) {
	case Shall, Should, May:
	default:
		return fmt.Errorf("spec %s: the level is one of SHALL, SHOULD, MAY", level)
	}
	if !strings.Contains(section, ".html") || strings.Contains(section, " ") {
		return fmt.Errorf("spec %s: %q is no page of the specification, such as http.html#create", level, section)
	}
	if s.section != "" {
		return fmt.Errorf("%s has two spec lines", s.name)
	}
	s.level, s.section = Level(level), section
	return nil
}

func (s *script) need(rest string) error {
	f := strings.Fields(rest)
	switch {
	case len(f) > 0 && f[0] == "search" && len(f) > 2:
		for _, code := range f[2:] {
			s.needs = append(s.needs, need{f[0], f[1], code})
		}
	case len(f) > 0 && f[0] == "search":
		return fmt.Errorf("needs search: a type and codes of parameters must follow")
	case len(f) == 3 && (f[0] == "operation" || f[0] == "conditionalDelete"):
		s.needs = append(s.needs, need{f[0], f[1], f[2]})
	case len(f) == 1:
		s.needs = append(s.needs, need{code: f[0]})
	case len(f) == 2:
		s.needs = append(s.needs, need{code: f[0], typ: f[1]})
	default:
		return fmt.Errorf("needs %s: write an interaction and a type, search, a type and codes of parameters, or operation, a type and a name", rest)
	}
	return nil
}

// optional makes an expectation that tells by its failure that an option is not offered.
func optional(do func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		err := do(v)
		if _, ok := err.(refusal); err == nil || ok {
			return err
		}
		return refusal(v.last.request + ": " + err.Error())
	}
}

// finish judges the last script as a whole.
func (p *parser) finish() error {
	if len(p.scripts) == 0 {
		return nil
	}
	s := &p.scripts[len(p.scripts)-1]
	tests := false
	for i, st := range s.steps {
		tests = tests || !st.asks || st.judges
		if st.asks && !st.judges {
			s.steps[i].do = succeeding(st.do, s.steps[i+1:])
		}
	}
	var err error
	switch {
	case s.section == "":
		err = fmt.Errorf("%s has no spec line", s.name)
	case !tests:
		err = fmt.Errorf("%s expects nothing", s.name)
	case s.level == May && !p.optOut && len(s.needs) == 0:
		err = fmt.Errorf(`%s is an option; say what counts as not offered, by needs, "or not offered" or "offered if"`, s.name)
	case s.level != May && p.optOut:
		err = fmt.Errorf("%s is %s; only an option, MAY, may be not offered", s.name, s.level)
	}
	if err != nil {
		p.at = s.place
	}
	return err
}

// succeeding makes a request that must be answered with 2xx, unless a step judges the status before the next request.
func succeeding(do func(*visit) error, below []step) func(*visit) error {
	for _, st := range below {
		if st.asks {
			break
		}
		if st.judges {
			return do
		}
	}
	return func(v *visit) error {
		if err := do(v); err != nil {
			return err
		}
		return statuses{{200, 299}}.judge(v)
	}
}
