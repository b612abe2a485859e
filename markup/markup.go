// Package markup writes HTML pages in which nothing but the code's own constants is
// markup. It stands in for html/template, which reaches methods by names that the
// linker cannot know: one use of it in a program keeps all exported methods of
// everything, a quarter of ours.
package markup

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

// constant is markup. Other packages cannot name it, so that all they can give for it
// is a constant that stands in their code.
type constant string

// hole is where a text goes.
const hole = "{}"

// Page is an HTML page that is being written. It is served as UTF-8.
type Page struct{ b strings.Builder }

// Put writes markup, with a text in place of each {}: inside of an element, as in
// <p>{}</p>, or as the whole of an attribute value="{}" or href="{}". A text stays a
// text whatever is in it, and an address that does not lead to a page becomes "#".
//
// It panics when the markup is not of the kind that this is known to hold for, which
// depends on the constant alone: tags are whole, and neither they nor their attributes
// are among those that run, hide or quote what they hold.
func (p *Page) Put(markup constant, texts ...string) {
	parts := strings.Split(string(markup), hole)
	if wrong := check(string(markup)); wrong != "" {
		panic(fmt.Sprintf("markup %q: %s", markup, wrong))
	}
	if len(parts) != len(texts)+1 {
		panic(fmt.Sprintf("markup %q has %d holes and is given %d texts", markup, len(parts)-1, len(texts)))
	}
	for i, part := range parts {
		p.b.WriteString(part)
		if i < len(texts) {
			text := texts[i]
			if strings.HasSuffix(part, `href="`) {
				text = address(text)
			}
			p.b.WriteString(escape(text))
		}
	}
}

// String returns the page.
func (p *Page) String() string { return p.b.String() }

// tag is a tag as we write them, with its name, or whatever else begins like one. No
// value has a < or a >.
var tag = regexp.MustCompile(`<(?:/?([a-z][a-z0-9]*)((?: [a-z-]+(?:="[^"<>]*")?)*)>)?`)

// attribute is an attribute of a tag.
var attribute = regexp.MustCompile(` ([a-z-]+)(?:="([^"]*)")?`)

// elements hold markup, or text in which character references are read.
var elements = set(`html head meta title body main header h1 p a strong code pre ul li form label input button
	datalist option table caption thead tbody tr th td`)

// attributes run nothing.
var attributes = set(`lang charset name content href rel method action class role type value id for list scope
	autocomplete autocapitalize spellcheck required`)

func set(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// check says what is wrong with markup, or "".
func check(markup string) string {
	markup = strings.TrimPrefix(markup, "<!doctype html>")
	if before, rest, ok := strings.Cut(markup, "<style>"); ok { // the one element whose text is not read as such
		style, after, ok := strings.Cut(rest, "</style>")
		if !ok || strings.Contains(style, "<") || strings.Contains(style, hole) {
			return "a style has neither a < nor a hole, and an end"
		}
		markup = before + after
	}
	for _, found := range tag.FindAllStringSubmatch(markup, -1) {
		if !elements[found[1]] {
			return fmt.Sprintf("%q is not a tag that is known to be harmless", found[0])
		}
		for _, a := range attribute.FindAllStringSubmatch(found[2], -1) {
			if !attributes[a[1]] {
				return fmt.Sprintf("attribute %s is not known to be harmless", a[1])
			}
			if strings.Contains(a[2], hole) && (a[2] != hole || a[1] != "value" && a[1] != "href") {
				return fmt.Sprintf("attribute %s can have no hole", a[1])
			}
		}
	}
	if strings.Contains(tag.ReplaceAllString(markup, ""), ">") {
		return "a > that ends no tag"
	}
	return ""
}

// escape returns a text as it is written in an element or between quotation marks. What
// no page may hold is replaced, so that no reader has to guess.
func escape(text string) string {
	return html.EscapeString(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"))
}

// followed is an address that leads to a page, here or elsewhere: before the first
// slash is no colon that could end the name of a scheme.
var followed = regexp.MustCompile(`^(?:https?://|[^:/\\[:cntrl:] ]*(?:/|$))`)

// address returns an address that a browser may follow: one of a page, or one without
// a scheme.
func address(text string) string {
	if !followed.MatchString(text) {
		return "#"
	}
	return text
}
