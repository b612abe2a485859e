package fakeorg

import (
	"crypto/md5" //nolint:gosec // the fingerprint that the platform takes, which keeps nothing secret
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// hourlyEvents is how many events an org may publish in an hour, if its options say nothing else.
const hourlyEvents = 50_000

// eventRoutes are the schemas of platform events (REST API Developer Guide, "Platform Event Schema by Event Name" and
// "by Schema ID").
func eventRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/sobjects/{object}/eventSchema", handle: schemaByName},
		{method: http.MethodGet, path: "/event/eventSchema/{schema}", handle: schemaByID},
	}
}

func schemaByName(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	if !o.Event {
		return nil, noResource()
	}
	return c.eventSchema(o)
}

func schemaByID(c *call) (*answer, error) {
	for _, o := range c.schema().Objects {
		if !o.Event {
			continue
		}
		id, err := schemaID(o)
		if err != nil {
			return nil, err
		}
		if id == c.PathValue("schema") {
			return c.eventSchema(o)
		}
	}
	return nil, noResource()
}

// eventSchema answers in the format that is asked for.
func (c *call) eventSchema(o *Object) (*answer, error) {
	switch format := c.URL.Query().Get("payloadFormat"); format {
	case "COMPACT":
		id, err := schemaID(o)
		return &answer{status: http.StatusOK, body: append(compactSchema(o), member{"uuid", id})}, err
	case "", "EXPANDED":
		payload := object{{"type", "record"}, {"name", "Payload"}, {"doc", ""}, {"fields", avroFields(o, "string")}}
		replay := object{{"type", "record"}, {"name", "Event"}, {"fields", []object{{{"name", "replayId"}, {"type", "long"}}}}}
		data := object{{"type", "record"}, {"name", "Data"}, {"namespace", ""}, {"fields", []object{
			{{"name", "schema"}, {"type", "string"}}, {{"name", "payload"}, {"type", payload}}, {{"name", "event"}, {"type", replay}}}}}
		return ok(object{{"name", o.Name}, {"namespace", "com.sforce.eventbus"}, {"type", "expanded-record"}, {"fields", []object{
			{{"name", "data"}, {"type", data}}, {{"name", "channel"}, {"type", "string"}}}}})
	default:
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "payloadFormat must be EXPANDED or COMPACT, not %s", format) // words not found in a source
	}
}

func compactSchema(o *Object) object {
	return object{{"name", o.Name}, {"namespace", "com.sforce.eventbus"}, {"type", "record"}, {"fields", avroFields(o, "long")}}
}

// schemaID is the MD5 fingerprint of the compact schema in base64 for URLs.
func schemaID(o *Object) (string, error) {
	text, err := encode(compactSchema(o))
	sum := md5.Sum(text) //nolint:gosec // as above
	return base64.RawURLEncoding.EncodeToString(sum[:]), err
}

// avroTypes are Avro's names of the types of fields, and the platform's in the doc of a field. Of the latter only Text,
// Double and DateTime were found in a source.
var avroTypes = map[string]struct{ avro, doc string }{
	"boolean": {"boolean", "Boolean"}, "double": {"double", "Double"}, "date": {"", "Date"}, "datetime": {"", "DateTime"},
	"string": {"string", "Text"}, "textarea": {"string", "Text"},
}

// avroFields are the fields that subscribers get; a moment is a number in one format and a text in the other. ReplayId
// is not among them.
func avroFields(o *Object, moment string) []object {
	all := []object{{{"name", "CreatedDate"}, {"type", moment}, {"doc", "CreatedDate:DateTime"}},
		{{"name", "CreatedById"}, {"type", "string"}, {"doc", "CreatedBy:EntityId"}}}
	for _, f := range o.Fields {
		if !custom(f.Name) {
			continue
		}
		of := avroTypes[f.Type]
		if of.avro == "" {
			of.avro = moment
		}
		described := object{{"name", f.Name}, {"type", of.avro}, {"doc", "Data:" + of.doc}}
		if !f.Required {
			described = object{{"name", f.Name}, {"type", []string{"null", of.avro}}, {"doc", "Data:" + of.doc}, {"default", nil}}
		}
		all = append(all, described)
	}
	return all
}

// announce makes an event of a row that was just inserted, and returns its UUID. It refuses one too many.
func (c *call) announce(o *Object, id string) (string, error) {
	event := uuid.NewString()
	statement := fmt.Sprintf(`UPDATE %q SET EventUuid = ?, ReplayId = (SELECT count(*) FROM %[1]q) WHERE Id = ?`, o.Name)
	if _, err := c.db.ExecContext(c.Context(), statement, event, id); err != nil {
		return "", err
	}
	n, err := c.publishedLastHour()
	if most := c.org.options.HourlyEvents; err == nil && n > most {
		err = refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "The limit of %d platform events published in an hour is reached.", most) // words not found in a source
	}
	return event, err
}

// publishedLastHour counts events, of all kinds.
func (c *call) publishedLastHour() (n int, err error) {
	since := c.now().Add(-time.Hour).Format(storedTime)
	for _, o := range c.org.schema.Objects {
		if !o.Event {
			continue
		}
		var of int
		if err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT count(*) FROM %q WHERE CreatedDate > ?`, o.Name), since).Scan(&of); err != nil {
			return 0, err
		}
		n += of
	}
	return n, nil
}

// queued is the error that means success, and whose message identifies the event.
func queued(event string) object {
	return object{{"statusCode", "OPERATION_ENQUEUED"}, {"message", event}, {"fields", []string{}}}
}
