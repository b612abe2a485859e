package fakeorg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// references are the answers of subrequests that later ones may refer to, by reference id.
type references map[string]referent

// referent is an answer that may be referred to.
type referent struct {
	value any
	nulls bool // its empty fields count as values
}

// referenceMark is a reference in a text, such as @{refAccount.id} or @{found.records[0].Id}.
var referenceMark = regexp.MustCompile(`@\{([^{}]*)\}`)

// nullsVersion is the first in which a reference to an empty field of a record is null instead of an error.
const nullsVersion = 52

// add lets later subrequests refer to an answer.
func (r references) add(id string, a subanswer, version string) error {
	to := referent{nulls: a.record && versionNumber(version) >= nullsVersion}
	if text, hasBody := a.body.(json.RawMessage); hasBody {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&to.value); err != nil {
			return err
		}
	}
	r[id] = to
	return nil
}

// fill resolves the references in the address and the body of a subrequest.
func (r references) fill(s subrequest) (subrequest, error) {
	path, query, hasQuery := strings.Cut(s.URL, "?")
	path, err := r.replace(path, url.PathEscape)
	if err == nil && hasQuery {
		query, err = r.replace(query, url.QueryEscape)
		path += "?" + query
	}
	if err != nil {
		return s, err
	}
	s.URL = path
	s.Body, err = r.fillBody(s.Body)
	return s, err
}

// replace puts values in the place of the references in a text.
func (r references) replace(text string, escape func(string) string) (string, error) {
	var missing error
	text = referenceMark.ReplaceAllStringFunc(text, func(mark string) string {
		value, err := r.value(mark[2 : len(mark)-1])
		if err != nil {
			missing = firstError(missing, err)
			return ""
		}
		if value == nil {
			return ""
		}
		return escape(fmt.Sprint(value))
	})
	return text, missing
}

// fillBody copies JSON and resolves the references in its texts, but not in the names of members.
func (r references) fillBody(body []byte) ([]byte, error) {
	if !bytes.Contains(body, []byte("@{")) {
		return body, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var b bytes.Buffer
	err := r.copyValue(&b, d)
	return b.Bytes(), err
}

func (r references) copyValue(b *bytes.Buffer, d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case json.Delim:
		return r.copyItems(b, d, token)
	case string:
		value, err := r.text(token)
		if err != nil {
			return err
		}
		return write(b, value)
	}
	return write(b, token)
}

// copyItems copies an object or array whose start has been read.
func (r references) copyItems(b *bytes.Buffer, d *json.Decoder, start json.Delim) error {
	b.WriteString(start.String())
	for first := true; d.More(); first = false {
		if !first {
			b.WriteByte(',')
		}
		if start == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			if err := write(b, name); err != nil {
				return err
			}
			b.WriteByte(':')
		}
		if err := r.copyValue(b, d); err != nil {
			return err
		}
	}
	end, err := d.Token()
	if err != nil {
		return err
	}
	b.WriteString(end.(json.Delim).String())
	return nil
}

// text is what a text of a body becomes: a text again, but null when it is nothing but a reference to an empty field.
func (r references) text(text string) (any, error) {
	if m := referenceMark.FindStringSubmatch(text); m != nil && m[0] == text {
		if value, err := r.value(m[1]); err != nil || value == nil {
			return nil, err
		}
	}
	return r.replace(text, func(value string) string { return value })
}

// value is what a reference stands for: a text, number, boolean or null. It distinguishes case.
func (r references) value(path string) (any, error) {
	id, rest := splitReference(path)
	to, found := r[id]
	value := to.value
	for found && rest != "" {
		value, rest, found = follow(value, rest)
	}
	switch value.(type) {
	case map[string]any, []any:
		found = false // only single values can be referred to
	case nil:
		found = found && to.nulls
	}
	if !found {
		return nil, halted("Invalid reference specified. No value for %s found in %s. Provided referenceId ('%[1]s') must start with a letter "+
			"or a number, and it can contain only letters, numbers and underscores ('_').", path, id)
	}
	return value, nil
}

// splitReference parts the reference id from the operators behind it.
func splitReference(path string) (id, rest string) {
	if at := strings.IndexAny(path, ".["); at >= 0 {
		return path[:at], path[at:]
	}
	return path, ""
}

// follow takes one step along a reference: .name or [index].
func follow(value any, path string) (next any, rest string, found bool) {
	if name, isName := strings.CutPrefix(path, "."); isName {
		name, rest = splitReference(name)
		members, _ := value.(map[string]any)
		next, found = members[name]
		return next, rest, found
	}
	text, rest, isClosed := strings.Cut(strings.TrimPrefix(path, "["), "]")
	items, _ := value.([]any)
	index, err := strconv.Atoi(text)
	if !isClosed || err != nil || index < 0 || index >= len(items) {
		return nil, "", false
	}
	return items[index], rest, true
}
