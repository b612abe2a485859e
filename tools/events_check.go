package tools

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A platformEvent is what a user is told of one: the answer to GET
// /sobjects/{name}/describe.
type platformEvent struct {
	Name       string
	Createable bool
	Fields     []eventField

	permits func(field string) bool // whether the agent's rule lets it be named and written
}

type eventField struct {
	Name, Type               string
	Length, Precision, Scale int
	Nillable, Createable     bool
	DefaultedOnCreate        bool
}

// eventOf asks what an event is. The error says when this user may not publish it.
func eventOf(ctx context.Context, org Org, op *Op, args Args) (*platformEvent, error) {
	resp, err := describeObject(ctx, org, args)
	if err != nil {
		return nil, noEvent(ctx, org, op, args, err)
	}
	e := &platformEvent{permits: func(string) bool { return true }}
	if err := json.Unmarshal(resp.Body, e); err != nil || !eventRE.MatchString(e.Name) {
		return nil, &Error{Code: Unreadable, Message: "Salesforce answered with something else than the event's fields; nothing was published", RequestID: resp.RequestID}
	}
	if op.reach != nil {
		e.permits = func(field string) bool { return op.reach.rule.PermitsField(e.Name, field) }
	}
	if !e.Createable {
		return nil, &Error{Code: "INSUFFICIENT_ACCESS", Message: fmt.Sprintf("the Salesforce user may read %s, and not publish it", e.Name),
			Hint: "An administrator can grant Create on the event. Do not repeat the call."}
	}
	return e, nil
}

// mostWrong is how many mistakes an error has.
const mostWrong = 10

// check says what is wrong with the values of events, all of it: unknown fields,
// values of the wrong type or too large, and fields that are missing.
func (e *platformEvent) check(list []any, many bool) error {
	var wrong, about []string
	for i, values := range list {
		at := ""
		if many {
			at = fmt.Sprintf("%s[%d].", eventList.Name, i)
		}
		for _, p := range e.problems(values.(map[string]any), many) {
			wrong, about = append(wrong, at+p.field+": "+p.why), append(about, p.field)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(about)
	more := wrong[1:]
	if len(more) > mostWrong {
		more = append(slices.Clone(more[:mostWrong]), fmt.Sprintf("%d more", len(more)-mostWrong))
	}
	return &Error{Code: InvalidArgument, Message: fmt.Sprintf("%s; nothing was published", wrong[0]), Fields: slices.Compact(about), Also: more, Hint: e.hint()}
}

// hint says which fields the event has.
func (e *platformEvent) hint() string {
	var all []string
	for _, f := range e.writable() {
		needed := ""
		if f.needed() {
			needed = ", needed"
		}
		all = append(all, fmt.Sprintf("%s (%s%s)", f.Name, f.takes(), needed))
	}
	if len(all) == 0 {
		return fmt.Sprintf("%s takes no fields: give {}.", e.Name)
	}
	if len(all) > mostNamed {
		all = append(all[:mostNamed], "and others (tool events, action describe)")
	}
	return fmt.Sprintf("%s takes %s.", e.Name, strings.Join(all, ", "))
}

// writable are the fields that the agent may give.
func (e *platformEvent) writable() (all []eventField) {
	for _, f := range e.Fields {
		if f.Createable && e.permits(f.Name) {
			all = append(all, f)
		}
	}
	return all
}

// needed reports whether an event must have the field. A checkbox that is not given is
// not checked.
func (f eventField) needed() bool {
	return f.Createable && !f.Nillable && !f.DefaultedOnCreate && f.Type != "boolean"
}

// A problem is what is wrong with a field of an event.
type problem struct{ field, why string }

func (e *platformEvent) problems(values map[string]any, inside bool) (all []problem) {
	var names []string
	for _, f := range e.writable() {
		names = append(names, f.Name)
	}
	given := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		i := slices.IndexFunc(e.Fields, func(f eventField) bool { return strings.EqualFold(f.Name, name) })
		bad := func(format string, args ...any) { all = append(all, problem{clip(name), fmt.Sprintf(format, args...)}) }
		switch s, _ := v.(string); {
		case name == "attributes":
			continue
		case i < 0 || !e.permits(e.Fields[i].Name):
			bad("%s has no such field%s", e.Name, cmp.Or(near(name, names), near(name+"__c", names)))
			continue
		case !e.Fields[i].Createable:
			bad("Salesforce sets it; leave it out")
			continue
		case given[e.Fields[i].Name]:
			bad("it is given twice, in another case; give it once, as %s", e.Fields[i].Name)
			continue
		case inside && strings.Contains(s, "@{"):
			bad(`it has "@{", which Salesforce takes for a reference to another event of the call; publish this event by itself, with body`)
		}
		f := e.Fields[i]
		if v == nil || v == "" {
			if f.Type == "boolean" || v == "" && !f.textual() {
				bad("it must be %s", f.takes())
			}
			continue
		}
		given[f.Name] = true
		if why := f.wrong(v); why != "" {
			bad("%s; it must be %s", why, f.takes())
		}
	}
	for _, f := range e.Fields {
		switch {
		case !f.needed() || given[f.Name]:
		case e.permits(f.Name):
			all = append(all, problem{f.Name, "it is missing, and every " + e.Name + " needs it: " + f.takes()})
		default:
			all = append(all, problem{"another field", "every " + e.Name + " needs it, and the agent's rule does not let it be written"})
		}
	}
	return all
}

func (f eventField) textual() bool { return f.Type == "string" || f.Type == "textarea" }

// takes says what a value of the field is. The fields of an event are checkboxes,
// dates, numbers and texts (Platform Events Developer Guide, "Platform Event Fields").
func (f eventField) takes() string {
	switch f.Type {
	case "boolean":
		return "true or false"
	case "date":
		return "a date, as in 2026-01-31"
	case "datetime":
		return "a date and time with its zone, as in 2026-01-31T12:00:00Z"
	case "int", "long":
		return "a whole number"
	case "double", "currency", "percent":
		if f.Precision == 0 {
			return "a number"
		}
		return fmt.Sprintf("a number of at most %d digits before the point and %d after it", f.Precision-f.Scale, f.Scale)
	case "string", "textarea":
		return fmt.Sprintf("a text of at most %d characters", f.Length)
	}
	return "of type " + f.Type
}

// wrong says why a value that is not null does not fit the field, or "". Of numbers and
// truth values Salesforce takes their text too, as from a CSV.
func (f eventField) wrong(v any) string {
	s, isText := v.(string)
	n, isNumber := v.(json.Number)
	_, isBool := v.(bool)
	if isText {
		n = json.Number(strings.TrimSpace(s))
	}
	is := article(typeName(v))
	if isText {
		is = fmt.Sprintf("%q", clip(s))
	}
	switch f.Type {
	case "boolean":
		if !isBool && !strings.EqualFold(s, "true") && !strings.EqualFold(s, "false") {
			return "it is " + is
		}
	case "int", "long":
		if _, err := strconv.ParseInt(n.String(), 10, 64); err != nil || !isNumber && !isText {
			return "it is " + is
		}
	case "double", "currency", "percent":
		x, err := strconv.ParseFloat(n.String(), 64)
		if !isNumber && !isText || err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return "it is " + is
		}
		if f.Precision > 0 && math.Abs(x) >= math.Pow10(f.Precision-f.Scale) {
			return n.String() + " is too large"
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return "it is " + is
		}
	case "datetime":
		if !isDateTime(s) {
			return "it is " + is
		}
	case "string", "textarea":
		if !isText {
			return "it is " + is
		}
		if length := utf8.RuneCountInString(strings.TrimSpace(s)); f.Length > 0 && length > f.Length {
			return fmt.Sprintf("it has %d characters", length)
		}
	}
	return ""
}

// isDateTime reports whether a text is a date and time with its zone.
func isDateTime(s string) bool {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
