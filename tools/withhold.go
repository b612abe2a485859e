package tools

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"slices"
	"strings"

	"salesforce-mcp/salesforce"
)

// withhold takes out of an answer what the caller's rule keeps from it: records,
// fields and what describes them, at any depth. What a call names was gated before
// it was sent; this is for what it did not name, such as a record without a list
// of fields, or FIELDS(ALL).
func (a *answer) withhold(op *Op) error {
	if op.reach == nil || !op.reach.rule.Narrowed() || a.value == nil || op.Content == CSV {
		return nil
	}
	v, changed := op.reach.visible(a.value)
	if !changed {
		return nil
	}
	a.value = v
	var err error
	a.resp.Body, err = encode(v)
	return err
}

// withhold does the same for an answer that is handed on as it is, where it is JSON:
// a relationship is read like a field, and answers with a record.
func (op *Op) withhold(resp *salesforce.Response) error {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if op.reach == nil || !op.reach.rule.Narrowed() || resp.Stream == nil || op.Content != Value || mediaType != "application/json" {
		return nil
	}
	stream := resp.Stream
	body, err := readAll(stream)
	if err != nil {
		return &Error{Code: Unreadable, Message: "the answer cannot be read: " + err.Error(), RequestID: resp.RequestID}
	}
	if v, err := decode(body); err == nil { // a file may be called JSON
		if v, changed := op.reach.visible(v); changed {
			if body, err = encode(v); err != nil {
				return err
			}
		}
	}
	resp.Stream = readCloser{bytes.NewReader(body), stream}
	return nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// visible is what the rule shows of a value, and whether that is less than all. It
// is nil where nothing is left.
func (r *reach) visible(v any) (any, bool) {
	switch v := v.(type) {
	case []any:
		kept, changed := make([]any, 0, len(v)), false
		for _, e := range v {
			seen, less := r.visible(e)
			changed = changed || less
			if seen != nil || e == nil {
				kept = append(kept, seen)
			}
		}
		return kept, changed
	case object:
		return r.visibleObject(v)
	}
	return v, false
}

func (r *reach) visibleObject(o object) (any, bool) {
	attributes, _ := o.get("attributes").(object)
	kind, isRecord := attributes.get("type").(string)
	if isRecord && kind != aggregate && !r.rule.PermitsSObject(kind) {
		return nil, true
	}
	kept, changed := make(object, 0, len(o)), false
	if code := cell(o.get("statusCode")) + cell(o.get("errorCode")); code == deleteFailed && o.get("message") != unnamed {
		o, changed = o.with("message", unnamed), true
	}
	for _, m := range o {
		nested, isObject := m.value.(object)
		_, isRelated := nested.lookup("attributes")
		_, isList := nested.lookup("records")
		if isRecord && kind != aggregate && m.name != "attributes" && !isRelated && !isList && !r.rule.PermitsField(kind, m.name) {
			changed = true
			continue
		}
		var value any
		var less bool
		if list, ok := m.value.([]any); ok {
			value, less = r.visibleList(o, m.name, list)
		} else if isObject && (m.name == "rules" || m.name == "approvals") {
			value, less = r.byObject(nested)
		} else {
			value, less = r.visible(m.value)
		}
		changed = changed || less
		kept = append(kept, member{m.name, value})
	}
	return kept, changed
}

// deleteFailed is the code of an error whose text names records of other objects
// that stand in the way of a removal.
const (
	deleteFailed = "DELETE_FAILED"
	unnamed      = "other records depend on it; Salesforce's text is withheld, because it names records that the agent's rule may keep from it"
)

// withholdError does the same for an error.
func (op *Op) withholdError(err error) error {
	var theirs *salesforce.Error
	if op.reach == nil || !op.reach.rule.Narrowed() || !errors.As(err, &theirs) {
		return err
	}
	e := *theirs
	e.Details = slices.Clone(e.Details)
	for i := range e.Details {
		if e.Details[i].Code == deleteFailed {
			e.Details[i].Message = unnamed
		}
	}
	if e.Code == deleteFailed {
		e.Message = unnamed
	}
	e.Candidates = slices.DeleteFunc(slices.Clone(e.Candidates), func(candidate string) bool {
		id := candidate[strings.LastIndexByte(candidate, '/')+1:] // of a path
		name, err := op.reach.objectOf(id)                        // as far as it is remembered: the time to ask is over
		return err != nil || !op.reach.rule.PermitsSObject(name)
	})
	return &e
}

// aggregate is the type of a row whose members are the results of functions.
const aggregate = "AggregateResult"

// visibleList is a member of an object that is a list: of what describes objects
// and fields, or of anything else.
func (r *reach) visibleList(of object, name string, list []any) (any, bool) {
	described, _ := of.get("name").(string)
	_, isObject := of.lookup("childRelationships")
	isObject = isObject || of.get("type") == "record" // the schema of an event
	var show func(object) bool
	switch {
	case name == "sobjects" || name == "sObjects":
		show = func(e object) bool { return r.rule.PermitsSObject(cell(e.get("name"))) }
	case name == "fields" && isObject:
		show = func(e object) bool { return r.rule.PermitsField(described, cell(e.get("name"))) }
	case name == "childRelationships":
		show = func(e object) bool {
			child := cell(e.get("childSObject"))
			return r.rule.PermitsSObject(child) && r.rule.PermitsField(child, cell(e.get("field")))
		}
	case name == "records" && slices.ContainsFunc(list, isJob): // whoever made them
		show = func(e object) bool { return !isJob(e) || r.rule.PermitsSObject(cell(e.get("object"))) }
	default:
		return r.visible(list)
	}
	kept := make([]any, 0, len(list))
	for _, e := range list {
		if o, ok := e.(object); ok && show(o) {
			kept = append(kept, e)
		}
	}
	return kept, len(kept) < len(list)
}

// isJob reports whether an element is a job of the Bulk API, and no record.
func isJob(e any) bool {
	o, _ := e.(object)
	_, isRecord := o.lookup("attributes")
	return !isRecord && o.get("jobType") != nil && o.get("object") != nil
}

// byObject is what is listed below the names of objects.
func (r *reach) byObject(o object) (any, bool) {
	kept := make(object, 0, len(o))
	for _, m := range o {
		if r.rule.PermitsSObject(m.name) {
			kept = append(kept, m)
		}
	}
	return kept, len(kept) < len(o)
}
