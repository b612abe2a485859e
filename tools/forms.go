package tools

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"salesforce-mcp/salesforce/soql"
)

// A Form says what a value must look like beyond its JSON type. The zero Form
// asks nothing more.
type Form int

// The forms.
const (
	Any              Form = iota
	Statement             // SOQL or SOSL that only reads
	Search                // a search without SOSL, that only reads
	Text                  // text that is not blank
	FieldValues           // the values of one record
	SObjectName           // the API name of an object
	EventName             // the API name of a platform event of the org
	FieldName             // the API name of a field
	FieldList             // field names with relationship paths, comma-separated or an array; checked to []string
	RecordID              // 15 characters, or 18 whose last three agree with them
	RecordIDList          // record IDs, comma-separated or an array; checked to []string
	RecordList            // records with attributes.type, at most 200
	EventList             // field values of platform events, at most 25
	DateTime              // RFC 3339; checked to that
	Locator               // a nextRecordsUrl or the locator in it; checked to the locator, with "tooling/" before one of the Tooling API
	JobLocator            // a nextRecordsUrl of jobs or the locator in it; checked to the locator
	PageLocator           // a Sforce-Locator
	PathValue             // text that becomes a segment of the path
	ActionName            // a quick action, as in LogACall or Account.NewCase
	FileName              // a file's name, without a path
	FullNames             // names of metadata components, comma-separated or an array; checked to []string, at most 10
	Base64                // bytes in base64
	Zip                   // a zip in base64; checked to its bytes
	Positive              // an integer above zero
	NotNegative           // an integer of zero or more
	Subrequests           // the requests of a composite request
	BatchRequests         // those of a batch
	Graphs                // graphs of requests
	TreeRecords           // records with their children
	ApprovalRequests      // submissions and decisions
	ReturnLines           // what of an order goes back
	Key                   // an idempotency key
)

// toolingPrefix stands before a locator of the Tooling API.
const toolingPrefix = "tooling/"

const anOrigin = `(?:https://[A-Za-z0-9.-]+(?::443)?|http://(?:127\.0\.0\.1|localhost)(?::\d+)?)?`

var (
	nameRE        = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)
	pathRE        = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,5}$`)
	actionRE      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79})?$`)
	locatorRE     = regexp.MustCompile(`^(?:` + anOrigin + `/services/data/v\d+\.\d+/)?(tooling/)?(?:query/)?([A-Za-z0-9]{15,18}-\d{1,9})$`)
	jobLocatorRE  = regexp.MustCompile(`^(?:` + anOrigin + `/services/data/v\d+\.\d+/jobs/(?:query|ingest)/?\?(?:.*&)?queryLocator=)?([A-Za-z0-9_=-]{1,100})(?:&.*)?$`)
	recordIDRE    = regexp.MustCompile(`^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$`)
	pageLocatorRE = regexp.MustCompile(`^[A-Za-z0-9_=+/-]{1,200}$`)
)

// conform returns v as the form wants it, or an error that says what would fit.
// The rest of the arguments decides the type and the number of records.
func (p Param) conform(v any, op *Op, args map[string]any) (any, error) {
	s, _ := v.(string)
	if choices := p.choices(); choices != nil {
		at := slices.IndexFunc(choices, func(choice string) bool { return strings.EqualFold(choice, s) })
		if at < 0 {
			return nil, p.wrong(fmt.Sprintf("%q is none of %s%s", clip(s), strings.Join(choices, ", "), near(s, choices)))
		}
		return choices[at], nil
	}
	switch p.Form {
	case Text:
		if strings.TrimSpace(s) == "" {
			return nil, p.wrong("it is empty")
		}
	case Statement:
		if strings.TrimSpace(s) == "" {
			return nil, p.wrong("it is empty")
		}
		return p.statement(s)
	case Search:
		return v, p.search(v.(map[string]any))
	case FieldValues:
		return p.fieldValues(v.(map[string]any), op, args)
	case SObjectName:
		if !nameRE.MatchString(s) {
			return nil, p.wrong(fmt.Sprintf("%q is no API name of an object: letters, digits and _, as in Account or Invoice__c", clip(s)))
		}
	case EventName:
		if !eventRE.MatchString(s) {
			return nil, p.wrong(fmt.Sprintf("%q is no API name of a platform event, which ends in __e, as in Order_Shipped__e", clip(s)))
		}
	case FieldName:
		if !nameRE.MatchString(s) {
			return nil, p.wrong(fmt.Sprintf("%q is no API name of a field: letters, digits and _, as in Email or ERP_Id__c", clip(s)))
		}
	case FieldList:
		return p.list(v, 800, func(name string) (string, error) {
			if !pathRE.MatchString(name) {
				return "", p.wrong(fmt.Sprintf("%q is no field name; give names separated by commas, as in Id,Name,Owner.Name", clip(name)))
			}
			return name, nil
		})
	case RecordID:
		return p.recordID(s)
	case RecordIDList:
		most := 200
		if op.Effect == Read {
			most = 2000
		}
		return p.list(v, most, p.recordID)
	case RecordList:
		return p.records(v.([]any), args)
	case EventList:
		return p.events(v.([]any), op, args)
	case DateTime:
		return p.dateTime(s)
	case Locator:
		m := locatorRE.FindStringSubmatch(s)
		if m == nil {
			return nil, p.wrong(fmt.Sprintf("%q is no query locator; give the nextRecordsUrl of the query before, as in /services/data/v62.0/query/01g…-2000", clip(s)))
		}
		return m[1] + m[2], nil
	case JobLocator:
		m := jobLocatorRE.FindStringSubmatch(s)
		if m == nil {
			return nil, p.wrong(fmt.Sprintf("%q is no locator of jobs; give the nextRecordsUrl of the list before", clip(s)))
		}
		return m[1], nil
	case PageLocator:
		if !pageLocatorRE.MatchString(s) || s == "null" {
			return nil, p.wrong(fmt.Sprintf("%q is no locator; give the one that came with the page before, or none for the first page (null is the end)", clip(s)))
		}
	case PathValue:
		return p.pathValue(s)
	case Key:
		return p.key(s)
	case ActionName:
		if !actionRE.MatchString(s) {
			return nil, p.wrong(fmt.Sprintf("%q is no name of an action, as in LogACall or Account.NewCase", clip(s)))
		}
	case FileName, FullNames, Base64, Zip:
		return p.file(v)
	case Positive:
		if n, err := v.(json.Number).Int64(); err != nil || n < 1 {
			return nil, p.wrong("it must be above zero")
		}
	case NotNegative:
		if n, err := v.(json.Number).Int64(); err != nil || n < 0 {
			return nil, p.wrong("it must not be negative")
		}
	case Subrequests, BatchRequests, Graphs, TreeRecords, ApprovalRequests, ReturnLines:
		return v, p.requests(v.([]any))
	}
	return v, nil
}

// listed reports whether p is a list of texts, which may be one text with commas
// as well.
func (p Param) listed() bool {
	return p.Form == FieldList || p.Form == RecordIDList || p.Form == FullNames
}

// choices returns the values that p may have, or nil for any.
func (p Param) choices() []string {
	if p.OneOf == "" {
		return nil
	}
	return strings.Split(p.OneOf, "|")
}

// wrong returns the error for a value of p.
func (p Param) wrong(why string) *Error {
	return &Error{Code: InvalidArgument, Message: p.Name + ": " + why}
}

// recordID takes what has the form of an ID. Its check characters are left to
// Salesforce to judge.
func (p Param) recordID(s string) (string, error) {
	if !recordIDRE.MatchString(s) {
		return "", p.wrong(fmt.Sprintf("%q is no ID: 15 or 18 letters and digits", clip(s)))
	}
	return s, nil
}

// list splits a comma-separated string, or takes an array of strings.
func (p Param) list(v any, most int, check func(string) (string, error)) ([]string, error) {
	var parts []string
	switch v := v.(type) {
	case string:
		for part := range strings.SplitSeq(v, ",") {
			parts = append(parts, strings.TrimSpace(part))
		}
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, p.wrong("an element is no string")
			}
			parts = append(parts, strings.TrimSpace(s))
		}
	}
	if len(parts) > most {
		return nil, p.wrong(fmt.Sprintf("%d are too many: at most %d in one call", len(parts), most))
	}
	var err error
	for i := range parts {
		if parts[i], err = check(parts[i]); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// records checks a collection and names the type in each record when the row
// takes it as an argument.
func (p Param) records(list []any, args map[string]any) (any, error) {
	if len(list) == 0 || len(list) > 200 {
		return nil, p.wrong(fmt.Sprintf("%d records: give 1 to 200 in one call", len(list)))
	}
	typeName, typed := args[sObjectName.Name].(string)
	out := make([]any, len(list))
	for i, e := range list {
		record, ok := e.(map[string]any)
		if !ok {
			return nil, p.wrong(fmt.Sprintf("element %d is no object of field values", i))
		}
		given, err := p.typeOf(record)
		if err != nil {
			return nil, err
		}
		switch {
		case !typed && !nameRE.MatchString(given):
			return nil, p.wrong(fmt.Sprintf(`element %d does not say its type: add "attributes": {"type": "Account"}`, i))
		case typed && given != "" && !strings.EqualFold(given, typeName):
			return nil, p.wrong(fmt.Sprintf("element %d has the type %q, but sObjectName is %q", i, clip(given), typeName))
		case typed && given == "":
			withType := map[string]any{"attributes": map[string]any{"type": typeName}}
			for k, v := range record {
				if k != "attributes" {
					withType[k] = v
				}
			}
			record = withType
		}
		out[i] = record
	}
	return out, nil
}

// typeOf returns the type that a record says it is of, or "". There is one way to
// say it: another spelling could mean something else to Salesforce than to us.
func (p Param) typeOf(record map[string]any) (string, error) {
	for name, v := range record {
		if foldKey(name) != "attributes" {
			continue
		}
		attributes, isObject := v.(map[string]any)
		given, isString := attributes["type"].(string)
		if name != "attributes" || !isObject || !isString {
			return "", p.wrong(fmt.Sprintf(`%q must be written "attributes": {"type": "Account"}`, name))
		}
		return given, nil
	}
	return "", nil
}

// fieldValues checks the values of one record. The ID of one that is changed
// stands in the path: Salesforce refuses it among the values.
func (p Param) fieldValues(record map[string]any, op *Op, args map[string]any) (any, error) {
	for name := range record {
		if _, inPath := args[recordID.Name]; inPath && foldKey(name) == "id" && op.method() == http.MethodPatch {
			return nil, p.wrong(fmt.Sprintf("%s does not belong among the values; %s names the record", clip(name), recordID.Name))
		}
	}
	given, err := p.typeOf(record)
	if name, ok := args[sObjectName.Name].(string); ok && err == nil && given != "" && !strings.EqualFold(given, name) {
		return nil, p.wrong(fmt.Sprintf("its attributes have the type %q, but sObjectName is %q", clip(given), name))
	}
	return record, err
}

// statement checks SOQL. A query only reads, so it cannot have the clauses that
// mark records as viewed, count views or lock rows.
func (p Param) statement(s string) (any, error) {
	if changes(s) {
		return nil, p.wrong("FOR VIEW, FOR REFERENCE, FOR UPDATE and UPDATE change the org, and this only reads; leave them out")
	}
	return s, nil
}

// changingRE matches the clauses that change the org.
var changingRE = regexp.MustCompile(`(?i)\b(FOR\W+(VIEW|REFERENCE|UPDATE)|UPDATE\W+(TRACKING|VIEWSTAT))\b`)

// changes reports whether a statement, or one inside it, has a clause that
// changes the org. What we cannot parse is judged by its words: Salesforce might
// take it.
func changes(s string) (found bool) {
	var statement soql.Node
	if query, err := soql.Parse(s); err == nil {
		statement = query
	} else if search, err := soql.ParseSearch(s); err == nil {
		statement = search
	} else {
		return changingRE.MatchString(s)
	}
	soql.Walk(statement, func(n soql.Node) bool {
		switch n := n.(type) {
		case *soql.Query:
			found = found || len(n.For)+len(n.Update) > 0
		case *soql.Search:
			found = found || len(n.Update) > 0
		}
		return true
	})
	return found
}

// search checks a search without SOSL: two of its members count views.
func (p Param) search(body map[string]any) error {
	for name := range body {
		if key := foldKey(name); key == "updatetracking" || key == "updateviewstat" {
			return p.wrong(fmt.Sprintf("%s changes the org, and this only reads; leave it out", clip(name)))
		}
	}
	return nil
}

func (p Param) dateTime(s string) (string, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999-0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.RFC3339), nil
		}
	}
	return "", p.wrong(fmt.Sprintf("%q is no date and time with a zone; as in 2026-01-31T00:00:00Z", clip(s)))
}

// pathValue takes any text that stays one segment of a path once it is escaped.
func (p Param) pathValue(s string) (string, error) {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", p.wrong("it is empty or has control characters")
	}
	if slices.ContainsFunc(strings.Split(s, "/"), func(seg string) bool { return seg == "." || seg == ".." }) {
		return "", p.wrong(fmt.Sprintf("%q would climb out of its place in the path", clip(s)))
	}
	return s, nil
}

// ofType returns v as a value of p's JSON type. A string that spells a number,
// a truth value or, for lists, their elements is taken for it, because shells
// and some models give nothing but strings.
func (p Param) ofType(v any) (any, error) {
	if _, ok := v.(*Upload); ok {
		return v, nil // no JSON is one
	}
	s, isString := v.(string)
	switch p.Type {
	case "string":
		_, isArray := v.([]any)
		if isString || isArray && p.listed() {
			return v, nil
		}
		if n, ok := v.(json.Number); ok && (p.Form == PathValue) {
			return n.String(), nil
		}
	case "integer":
		n, ok := v.(json.Number)
		if isString {
			n, ok = json.Number(s), true
		}
		if _, err := strconv.ParseInt(n.String(), 10, 64); ok && err == nil {
			return n, nil
		}
	case "number":
		if _, isNumber := v.(json.Number); isNumber || isString {
			return v, nil
		}
	case "boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		if s == "true" || s == "false" {
			return s == "true", nil
		}
	case "array":
		if a, ok := v.([]any); ok {
			return a, nil
		}
		if isString && p.listed() {
			return v, nil
		}
	case "object":
		if o, ok := v.(map[string]any); ok {
			return o, nil
		}
	}
	return nil, p.wrong(fmt.Sprintf("it must be %s, not %s", article(p.Type), article(typeName(v))))
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}

func article(noun string) string {
	if strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	if noun == "null" {
		return noun
	}
	return "a " + noun
}
