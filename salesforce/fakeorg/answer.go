package fakeorg

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// writeError answers with an error body.
func (o *Org) writeError(w http.ResponseWriter, r *http.Request, err error) {
	o.writeAnswer(w, r, failure(err))
}

// failure is the answer to what has failed: an array with one error, as everywhere in the REST API.
func failure(err error) *answer {
	f := asFault(err)
	if f.body != nil {
		return &answer{status: f.status, body: f.body}
	}
	body := object{{"message", f.message}, {"errorCode", f.code}}
	if !f.noField {
		body = append(body, member{"fields", append([]string{}, f.fields...)})
	}
	return &answer{status: f.status, body: []object{body}}
}

// writeAnswer writes status, headers and body, compressed when the client accepts that and it pays.
func (o *Org) writeAnswer(w http.ResponseWriter, r *http.Request, a *answer) {
	for key, values := range a.header {
		w.Header()[key] = values
	}
	body, raw := a.body.([]byte)
	if a.body != nil && !raw {
		var err error
		if body, err = encode(a.body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	}
	if len(body) > 1024 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		if tag := w.Header().Get("ETag"); tag != "" {
			w.Header().Set("ETag", strings.TrimSuffix(tag, `"`)+`-gzip"`) // as the platform does
		}
		body = o.compressed(body)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // the client has gone: nothing to do about it
}

// gzipWriters keeps writers for the next answer: making one takes longer than compressing with it.
type gzipWriters struct{ pool sync.Pool }

func (g *gzipWriters) compressed(body []byte) []byte {
	z, isKept := g.pool.Get().(*gzip.Writer)
	if !isKept {
		z = gzip.NewWriter(nil)
	}
	defer g.pool.Put(z)
	var b bytes.Buffer
	z.Reset(&b)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// object is a JSON object whose keys keep their order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) { return encode(o) }

// encode is JSON without the escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := write(&b, v)
	return b.Bytes(), err
}

// write adds the JSON of a value to a buffer. Objects and arrays of them are most of an answer: they are written
// here, since encoding/json would check and copy each level once more.
func write(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case object:
		return writeObject(b, v)
	case []object:
		return writeArray(b, v)
	case []any:
		return writeArray(b, v)
	case string:
		if plain(v) {
			b.WriteByte('"')
			b.WriteString(v)
			b.WriteByte('"')
			return nil
		}
	case nil:
		b.WriteString("null")
		return nil
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	b.Truncate(max(0, b.Len()-1)) // the line break
	return err
}

// plain reports whether a text needs no escapes in JSON.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func writeObject(b *bytes.Buffer, o object) error {
	separator := byte('{')
	for _, m := range o {
		b.WriteByte(separator)
		if err := write(b, m.key); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := write(b, m.value); err != nil {
			return err
		}
		separator = ','
	}
	if len(o) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return nil
}

func writeArray[T any](b *bytes.Buffer, items []T) error {
	b.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := write(b, item); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}
