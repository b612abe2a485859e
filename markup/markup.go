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
// <p>{}</p>, or as the whole of an attribute, as in value="{}" or href="{}", if that is
// one of those that take a text. A text stays a text whatever is in it. An address in
// href that does not lead to a page becomes "#", and so does one in action, formaction,
// hx-get or hx-post that leads to another server.
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
			switch name := before.FindStringSubmatch(part); {
			case name == nil:
			case name[1] == "href":
				text = address(text)
			case sent[name[1]]:
				text = local(text)
			}
			p.b.WriteString(escape(text))
		}
	}
}

// String returns the page.
func (p *Page) String() string { return p.b.String() }

// before is the attribute that a hole is the value of.
var before = regexp.MustCompile(` ([a-z][a-z0-9-]*)="$`)

// tag is a tag as we write them, with its name, or whatever else begins like one. No
// value has a < or a >.
var tag = regexp.MustCompile(`<(?:/?([a-z][a-z0-9]*)((?: [a-z][a-z0-9-]*(?:="[^"<>]*")?)*)>)?`)

// attribute is an attribute of a tag.
var attribute = regexp.MustCompile(` ([a-z][a-z0-9-]*)(?:="([^"]*)")?`)

// own are the tags of files that this server has, which stand as they are: the style
// sheet, an icon, and scripts.
var own = regexp.MustCompile(`<link rel="(?:stylesheet|icon)" href="/assets/[a-z0-9.-]+">|<script src="/assets/[a-z0-9.-]+" defer></script>`)

// elements hold markup, or text in which character references are read. Those of SVG
// draw, and neither link nor move.
var elements = set(`html head meta title body main header footer nav section article aside div span
	h1 h2 h3 h4 p a strong em small b code kbd samp pre br hr ul ol li dl dt dd time abbr del ins mark figure figcaption details summary
	form fieldset legend label input button select optgroup option textarea output progress meter datalist
	table caption thead tbody tfoot tr th td svg g path line rect circle polyline polygon text`)

// attributes run nothing.
var attributes = set(`lang charset name content href rel method action formaction formmethod formnovalidate class role type value id for list scope
	autocomplete autocapitalize spellcheck required checked selected disabled readonly multiple hidden open novalidate autofocus
	placeholder title datetime rows cols size maxlength minlength min max low high optimum step pattern inputmode enterkeyhint colspan rowspan headers tabindex
	accesskey dir translate label start reversed download form span
	viewbox width height x y x1 y1 x2 y2 cx cy r rx ry d points transform text-anchor dominant-baseline preserveaspectratio focusable pathlength
	hx-get hx-post hx-target hx-swap hx-swap-oob hx-trigger hx-select hx-include hx-indicator hx-disabled-elt hx-push-url hx-replace-url hx-confirm hx-sync hx-preserve`)

// filled are the attributes whose value may be a text: addresses, which are checked, and
// those of which browsers, and htmx, make no more than a text, a number or a name.
var filled = set(`type autocomplete inputmode href action formaction hx-get hx-post hx-confirm value name id for list lang placeholder title datetime min max low high optimum step
	rows cols size maxlength minlength colspan rowspan headers label start download form
	width height x y x1 y1 x2 y2 cx cy r rx ry d points transform`)

// sent are the attributes with addresses to which something is sent.
var sent = set(`action formaction hx-get hx-post`)

func set(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// harmless reports whether an attribute runs nothing, and whether its value may be a
// text. aria-… speaks, and data-… is read by nobody but our own script; htmx reads
// data-hx-… as it reads hx-….
func harmless(name string) (is, text bool) {
	switch {
	case strings.HasPrefix(name, "aria-"), strings.HasPrefix(name, "data-") && !strings.HasPrefix(name, "data-hx-"):
		return true, true
	}
	return attributes[name], filled[name]
}

// check says what is wrong with markup, or "".
func check(markup string) string {
	markup = own.ReplaceAllString(strings.TrimPrefix(markup, "<!doctype html>"), "")
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
			is, text := harmless(a[1])
			if !is {
				return fmt.Sprintf("attribute %s is not known to be harmless", a[1])
			}
			if strings.Contains(a[2], hole) && (a[2] != hole || !text) {
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

// here is an address on this server: a path, a query, or both.
var here = regexp.MustCompile(`^(?:/(?:[^/\\[:cntrl:]][^\\[:cntrl:]]*)?|\?[^\\[:cntrl:]]*)?$`)

// local returns an address of this server.
func local(text string) string {
	if !here.MatchString(text) {
		return "#"
	}
	return text
}
