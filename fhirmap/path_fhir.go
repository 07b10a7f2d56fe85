package fhirmap

import "strings"

// The functions that FHIR adds (R4 section 2.9.1.5).

// fnExtension selects extensions by url.
func fnExtension(ev *evaluation, c *callNode, base int) error {
	url, err := ev.argument(c.args[0])
	if err != nil || url == nil {
		ev.stack = ev.stack[:base]
		return err
	}
	end := len(ev.stack)
	for i := base; i < end; i++ {
		e := ev.stack[i]
		for x := range e.Each("extension") {
			if x.String("url") == url.Text {
				ev.push(x)
			}
		}
		if err := ev.spend(len(e.Children)); err != nil {
			return err
		}
	}
	ev.close(base, end)
	return nil
}

func fnHasExtension(ev *evaluation, c *callNode, base int) error {
	if err := fnExtension(ev, c, base); err != nil {
		return err
	}
	return ev.answer(base, truthOf(len(ev.stack) > base))
}

// fnHasValue answers whether the input is one primitive with a value, not extensions only.
func fnHasValue(ev *evaluation, _ *callNode, base int) error {
	items := ev.stack[base:]
	return ev.answer(base, truthOf(len(items) == 1 && items[0].Value))
}

// fnGetValue gives the value of one primitive, apart from its id and extensions.
func fnGetValue(ev *evaluation, _ *callNode, base int) error {
	items := ev.stack[base:]
	if len(items) != 1 || !items[0].Value {
		return ev.replace(base)
	}
	return ev.replace(base, computedElement(items[0].Type, items[0].Text))
}

// fnResolve follows References, canonicals and uris. What it cannot say anything about is left out.
func fnResolve(ev *evaluation, _ *callNode, base int) error {
	kept := base
	for _, e := range ev.stack[base:] {
		target, err := ev.target(e)
		if err != nil {
			return err
		}
		if target != nil {
			ev.stack[kept] = target
			kept++
		}
	}
	ev.stack = ev.stack[:kept]
	return nil
}

// target finds what an element refers to: the contained resource for a fragment, the entry of that fullUrl in a Bundle, else an
// Element without children of the type that the reference names. nil if there is none.
func (ev *evaluation) target(e *Element) (*Element, error) {
	text := e.Text
	if e.Type == "Reference" {
		text = e.String("reference")
	} else if kindOf(e.Type) != pathText {
		return nil, nil
	}
	if err := ev.spend(1); err != nil {
		return nil, err
	}
	root := ev.resource()
	if fragment, ok := strings.CutPrefix(text, "#"); ok {
		if fragment == "" {
			return root, nil
		}
		for c := range root.Each("contained") {
			if c.String("id") == fragment {
				return c, nil
			}
		}
		return nil, ev.spend(len(root.Children))
	}
	if root.Type == "Bundle" && text != "" {
		for entry := range root.Each("entry") {
			if entry.String("fullUrl") == text && entry.First("resource") != nil {
				return entry.First("resource"), nil
			}
		}
		if err := ev.spend(2 * len(root.Children)); err != nil {
			return nil, err
		}
	}
	typ := referencedType(text)
	if typ == "" && e.Type == "Reference" && IsResource(e.String("type")) {
		typ = e.String("type")
	}
	if typ == "" {
		return nil, nil
	}
	return &Element{Name: typ, Type: typ, Index: -1}, nil
}

// referencedType reads the type out of Patient/1, http://x/Patient/1, either with /_history/2, and of a canonical with |version. It is
// "" for other text.
func referencedType(ref string) string {
	ref, _, _ = strings.Cut(ref, "|")
	ref, _, _ = strings.Cut(ref, "#")
	if at := strings.LastIndex(ref, "/_history/"); at >= 0 {
		ref = ref[:at]
	}
	at := strings.LastIndexByte(ref, '/')
	if at <= 0 || at == len(ref)-1 {
		return ""
	}
	typ := ref[:at]
	if from := strings.LastIndexByte(typ, '/'); from >= 0 {
		if !strings.Contains(typ[:from], ":") {
			return "" // a path with more parts than type and id is neither relative nor absolute
		}
		typ = typ[from+1:]
	}
	if !IsResource(typ) {
		return ""
	}
	return typ
}
