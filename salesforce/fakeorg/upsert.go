package fakeorg

import (
	"net/http"
	"strings"
)

// several is the answer 300: an external id that is not unique fits several records. Results of many records have a
// message instead.
func (c *call) several(o *Object, f *Field, ids []string) *fault {
	var paths []string
	for _, id := range ids {
		paths = append(paths, c.recordURL(o, id))
	}
	return &fault{status: http.StatusMultipleChoices, code: "DUPLICATE_EXTERNAL_ID", fields: []string{f.Name}, body: paths,
		message: f.Label + ": more than one record found for external id field: [" + strings.Join(ids, ", ") + "]"}
}

// externalField returns the field a path or a collection upsert identifies records by.
func externalField(o *Object, name string) (*Field, error) {
	f := o.Field(name)
	if f == nil || !f.ExternalID && !f.IDLookup {
		return nil, noExternalID(name)
	}
	return f, nil
}

// byExternalID returns the id of the record with the external id of the path, or "" when there is none.
func (c *call) byExternalID(o *Object) (string, error) {
	f, err := externalField(o, c.PathValue("id"))
	if err != nil {
		return "", err
	}
	return c.one(o, f, c.PathValue("field"))
}

// one returns the id of the only record whose field has the value, or "".
func (c *call) one(o *Object, f *Field, value string) (string, error) {
	if f.Name == "Id" {
		if id, valid := parseID(value); valid {
			value = id
		}
	}
	ids, err := c.find(o, f, value)
	switch {
	case err != nil || len(ids) == 0:
		return "", err
	case len(ids) > 1:
		return "", c.several(o, f, ids)
	}
	return ids[0], nil
}

// upsertRecord is PATCH /sobjects/{object}/{externalIdField}/{value}?updateOnly=.
func upsertRecord(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	f, err := externalField(o, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	r, err := c.readRecord()
	if err != nil {
		return nil, err
	}
	for _, in := range r {
		if strings.EqualFold(in.name, f.Name) || strings.EqualFold(in.name, "Id") {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "The %s field should not be specified in the sobject data.", in.name)
		}
	}
	if c.URL.Query().Get("updateOnly") == "true" {
		if id, err := c.byExternalID(o); err != nil || id == "" {
			return nil, firstError(err, noResource())
		}
	}
	id, created, err := c.upsert(o, f, c.PathValue("field"), r)
	if err != nil {
		return nil, err
	}
	return c.upserted(o, id, created), nil
}

func firstError(err error, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// upserted is the answer of an upsert. Before v46.0 there was no created, and no body for an update.
func (c *call) upserted(o *Object, id string, created bool) *answer {
	body := object{{"id", id}, {"success", true}, {"errors", []any{}}}
	if versionNumber(c.version) >= 46 {
		body = append(body, member{"created", created})
	}
	switch {
	case created:
		return c.created(o, id, body)
	case versionNumber(c.version) < 46:
		return &answer{status: http.StatusNoContent}
	}
	return &answer{status: http.StatusOK, body: body}
}

// upsert updates the record whose external id field has the value, or creates one.
func (c *call) upsert(o *Object, f *Field, value string, r record) (id string, created bool, err error) {
	id, err = c.one(o, f, value)
	if err != nil {
		return "", false, err
	}
	switch {
	case id != "":
		return id, false, c.update(o, id, r)
	case f.Name == "Id":
		return "", false, c.mustExist(o, value)
	}
	id, err = c.insert(o, append(r, input{name: f.Name, value: value}))
	return id, true, err
}

// deleteByExternalID is DELETE /sobjects/{object}/{externalIdField}/{value}.
func deleteByExternalID(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	id, err := c.byExternalID(o)
	if err != nil || id == "" {
		return nil, firstError(err, noResource())
	}
	return &answer{status: http.StatusNoContent}, c.remove(o, id)
}
