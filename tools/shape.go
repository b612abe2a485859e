package tools

import (
	"bytes"
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
	Failed     bool                 // none of several records was written
	Link       *Link                // where the whole of it is, when it was too large
	Replayed   bool                 // it is what an earlier call with the same idempotency key came to
	partial    bool                 // it is not the whole answer
	paged      bool                 // the answer is one page of more
}

// A File is the content of a blob field, or its beginning.
type File struct {
	URI       string // names the field; it cannot be fetched
	MediaType string
	Content   []byte // at most maxFile bytes
	Attached  bool   // it goes with the result as bytes
}

// maxFile is how many bytes of a file are handed to a model's host.
const maxFile = 256 << 10

// cut returns the first bytes of a file as text, or "" if they are none. The
// media type does not tell: Salesforce calls most files application/octetstream.
func (f *File) cut(most int) string {
	head := f.Content[:min(len(f.Content), most)]
	for n := 0; n < utf8.UTFMax && !utf8.Valid(head); n++ { // a character may be cut in two
		head = head[:len(head)-1]
	}
	if !utf8.Valid(head) || bytes.ContainsRune(head, 0) {
		return ""
	}
	return string(head)
}

// format is one value of the argument outputFormat.
type format struct{ text, structured bool }

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
	page := op.page(args, a)
	_, res.Failed = a.failed()
	res.paged = page.head.get("nextRecordsUrl") != nil || page.head.get(csvLocator.Name) != nil
	page.cut(resultBudget, want, op.Content == Value)
	if page.dropped() > 0 || page.more {
		page.notes = append(page.notes, op.rest(args, page))
	}
	res.partial = page.dropped() > 0 || page.more || page.clipped
	if op.Note != nil {
		if note := op.Note(args, a.value); note != "" {
			page.notes = append(page.notes, note)
		}
	}
	if note := scarce(a.resp); note != "" {
		page.notes = append(page.notes, note)
	}
	for i, note := range page.notes {
		page.notes[i] = op.say(note)
	}
	if want.text {
		res.Text = page.text()
	}
	if want.structured {
		b, err := encode(page.structured())
		if err != nil {
			return nil, err
		}
		res.Structured = json.RawMessage(Printable(string(b))) // only strings can hold what it spells out
	}
	return res, nil
}

// scarce says how many API calls the org has left, when these are less than a
// tenth of what it has.
func scarce(resp *salesforce.Response) string {
	used, allowed, ok := salesforce.Usage(resp.Header)
	left := max(0, allowed-used)
	if !ok || left*10 >= allowed {
		return ""
	}
	return fmt.Sprintf("Salesforce API calls are running low: %d of %d are left to the whole org for these 24 hours. Ask for more at once, and make no call that is not needed.", left, allowed)
}

// page arranges an answer: single values above, lists of records below.
func (op *Op) page(args Args, a *answer) *page {
	p := &page{more: a.more}
	if op.Effect != Remove {
		p.org = a.resp.Origin
	}
	value := a.value
	if op.View != nil && value != nil {
		value = op.View(args, value)
	}
	switch v := value.(type) {
	case nil:
		if op.Content == Value && a.file == nil {
			p.empty = []string{"value"}
			break
		}
		p.head = op.done(args, a, p)
	case object:
		p.arrange(op.brief(v, args))
		p.url = recordURL(p.org, v)
		p.typed = p.head.get("totalSize") == nil
		if results, _ := a.results(); len(results) > 0 {
			p.head = append(failureCount(results), p.head...)
		}
	case []any:
		if columns := op.Brief["records"]; columns != nil {
			v = pick(v, columns, true)
		}
		p.add("records", op.rows(args, v))
		p.head = failureCount(v)
		p.typed = true
	case string:
		p.head = object{{"value", p.part(v, skipped(args))}}
	default:
		p.head = object{{"value", v}}
	}
	if op.Content == JSON {
		p.skip(skipped(args))
	}
	return p
}

// part is as much of a text as fits, from a byte on.
func (p *page) part(s string, from int) string {
	s = strings.ToValidUTF8(s[min(from, len(s)):], "")
	if len(s) <= resultBudget {
		return s
	}
	end := resultBudget
	for !utf8.RuneStart(s[end]) {
		end--
	}
	p.more, p.read = true, from+end
	return s[:end]
}

// rows returns the elements of a list as rows that say which they are: the IDs
// that were asked for and not found, and the places of records in a collection
// of which some failed.
func (op *Op) rows(args Args, list []any) []any {
	ids, _ := args[recordIDs.Name].([]string)
	some := failures(list) > 0
	rows := make([]any, len(list))
	for i, e := range list {
		o, isObject := e.(object)
		switch {
		case e == nil && len(ids) == len(list):
			rows[i] = object{{"Id", ids[i]}, {"found", false}}
		case isObject && some:
			rows[i] = append(object{{"record", json.Number(fmt.Sprint(i))}}, o...)
		default:
			rows[i] = e
		}
	}
	return rows
}

// failureCount is the head of a collection of which some records were not written.
func failureCount(results []any) object {
	n := failures(results)
	if n == 0 {
		return nil
	}
	return object{{"failed", json.Number(fmt.Sprint(n))}, {"of", json.Number(fmt.Sprint(len(results)))}}
}

// done says what an answer without a body means, or shows a file.
func (op *Op) done(args Args, a *answer, p *page) object {
	if a.file != nil {
		return op.file(args, a, p)
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

// file shows the content of a file: text as far as it fits, or else the bytes
// go with the result when they are few.
func (op *Op) file(args Args, a *answer, p *page) object {
	f := a.file
	f.URI = "salesforce://" + fill(strings.TrimPrefix(op.Call, "GET /"), args)
	o := object{{"mediaType", f.MediaType}}
	var size any = json.Number(fmt.Sprint(len(f.Content)))
	if a.more {
		size = fmt.Sprint("more than ", size)
	}
	text := f.cut(resultBudget)
	switch {
	case text != "" || len(f.Content) == 0:
		o = append(o, member{"bytes", size}, member{"content", text})
		if p.more = a.more || len(text) < len(f.Content); p.more {
			p.read = skipped(args) + len(text)
		}
	case !a.more:
		f.Attached = true
		o = append(o, member{"bytes", size})
	default:
		p.clipped = true
		o = append(o, member{"bytes", size}, member{"note", fmt.Sprintf("more than %d bytes are not handed to a model", maxFile)})
	}
	return o
}

// rest says how to get the records that were left out.
func (op *Op) rest(args Args, p *page) string {
	note := fmt.Sprintf("%d of %d not shown, for their length.", p.dropped(), p.dropped()+p.shown())
	switch {
	case p.read > 0:
		note = fmt.Sprintf("It goes on after byte %d.", p.read)
	case p.more:
		note = fmt.Sprintf("These are %d rows; more follow.", p.shown())
	}
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
		if len(out) == picklistCap && !whole {
			return append(out, fmt.Sprintf("… up to %d more: name the field in %s", len(values)-i, fields.Name))
		}
		if o, ok := v.(object); ok {
			value, isPicklist := o.lookup("value")
			if !isPicklist {
				return values
			}
			if o.get("active") == false {
				continue
			}
			v = value
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
