package tools

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"salesforce-mcp/salesforce"
)

// resultBudget is how many characters of a result a model gets at once. The
// smallest limit of a known client is 10 KiB (Codex); the others take 25,000
// tokens or 50,000 characters.
const resultBudget = 20_000

// A Result is the answer to one call.
type Result struct {
	Raw        *salesforce.Response // as Salesforce sent it
	Text       string               // for a model or a person; empty when only the structured form was asked for
	Structured json.RawMessage      // a JSON object with the same facts; nil when only text was asked for
	File       *File                // the content of a file, when that was fetched
}

// A File is the content of a blob field.
type File struct {
	URI       string // names the field; it cannot be fetched
	MediaType string
	Content   []byte
}

// maxFile is how many bytes of a file are handed to a model's host.
const maxFile = 1 << 20

// readable reports whether the file is text that fits into a result.
func (f *File) readable() bool {
	return strings.HasPrefix(f.MediaType, "text/") && utf8.Valid(f.Content) && len(f.Content) <= resultBudget
}

// attached reports whether the file goes with the result as bytes.
func (f *File) attached() bool { return !f.readable() && len(f.Content) <= maxFile }

// format is one value of the argument outputFormat.
type format struct{ text, structured bool }

var formatNames = []string{"verbose", "structured", "both"}

var formats = map[string]format{"verbose": {text: true}, "structured": {structured: true}, "both": {true, true}}

// shape turns Salesforce's answer into what the caller asked for. Text and
// structured form hold the same facts, since hosts show a model one or the
// other; both are cut at the same record.
func (op *Op) shape(args Args, a *answer) (*Result, error) {
	name, ok := args[outputFormat.Name].(string)
	if !ok {
		name = "verbose"
	}
	want := formats[name]
	res := &Result{Raw: a.resp, File: a.file}
	if a.err != nil {
		return nil, &Error{Code: Unreadable, Message: fmt.Sprintf("Salesforce answered %s with HTTP %d, but its answer cannot be read: %v", op.Name(), a.resp.Status, a.err)}
	}
	page := op.page(args, a)
	page.cut(resultBudget, want)
	if page.dropped() > 0 {
		page.note = op.rest(args, page)
	}
	if want.text {
		res.Text = page.text()
	}
	if want.structured {
		b, err := encode(page.structured())
		if err != nil {
			return nil, err
		}
		res.Structured = json.RawMessage(printable(string(b))) // only strings can hold what it spells out
	}
	return res, nil
}

// page arranges an answer: single values above, lists of records below.
func (op *Op) page(args Args, a *answer) *page {
	p := &page{}
	switch v := a.value.(type) {
	case nil:
		p.head = op.done(args, a)
	case object:
		p.arrange(op.brief(v, args))
	case []any:
		if n := failures(v); n > 0 {
			p.head = object{{"failed", json.Number(fmt.Sprint(n))}, {"of", json.Number(fmt.Sprint(len(v)))}}
		}
		p.add("records", v)
	default:
		p.head = object{{"value", v}}
	}
	return p
}

// done says what an answer without a body means.
func (op *Op) done(args Args, a *answer) object {
	if f := a.file; f != nil {
		f.URI = "salesforce://" + fill(strings.TrimPrefix(op.Call, "GET /"), args)
		o := object{{"mediaType", f.MediaType}, {"bytes", json.Number(fmt.Sprint(len(f.Content)))}}
		switch {
		case f.readable():
			o = append(o, member{"content", string(f.Content)})
		case !f.attached():
			o = append(o, member{"note", fmt.Sprintf("more than %d bytes are not handed to a model", maxFile)})
		}
		return o
	}
	o := object{{"success", true}}
	for _, p := range op.Needs {
		if p.Form == RecordID {
			o = append(o, member{"id", args[p.Name]})
		}
	}
	if a.resp.AlreadyRemoved {
		o = append(o, member{"note", "it was already removed"})
	}
	return o
}

// rest says how to get the records that were left out.
func (op *Op) rest(args Args, p *page) string {
	note := fmt.Sprintf("%d of %d not shown, for their length.", p.dropped(), p.dropped()+p.shown())
	if op.More != nil {
		if how := op.More(op, args, p); how != "" {
			return note + " " + how
		}
	}
	return note + " Ask for less at once."
}

// brief keeps the members of an object that the row names, and the values of
// picklists instead of all there is to say about them.
func (op *Op) brief(o object, args Args) object {
	if op.Brief == nil {
		return o
	}
	_, narrowed := args[fields.Name]
	var kept object
	for _, name := range op.Brief[""] {
		v := o.get(name)
		columns := op.Brief[name]
		if list, ok := v.([]any); ok && columns != nil {
			v = pick(list, columns, narrowed)
		}
		if v != nil {
			kept = append(kept, member{name, v})
		}
	}
	return kept
}

// picklistCap is how many values of a picklist are shown with all the others.
const picklistCap = 25

// pick keeps some columns of a list of objects.
func pick(list []any, columns []string, whole bool) []any {
	rows := make([]any, 0, len(list))
	for _, e := range list {
		from, _ := e.(object)
		var row object
		for _, name := range columns {
			if v, ok := from.lookup(name); ok {
				if values, isList := v.([]any); isList {
					v = flat(values, whole)
				}
				row = append(row, member{name, v})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// flat returns the values of a picklist, or the strings of a list.
func flat(values []any, whole bool) any {
	var out []any
	for i, v := range values {
		if i == picklistCap && !whole {
			return append(out, fmt.Sprintf("… %d more: name the field in %s", len(values)-i, fields.Name))
		}
		if o, ok := v.(object); ok {
			v = o.get("value")
		}
		out = append(out, v)
	}
	if out == nil {
		return nil
	}
	return out
}

// escapes keeps a value within its row and column.
var escapes = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// cell is one value in a row of text.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return escapes.Replace(v)
	case json.Number:
		return v.String()
	case []any:
		var parts []string
		for _, e := range v {
			if _, nested := e.(object); nested {
				return compact(v)
			}
			parts = append(parts, cell(e))
		}
		return strings.Join(parts, "|")
	case object:
		return compact(v)
	}
	return fmt.Sprint(v)
}

func compact(v any) string {
	b, err := encode(stripped(v))
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// stripped returns v without the members attributes and without nulls, and the
// envelope of child records as the list of them.
func stripped(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = stripped(v[i])
		}
		return list
	case object:
		if children, ok := v.get("records").([]any); ok && v.get("totalSize") != nil && v.get("done") == true {
			return stripped(children)
		}
		o := object{}
		for _, m := range v {
			if m.name != "attributes" && m.value != nil {
				o = append(o, member{m.name, stripped(m.value)})
			}
		}
		return o
	}
	return v
}
