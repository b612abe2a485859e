package fakeorg

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
)

// actionContext is the record a quick action is used on.
type actionContext struct {
	object *Object // nil when there is none
	id     string
}

// contextOf finds the record that a request names, which an action of an object needs. Which codes the platform
// refuses with was not found in a source.
func (c *call) contextOf(q *quickAction, given string, needed bool) (actionContext, error) {
	if given == "" {
		if needed && (q.of != "" || q.Type == "Update") {
			return actionContext{}, invalid("MISSING_ARGUMENT", "contextId is required for the action "+q.Name)
		}
		return actionContext{object: c.org.schema.Object(q.of)}, nil
	}
	id, err := rowID(given)
	if err != nil {
		return actionContext{}, err
	}
	o := c.org.schema.ObjectOf(id)
	if o == nil || q.of != "" && o.Name != q.of {
		return actionContext{}, invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return actionContext{o, id}, inBody(c.mustExist(o, id))
}

// quickActionDefaults is GET …/quickActions/{action}/defaultValues[/{id}]: the values of the form's fields and of
// those that are set beside it.
func quickActionDefaults(c *call) (*answer, error) {
	q, err := c.namedQuickAction()
	if err != nil {
		return nil, err
	}
	context, err := c.contextOf(q, c.PathValue("id"), false)
	if err != nil {
		return nil, err
	}
	target, set, err := c.preset(q, context)
	if err != nil {
		return nil, err
	}
	row := stored{}
	if q.Type == "Update" && context.id != "" {
		if row, err = c.load(target, context.id); err != nil {
			return nil, err
		}
	}
	for _, f := range target.Fields {
		if row[f.Name] == nil && f.Default != "" && f.Default != "$User" {
			row[f.Name] = f.Default
		}
	}
	for _, ch := range set {
		row[ch.field.Name] = ch.value
	}
	return ok(q.showDefaults(target, set, row))
}

func (q *quickAction) showDefaults(target *Object, set []change, row stored) object {
	body := object{{"attributes", object{{"type", target.Name}}}}
	onForm := q.items()
	for _, f := range target.Fields {
		isSet := slices.ContainsFunc(set, func(ch change) bool { return ch.field == f })
		if isSet || slices.ContainsFunc(onForm, func(item layoutItem) bool { return item.name == f.Name }) {
			body = append(body, member{f.Name, shown(f, row[f.Name])})
		}
	}
	return body
}

// defaultsOf works out the predefined values of an action over the context record.
func (r *runner) defaultsOf(q *quickAction, target *Object) ([]change, error) {
	if r.object == nil {
		r.object = r.org.schema.Object(q.of)
	}
	return r.values(target, q.Defaults)
}

// parentField is the field that gets the context record: the one of the action, or the first lookup to such records.
func (q *quickAction) parentField(target *Object, context actionContext) *Field {
	if context.id == "" || q.Type == "Update" {
		return nil
	}
	for _, f := range target.Fields {
		if slices.Contains(f.To, context.object.Name) && f.Createable() && (q.Parent == "" || f.Name == q.Parent) {
			return f
		}
	}
	return nil
}

// preset is what the action sets by itself in a record of its target.
func (c *call) preset(q *quickAction, context actionContext) (target *Object, set []change, err error) {
	target = c.org.schema.Object(q.Target)
	if set, err = c.automate(context.object, context.id).defaultsOf(q, target); err != nil {
		return nil, nil, err
	}
	if f := q.parentField(target, context); f != nil {
		set = append(set, change{f, context.id})
	}
	return target, set, nil
}

// performQuickAction is POST …/quickActions/{action}.
func performQuickAction(c *call) (*answer, error) {
	q, err := c.namedQuickAction()
	if err != nil {
		return nil, err
	}
	contextID, given, err := c.readQuickAction()
	if err != nil {
		return nil, err
	}
	context, err := c.contextOf(q, contextID, true)
	if err != nil {
		return nil, err
	}
	target, set, err := c.preset(q, context)
	if err != nil {
		return nil, err
	}
	if q.Type == "Update" {
		return c.updateByAction(q, target, context, given, set)
	}
	return c.createByAction(q, target, context, given, set)
}

// readQuickAction reads a request: the context record, and the values of the form.
func (c *call) readQuickAction() (contextID string, given record, err error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return "", nil, err
	}
	var body struct {
		ContextID string          `json:"contextId"`
		ParentID  string          `json:"parentId"` // its name in v28.0
		Record    json.RawMessage `json:"record"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return "", nil, unreadable(text, err)
	}
	if len(body.Record) > 0 && string(body.Record) != "null" {
		given, err = decodeRecord(body.Record)
	}
	return body.ContextID + body.ParentID, given, err
}

// withSet adds the values of an action to those that are given, which have precedence.
func (c *call) withSet(target *Object, given record, set []change, creating bool) ([]change, error) {
	changes, err := c.changes(target, given, creating)
	if err != nil {
		return nil, err
	}
	for _, ch := range set {
		if !slices.ContainsFunc(changes, func(known change) bool { return known.field == ch.field }) {
			changes = append(changes, ch)
		}
	}
	return changes, nil
}

func (c *call) createByAction(q *quickAction, target *Object, context actionContext, given record, set []change) (*answer, error) {
	changes, err := c.withSet(target, given, set, true)
	if err != nil {
		return nil, err
	}
	if err := q.complete(target, changes); err != nil {
		return nil, err
	}
	id, err := c.create(target, changes)
	if err != nil {
		return nil, err
	}
	var posts any
	if context.id != "" && slices.Contains(c.org.schema.Object("FeedItem").Field("ParentId").To, context.object.Name) {
		kind := map[string]string{"LogACall": "CallLogPost"}[q.Type]
		if kind == "" {
			kind = "CreateRecordEvent"
		}
		post, err := c.putRecord("FeedItem", values{"ParentId": context.id, "Type": kind, "Title": q.Label})
		if err != nil {
			return nil, err
		}
		posts = []string{post}
	}
	return &answer{status: http.StatusCreated, body: quickActionResult(id, true, posts, context)}, nil
}

// complete refuses a record without a value for a required field of the form.
func (q *quickAction) complete(target *Object, changes []change) error {
	var missing []string
	for _, item := range q.items() {
		f := target.Field(item.name)
		at := slices.IndexFunc(changes, func(ch change) bool { return ch.field == f })
		if item.required && (at < 0 || changes[at].value == nil) && f.Default == "" {
			missing = append(missing, f.Name)
		}
	}
	if len(missing) > 0 {
		return invalid("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	return nil
}

func (c *call) updateByAction(q *quickAction, target *Object, context actionContext, given record, set []change) (*answer, error) {
	changes, err := c.withSet(target, given, set, false)
	if err != nil {
		return nil, err
	}
	if err := c.edit(target, context.id, changes); err != nil {
		return nil, err
	}
	return ok(quickActionResult(context.id, false, nil, context))
}

func quickActionResult(id string, created bool, posts any, context actionContext) object {
	return object{{"id", id}, {"feedItemIds", posts}, {"success", true}, {"created", created}, {"contextId", orNull(context.id)}, {"errors", []any{}}}
}
