package markup

import (
	"html/template"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// evil are pieces of which texts are made that would like to be markup.
var evil = []string{`"`, `'`, "`", "<", ">", "&", "&lt;", "&#60;", "&quot", "=", "/", "\\", " ", "\n", "\r", "\t", "\f", "\x00", "\xff", "\xc2", "+ADw-",
	"<script>alert(1)</script>", "</title>", "</textarea>", "<!--", "-->", "]]>", "<![CDATA[", "onerror=", "<img src=x onerror=alert(1)>",
	"javascript:", "JaVaScRiPt:", "java\tscript:", "data:text/html,", "vbscript:", "https://", "http:", "//evil.example", "?a=b&copy=c", "{}", "{{.}}", "é", "\u2028", "\ufeff", "x"}

func texts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(evil), rapid.String()), 0, 6).Draw(t, "pieces"), "")
	})
}

// TestText: whatever a text is, a browser reads it as that text, in a page that has the
// elements and attributes of the constant and no others.
func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		title, inside, value, href := texts().Draw(t, "title"), texts().Draw(t, "inside"), texts().Draw(t, "value"), texts().Draw(t, "href")
		var p Page
		p.Put(`<!doctype html><html><head><title>x{}</title><style>p { color: red }</style></head><body>`, title)
		p.Put(`<p>x{}</p><pre>x{}</pre><input value="{}"><a href="{}">x{}</a>`, inside, inside, value, href, inside)
		p.Put(`<form method="post" action="{}"><button aria-label="{}" data-x="{}" id="{}">x{}</button><textarea name="{}">x{}</textarea><select><option title="{}">x{}</select></form>`, href, value, value, value, inside, value, inside, value, inside)
		p.Put(`<svg width="{}"><text x="{}">x{}</text><path d="{}"></svg></body></html>`, value, value, inside, value)
		root, err := html.Parse(strings.NewReader(p.String()))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		outline(&b, root)
		in := "x" + read(inside)
		followed := read(href)
		if address(href) != href {
			followed = "#"
		}
		to, v := href, read(value)
		if local(href) != href {
			to = "#"
		}
		want := "html(head(title(" + "x" + read(title) + ")style(p { color: red }))body(p(" + in + ")pre(" + in + ")input[value=" + read(value) + "]()a[href=" + followed + "](" + in + ")form[method=post][action=" + read(to) + "](button[aria-label=" + v + "][data-x=" + v + "][id=" + v + "](" + in + ")textarea[name=" + v + "](" + in + ")select(option[title=" + v + "](" + in + ")))" +
			"svg[width=" + v + "](text[x=" + v + "](" + in + ")path[d=" + v + "]())))"
		if got := b.String(); got != want {
			t.Fatalf("got  %q\nwant %q\npage %q", got, want, p.String())
		}
	})
}

// read is a text as a browser has it, which knows one end of a line and no NUL.
func read(text string) string {
	return strings.NewReplacer("\x00", "\uFFFD", "\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\uFFFD"))
}

func outline(b *strings.Builder, n *html.Node) {
	switch n.Type {
	case html.TextNode:
		b.WriteString(n.Data)
	case html.ElementNode:
		b.WriteString(n.Data)
		for _, a := range n.Attr {
			b.WriteString("[" + a.Key + "=" + a.Val + "]")
		}
		b.WriteString("(")
	case html.CommentNode:
		b.WriteString("a comment")
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		outline(b, c)
	}
	if n.Type == html.ElementNode {
		b.WriteString(")")
	}
}

// TestAddress: an address is followed only where html/template would have it followed.
func TestAddress(t *testing.T) {
	judge := template.Must(template.New("").Parse(`<a href="{{.}}">x</a>`))
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "address")
		var b strings.Builder
		if err := judge.Execute(&b, text); err != nil {
			t.Fatal(err)
		}
		if address(text) == text && text != "#" && strings.Contains(b.String(), "#ZgotmplZ") {
			t.Fatalf("%q is followed", text)
		}
	})
	for text, want := range map[string]string{
		"?ticket=a%3Ab&go=c": "?ticket=a%3Ab&go=c", "?go=c:d": "#", "/services/oauth2/authorize?x=https://y": "/services/oauth2/authorize?x=https://y",
		"https://a.example/x": "https://a.example/x", "": "", "page": "page", "#here": "#here",
		"javascript:alert(1)": "#", "JAVASCRIPT:alert(1)": "#", " javascript:alert(1)": "#", "\x01javascript:alert(1)": "#", "java\nscript:alert(1)": "#",
		"data:text/html,x": "#", "mailto:a@b.example": "#", "x:y": "#", "\\evil": "#", "https:evil": "#",
	} {
		if got := address(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestCheck: markup of which nobody showed that texts stay texts in it is refused.
func TestCheck(t *testing.T) {
	for _, markup := range []constant{
		`<script>{}</script>`, `<p><script>f()</script></p>`, `<SCRIPT>`, `<style>{}</style>`, `<style>a<b</style>`, `<style>p { x: y }`, `<style><style></style>{}</style>`,
		`<iframe src="{}">`, `<img src="{}">`, `<svg><a xlink:href="{}">`, `<animate>`, `<set>`, `<use href="#x">`, `<foreignobject>`, `<math>`, `<xmp>`, `<plaintext>`, `<noscript>`, `<object>`, `<base href="/">`,
		`<script src="/assets/{}" defer></script>`, `<script src="{}" defer></script>`, `<script src="https://evil.example/x.js" defer></script>`, `<script src="/assets/../x.js" defer></script>`, `<script src="/assets/x.js" defer>f()</script>`,
		`<link rel="stylesheet" href="{}">`, `<link rel="stylesheet" href="//evil.example/x.css">`, `<link rel="import" href="/assets/x.css">`,
		`<p hx-on="f()">`, `<p hx-on:click="f()">`, `<p hx-vals="{}">`, `<p data-hx-on="{}">`, `<p data-hx-get="{}">`, `<p hx-target="{}">`, `<p hx-trigger="{}">`, `<p hx-headers="x">`, `<p hx-ext="x">`,
		`<button formaction="x{}">`, `<svg viewbox="{}">`, `<path fill="url(x)">`, `<p aria-label="x{}">`, `<template>`, `<!-- {} -->`, `<![CDATA[{}]]>`, `<?x {}?>`,
		`<p onclick="{}">`, `<p onclick="f()">`, `<p style="{}">`, `<p {}>`, `<p {}="x">`, `<{}>`, `<a href={}>`, `<a href='{}'>`, `<a href="x{}">`, `<a href="{}x">`, `<a href="javascript:{}">`,
		`<a src="{}">`, `<meta content="{}">`, `<input value="{}`, `value="{}">`, `<p`, `<p {}`, `p>{}`, `<p class="{}">`, `<a href="{}"x>`, `<p>a < b</p>`,
	} {
		if check(string(markup)) == "" {
			t.Errorf("%q is taken", markup)
		}
		func() {
			defer func() { _ = recover() }()
			new(Page).Put(markup, make([]string, strings.Count(string(markup), hole))...)
			t.Errorf("%q is written", markup)
		}()
	}
	for _, texts := range [][]string{nil, {"a", "b"}} {
		func() {
			defer func() { _ = recover() }()
			new(Page).Put(`<p>{}</p>`, texts...)
			t.Errorf("%d texts for one hole", len(texts))
		}()
	}
}

// TestLocal: what is sent stays here, as a browser reads the address.
func TestLocal(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "here.example", Path: "/a/b"}
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "address")
		if local(text) != text || text == "#" {
			return
		}
		u, err := base.Parse(strings.Map(func(r rune) rune { // what browsers do before they look
			if r == '\\' {
				return '/'
			}
			return r
		}, strings.NewReplacer("\t", "", "\n", "", "\r", "", "%", "").Replace(strings.ToValidUTF8(text, "x"))))
		if err == nil && (u.Host != "here.example" || u.Scheme != "https") {
			t.Fatalf("%q leads to %s", text, u)
		}
	})
	for text, want := range map[string]string{
		"/a/b?c=https://d": "/a/b?c=https://d", "?x=y": "?x=y", "": "", "/": "/", "//evil.example": "#", "/\\evil.example": "#", "/\t/evil.example": "#", "/\n/evil.example": "#",
		"https://evil.example": "#", "javascript:alert(1)": "#", "x": "#", "\\/evil.example": "#", " /x": "#",
	} {
		if got := local(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
