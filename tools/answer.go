package tools

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"salesforce-mcp/salesforce"
)

// An answer is what Salesforce answered, decoded once for the audit and the
// result. Of what is streamed it has the beginning.
type answer struct {
	resp  *salesforce.Response
	value any   // the JSON value; nil when there was no body
	file  *File // what was not JSON
	more  bool  // it goes on beyond what was read
	bytes int64 // how much of a stream was read
	err   error // why it could not be read
	said  error // the failure that a raw answer tells of itself
}

// read decodes the body of an answer: JSON or, where the row's content is
// something else, as much of that as a result can hold.
func (op *Op) read(resp *salesforce.Response, args Args) *answer {
	a := &answer{resp: resp}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case op.Content == Value && resp.Status == http.StatusNoContent: // null
		return a
	case op.Content == CSV && resp.Stream != nil:
		a.err = a.readCSV(args)
		return a
	case op.Content == Value && mediaType != "application/json" && resp.Stream != nil:
		a.file = &File{MediaType: mediaType}
		a.err = a.readFile(skipped(args))
		return a
	case resp.Stream != nil:
		resp.Body, a.err = readAll(resp.Stream)
	}
	if len(resp.Body) == 0 || a.err != nil {
		return a
	}
	if mediaType != "application/json" {
		a.err = fmt.Errorf("it is %q and not JSON", clip(mediaType))
		return a
	}
	if len(resp.Body) > largeAnswer {
		large.Lock()
		defer large.Unlock()
	}
	if a.value, a.err = decode(resp.Body); a.err != nil && op.Content == Value { // a file that is called JSON
		content := resp.Body[min(len(resp.Body), skipped(args)):]
		a.file, a.more, a.err = &File{MediaType: mediaType, Content: content[:min(len(content), maxFile)]}, len(content) > maxFile, nil
	}
	return a
}

// maxValue is how many bytes a value of JSON may have that was to be streamed.
const maxValue = 16 << 20

// readAll reads a stream that is JSON.
func readAll(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxValue+1))
	if len(body) > maxValue {
		return nil, fmt.Errorf("it is larger than %d bytes", maxValue)
	}
	return body, err
}

// Headers of the pages of a bulk query. The locator of the last page is the text
// "null" (Bulk API 2.0 guide, "Get Results for a Query Job").
const (
	locatorHeader = "Sforce-Locator"
	countHeader   = "Sforce-NumberOfRecords"
	noLocator     = "null"
)

// readCSV reads rows, after those that the caller wants left out, until a result
// can hold no more.
func (a *answer) readCSV(args Args) error {
	c, err := newCSV(a.resp.Stream)
	if err != nil {
		return err
	}
	o := object{}
	if next := a.resp.Header.Get(locatorHeader); next != "" && next != noLocator {
		o = append(o, member{csvLocator.Name, next})
	}
	if count := a.resp.Header.Get(countHeader); count != "" {
		o = append(o, member{"numberOfRecords", json.Number(count)})
	}
	rows := []any{}
	err = c.skip(skipped(args))
	for size := 0; err == nil && size < 2*resultBudget; size += len(c.raw) {
		var row object
		if err = c.next(); err != nil {
			break
		}
		if row, err = c.row(); err == nil {
			rows = append(rows, row)
		}
	}
	if err == nil {
		_, end := c.from.Peek(1)
		a.more = !errors.Is(end, io.EOF)
	}
	if len(rows) == 0 {
		o = append(o, member{"columns", texts(c.header)})
	}
	a.value = append(o, member{"records", rows})
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

// readFile reads the beginning of a file, after the bytes that the caller wants
// left out.
func (a *answer) readFile(skip int) error {
	if _, err := io.CopyN(io.Discard, a.resp.Stream, int64(skip)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(a.resp.Stream, maxFile+1))
	a.more = len(content) > maxFile
	a.file.Content = content[:min(len(content), maxFile)]
	return err
}

// stream gives what Salesforce sends to take, and counts it.
func (a *answer) stream(take func(*salesforce.Response) error) error {
	counted := &countedStream{ReadCloser: a.resp.Stream}
	a.resp.Stream = counted
	err := take(a.resp)
	a.bytes = counted.n
	var theirs *salesforce.Error
	var ours *Error
	if err != nil && !errors.As(err, &theirs) && !errors.As(err, &ours) {
		return &Error{Code: TimedOut, Message: "the caller hung up before the end of the answer"}
	}
	return err
}

type countedStream struct {
	io.ReadCloser
	n int64
}

func (c *countedStream) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

// verdict returns the error of an answer that cannot be read, or that reports a
// failure with a status of success: the write of one record, or Apex, with
// success false.
func (a *answer) verdict(op *Op) error {
	if a.err != nil {
		var theirs *salesforce.Error
		if errors.As(a.err, &theirs) {
			return a.err
		}
		return &Error{Code: Unreadable, Message: fmt.Sprintf("Salesforce answered %s with HTTP %d, but its answer cannot be read: %v", op.Name(), a.resp.Status, a.err),
			RequestID: a.resp.RequestID}
	}
	v, ok := a.value.(object)
	if !ok || op.Effect == Read || v.get("success") != false {
		return nil
	}
	if compiled, isApex := v.lookup("compiled"); isApex {
		return apexError(v, compiled == true, a.resp)
	}
	errs, _ := v.get("errors").([]any)
	first, _ := firstOf(errs).(object)
	code, _ := first.get("statusCode").(string)
	class := salesforce.ClassOf(code, http.StatusBadRequest)
	e := &Error{Code: Code(cmp.Or(code, string(class))), Message: "it was not done, and Salesforce does not say why", Status: a.resp.Status,
		RequestID: a.resp.RequestID, Hint: salesforce.HintFor(code, class)}
	for i, one := range errs {
		message := cell(one)
		if o, ok := one.(object); ok && o.get("message") != nil {
			message = cell(o.get("message"))
		}
		if i == 0 {
			e.Message = message
		} else {
			e.Also = append(e.Also, message)
		}
	}
	return e
}

// apexError is the error of Apex that did not compile, or that threw.
func apexError(v object, compiled bool, resp *salesforce.Response) *Error {
	e := &Error{Code: ApexFailed, Status: resp.Status, RequestID: resp.RequestID}
	message, trace := v.get("compileProblem"), any(nil)
	if compiled {
		message, trace = v.get("exceptionMessage"), v.get("exceptionStackTrace")
	} else {
		e.Hint = "Nothing was executed: mend the source at that place."
	}
	e.Message = fmt.Sprintf("line %s, column %s: %s", cell(v.get("line")), cell(v.get("column")), cell(message))
	if text, ok := trace.(string); ok && text != "" {
		e.Also = []string{text}
	}
	return e
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

// failed says how many parts of an answer failed, and whether that is all of
// them: records of a collection, requests of a composite request.
func (a *answer) failed() (message string, all bool) {
	results, what := a.results()
	if n := failures(results); n > 0 {
		return fmt.Sprintf("%d of %d %s failed", n, len(results), what), n == len(results)
	}
	return "", false
}

// results are the parts of an answer that succeed or fail by themselves.
func (a *answer) results() (results []any, what string) {
	switch v := a.value.(type) {
	case []any:
		return v, "records"
	case object:
		if list, ok := v.get(eventList.Name).([]any); ok {
			return list, eventList.Name
		}
		for _, name := range []string{"compositeResponse", "results", "graphs"} {
			if list, ok := v.get(name).([]any); ok {
				return list, "requests"
			}
		}
	}
	return nil, ""
}

func firstOf(list any) any {
	if l, ok := list.([]any); ok && len(l) > 0 {
		return l[0]
	}
	return nil
}

// failures counts what failed although Salesforce answered 200.
func failures(results []any) (n int) {
	for _, r := range results {
		if o, ok := r.(object); ok && o.failed() {
			n++
		}
	}
	return n
}

// failed reports whether a part of an answer says that it failed: in
// collections, approvals and actions, in graphs, or by its status in composite
// requests and batches.
func (o object) failed() bool {
	for _, name := range []string{"success", "isSuccess", "isSuccessful"} {
		if o.get(name) == false {
			return true
		}
	}
	for _, name := range []string{"httpStatusCode", "statusCode"} {
		if n, ok := o.get(name).(json.Number); ok && bytes.ContainsAny([]byte(n[:1]), "45") && len(n) == 3 {
			return true
		}
	}
	return false
}
