package fakeorg

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// parse turns a member of a request body into the value of a column. A value of a wrong JSON type is refused as by
// the platform's parser, which names the place.
func (f *Field) parse(in input) (any, error) {
	if in.value == nil {
		return nil, nil
	}
	value, fits := f.column(in.value)
	if !fits {
		return nil, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR",
			"Cannot deserialize instance of %s from %s or request may be missing a required field at [line:%d, column:%d]",
			f.parserType(), jsonToken(in.value), in.line, in.column)
	}
	return value, nil
}

// parserType is what the parser's messages call the type.
func (f *Field) parserType() string {
	switch {
	case f.Text():
		return "string"
	case f.Type == "reference":
		return "reference"
	}
	return f.Type
}

// column converts a JSON value. Numbers and booleans may come as strings, as from CSV.
func (f *Field) column(value any) (column any, fits bool) {
	text, isText := value.(string)
	switch f.Type {
	case "boolean":
		return booleanColumn(value)
	case "int":
		n, err := strconv.ParseInt(number(value), 10, 64)
		return n, err == nil
	case "double", "currency", "percent":
		n, err := strconv.ParseFloat(number(value), 64)
		return round(n, f.Scale), err == nil && !math.IsInf(n, 0) && !math.IsNaN(n)
	case "date":
		return dateColumn(text)
	case "datetime":
		return datetimeColumn(value)
	case "complexvalue":
		object, err := json.Marshal(value)
		return string(object), !isText && err == nil
	case "base64":
		blob, err := base64.StdEncoding.DecodeString(text)
		return blob, isText && err == nil
	}
	if text = strings.TrimSpace(text); text == "" && isText {
		return nil, true
	}
	return text, isText
}

// jsonToken is what the parser's messages call a JSON value.
func jsonToken(value any) string {
	switch v := value.(type) {
	case string:
		return "VALUE_STRING value " + v
	case bool:
		return fmt.Sprintf("VALUE_%s value %[2]t", strings.ToUpper(strconv.FormatBool(v)), v)
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "VALUE_NUMBER_FLOAT value " + v.String()
		}
		return "VALUE_NUMBER_INT value " + v.String()
	case []any:
		return "START_ARRAY value ["
	}
	return "START_OBJECT value {"
}

func number(value any) string {
	switch v := value.(type) {
	case json.Number:
		return v.String()
	case string:
		return strings.TrimSpace(v)
	}
	return ""
}

// round keeps as many decimals as the field has.
func round(n float64, scale int) float64 {
	factor := math.Pow10(scale)
	if rounded := math.Round(n*factor) / factor; !math.IsInf(rounded, 0) {
		return rounded
	}
	return n
}

func booleanColumn(value any) (any, bool) {
	if text, isText := value.(string); isText {
		b, err := strconv.ParseBool(strings.ToLower(text))
		return b, err == nil
	}
	b, isBool := value.(bool)
	return b, isBool
}

func dateColumn(text string) (any, bool) {
	for _, layout := range []string{time.DateOnly, time.RFC3339, shownTime} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format(time.DateOnly), true
		}
	}
	return nil, false
}

// datetimeColumn reads a datetime, which may be milliseconds since 1970 as well: the sf command line sends those.
func datetimeColumn(value any) (any, bool) {
	if n, isNumber := value.(json.Number); isNumber {
		ms, err := n.Int64()
		return time.UnixMilli(ms).UTC().Format(storedTime), err == nil
	}
	text, _ := value.(string)
	t, err := parseTime(text)
	return t.Format(storedTime), err == nil
}

// parseTime reads the forms of a datetime that the API accepts. The result is in UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", http.TimeFormat} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date and time, such as 2026-01-31T12:00:00Z", text)
}

// check refuses a value that the field cannot hold. References are checked by [call.checkReference].
func (f *Field) check(value any) error {
	switch v := value.(type) {
	case nil:
		if f.Type == "boolean" {
			return invalid("INVALID_TYPE_ON_FIELD_IN_RECORD", f.Label+": value not of required type: ", f.Name)
		}
	case string:
		return f.checkText(v)
	case float64:
		if f.Precision > 0 && math.Abs(v) >= math.Pow10(f.Precision-f.Scale) {
			return f.outOfRange(v)
		}
	case int64:
		if v > math.MaxInt32 || v < math.MinInt32 {
			return f.outOfRange(float64(v))
		}
	}
	return nil
}

func (f *Field) outOfRange(v float64) error {
	shown, err := double(v).MarshalJSON()
	if err != nil {
		return err
	}
	return invalid("NUMBER_OUTSIDE_VALID_RANGE", f.Label+": value outside of valid range on numeric field: "+string(shown), f.Name)
}

func (f *Field) checkText(v string) error {
	if f.Text() && len([]rune(v)) > f.Length {
		return invalid("STRING_TOO_LONG", fmt.Sprintf("%s: data value too large: %s (max length=%d)", f.Label, v, f.Length), f.Name)
	}
	if f.Type == "email" && !isEmail(v) {
		return invalid("INVALID_EMAIL_ADDRESS", f.Label+": invalid email address: "+v, f.Name)
	}
	if !f.Restricted {
		return nil
	}
	chosen := []string{v}
	if f.Type == "multipicklist" {
		chosen = strings.Split(v, ";")
	}
	for _, one := range chosen {
		if !f.hasValue(one) {
			return invalid("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f.Label+": bad value for restricted picklist field: "+one, f.Name)
		}
	}
	return nil
}

func (f *Field) hasValue(v string) bool {
	for _, value := range f.Values {
		if strings.EqualFold(value, v) {
			return true
		}
	}
	return false
}

// isEmail wants a local part and a host with a dot, which is what the platform is known to refuse without.
func isEmail(text string) bool {
	local, host, found := strings.Cut(text, "@")
	dot := strings.LastIndexByte(host, '.')
	return found && local != "" && dot > 0 && dot < len(host)-1 && !strings.ContainsAny(text, " ,;<>()\"") && !strings.Contains(host, "@") &&
		!strings.Contains(host, "..")
}
