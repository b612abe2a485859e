package app

import "strconv"

// The pieces of pages: what more than one page has. Their texts are in the reader's
// language already.

// A field is what is to be typed or chosen.
type field struct {
	name         string // in the form, and the id of the element
	label        string
	value        string
	hint         string // below the label; "" for none
	problem      string // what is wrong with the value; "" for nothing
	kind         string // text by default; email, password, number, search, url, date, datetime-local
	autocomplete string // of HTML, such as off or current-password; "" leaves it to the browser
	required     bool
	options      []option // of a choice
	rows         int      // of a text area; 4 by default
}

// An option is one of a choice.
type option struct{ value, label string }

// notice is a message: kind is info, ok, warn or error, which its first word says too.
func (p *page) notice(kind, text string) {
	switch kind {
	case "error":
		p.Put(`<p class="notice error" role="alert"><strong>{}</strong> {}</p>`, p.r.t("Error:"), text)
	case "warn":
		p.Put(`<p class="notice warn" role="status"><strong>{}</strong> {}</p>`, p.r.t("Warning:"), text)
	case "ok":
		p.Put(`<p class="notice ok" role="status"><strong>{}</strong> {}</p>`, p.r.t("Done:"), text)
	default:
		p.Put(`<p class="notice info" role="note">{}</p>`, text)
	}
}

// problems sums up what is wrong with fields, with links to them: it stands above the
// form. It writes nothing when nothing is.
func (p *page) problems(fields ...field) {
	n := 0
	for _, f := range fields {
		if f.problem == "" {
			continue
		}
		if n++; n == 1 {
			p.Put(`<div class="notice error" role="alert" tabindex="-1" id="problems"><strong>{}</strong><ul>`, p.r.t("Nothing was saved. Please correct:"))
		}
		p.Put(`<li><a href="{}">{}</a></li>`, "#"+f.name, f.label+": "+f.problem)
	}
	if n > 0 {
		p.Put(`</ul></div>`)
	}
}

// label begins a field. Those that read it out say its hint and its problem with it,
// which described names.
func (p *page) label(f field) (described, invalid string) {
	p.Put(`<div class="field"><label for="{}">{}`, f.name, f.label)
	if !f.required && f.options == nil {
		p.Put(` <small>{}</small>`, p.r.t("(optional)"))
	}
	p.Put(`</label>`)
	if f.hint != "" {
		p.Put(`<p class="hint" id="{}">{}</p>`, f.name+"-hint", f.hint)
		described = f.name + "-hint"
	}
	invalid = "false"
	if f.problem != "" {
		p.Put(`<p class="problem" id="{}"><strong>{}</strong> {}</p>`, f.name+"-problem", p.r.t("Error:"), f.problem)
		described, invalid = described+" "+f.name+"-problem", "true"
	}
	return described, invalid
}

// field is a line to type into. A password is never shown again.
func (p *page) field(f field) {
	if f.kind == "" {
		f.kind = "text"
	}
	if f.kind == "password" {
		f.value = ""
	}
	described, invalid := p.label(f)
	if f.required {
		p.Put(`<input type="{}" id="{}" name="{}" value="{}" autocomplete="{}" aria-describedby="{}" aria-invalid="{}" required></div>`, f.kind, f.name, f.name, f.value, f.autocomplete, described, invalid)
		return
	}
	p.Put(`<input type="{}" id="{}" name="{}" value="{}" autocomplete="{}" aria-describedby="{}" aria-invalid="{}"></div>`, f.kind, f.name, f.name, f.value, f.autocomplete, described, invalid)
}

// textarea is room to type lines into.
func (p *page) textarea(f field) {
	if f.rows == 0 {
		f.rows = 4
	}
	described, invalid := p.label(f)
	p.Put(`<textarea id="{}" name="{}" rows="{}" aria-describedby="{}" aria-invalid="{}" spellcheck="false">
{}</textarea></div>`, f.name, f.name, strconv.Itoa(f.rows), described, invalid, f.value) // browsers drop the first end of a line
}

// choice is a list of which one is chosen.
func (p *page) choice(f field) {
	described, invalid := p.label(f)
	p.Put(`<select id="{}" name="{}" aria-describedby="{}" aria-invalid="{}">`, f.name, f.name, described, invalid)
	for _, o := range f.options {
		if o.value == f.value {
			p.Put(`<option value="{}" selected>{}</option>`, o.value, o.label)
		} else {
			p.Put(`<option value="{}">{}</option>`, o.value, o.label)
		}
	}
	p.Put(`</select></div>`)
}

// checkbox is one tick. Several may have one name; their ids are name and value.
func (p *page) checkbox(name, value, label, hint string, checked bool) {
	id := name + "-" + value
	if checked {
		p.Put(`<div class="tick"><input type="checkbox" id="{}" name="{}" value="{}" aria-describedby="{}" checked>`, id, name, value, id+"-hint")
	} else {
		p.Put(`<div class="tick"><input type="checkbox" id="{}" name="{}" value="{}" aria-describedby="{}">`, id, name, value, id+"-hint")
	}
	p.Put(`<label for="{}">{}</label> <span class="hint" id="{}">{}</span></div>`, id, label, id+"-hint", hint)
}

// button sends the form.
func (p *page) button(label string) { p.Put(`<button>{}</button>`, label) }

// danger sends a form that removes or stops something.
func (p *page) danger(label string) { p.Put(`<button class="danger">{}</button>`, label) }

// action is a form that is a button alone, with hidden fields: name, value, and so on.
func (p *page) action(path, label string, hidden ...string) {
	p.Put(`<form class="inline" method="post" action="{}">`, path)
	for i := 0; i+1 < len(hidden); i += 2 {
		p.Put(`<input type="hidden" name="{}" value="{}">`, hidden[i], hidden[i+1])
	}
	p.Put(`<button>{}</button></form>`, label)
}

// code is text to copy, with a button that does it where scripts run.
func (p *page) code(label, text string) {
	p.Put(`<div class="code"><pre tabindex="0" aria-label="{}"><code>{}</code></pre><button type="button" class="plain" data-copy="{}" data-copied="{}" hidden>{}</button></div>`,
		label, text, text, p.r.t("Copied"), p.r.t("Copy"))
}

// facts are terms and what they stand for, in turn, with what cannot be seen spelled out.
func (p *page) facts(pairs ...string) {
	p.Put(`<dl class="facts">`)
	for i := 0; i+1 < len(pairs); i += 2 {
		p.Put(`<div><dt>{}</dt><dd>{}</dd></div>`, pairs[i], shown(pairs[i+1]))
	}
	p.Put(`</dl>`)
}

// table is a table of so many rows, whose cells row puts into the page, from <tr> to
// </tr>. On a narrow screen it can be scrolled by itself.
func (p *page) table(caption string, columns []string, rows int, row func(i int)) {
	p.Put(`<div class="scroll" tabindex="0" role="region" aria-label="{}"><table><caption>{}</caption><thead><tr>`, caption, caption)
	for _, c := range columns {
		p.Put(`<th scope="col">{}</th>`, c)
	}
	p.Put(`</tr></thead><tbody>`)
	for i := range rows {
		row(i)
	}
	p.Put(`</tbody></table></div>`)
}

// more is a link to another page.
func (p *page) more(label, path string) { p.Put(`<p><a href="{}">{}</a></p>`, path, label) }
