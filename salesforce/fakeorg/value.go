package fakeorg

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// storedTime is the layout of a datetime in a column, shownTime that of a datetime in an answer.
const (
	storedTime = "2006-01-02T15:04:05.000Z"
	shownTime  = "2006-01-02T15:04:05.000-0700"
)

// shown turns the value of a column, as database/sql scans it into an any, into the value of an answer.
// Blobs need [call.blobURL] instead, and an address is put together by [call.address].
func shown(f *Field, column any) any {
	if column == nil {
		return nil
	}
	switch f.Type {
	case "id":
		if f.Durable {
			return "000000000000000AAA" // the name stands in DurableId
		}
	case "complexvalue":
		text, _ := column.(string)
		return json.RawMessage(text)
	case "boolean":
		n, isInt := column.(int64)
		return isInt && n != 0 || column == true
	case "datetime":
		text, _ := column.(string)
		t, err := time.Parse(storedTime, text)
		if err != nil {
			return text
		}
		return t.Format(shownTime)
	case "double", "currency", "percent":
		switch n := column.(type) {
		case float64:
			return double(n)
		case int64:
			return double(n)
		}
	}
	if text, isBytes := column.([]byte); isBytes {
		return string(text)
	}
	return column
}

// double is a number written as the platform writes it: always with a fraction, and with an exponent from ten
// millions on, such as 3.5E8.
type double float64

// MarshalJSON writes the number.
func (d double) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

func (d double) String() string {
	n := float64(d)
	if abs := math.Abs(n); abs != 0 && (abs >= 1e7 || abs < 1e-3) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(n, 'e', -1, 64), "e")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		e, _ := strconv.Atoi(exponent) // which is a number
		return mantissa + "E" + strconv.Itoa(e)
	}
	text := strconv.FormatFloat(n, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// blobURL is what an answer shows for a blob: the path its bytes are at.
func (c *call) blobURL(o *Object, f *Field, id string) string {
	return c.recordURL(o, id) + "/" + f.Name
}

// address puts an address together from columns of the row, or nil when all its parts are empty. get returns the
// column of that name.
func address(f *Field, get func(column string) any) any {
	parts := object{{"city", get(f.Parts + "City")}, {"country", get(f.Parts + "Country")}, {"geocodeAccuracy", nil},
		{"latitude", nil}, {"longitude", nil}, {"postalCode", get(f.Parts + "PostalCode")},
		{"state", get(f.Parts + "State")}, {"street", get(f.Parts + "Street")}}
	for _, part := range parts {
		if part.value != nil {
			return parts
		}
	}
	return nil
}

// record is a decoded request body: the members in order, with the place each value ends at.
type record []input

type input struct {
	name         string
	value        any // string, json.Number, bool, nil, map[string]any or []any
	line, column int
}

// get returns the value of the member with that name in any case of letters, or nil.
func (r record) get(name string) any {
	for _, in := range r {
		if strings.EqualFold(in.name, name) {
			return in.value
		}
	}
	return nil
}

// decodeRecord reads a JSON object, keeping order and places.
func decodeRecord(body []byte) (record, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	start, err := d.Token()
	if err != nil || start != json.Delim('{') {
		return nil, malformedJSON(body, d.InputOffset())
	}
	var r record
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, malformedJSON(body, d.InputOffset())
		}
		in := input{name: name.(string)}
		if err := d.Decode(&in.value); err != nil {
			return nil, malformedJSON(body, d.InputOffset())
		}
		in.line, in.column = place(body, d.InputOffset())
		r = append(r, in)
	}
	if _, err := d.Token(); err != nil {
		return nil, malformedJSON(body, d.InputOffset())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformedJSON(body, d.InputOffset())
	}
	return r, nil
}

func malformedJSON(body []byte, offset int64) *fault {
	line, column := place(body, offset)
	return refuse(400, "JSON_PARSER_ERROR", "Unexpected character or end of input at [line:%d, column:%d]", line, column)
}

// unreadable is the error for a body that does not decode into what the resource takes.
func unreadable(body []byte, err error) *fault {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return malformedJSON(body, syntax.Offset)
	case errors.As(err, &wrong):
		line, column := place(body, wrong.Offset)
		return refuse(400, "JSON_PARSER_ERROR", "Cannot deserialize instance of %s from %s or request may be missing a required field at [line:%d, column:%d]",
			wrong.Field, wrong.Value, line, column)
	}
	return malformedJSON(body, int64(len(body)))
}

// place turns an offset into line and column, both from 1.
func place(body []byte, offset int64) (line, column int) {
	before := body[:min(int(offset), len(body))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}
