package fakeorg

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Limits of a collection request.
const (
	collectionLimit = 200
	retrieveLimit   = 2000
	chunkLimit      = 10 // runs of records of the same type
)

func collectionRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/composite/sobjects", handle: createMany},
		{method: http.MethodPatch, path: "/composite/sobjects", handle: updateMany},
		{method: http.MethodDelete, path: "/composite/sobjects", handle: deleteMany},
		{method: http.MethodGet, path: "/composite/sobjects/{object}", handle: getMany},
		{method: http.MethodPost, path: "/composite/sobjects/{object}", reads: true, handle: getMany},
		{method: http.MethodPatch, path: "/composite/sobjects/{object}/{field}", handle: upsertMany},
	}
}

// collection is the body of a request about many records.
type collection struct {
	allOrNone bool
	records   []record
}

func (c *call) readCollection() (*collection, error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	var body struct {
		AllOrNone bool              `json:"allOrNone"`
		Records   []json.RawMessage `json:"records"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, unreadable(text, err)
	}
	many := &collection{allOrNone: body.AllOrNone}
	for _, raw := range body.Records {
		r, err := decodeRecord(raw)
		if err != nil {
			return nil, err
		}
		many.records = append(many.records, r)
	}
	return many, many.check()
}

// check refuses what no collection request may be.
func (m *collection) check() error {
	if err := checkCount(len(m.records), collectionLimit); err != nil {
		return err
	}
	chunks, last := 0, ""
	for _, r := range m.records {
		if kind := strings.ToLower(typeOf(r)); kind != last {
			chunks, last = chunks+1, kind
		}
	}
	if chunks > chunkLimit {
		return refuse(http.StatusBadRequest, "LIMIT_EXCEEDED",
			"Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking.")
	}
	return nil
}

func checkCount(n, limit int) error {
	switch {
	case n == 0:
		return refuse(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "At least 1 record is required")
	case n > limit:
		return refuse(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than %d records into this call", limit)
	}
	return nil
}

// typeOf is the type a record names in its attributes.
func typeOf(r record) string {
	attributes, _ := r.get("attributes").(map[string]any)
	kind, _ := attributes["type"].(string)
	return kind
}

// outcome is what happened to one record.
type outcome struct {
	id      string
	created *bool  // for upserts
	event   string // the UUID of a platform event
	err     error
}

// recordError is an error about one record among many, which has a statusCode, not an errorCode.
func recordError(err error) object {
	f := asFault(err)
	return object{{"statusCode", f.code}, {"message", f.message}, {"fields", append([]string{}, f.fields...)}}
}

// MarshalJSON writes an outcome.
func (r outcome) MarshalJSON() ([]byte, error) {
	if r.err != nil {
		return encode(object{{"success", false}, {"errors", []object{recordError(r.err)}}})
	}
	errs := []any{}
	if r.event != "" {
		errs = []any{queued(r.event)}
	}
	out := object{{"id", r.id}, {"success", true}, {"errors", errs}}
	if r.created != nil {
		out = append(out, member{"created", *r.created})
	}
	return encode(out)
}

// errRolledBack marks a collection all of whose records are undone because one has failed.
var errRolledBack = errors.New("rolled back")

// each does something n times, and keeps what succeeded unless all or none is wanted.
func (c *call) each(n int, allOrNone bool, do func(i int) outcome) (*answer, error) {
	results := make([]outcome, n)
	err := c.within(func() error {
		failed := false
		for i := range n {
			err := c.within(func() error {
				results[i] = do(i)
				return results[i].err
			})
			failed = failed || err != nil
		}
		c.failed = c.failed || failed
		if failed && allOrNone {
			return errRolledBack
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRolledBack) {
		return nil, err
	}
	for i := range results {
		if err != nil && results[i].err == nil {
			results[i] = outcome{err: refuse(http.StatusBadRequest, "ALL_OR_NONE_OPERATION_ROLLED_BACK",
				"Record rolled back because not all records were valid and the request was using AllOrNone header")}
		}
	}
	return ok(results)
}

// createMany is POST /composite/sobjects.
func createMany(c *call) (*answer, error) {
	many, err := c.readCollection()
	if err != nil {
		return nil, err
	}
	return c.each(len(many.records), many.allOrNone, func(i int) outcome {
		o, err := c.typed(many.records[i])
		if err != nil {
			return outcome{err: err}
		}
		id, err := c.insert(o, many.records[i])
		if err != nil || !o.Event {
			return outcome{id: id, err: err}
		}
		event, err := c.announce(o, id)
		return outcome{id: id, event: event, err: err}
	})
}

// typed returns the object a record of a collection names.
func (c *call) typed(r record) (*Object, error) {
	kind := typeOf(r)
	o := c.schema().Object(kind)
	if o == nil {
		return nil, invalid("INVALID_TYPE", "sObject type '"+kind+"' is not supported.")
	}
	return o, nil
}

// updateMany is PATCH /composite/sobjects.
func updateMany(c *call) (*answer, error) {
	many, err := c.readCollection()
	if err != nil {
		return nil, err
	}
	return c.each(len(many.records), many.allOrNone, func(i int) outcome {
		o, err := c.typed(many.records[i])
		if err != nil {
			return outcome{err: err}
		}
		return c.updateOne(o, many.records[i])
	})
}

// updateOne updates the record whose id is a member of the new values.
func (c *call) updateOne(o *Object, r record) outcome {
	given, rest := withoutField(r, "Id")
	if given == "" {
		return outcome{err: invalid("MISSING_ARGUMENT", "Id not specified in an update call")}
	}
	id, err := rowID(given)
	if err != nil {
		return outcome{err: err}
	}
	return outcome{id: id, err: c.update(o, id, rest)}
}

// rowID is the id of one record among many.
func rowID(given string) (string, error) {
	id, valid := parseID(given)
	if !valid {
		return "", invalid("MALFORMED_ID", "malformed id "+given)
	}
	return id, nil
}

// withoutField takes a member out of a record.
func withoutField(r record, name string) (value string, rest record) {
	for _, in := range r {
		if !strings.EqualFold(in.name, name) {
			rest = append(rest, in)
			continue
		}
		switch v := in.value.(type) {
		case string:
			value = v
		case json.Number:
			value = v.String()
		}
	}
	return value, rest
}

// deleteMany is DELETE /composite/sobjects?ids=&allOrNone=.
func deleteMany(c *call) (*answer, error) {
	ids := list(c.URL.Query().Get("ids"))
	if err := checkCount(len(ids), collectionLimit); err != nil {
		return nil, err
	}
	return c.each(len(ids), strings.EqualFold(c.URL.Query().Get("allOrNone"), "true"), func(i int) outcome {
		id, err := rowID(ids[i])
		if err != nil {
			return outcome{err: err}
		}
		o := c.schema().ObjectOf(id)
		if o == nil {
			return outcome{err: invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")}
		}
		return outcome{id: id, err: c.remove(o, id)}
	})
}

// upsertMany is PATCH /composite/sobjects/{object}/{externalIdField}.
func upsertMany(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	by, err := externalField(o, c.PathValue("field"))
	if err != nil {
		return nil, err
	}
	many, err := c.readCollection()
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, r := range many.records {
		key, _ := withoutField(r, by.Name)
		count[strings.ToLower(key)]++
	}
	return c.each(len(many.records), many.allOrNone, func(i int) outcome {
		if kind := typeOf(many.records[i]); kind != "" && !strings.EqualFold(kind, o.Name) {
			return outcome{err: invalid("INVALID_TYPE", "the record is a "+kind+", but all must be "+o.Name)}
		}
		return c.upsertOne(o, by, many.records[i], count)
	})
}

// upsertOne upserts one record of many. Count says how often each key, in lower case, is among them: those that are
// not alone are refused.
func (c *call) upsertOne(o *Object, by *Field, r record, count map[string]int) outcome {
	key, rest := withoutField(r, by.Name)
	switch {
	case key == "" && by.Name != "Id":
		return outcome{err: invalid("MISSING_ARGUMENT", by.Name+" not specified")}
	case count[strings.ToLower(key)] > 1 && key != "":
		return outcome{err: invalid("DUPLICATE_VALUE", "Duplicate external id specified: "+key, by.Name)}
	}
	created := key == ""
	if created {
		id, err := c.insert(o, rest) // upsert by Id without an Id
		return outcome{id: id, created: &created, err: err}
	}
	id, created, err := c.upsert(o, by, key, rest)
	return outcome{id: id, created: &created, err: err}
}

// getMany is GET and POST /composite/sobjects/{object}: one slot for each id, null where there is no such record.
func getMany(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	ids, fields := list(c.URL.Query().Get("ids")), list(c.URL.Query().Get("fields"))
	if c.Method == http.MethodPost {
		if ids, fields, err = c.readWanted(); err != nil {
			return nil, err
		}
	}
	if err := checkCount(len(ids), retrieveLimit); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "At least 1 field is required")
	}
	if err := c.checkPaths(o, fields); err != nil {
		return nil, err
	}
	records := make([]any, len(ids))
	for i, given := range ids {
		id, valid := parseID(given)
		if !valid {
			continue
		}
		row, err := c.load(o, id)
		if err != nil {
			return nil, err
		}
		if row == nil {
			continue
		}
		if records[i], err = c.show(o, row, fields); err != nil {
			return nil, err
		}
	}
	return ok(records)
}

func (c *call) readWanted() (ids, fields []string, err error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, nil, err
	}
	var body struct{ IDs, Fields []string }
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, nil, unreadable(text, err)
	}
	return body.IDs, body.Fields, nil
}
