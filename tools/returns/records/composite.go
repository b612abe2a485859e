package records

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
)

// root is where subrequests are: they name a version of their own.
const root = "/services/data/" + salesforce.DefaultVersion

// part is a request inside of a composite request.
type part struct {
	name   string // reference id: letters and digits
	method string
	path   string // below the version, escaped
	body   any
}

// answered is what became of a part.
type answered struct {
	Body   json.RawMessage `json:"body"`
	Status int             `json:"httpStatusCode"`
	Name   string          `json:"referenceId"`
}

// maxQueries is how many queries and collections one composite request may have (REST
// API Developer Guide, Composite).
const maxQueries = 5

// composite sends parts, all or none, and returns their answers in order. An error
// names the part that failed and wraps the [*salesforce.Error].
func composite(ctx context.Context, org Org, semantics salesforce.Semantics, parts []part) ([]answered, error) {
	type request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
		Name   string `json:"referenceId"`
		Body   any    `json:"body,omitempty"`
	}
	body := struct {
		AllOrNone bool      `json:"allOrNone"`
		Requests  []request `json:"compositeRequest"`
	}{AllOrNone: true}
	for _, p := range parts {
		body.Requests = append(body.Requests, request{p.method, root + p.path, p.name, p.body})
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodPost, Path: root + "/composite", Body: text, Semantics: semantics})
	if err != nil {
		return nil, err
	}
	var all struct {
		Answers []answered `json:"compositeResponse"`
	}
	if err := json.Unmarshal(answer.Body, &all); err != nil || len(all.Answers) != len(parts) {
		if err == nil && len(all.Answers) == 1 && all.Answers[0].Status >= 300 {
			return nil, fmt.Errorf("the composite request: %w", all.Answers[0].refusal(answer))
		}
		return nil, &salesforce.Error{Class: salesforce.ClassTransient, Message: "the org gave no answer to a composite request that can be read", RequestID: answer.RequestID, Repeated: answer.Repeated}
	}
	return all.Answers, failed(parts, all.Answers, answer)
}

// failed returns the error of the part that made the others fail.
func failed(parts []part, answers []answered, whole *salesforce.Response) error {
	var first error
	for i, a := range answers {
		refusal := a.refusal(whole)
		if refusal == nil {
			continue
		}
		err := fmt.Errorf("%s (%s %s): %w", parts[i].name, parts[i].method, target(parts[i].path), refusal)
		if refusal.Class != salesforce.ClassRolledBack {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// target is a path without its query, which has values.
func target(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}

// refusal returns the error of a part, or nil. Nothing was kept of the whole then,
// unless an earlier exchange of the same call got through.
func (a answered) refusal(whole *salesforce.Response) *salesforce.Error {
	type said struct {
		Code    string   `json:"errorCode"`
		Status  string   `json:"statusCode"`
		Message string   `json:"message"`
		Fields  []string `json:"fields"`
	}
	var list []said
	switch {
	case a.Status >= 300:
		if json.Unmarshal(a.Body, &list) != nil || len(list) == 0 {
			list = []said{{Message: fmt.Sprintf("status %d", a.Status)}}
		}
	case len(a.Body) > 0 && a.Body[0] == '[': // of a collection
		var results []struct {
			Success *bool  `json:"success"`
			Errors  []said `json:"errors"`
		}
		if json.Unmarshal(a.Body, &results) != nil {
			return nil
		}
		for _, r := range results {
			if r.Success != nil && !*r.Success {
				list = append(list, r.Errors...)
			}
		}
	}
	var out *salesforce.Error
	for _, s := range list {
		code := s.Code + s.Status
		class := salesforce.ClassOf(code, max(a.Status, http.StatusBadRequest))
		if out == nil || out.Class == salesforce.ClassRolledBack && class != salesforce.ClassRolledBack {
			out = &salesforce.Error{Status: a.Status, Class: class, Code: code, Message: s.Message, Fields: s.Fields, RequestID: whole.RequestID,
				NotExecuted: !whole.Repeated, Repeated: whole.Repeated}
		}
	}
	return out
}

// row is a record as it was read, by the names of its fields.
type row map[string]any

// queries runs queries, five with each request, and returns their rows. None answers
// more rows than its LIMIT says, which one page has room for.
func queries(ctx context.Context, org Org, list ...string) ([][]row, error) {
	all := make([][]row, 0, len(list))
	for len(all) < len(list) {
		var parts []part
		for i, q := range list[len(all):min(len(all)+maxQueries, len(list))] {
			parts = append(parts, query("query"+strconv.Itoa(len(all)+i+1), q))
		}
		answers, err := composite(ctx, org, salesforce.Safe, parts)
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			rows, err := a.rows()
			if err != nil {
				return nil, err
			}
			all = append(all, rows)
		}
	}
	return all, nil
}

func query(name, text string) part {
	return part{name: name, method: http.MethodGet, path: "/query?" + url.Values{"q": {text}}.Encode()}
}

// rows are the records of the answer to a query. The answer to a COUNT() has one, whose
// field is count.
func (a answered) rows() ([]row, error) {
	var page struct {
		Total   json.Number `json:"totalSize"`
		Done    bool        `json:"done"`
		Records []row       `json:"records"`
	}
	d := json.NewDecoder(bytes.NewReader(a.Body))
	d.UseNumber()
	if err := d.Decode(&page); err != nil {
		return nil, fmt.Errorf("the org gave no answer to a query that can be read: %w", err)
	}
	if !page.Done {
		return nil, fmt.Errorf("the org answered %s rows in several pages", page.Total)
	}
	if len(page.Records) == 0 && page.Total != "0" {
		return []row{{"count": page.Total}}, nil
	}
	return page.Records, nil
}

// at returns the value at a path, or nil.
func (r row) at(path string) any {
	var value any = map[string]any(r)
	for name := range strings.SplitSeq(path, ".") {
		fields, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = fields[name]
	}
	return value
}

// text returns the text at a path, or "".
func (r row) text(path string) string {
	s, _ := r.at(path).(string)
	return s
}

// id returns the id at a path, or "".
func (r row) id(path string) string {
	if s := r.text(path); idForm.MatchString(s) {
		return s
	}
	return ""
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$`)

// caseForm is the form of the id of a case.
var caseForm = regexp.MustCompile(`^500[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$`)

// selects writes the beginning of a query: SELECT Id, the paths that are not empty,
// each once, FROM object.
func selects(object string, paths ...string) string {
	seen := map[string]bool{"": true, "Id": true}
	list := "Id"
	for _, p := range paths {
		if !seen[p] {
			list += ", " + p
			seen[p] = true
		}
	}
	return "SELECT " + list + " FROM " + object
}

// in writes the condition that a field has one of the values.
func in(path string, values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = soql.Quote(v)
	}
	return path + " IN (" + strings.Join(quoted, ", ") + ")"
}

// notIn writes the condition that a field has none of the values, or nothing.
func notIn(path string, values []string) string {
	return strings.Replace(in(path, values), " IN (", " NOT IN (", 1)
}

// is writes the condition that a field has the value.
func is(path, value string) string { return path + " = " + soql.Quote(value) }

// pathKey is a key as external ids in paths have it: a slash in them, escaped or not,
// is not safe on the platform.
func pathKey(key string) string { return strings.ReplaceAll(key, "/", ":") }
