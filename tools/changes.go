package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
)

// was is a record that a call is about to change, as it was.
type was struct {
	object string
	id     string         // "" when it was not there
	values object         // nil when it was not there
	sent   map[string]any // by field; nil when the call removes it
	single bool           // the call's answer is about it alone
}

// befores read what a call is about to change, by its instruction. What is not
// here cannot be seen: composite requests, bulk jobs, actions, Apex, metadata.
var befores = map[string]func(*before, Args) error{
	"updateRecord":         (*before).update,
	"upsertRecord":         (*before).upsert,
	"deleteRecord":         (*before).remove,
	"updateRecords":        (*before).updateMany,
	"upsertRecordsForType": (*before).upsertMany,
	"deleteRecords":        (*before).removeMany,
}

// before reads what a call is about to change, as its caller. A call whose values
// cannot be read is not made, except where a record is not there, which the call
// finds out itself. Rows that add change nothing that was there.
func (s *Server) before(ctx context.Context, o Org, caller allowlist.Caller, op *Op, args Args) ([]was, error) {
	if op.Effect == Read || op.Effect == Add {
		return nil, nil
	}
	rule, ok := s.Gate.Rule(caller)
	if !ok || len(rule.Changes) == 0 {
		return nil, nil
	}
	read, ok := befores[op.Instruction]
	switch {
	case !ok && slices.Contains(rule.Actions, op.Name()):
		return nil, nil
	case !ok:
		return nil, &Error{Code: NotAuthorized, Message: fmt.Sprintf("the rule for this agent wants to know what changes, and nobody can tell that of %s; nothing was sent", op.Name()),
			Hint: "Change records with the tools records and compositeRecords; or an administrator lets the rule name " + op.Name() + " among its actions."}
	}
	b := &before{ctx: ctx, org: o, of: rule.Changes}
	if err := read(b, args); err != nil {
		e := *AsError(err)
		e.Message = "what the record was before could not be read, and the rule for this agent asks for that; nothing was changed: " + e.Message
		return nil, &e
	}
	return b.seen, nil
}

// before is the reading of what a call is about to change.
type before struct {
	ctx  context.Context
	org  Org
	of   allowlist.Changes
	seen []was
}

// do sends a request that reads.
func (b *before) do(r *salesforce.Request) (any, error) {
	r.Semantics, r.Prompt = salesforce.Safe, true
	resp, err := b.org.Do(b.ctx, r)
	if err != nil {
		return nil, err
	}
	return decode(resp.Body)
}

func (b *before) update(args Args) error {
	sent, _ := args[bodyName].(map[string]any)
	return b.byID(args[sObjectName.Name].(string), []was{{id: args[recordID.Name].(string), sent: fieldsOf(sent), single: true}})
}

func (b *before) updateMany(args Args) error {
	byType := map[string][]was{}
	var order []string
	for _, e := range args[recordList.Name].([]any) {
		record, _ := e.(map[string]any)
		attributes, _ := record["attributes"].(map[string]any)
		object, _ := attributes["type"].(string)
		w := was{object: object, sent: fieldsOf(record)}
		for name, v := range record {
			if strings.EqualFold(name, "id") {
				w.id, _ = v.(string)
			}
		}
		order = append(order, object)
		byType[object] = append(byType[object], w)
	}
	next := map[string][]was{}
	for _, object := range slices.Sorted(maps.Keys(byType)) {
		one := &before{ctx: b.ctx, org: b.org, of: b.of}
		if err := one.byID(object, byType[object]); err != nil {
			return err
		}
		if one.seen == nil { // the rule does not ask for it
			one.seen = make([]was, len(byType[object]))
		}
		next[object] = one.seen
	}
	for _, object := range order { // as the answer has them
		b.seen = append(b.seen, next[object][0])
		next[object] = next[object][1:]
	}
	return nil
}

// byID reads records of one object, in order, with POST, which has room for any
// number of fields (REST API Developer Guide, "Get Records Using sObject
// Collections").
func (b *before) byID(object string, records []was) error {
	if !b.of.Of(object) {
		return nil
	}
	names := map[string]bool{"Id": true}
	var ids []string
	for _, w := range records {
		for name := range w.sent {
			names[name] = true
		}
		ids = append(ids, w.id)
	}
	body, err := encode(map[string]any{"ids": ids, "fields": slices.Sorted(maps.Keys(names))})
	if err != nil {
		return err
	}
	answer, err := b.do(&salesforce.Request{Method: "POST", Path: fill("/composite/sobjects/{sObjectName}", Args{sObjectName.Name: object}), Body: body})
	if isNotFound(err) {
		return b.note(object, records, nil)
	}
	if err != nil {
		return err
	}
	list, ok := answer.([]any)
	if !ok || len(list) != len(records) {
		return errUnreadableBefore
	}
	return b.note(object, records, list)
}

// errUnreadableBefore is for an answer that is not what was asked for.
var errUnreadableBefore = &Error{Code: Unreadable, Message: "Salesforce answered something else than records"}

// note notes records with what was read of them, in the same order.
func (b *before) note(name string, records []was, read []any) error {
	for i, w := range records {
		w.object = name
		w.id = ""
		if i < len(read) {
			if values, ok := read[i].(object); ok {
				w.id, w.values = idOf(values), values
			}
		}
		b.seen = append(b.seen, w)
	}
	return nil
}

// idOf is the ID of a record.
func idOf(record object) string {
	v, _ := fieldOf(record, "Id").(string)
	if id, err := salesforce.To18(v); err == nil {
		return id
	}
	return v
}

// fieldOf is a field of a record; Salesforce writes its name in its own case.
func fieldOf(record object, field string) any {
	for _, m := range record {
		if strings.EqualFold(m.name, field) {
			return m.value
		}
	}
	return nil
}

// maxFieldsQuery bounds the list of fields in a URL; without a list Salesforce
// gives them all.
const maxFieldsQuery = 8000

func (b *before) upsert(args Args) error {
	name := args[sObjectName.Name].(string)
	if !b.of.Of(name) {
		return nil
	}
	sent, _ := args[bodyName].(map[string]any)
	w := was{sent: fieldsOf(sent), single: true}
	request := &salesforce.Request{Method: "GET", Path: fill("/sobjects/{sObjectName}/{externalIdField}/{externalIdValue}", args)}
	if list := strings.Join(append(slices.Sorted(maps.Keys(w.sent)), "Id"), ","); len(list) < maxFieldsQuery {
		request.Query = url.Values{fields.Name: {list}}
	}
	answer, err := b.do(request)
	if isNotFound(err) {
		return b.note(name, []was{w}, nil)
	}
	if err != nil {
		return err
	}
	return b.note(name, []was{w}, []any{answer})
}

// maxStatement bounds a query for some of the records, whose URL may have 16,384
// bytes.
const maxStatement = 3000

func (b *before) upsertMany(args Args) error {
	name, key := args[recordType.Name].(string), args[external.Name].(string)
	if !b.of.Of(name) {
		return nil
	}
	var records []was
	names := map[string]bool{"Id": true, key: true}
	var literals []string
	for _, e := range args[recordList.Name].([]any) {
		record, _ := e.(map[string]any)
		w := was{sent: fieldsOf(record)}
		maps.DeleteFunc(w.sent, func(name string, _ any) bool { return strings.EqualFold(name, key) })
		for field := range w.sent {
			names[field] = true
		}
		for field, v := range record {
			if strings.EqualFold(field, key) && v != nil && v != "" {
				w.id = literal(v)
				literals = append(literals, w.id)
			}
		}
		records = append(records, w)
	}
	found := map[string]any{}
	head := "SELECT " + strings.Join(distinct(slices.Sorted(maps.Keys(names))), ", ") + " FROM " + name + " WHERE " + key + " IN ("
	for rest := slices.Compact(slices.Sorted(slices.Values(literals))); len(rest) > 0; {
		n, size := 0, 0
		for n < len(rest) && (n == 0 || size+len(rest[n]) < maxStatement) {
			size += len(rest[n]) + 2
			n++
		}
		list, err := b.query(head + strings.Join(rest[:n], ", ") + ")")
		if err != nil {
			return err
		}
		for _, r := range list {
			if record, ok := r.(object); ok {
				found[strings.ToLower(literal(fieldOf(record, key)))] = record
			}
		}
		rest = rest[n:]
	}
	read := make([]any, len(records))
	for i, w := range records {
		read[i] = found[strings.ToLower(w.id)]
	}
	return b.note(name, records, read)
}

// distinct leaves out names that differ in case only.
func distinct(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		again := seen[strings.ToLower(name)]
		seen[strings.ToLower(name)] = true
		return again
	})
}

// literal is a value as SOQL writes it.
func literal(v any) string {
	if text, ok := v.(string); ok {
		return soql.Quote(text)
	}
	return fmt.Sprint(v)
}

func (b *before) query(statement string) ([]any, error) {
	answer, err := b.do(&salesforce.Request{Method: "GET", Path: "/query", Query: url.Values{"q": {statement}}})
	if err != nil {
		return nil, err
	}
	o, _ := answer.(object)
	list, ok := o.get("records").([]any)
	if done, _ := o.get("done").(bool); !ok || !done {
		return nil, errUnreadableBefore
	}
	return list, nil
}

func isNotFound(err error) bool {
	var e *salesforce.Error
	return errors.As(err, &e) && e.Class == salesforce.ClassNotFound && e.Status != 0
}

// fieldsOf are the fields that a record sends. One that names another record by
// an external ID, as {"Account": {"Key__c": "x"}}, changes the field of its ID.
func fieldsOf(record map[string]any) map[string]any {
	sent := map[string]any{}
	for name, v := range record {
		if name == "attributes" || strings.EqualFold(name, "id") {
			continue
		}
		if _, nested := v.(map[string]any); nested {
			if custom, ok := strings.CutSuffix(name, "__r"); ok {
				name = custom + "__c"
			} else {
				name += "Id"
			}
		}
		sent[name] = v
	}
	return sent
}

// changesOf are what a call has changed, or may have: of a call that provably
// failed nothing.
func changesOf(seen []was, a *answer, ended audit.Status) (all []audit.Change) {
	var results []any
	if a != nil {
		results, _ = a.value.([]any)
	}
	for i, w := range seen {
		if w.object == "" {
			continue
		}
		known, id := ended == audit.OK, w.id
		switch {
		case ended == audit.Unknown:
		case w.single && !known:
			continue
		case w.single:
			if o, ok := a.object(); ok && id == "" {
				id, _ = fieldOf(o, "id").(string)
			}
		case i >= len(results):
			continue
		default:
			o, _ := results[i].(object)
			if success, _ := o.get("success").(bool); !success {
				continue
			}
			known = true
			if id == "" {
				id, _ = o.get("id").(string)
			}
		}
		all = append(all, w.changes(id, known)...)
	}
	return all
}

// object is the answer's object, if it is one.
func (a *answer) object() (object, bool) {
	if a == nil {
		return nil, false
	}
	o, ok := a.value.(object)
	return o, ok
}

// changes are those of one record. Known says that the call was done.
func (w was) changes(id string, known bool) (all []audit.Change) {
	add := func(field string, before, after json.RawMessage) {
		if before == nil || string(before) != string(after) {
			all = append(all, audit.Change{Record: id, Object: w.object, Field: field, Before: before, After: after})
		}
	}
	if w.sent == nil {
		for _, m := range w.values {
			if m.name != "attributes" && m.value != nil {
				add(m.name, raw(m.value), nil)
			}
		}
		return all
	}
	for _, field := range slices.Sorted(maps.Keys(w.sent)) {
		var before, after json.RawMessage
		if w.values != nil {
			before = raw(fieldOf(w.values, field))
		}
		if known {
			after = raw(w.sent[field])
		}
		add(field, before, after)
	}
	return all
}

// raw is a value as JSON.
func raw(v any) json.RawMessage {
	text, err := encode(v)
	if err != nil {
		return json.RawMessage(`"unreadable"`)
	}
	return text
}
