package fakeorg

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

func recordRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/sobjects/{object}", handle: createRecord},
		{method: http.MethodGet, path: "/sobjects/{object}/{id}", handle: getRecord},
		{method: http.MethodPatch, path: "/sobjects/{object}/{id}", handle: updateRecord},
		{method: http.MethodDelete, path: "/sobjects/{object}/{id}", handle: deleteRecord},
		{method: http.MethodPost, path: "/sobjects/{object}/{id}", handle: createByID},
		{method: http.MethodGet, path: "/sobjects/{object}/{id}/{field}", handle: getFieldOrRecord},
		{method: http.MethodPatch, path: "/sobjects/{object}/{id}/{field}", handle: upsertRecord},
		{method: http.MethodDelete, path: "/sobjects/{object}/{id}/{field}", handle: deleteByExternalID},
		{method: http.MethodGet, path: "/sobjects/{object}/deleted", handle: deletedRecords},
		{method: http.MethodGet, path: "/sobjects/{object}/updated", handle: updatedRecords},
	}
}

// createRecord is POST /sobjects/{object}.
func createRecord(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	r, err := c.readRecord()
	if err != nil {
		return nil, err
	}
	id, err := c.insert(o, r)
	if err != nil {
		return nil, err
	}
	if o.Event {
		return c.published(o, id)
	}
	body := object{{"id", id}, {"success", true}, {"errors", []any{}}}
	if c.tooling {
		body = append(body, member{"warnings", []any{}}, member{"infos", []any{}})
	}
	return c.created(o, id, body), nil
}

// readRecord decodes the body of the request.
func (c *call) readRecord() (record, error) {
	kind := c.Header.Get("Content-Type")
	if strings.HasPrefix(kind, "multipart/form-data") {
		return c.readParts()
	}
	if kind != "" && !strings.Contains(kind, "json") {
		return nil, refuse(http.StatusUnsupportedMediaType, "INVALID_CONTENT_TYPE", "Content-Type %s is not supported by this resource", kind)
	}
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	return decodeRecord(body)
}

func (c *call) created(o *Object, id string, body object) *answer {
	return &answer{status: http.StatusCreated, body: body, header: http.Header{"Location": {c.recordURL(o, id)}}}
}

// published is the answer to a platform event.
func (c *call) published(o *Object, id string) (*answer, error) {
	event, err := c.announce(o, id)
	if err != nil {
		return nil, err
	}
	return c.created(o, id, object{{"id", id}, {"success", true}, {"errors", []object{queued(event)}}}), nil
}

// eventLog serves /_events: the platform events published so far, oldest first.
func (o *Org) eventLog(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, org: o, version: "v62.0"}
	a, err := o.read(c, func(c *call) (*answer, error) {
		events := []object{}
		for _, kind := range o.schema.Objects {
			if !kind.Event {
				continue
			}
			ids, err := c.find(kind, kind.Field("IsDeleted"), "0")
			if err != nil {
				return nil, err
			}
			for _, id := range ids {
				row, err := c.load(kind, id)
				if err != nil {
					return nil, err
				}
				event, err := c.show(kind, row, nil)
				if err != nil {
					return nil, err
				}
				events = append(events, event)
			}
		}
		return ok(events)
	})
	if err != nil {
		o.writeError(w, r, err)
		return
	}
	o.writeAnswer(w, r, a)
}

// target returns the object and the id of a path. What has not the form of an id is taken for an external id field
// that does not exist, as by the platform.
func (c *call) target() (*Object, string, error) {
	o, err := c.object()
	if err != nil {
		return nil, "", err
	}
	given := c.PathValue("id")
	if o.Durable {
		return o, given, nil
	}
	id, valid := parseID(given)
	switch {
	case !looksLikeID(given) || o.Field(given) != nil:
		return nil, "", noExternalID(given)
	case !valid:
		return nil, "", refuse(http.StatusBadRequest, "MALFORMED_ID", "malformed id %s", given)
	}
	return o, id, nil
}

func noExternalID(name string) *fault {
	return refuse(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: %s", name)
}

// getRecord is GET /sobjects/{object}/{id}?fields=.
func getRecord(c *call) (*answer, error) {
	o, id, err := c.target()
	if err != nil {
		return nil, err
	}
	return c.answerRecord(o, id)
}

// answerRecord answers with a record, or with 304 or 412 when the request has a condition that does not hold.
func (c *call) answerRecord(o *Object, id string) (*answer, error) {
	paths := list(c.URL.Query().Get("fields"))
	if err := c.checkPaths(o, paths); err != nil {
		return nil, err
	}
	row, err := c.load(o, id)
	if err != nil {
		return nil, err
	}
	if row == nil || o.Event {
		return nil, noResource()
	}
	v := versionOf(o, row)
	if status, err := v.check(c.Request); status != 0 || err != nil {
		return &answer{status: status}, err
	}
	body, err := c.show(o, row, paths)
	return &answer{status: http.StatusOK, header: v.header(), body: body}, err
}

// getFieldOrRecord is GET /sobjects/{object}/{id}/{field} and GET /sobjects/{object}/{externalIdField}/{value}.
func getFieldOrRecord(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	if by := o.Field(c.PathValue("id")); by == nil && looksLikeID(c.PathValue("id")) {
		return getField(c)
	}
	id, err := c.byExternalID(o)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, noResource()
	}
	return c.answerRecord(o, id)
}

// getField answers with the bytes of a blob, the record or records of a relationship, or the value of a field.
func getField(c *call) (*answer, error) {
	o, id, err := c.target()
	if err != nil {
		return nil, err
	}
	row, err := c.load(o, id)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, noResource()
	}
	name := c.PathValue("field")
	if o.Name == "ApexLog" && name == "Body" { // which describe does not tell of
		return c.logBody(id)
	}
	if f := o.Field(name); f != nil && f.Type == "base64" {
		return c.blob(o, f, id)
	} else if f != nil {
		value, err := json.Marshal(c.value(o, f, id, row))
		return &answer{status: http.StatusOK, body: json.RawMessage(value)}, err
	}
	if f := o.Parent(name); f != nil {
		parent, isID := row[f.Name].(string)
		target := c.schema().ObjectOf(parent)
		if !isID || target == nil {
			return nil, noResource()
		}
		return c.answerRecord(target, parent)
	}
	if child := o.Child(name); child != nil {
		return c.answerChildren(child, id)
	}
	return nil, noResource()
}

func (c *call) answerChildren(child *Child, id string) (*answer, error) {
	ids, err := c.find(child.Object, child.Field, id)
	if err != nil {
		return nil, err
	}
	records := []object{}
	for _, childID := range ids {
		row, err := c.load(child.Object, childID)
		if err != nil {
			return nil, err
		}
		r, err := c.show(child.Object, row, nil)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return ok(c.queryResult(len(records), "", records))
}

// updateRecord is PATCH /sobjects/{object}/{id}.
func updateRecord(c *call) (*answer, error) {
	o, id, err := c.target()
	if err != nil {
		return nil, err
	}
	r, err := c.readRecord()
	if err != nil {
		return nil, err
	}
	if err := c.checkVersion(o, id); err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent}, c.update(o, id, r)
}

// deleteRecord is DELETE /sobjects/{object}/{id}.
func deleteRecord(c *call) (*answer, error) {
	o, id, err := c.target()
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent}, c.remove(o, id)
}

// createByID is POST /sobjects/{object}/Id, which creates.
func createByID(c *call) (*answer, error) {
	if !strings.EqualFold(c.PathValue("id"), "Id") {
		return nil, refuse(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed. Allowed are DELETE,GET,HEAD,PATCH")
	}
	return createRecord(c)
}
