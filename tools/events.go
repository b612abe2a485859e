package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"salesforce-mcp/salesforce"
)

var (
	eventName   = Param{Name: sObjectName.Name, Type: "string", Form: EventName, Doc: "API name, as in Order_Shipped__e"}
	eventValues = Param{Name: bodyName, Type: "object", Form: FieldValues, In: Body, Doc: "field values of one event"}
	eventList   = Param{Name: "events", Type: "array", Form: EventList, Doc: "instead of body, field values of up to 25 events in their order: [{field: value}]"}
)

// Events is the tool for platform events that the org defines. Those that Salesforce
// defines are left out: it publishes them itself, and their names do not tell them
// from records.
//
// An event is published for good: it is no record, nobody can read or undo it, and a
// repetition is another event. So the effect is Add, a call is sent again only when it
// provably was not executed, and an idempotencyKey makes one that got no answer safe
// to repeat. Several events go as one composite request, without allOrNone: with it
// Salesforce calls events rolled back that it has published, those defined to be
// published immediately (Platform Events Developer Guide, "Publish Event Messages with
// Salesforce APIs").
var Events = Tool{Name: "events", Doc: "Platform events of the org.", Ops: []Op{
	{Action: "publish", Instruction: "publishEvent", Doc: "Publish an event, or several. It cannot be undone.", Effect: Add,
		Call: "POST /sobjects/{sObjectName}", Needs: []Param{eventName}, Takes: []Param{eventValues, eventList}, Agree: oneOrMany, Run: publish, View: publishedView, Hints: publishHints},
	{Action: "describe", Instruction: "describeEvent", Doc: "Show which fields an event takes, and its schema.", Effect: Read,
		Call: "GET /sobjects/{sObjectName}/eventSchema", Needs: []Param{eventName}, Run: describeEvent, View: eventView},
	{Action: "list", Instruction: "listEvents", Doc: "List events, and which this user may publish (createable).", Effect: Read, Connects: true, Touches: nothing,
		Own: listEvents, Brief: map[string][]string{"": {"sobjects"}, "sobjects": {"name", "label", "createable"}}},
}}

// mostEvents is how many events go in one call: a composite request has room for 25
// (REST API Developer Guide, "Composite").
const mostEvents = 25

// eventRE matches the name of an event that the org defines.
var eventRE = regexp.MustCompile(`(?i)^[a-z]\w{0,75}__e$`)

var publishHints = map[string]string{
	"LIMIT_EXCEEDED":                        "The org has published as many events as it may in an hour (tool versions, action getLimits, HourlyPublishedPlatformEvents). Publish it again later.",
	"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE": "It was not published: Salesforce's event bus is down for the moment. Publish it again in some minutes.",
	"PLATFORM_EVENT_PUBLISH_FAILED":         "It was not published. Publish it again in a moment.",
	"PLATFORM_EVENT_ENCRYPTION_ERROR":       "It was not published: an administrator has to mend the key that encrypts events (Setup, Platform Encryption).",
	"SERVER_UNAVAILABLE":                    "It was not published. Publish it again in a moment.",
	string(OutcomeUnknown):                  "It may have been published all the same, and an event cannot be read back: publish it again only if its subscribers bear it twice.",
}

// oneOrMany: a call has one event or several.
func oneOrMany(args Args) error {
	_, one := args[eventValues.Name]
	_, many := args[eventList.Name]
	switch {
	case one && many:
		return &Error{Code: InvalidArgument, Message: "body is one event, and events are several; give one of the two"}
	case !one && !many:
		return &Error{Code: MissingArgument, Message: "events.publish needs body, the field values of one event, or events, a list of them"}
	}
	return nil
}

// events checks a list of the field values of events.
func (p Param) events(list []any, op *Op, args map[string]any) (any, error) {
	if len(list) == 0 || len(list) > mostEvents {
		return nil, p.wrong(fmt.Sprintf("%d events: give 1 to %d in one call", len(list), mostEvents))
	}
	for i, e := range list {
		values, ok := e.(map[string]any)
		if !ok {
			return nil, p.wrong(fmt.Sprintf("element %d is no object of field values", i))
		}
		if _, err := p.fieldValues(values, op, args); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// publish checks the values of events against what Salesforce says of their fields,
// and sends them: one by itself, several as a composite request.
func publish(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	e, err := eventOf(ctx, org, op, args)
	if err != nil {
		return nil, err
	}
	list, many := args[eventList.Name].([]any)
	if !many {
		if err := e.check([]any{args[eventValues.Name]}, false); err != nil {
			return nil, err
		}
		resp, err := plain(ctx, org, op, args)
		if err != nil {
			return nil, err
		}
		return resp, rewrite(resp, func(v any) (any, bool) {
			o, ok := v.(object)
			return enqueued(o), ok
		})
	}
	if err := e.check(list, true); err != nil {
		return nil, err
	}
	resp, err := publishMany(ctx, org, op, e, list)
	if err != nil {
		return nil, err
	}
	return resp, rewrite(resp, func(v any) (any, bool) { return eachEnqueued(v, len(list)) })
}

// publishMany sends events in their order: requests that are collated have none.
func publishMany(ctx context.Context, org Org, op *Op, e *platformEvent, list []any) (*salesforce.Response, error) {
	requests := make([]any, len(list))
	for i, one := range list {
		values := map[string]any{}
		for name, v := range one.(map[string]any) {
			if name != "attributes" {
				values[name] = v
			}
		}
		requests[i] = object{{"method", http.MethodPost}, {"url", "/services/data/" + salesforce.DefaultVersion + "/sobjects/" + e.Name},
			{"referenceId", fmt.Sprint("event", i)}, {"body", values}}
	}
	body, err := encode(object{{allOrNone.Name, false}, {collate.Name, false}, {subrequests.Name, requests}})
	if err != nil {
		return nil, err
	}
	return org.Do(ctx, &salesforce.Request{Method: http.MethodPost, Path: "/composite", Body: body, Semantics: op.semantics()})
}

// rewrite replaces a body by what change makes of it. What cannot be read is left: it
// is an error wherever answers are read.
func rewrite(resp *salesforce.Response, change func(any) (any, bool)) error {
	v, err := decode(resp.Body)
	if err != nil {
		return nil
	}
	v, ok := change(v)
	if !ok {
		return &Error{Code: Unreadable, Message: fmt.Sprintf("Salesforce answered HTTP %d, but not with what became of each event", resp.Status), RequestID: resp.RequestID}
	}
	resp.Body, err = encode(v)
	return err
}

// eventUUID is the member that names an event. It is what subscribers get with it
// (EventUuid); the id of the answer names nothing.
const eventUUID = "eventUuid"

// enqueued is the answer to a published event without the error that is none: its
// text is the UUID of the event.
func enqueued(o object) object {
	errs, _ := o.get("errors").([]any)
	failures := []any{}
	for _, e := range errs {
		one, _ := e.(object)
		if o.get("success") == true && one.get("statusCode") == "OPERATION_ENQUEUED" {
			o = o.with(eventUUID, one.get("message"))
			continue
		}
		failures = append(failures, e)
	}
	return o.with("errors", failures)
}

// eventUUIDs are those of the events that an answer tells of.
func eventUUIDs(v any) (all []string) {
	o, _ := v.(object)
	list, _ := o.get(eventList.Name).([]any)
	for _, e := range append([]any{o}, list...) {
		one, _ := e.(object)
		if id, ok := one.get(eventUUID).(string); ok && uuid.Validate(id) == nil {
			all = append(all, id)
		}
	}
	return all
}

// eachEnqueued are the answers inside the answer to a composite request, as if each
// event had been one of a collection.
func eachEnqueued(v any, n int) (any, bool) {
	o, _ := v.(object)
	answers, _ := o.get("compositeResponse").([]any)
	if len(answers) != n {
		return nil, false
	}
	results := make([]any, n)
	for i, a := range answers {
		answer, _ := a.(object)
		switch body := answer.get("body").(type) {
		case object:
			results[i] = enqueued(body)
		case []any: // errors of the REST API
			failures := make([]any, len(body))
			for j, e := range body {
				one, _ := e.(object)
				failures[j] = object{{"statusCode", one.get("errorCode")}, {"message", one.get("message")}, {"fields", one.get("fields")}}
			}
			results[i] = object{{"success", false}, {"errors", failures}}
		default:
			return nil, false
		}
	}
	return object{{eventList.Name, results}}, true
}

// publishedView leaves out what names nothing and what is empty.
func publishedView(_ Args, v any) any {
	o, ok := v.(object)
	if !ok {
		return v
	}
	list, many := o.get(eventList.Name).([]any)
	if !many {
		return outcomeOf(o)
	}
	rows := make([]any, len(list))
	for i, e := range list {
		one, _ := e.(object)
		rows[i] = append(object{{"event", json.Number(fmt.Sprint(i))}}, outcomeOf(one)...)
	}
	return o.with(eventList.Name, rows)
}

func outcomeOf(o object) object {
	o = o.without("id")
	if errs, _ := o.get("errors").([]any); len(errs) == 0 {
		o = o.without("errors")
	}
	return o
}

// describeEvent answers with the description of the event as an object, which says
// what may be published, and with the schema that subscribers read it by
// (Platform Events Developer Guide, "Event Schema"). The schema has neither lengths
// nor digits.
func describeEvent(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	req.Query = url.Values{"payloadFormat": {"COMPACT"}}
	schema, err := org.Do(ctx, req)
	if err != nil {
		return nil, noEvent(ctx, org, op, args, err)
	}
	resp, err := describeObject(ctx, org, args)
	if err != nil {
		return nil, noEvent(ctx, org, op, args, err)
	}
	return resp, rewrite(resp, func(v any) (any, bool) {
		o, ok := v.(object)
		return append(o, member{"eventSchema", json.RawMessage(schema.Body)}), ok
	})
}

func describeObject(ctx context.Context, org Org, args Args) (*salesforce.Response, error) {
	return org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: fill("/sobjects/{sObjectName}/describe", args), Semantics: salesforce.Safe})
}

// eventView has the fields that may be published, and what they take.
func eventView(_ Args, v any) any {
	o, ok := v.(object)
	if !ok {
		return v
	}
	schema, _ := o.get("eventSchema").(object)
	list, _ := o.get("fields").([]any)
	rows := []any{}
	for _, e := range list {
		f, _ := e.(object)
		if f.get("createable") != true {
			continue
		}
		row := object{{"name", f.get("name")}, {"label", f.get("label")}, {"type", f.get("type")},
			{"required", f.get("nillable") == false && f.get("defaultedOnCreate") != true}}
		for _, name := range []string{"length", "precision", "scale"} {
			if n, isNumber := f.get(name).(json.Number); isNumber && n != "0" {
				row = append(row, member{name, n})
			}
		}
		rows = append(rows, row)
	}
	return object{{"name", o.get("name")}, {"label", o.get("label")}, {"createable", o.get("createable")}, {"schemaId", schema.get("uuid")}, {"fields", rows}}
}

// listEvents lists the events among the objects of the org.
func listEvents(ctx context.Context, c OwnCall) (any, error) {
	all, err := eventsOf(ctx, c.Org)
	if err != nil {
		return nil, err
	}
	return object{{"sobjects", all}}, nil
}

// eventsOf are the events of an org, as it describes them in its list of objects.
func eventsOf(ctx context.Context, org Org) ([]any, error) {
	resp, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/sobjects", Semantics: salesforce.Safe})
	if err != nil {
		return nil, err
	}
	v, err := decode(resp.Body)
	o, _ := v.(object)
	list, ok := o.get("sobjects").([]any)
	if err != nil || !ok {
		return nil, &Error{Code: Unreadable, Message: "Salesforce answered with something else than its objects", RequestID: resp.RequestID}
	}
	events := []any{}
	for _, e := range list {
		one, _ := e.(object)
		if eventRE.MatchString(cell(one.get("name"))) {
			events = append(events, one)
		}
	}
	return events, nil
}

// noEvent is the error of a name that the org does not know, with one that is spelled
// almost like it. Other errors stay what they are.
func noEvent(ctx context.Context, org Org, op *Op, args Args, err error) error {
	var theirs *salesforce.Error
	if !errors.As(err, &theirs) || theirs.Class != salesforce.ClassNotFound {
		return err
	}
	all, failed := eventsOf(ctx, org)
	if failed != nil {
		return failed
	}
	var names []string
	for _, e := range all {
		one, _ := e.(object)
		if name := cell(one.get("name")); op.reach == nil || op.reach.rule.PermitsSObject(name) {
			names = append(names, name)
		}
	}
	what := "it has none"
	if len(names) > 0 {
		what = "it has " + strings.Join(names[:min(len(names), mostNamed)], ", ")
	}
	name := text(args[eventName.Name])
	return &Error{Code: InvalidArgument, Message: fmt.Sprintf("the org has no event %s that this user may see%s; %s", clip(name), near(name, names), what),
		Hint: "All of them: tool events, action list."}
}

// mostNamed is how many names an error has.
const mostNamed = 20
