package tools

import (
	"cmp"
	"fmt"
	"mime"

	"salesforce-mcp/salesforce"
)

// An answer is what Salesforce answered, decoded once for the audit and the
// result.
type answer struct {
	resp  *salesforce.Response
	value any   // the JSON value; nil when there was no body
	file  *File // what was not JSON
	err   error // why the JSON could not be read
}

// read decodes the body of an answer: JSON or, where the row fetches one value,
// the bytes of a file.
func (op *Op) read(resp *salesforce.Response) *answer {
	a := &answer{resp: resp}
	if len(resp.Body) == 0 {
		return a
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if mediaType != "application/json" && !op.Value {
		a.err = fmt.Errorf("it is %q and not JSON", clip(mediaType))
		return a
	}
	if mediaType != "application/json" {
		a.file = &File{MediaType: mediaType, Content: resp.Body}
		return a
	}
	a.value, a.err = decode(resp.Body)
	return a
}

// verdict returns the error of an answer that cannot be read, or that reports a
// failure with a status of success: the write of one record with success false.
func (a *answer) verdict(op *Op) error {
	if a.err != nil {
		return &Error{Code: Unreadable, Message: fmt.Sprintf("Salesforce answered %s with HTTP %d, but its answer cannot be read: %v", op.Name(), a.resp.Status, a.err),
			RequestID: a.resp.RequestID}
	}
	if v, ok := a.value.(object); ok && op.Effect != Read && v.get("success") == false {
		first, _ := firstOf(v.get("errors")).(object)
		code, _ := first.get("statusCode").(string)
		message, _ := first.get("message").(string)
		class := salesforce.ClassOf(code, a.resp.Status)
		return &Error{Code: Code(cmp.Or(code, string(class))), Message: cmp.Or(message, "the record was not written"), Status: a.resp.Status,
			RequestID: a.resp.RequestID, Hint: salesforce.HintFor(code, class)}
	}
	return nil
}

// mend corrects the one failure that is none: records that a repeated removal
// calls gone, because the first, whose answer was lost, removed them.
func (a *answer) mend(op *Op) {
	rows, _ := a.value.([]any)
	for i, row := range rows {
		o, _ := row.(object)
		first, _ := firstOf(o.get("errors")).(object)
		if op.Effect == Remove && a.resp.Repeated && first.get("statusCode") == "ENTITY_IS_DELETED" {
			rows[i] = object{{"id", o.get("id")}, {"success", true}, {"errors", []any{}}}
		}
	}
}

// failed says how many records of a collection were not written, and whether
// that is all of them.
func (a *answer) failed() (message string, all bool) {
	results, _ := a.value.([]any)
	if n := failures(results); n > 0 {
		return fmt.Sprintf("%d of %d records were not written", n, len(results)), n == len(results)
	}
	return "", false
}

func firstOf(list any) any {
	if l, ok := list.([]any); ok && len(l) > 0 {
		return l[0]
	}
	return nil
}

// failures counts the records of a collection that were not written: Salesforce
// answers 200 all the same.
func failures(results []any) (n int) {
	for _, r := range results {
		if o, ok := r.(object); ok && o.get("success") == false {
			n++
		}
	}
	return n
}
