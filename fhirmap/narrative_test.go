package fhirmap

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func div(content string) string {
	return `<div xmlns="http://www.w3.org/1999/xhtml">` + content + `</div>`
}

func TestNarrativeAccepts(t *testing.T) {
	for _, s := range []string{
		div(`text`),
		div(``),
		div("\n <p>a &amp; b &lt; c &nbsp;&copy;&#233;&#xE9; 😀</p>\n"),
		`  <div  xmlns = 'http://www.w3.org/1999/xhtml' lang="de" xml:lang="de"  >x</div  > `,
		`<div xmlns="http://www.w3.org/1999/xhtml"/>`,
		div(`<h1 class="a" id="b" title="c">x</h1><hr/><br /><ul><li>a</li></ul><ol type="1" start="2"><li value="3">a</li></ol><dl><dt>a</dt><dd>b</dd></dl>`),
		div(`<table border="1" cellpadding="0" cellspacing="0" summary="s"><caption>c</caption><colgroup><col span="2"/></colgroup><thead><tr><th scope="col" abbr="a">x</th></tr></thead>` +
			`<tfoot><tr><td>y</td></tr></tfoot><tbody><tr valign="top"><td colspan="2" rowspan="1" nowrap="nowrap">z</td></tr></tbody></table>`),
		div(`<b>1</b><i>2</i><em>3</em><strong>4</strong><small>5</small><big>6</big><tt>7</tt><sub>8</sub><sup>9</sup><code>0</code><samp>a</samp><kbd>b</kbd><var>c</var>` +
			`<cite>d</cite><abbr title="x">e</abbr><acronym>f</acronym><q cite="http://example.org">g</q><blockquote cite="#a">h</blockquote><pre>i</pre><span>j</span><dfn>k</dfn>`),
		div(`<a href="http://example.org/a?b=c&amp;d">x</a><a href="#here">x</a><a name="here"></a><a href="mailto:a@example.org">x</a><a href="Patient/1">x</a><a href="urn:oid:1.2">x</a>` +
			`<a href="?a:b">x</a><a href="a/b:c">x</a><a href="HTTPS://example.org">x</a>`),
		div(`<img src="#image" alt="a" width="1" height="2"/><img src="data: image/png;base64,AAAA"/><img src="http://example.org/a.png"/>`),
		div(`<table><tr><td style="background-color: white; background-image: url(tbl_bck1.png)">x</td></tr></table>`),
		div(`<p style="color: red; background-image: url(data:image/png;base64,AAAA); text-align : left">x</p>`),
		div(`<!-- a comment - with a dash, <script> and & -->x`),
	} {
		if wrong := checkNarrative(s); wrong != "" {
			t.Errorf("%s is refused: %s", s, wrong)
		}
		checkAsHTML(t, s)
	}
}

func TestNarrativeRefuses(t *testing.T) {
	for _, c := range []struct{ narrative, says string }{
		// not XHTML
		{`text`, "does not begin with <div"},
		{`<p xmlns="http://www.w3.org/1999/xhtml">x</p>`, "does not begin with <div"},
		{`<divider xmlns="http://www.w3.org/1999/xhtml">x</divider>`, `element "divider"`},
		{`<div>x</div>`, "without its namespace"},
		{`<div xmlns="http://www.w3.org/1999/html">x</div>`, "namespace"},
		{`<h:div xmlns:h="http://www.w3.org/1999/xhtml">x</h:div>`, "does not begin with <div"},
		{`<div xmlns:h="http://www.w3.org/1999/xhtml">x</div>`, `attribute "xmlns:h"`},
		{div(`x`) + div(`y`), "more after its end"},
		{div(`x`) + `y`, "more after its end"},
		{`<!--x-->` + div(`x`), "does not begin with <div"},
		{`<?xml version="1.0"?>` + div(`x`), "does not begin with <div"},
		{div(`<p>x`), `closes "div" where p is open`},
		{strings.TrimSuffix(div(`x`), `</div>`), "ends before the element div is closed"},
		{strings.TrimSuffix(div(`x`), `>`), "closes"},
		{div(`x</p>`), `closes "p" where div is open`},
		{div(`<br>`), `closes "div" where br is open`},
		{div(`<P>x</P>`), `element "P"`},
		{div(`<p>x</P>`), `closes "P"`},
		{div(`<b><i>x</b></i>`), `closes "b" where i is open`},
		{div(`a < b`), `element ""`},
		{div(`a & b`), "write & as &amp;"},
		{div(`a &amp b`), "write & as &amp;"},
		{div(`&foo;`), "name a character of HTML 4"},
		{div(`&#0;`), "name a character"},
		{div(`&#x1F;`), "name a character"},
		{div(`&#xD800;`), "name a character"},
		{div(`&#99999999999;`), "name a character"},
		{div("a\x02"), "a character that XML has not"},
		{div("a\uFFFE"), "a character that XML has not"},
		{div(`]]>`), "write ]]&gt;"},
		{div(`<p class=a>x</p>`), "without a quoted value"},
		{div(`<p class>x</p>`), "without a quoted value"},
		{div(`<p class="a>x</p>`), "not closed"},
		{div(`<p class="a"id="b">x</p>`), "not well formed"},
		{div(`<p class="a" class="b">x</p>`), "twice"},
		{div(`<p title="<b>">x</p>`), "has < within"},
		{div(`<p / >x</p>`), `attribute ""`},
		{div(`< p>x</p>`), `element ""`},
		{div(`<!-- a -- b -->`), "-- within"},
		{div(`<!-- a --->`), "comment"},
		{div(`<!-- a`), "comment"},

		// what is not allowed in a narrative
		{div(`<script>alert(1)</script>`), `element "script"`},
		{div(`<style>p{}</style>`), `element "style"`},
		{div(`<link rel="stylesheet" href="a.css"/>`), `element "link"`},
		{div(`<base href="http://example.org"/>`), `element "base"`},
		{div(`<iframe src="http://example.org"/>`), `element "iframe"`},
		{div(`<frame/>`), `element "frame"`},
		{div(`<object data="a"/>`), `element "object"`},
		{div(`<embed src="a"/>`), `element "embed"`},
		{div(`<applet/>`), `element "applet"`},
		{div(`<form action="a"><p>x</p></form>`), `element "form"`},
		{div(`<input type="text"/>`), `element "input"`},
		{div(`<button>x</button>`), `element "button"`},
		{div(`<svg xmlns="http://www.w3.org/2000/svg"/>`), `element "svg"`},
		{div(`<math/>`), `element "math"`},
		{div(`<head/>`), `element "head"`},
		{div(`<body>x</body>`), `element "body"`},
		{div(`<meta/>`), `element "meta"`},
		{div(`<video src="a"/>`), `element "video"`},
		{div(`<font color="red">x</font>`), `element "font"`},
		{div(`<center>x</center>`), `element "center"`},
		{div(`<ins>x</ins>`), `element "ins"`},
		{div(`<x:script>x</x:script>`), `element "x:script"`},
		{div(`<p onclick="alert(1)">x</p>`), `attribute "onclick"`},
		{div(`<img src="#a" onerror="alert(1)"/>`), `attribute "onerror"`},
		{div(`<p ONCLICK="alert(1)">x</p>`), `attribute "ONCLICK"`},
		{div(`<a href="#" target="_blank">x</a>`), `attribute "target"`},
		{div(`<p data-x="1">x</p>`), `attribute "data-x"`},
		{div(`<a xlink:href="a">x</a>`), `attribute "xlink:href"`},
		{div(`<img srcset="a"/>`), `attribute "srcset"`},
		{div(`<a href="javascript:alert(1)">x</a>`), "which may be relative"},
		{div(`<a href="JaVaScRiPt:alert(1)">x</a>`), "which may be relative"},
		{div("<a href=\" java\nscript:alert(1)\">x</a>"), "which may be relative"},
		{div(`<a href="&#106;avascript&colon;x:alert(1)">x</a>`), "name a character"},
		{div(`<a href="&#x6A;avascript&#58;alert(1)">x</a>`), "which may be relative"},
		{div(`<a href="vbscript:x">x</a>`), "which may be relative"},
		{div(`<a href="data:text/html,x">x</a>`), "which may be relative"},
		{div(`<a href="data:image/png;base64,AAAA">x</a>`), "which may be relative"},
		{div(`<a href="file:///etc/passwd">x</a>`), "which may be relative"},
		{div(`<img src="data:text/html;base64,AAAA"/>`), "which may be relative"},
		{div(`<img src="javascript:alert(1)"/>`), "which may be relative"},
		{div(`<q cite="javascript:alert(1)">x</q>`), "which may be relative"},
		{div(`<p style="width: expression(alert(1))">x</p>`), "may only format"},
		{div(`<p style="width: exp/**/ression(alert(1))">x</p>`), "may only format"},
		{div(`<p style="width: \65xpression(alert(1))">x</p>`), "may only format"},
		{div(`<p style="behavior: url(a.htc)">x</p>`), "may only format"},
		{div(`<p style="-moz-binding: url(a.xml)">x</p>`), "may only format"},
		{div(`<p style="@import 'a.css'">x</p>`), "may only format"},
		{div(`<p style="background: url(http://example.org/a.png)">x</p>`), "data: images only"},
		{div(`<p style="background: url(//example.org/a.png)">x</p>`), "data: images only"},
		{div(`<p style="background: url(a.png?x=1)">x</p>`), "data: images only"},
		{div(`<p style="background: url(../a.png)">x</p>`), "data: images only"},
		{div(`<p style="background: url(a.svg)">x</p>`), "data: images only"},
		{div(`<p style="background: u&#114;l ('//example.org')">x</p>`), "data: images only"},

		// what XML and HTML read differently
		{div(`<![CDATA[<script>alert(1)</script>]]>`), "elements, text and comments only"},
		{div(`<!--><script>alert(1)</script>-->`), "HTML and XML disagree"},
		{div(`<!---><script>alert(1)</script>-->`), "comment"},
		{div(`<?php x ?>`), "elements, text and comments only"},
		{div(`<!DOCTYPE html>`), "elements, text and comments only"},
	} {
		if wrong := checkNarrative(c.narrative); !strings.Contains(wrong, c.says) {
			t.Errorf("%s\n got %q\nwant ...%s...", c.narrative, wrong, c.says)
		}
	}
	issues := issuesOf(t, `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"}}`, Limits{})
	if len(issues) != 1 || issues[0].Expression != "Patient.text.div" || issues[0].Code != CodeValue {
		t.Errorf("Parse reports %+v", issues)
	}
}

// checkAsHTML reads a narrative that was taken as a browser would, and looks for anything that runs.
func checkAsHTML(t *testing.T, s string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		token := z.Token()
		if !narrativeElements[token.Data] {
			t.Errorf("HTML finds the element %q in %q", token.Data, s)
		}
		for _, a := range token.Attr {
			if !narrativeAttributes[a.Key] {
				t.Errorf("HTML finds the attribute %q in %q", a.Key, s)
			}
			if value := strings.ToLower(strings.Join(strings.FieldsFunc(a.Val, func(r rune) bool { return r <= ' ' }), "")); linkAttributes[a.Key] && strings.HasPrefix(value, "javascript:") {
				t.Errorf("HTML finds a script in %q", s)
			}
		}
	}
}
