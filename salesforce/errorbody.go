package salesforce

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// longestMessage bounds a message in bytes; Apex stack traces are long.
const longestMessage = 4096

// parseError makes an Error of an answer that is not a success. The second
// result is whether the platform itself speaks for the whole request: a REST
// array of errors, and neither a page of the edge nor an error inside a
// result. Any body is understood in some way; none makes it fail.
func parseError(status int, body []byte) (*Error, bool) {
	e := &Error{Status: status}
	body = bytes.TrimSpace(body)
	whole := false
	switch {
	case len(body) > 0 && body[0] == '[':
		whole = e.readArray(body)
	case len(body) > 0 && body[0] == '{':
		e.readObject(body)
	case len(body) > 0 && body[0] == '<' && e.readFault(body):
		e.Class = ClassOf(e.Code, http.StatusBadRequest) // the status is 500 whatever was wrong
		return e, true
	}
	e.lead()
	if e.Code == "" && e.Message == "" {
		e.Message = plainText(status, body)
	}
	e.Class = ClassOf(e.Code, status)
	return e, whole
}

// readArray reads the REST shape [{"message","errorCode","fields"}], the
// paths of an upsert that matched several records, and the results of
// collections and invocable actions, whose errors are one level down.
func (e *Error) readArray(body []byte) (whole bool) {
	var items []json.RawMessage
	if json.Unmarshal(body, &items) != nil {
		return false
	}
	for _, raw := range items {
		var path string
		if json.Unmarshal(raw, &path) == nil {
			if e.Status == http.StatusMultipleChoices {
				e.Candidates = append(e.Candidates, path)
				e.Message = "the external id matches more than one record"
			}
			continue
		}
		item := object(raw)
		if item.text("errorCode") != "" {
			whole = len(e.Details) == 0 || whole
			e.add(item)
		}
		e.readNested(item)
		if string(item["success"]) == "true" || string(item["isSuccess"]) == "true" {
			e.Results = body
		}
	}
	return whole
}

// readObject reads a single REST error, an OAuth error
// ({"error","error_description"}), an Agent API error ({"error","message"})
// and the tree resource's {"hasErrors","results":[{"errors"}]}.
func (e *Error) readObject(body []byte) {
	item := object(body)
	if item.text("errorCode", "error", "statusCode") != "" || item.text("message") != "" {
		e.add(item)
	}
	e.readNested(item)
	for _, result := range item.objects("results") {
		was := len(e.Details)
		e.readNested(result)
		for i := range e.Details[was:] {
			if reference := result.text("referenceId"); reference != "" {
				e.Details[was+i].Message = clip(reference, 100) + ": " + e.Details[was+i].Message
			}
		}
	}
}

func (e *Error) readNested(item fields) {
	for _, nested := range item.objects("errors") {
		e.add(nested)
	}
}

// lead puts the first error that is a cause of its own in front: records that
// were rolled back because of another one only repeat that.
func (e *Error) lead() {
	for i, d := range e.Details {
		if i == 0 || ClassOf(e.Code, e.Status) == ClassRolledBack && ClassOf(d.Code, e.Status) != ClassRolledBack {
			e.Code, e.Message, e.Fields = d.Code, d.Message, d.Fields
		}
	}
	if len(e.Details) == 1 {
		e.Details = nil
	}
}

// add takes one error object.
func (e *Error) add(item fields) {
	d := Detail{
		Code:    item.text("errorCode", "statusCode", "error"),
		Message: clip(item.text("message", "error_description"), longestMessage),
		Fields:  item.texts("fields"),
	}
	if d.Code == "" && d.Message == "" {
		return
	}
	e.Details = append(e.Details, d)
	// The platform misspells the first key in some releases (recording
	// of a DUPLICATES_DETECTED answer).
	for _, key := range []string{"duplicateResult", "duplicateResut"} {
		for _, match := range object(item[key]).objects("matchResults") {
			for _, m := range match.objects("matchRecords") {
				if id := object(m["record"]).text("Id"); id != "" {
					e.Candidates = append(e.Candidates, id)
				}
			}
		}
	}
}

// fields is a JSON object whose values are read leniently: a value of an
// unexpected type reads as nothing.
type fields map[string]json.RawMessage

func object(raw []byte) fields {
	var f fields
	if json.Unmarshal(raw, &f) != nil {
		return nil
	}
	return f
}

// text returns the first of the named values that is a non-empty string.
func (f fields) text(names ...string) string {
	for _, name := range names {
		var s string
		if json.Unmarshal(f[name], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

func (f fields) texts(name string) []string {
	var list []string
	for _, raw := range f.list(name) {
		var s string
		if json.Unmarshal(raw, &s) == nil && s != "" {
			list = append(list, s)
		}
	}
	return list
}

func (f fields) objects(name string) []fields {
	var list []fields
	for _, raw := range f.list(name) {
		if o := object(raw); o != nil {
			list = append(list, o)
		}
	}
	return list
}

func (f fields) list(name string) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(f[name], &list) != nil {
		return nil
	}
	return list
}

var (
	title = regexp.MustCompile(`(?is)<title[^>]*>\s*(.*?)\s*</title>`)
	tag   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// plainText describes a body that is not the API's: a page or a line of text
// from the platform's edge, or nothing at all.
func plainText(status int, body []byte) string {
	text := clip(string(body), 16<<10)
	if m := title.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	text = strings.Join(strings.Fields(tag.ReplaceAllString(text, " ")), " ")
	text = strings.ToValidUTF8(clip(text, 200), "")
	switch {
	case 300 <= status && status < 400:
		return "the answer is a redirect, which is not followed; check the instance URL"
	case text == "":
		return "the answer has no text: " + strings.ToLower(http.StatusText(status))
	}
	return notTheAPI + text
}

// notTheAPI begins the message of an answer of the platform's edge.
const notTheAPI = "the answer is not the API's: "
