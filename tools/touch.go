package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
)

// A reach finds out what one call touches, for a caller whose rule does not let
// everything through. It asks Salesforce to describe objects where it must.
type reach struct {
	ctx    context.Context
	server *Server
	caller allowlist.Caller
	rule   allowlist.Rule

	org     Org   // once something was asked
	sent    trace // what was asked
	op      *Op   // the row in question: the call's, or that of a request inside it
	touches []allowlist.Touch
}

// mayTouch gates the content of a call: the operations inside it, and the objects
// and fields that any of it reads or changes. What cannot be proven inside the
// rule is refused. A rule without lists is asked only about requests inside the
// call, and one that lets everything through about nothing.
func (s *Server) mayTouch(ctx context.Context, caller allowlist.Caller, op *Op, args Args, entry *audit.Entry) error {
	rule, ok := s.Gate.Rule(caller)
	if ok && (rule.Unlimited() || !rule.Narrowed() && !op.decides()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	r := &reach{ctx: ctx, server: s, caller: caller, rule: rule, op: op}
	err := r.row(op, args)
	entry.Exchanges = r.sent
	if err != nil && !errors.Is(err, errOutside) {
		return err
	}
	decision, err := s.Gate.AllowTouches(caller, op.operation(), r.touches)
	if err != nil {
		entry.Rule, entry.Decision = decision.Rule, ""
		return refusal(NotAuthorized, err)
	}
	op.reach = r
	return nil
}

// decides reports whether the arguments of a row decide what it does to the org.
func (op *Op) decides() bool { return op.carries() || op.Gives == Job && op.Effect != Read }

// errOutside says that what was found so far is outside of the rule, and that the
// rest does not matter.
var errOutside = errors.New("outside of the rule")

// row finds out what a row touches with these arguments.
func (r *reach) row(op *Op, args Args) error {
	before := r.op
	r.op = op
	defer func() { r.op = before }()
	switch {
	case op.Opaque:
		r.unknown("%s runs what only Salesforce knows", op.Name())
		return nil
	case op.Touches != nil:
		return op.Touches(r, args)
	}
	return touchRecord(r, args)
}

// touch notes a part of the data that the row touches.
func (r *reach) touch(sObject, field, how string) {
	r.touches = append(r.touches, allowlist.Touch{Op: r.op.operation(), SObject: sObject, Field: field, How: how})
}

// unknown notes that nobody can say what the row touches.
func (r *reach) unknown(format string, args ...any) {
	r.touches = append(r.touches, allowlist.Touch{Op: r.op.operation(), How: allowlist.Reads, Why: fmt.Sprintf(format, args...)})
}

// how says how the row touches the records it is about.
func (op *Op) how() string {
	if op.Effect == Read {
		return allowlist.Reads
	}
	return allowlist.Writes
}

// nothing is of rows that touch no records, or only list what the answer may then
// be rid of.
func nothing(*reach, Args) error { return nil }

// touchRecord is of rows that name their object: its record, and the fields that
// the arguments name.
func touchRecord(r *reach, args Args) error {
	object, err := r.object(text(args[sObjectName.Name]), r.op.how())
	if err != nil {
		return err
	}
	for _, p := range r.op.params() {
		v, given := args[p.Name]
		if !given {
			continue
		}
		switch {
		case p.Form == RecordID || p.Form == RecordIDList:
			r.ids(object, v)
		case p.Form == FieldList:
			err = r.selected(object, v.([]string))
		case p.Name == external.Name:
			r.field(object, text(v), allowlist.Filters)
			if foldKey(text(v)) == "id" {
				r.ids(object, args[externalValue.Name])
			}
		case p.Name == fieldName.Name:
			err = r.member(object, text(v))
		case p.Form == FieldValues:
			err = r.values(object, v.(map[string]any))
		case p.Form == RecordList:
			err = r.records(v.([]any))
		case p.Form == EventList:
			for _, values := range v.([]any) {
				err = errors.Join(err, r.values(object, values.(map[string]any)))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// object notes that records of an object are touched, and returns what is known of
// it. One that the rule does not let through is not asked about. With a record that
// is removed Salesforce removes those that are a part of it: where the rule denies
// their object, they are touched too.
func (r *reach) object(name, how string) (*described, error) {
	if !r.rule.PermitsSObject(name) {
		r.touch(name, "", how)
		return nil, errOutside
	}
	if !r.rule.Narrowed() { // its name is enough: only operations are asked about
		r.touch(name, "", how)
		return &described{}, nil
	}
	object, err := r.describe(name)
	if errors.Is(err, soql.ErrNoSObject) {
		r.unknown("Salesforce knows no object %s for this user", clip(name))
		return nil, errOutside
	}
	if err != nil {
		return nil, err
	}
	r.touch(object.Name, "", how)
	for _, part := range object.cascades {
		if r.op.Effect == Remove && r.rule.DeniesSObject(part) {
			r.touch(part, "", how)
		}
	}
	return object, nil
}

// field notes a field of an object, by its name or as the object spells it.
func (r *reach) field(object *described, name, how string) {
	if !r.rule.Narrowed() {
		return
	}
	f := object.field(name)
	if f == nil {
		r.unknown("%s has no field %s that this user may see", object.Name, clip(name))
		return
	}
	r.touch(object.Name, f.Name, how)
}

// ids notes records by their IDs, which must be of the object that is named beside
// them: what Salesforce does with others is not documented. Some objects share
// their IDs' prefix with others, and have none in their description.
func (r *reach) ids(object *described, v any) {
	list, _ := v.([]string)
	if id, ok := v.(string); ok {
		list = []string{id}
	}
	if v != nil && len(list) == 0 && r.rule.Narrowed() {
		r.unknown("which record an ID names must be said in the call")
	}
	for _, id := range list {
		if _, err := salesforce.To18(id); err != nil && r.rule.Narrowed() { // another case could be another object's prefix
			r.unknown("%v", err)
		}
		if id != someID && object.KeyPrefix != "" && !strings.HasPrefix(id, object.KeyPrefix) {
			r.unknown("%s is no ID of %s", clip(id), object.Name)
		}
	}
}

// member notes a field, or the records that a relationship leads to.
func (r *reach) member(object *described, name string) error {
	for i := range object.Fields {
		f := &object.Fields[i]
		if f.RelationshipName == "" || foldKey(f.RelationshipName) != foldKey(name) {
			continue
		}
		r.touch(object.Name, f.Name, allowlist.Filters)
		for _, target := range f.ReferenceTo {
			if _, err := r.object(target, allowlist.Reads); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range object.ChildRelationships {
		if c.RelationshipName != "" && foldKey(c.RelationshipName) == foldKey(name) {
			_, err := r.object(c.ChildSObject, allowlist.Reads)
			return err
		}
	}
	r.field(object, name, allowlist.Reads)
	return nil
}
