package trail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/salesforce"
)

// An AuditLogField is a field of the object in the org that has entries.
type AuditLogField struct {
	From   string // member of the entry, as in docs/audit.md; "entry" is the whole line, "leaf" its number
	Name   string // of the field, unless the configuration gives another
	Type   string // Text, LongTextArea, DateTime or Number, in the words of the Metadata API
	Length int    // characters of a text
	Scale  int    // decimal places of a number
}

// AuditLogFields are those that are filled in. The first is the external id, by
// which an entry that is written again changes nothing.
var AuditLogFields = []AuditLogField{
	{From: "id", Name: "EntryId__c", Type: "Text", Length: 36},
	{From: "time", Name: "Time__c", Type: "DateTime"},
	{From: "phase", Name: "Phase__c", Type: "Text", Length: 20},
	{From: "intent", Name: "IntentId__c", Type: "Text", Length: 36},
	{From: "run", Name: "Run__c", Type: "Text", Length: 36},
	{From: "workspace", Name: "Workspace__c", Type: "Text", Length: 80},
	{From: "host", Name: "Host__c", Type: "Text", Length: 255},
	{From: "agent", Name: "Agent__c", Type: "Text", Length: 255},
	{From: "user", Name: "User__c", Type: "Text", Length: 255},
	{From: "context", Name: "Context__c", Type: "Text", Length: 255},
	{From: "surface", Name: "Surface__c", Type: "Text", Length: 20},
	{From: "tool", Name: "Tool__c", Type: "Text", Length: 80},
	{From: "action", Name: "Action__c", Type: "Text", Length: 80},
	{From: "effect", Name: "Effect__c", Type: "Text", Length: 20},
	{From: "decision", Name: "Decision__c", Type: "Text", Length: 20},
	{From: "rule", Name: "Rule__c", Type: "Text", Length: 255},
	{From: "reasoning", Name: "Reasoning__c", Type: "LongTextArea", Length: 4096},
	{From: "confidence", Name: "Confidence__c", Type: "Number", Length: 18, Scale: 4},
	{From: "arguments", Name: "Arguments__c", Type: "LongTextArea", Length: 131_072},
	{From: "records", Name: "Records__c", Type: "LongTextArea", Length: 32_768},
	{From: "changes", Name: "Changes__c", Type: "LongTextArea", Length: 131_072},
	{From: "outcome", Name: "Outcome__c", Type: "Text", Length: 20},
	{From: "code", Name: "Code__c", Type: "Text", Length: 80},
	{From: "message", Name: "Message__c", Type: "LongTextArea", Length: 4096},
	{From: "leaf", Name: "Leaf__c", Type: "Number", Length: 18},
	{From: "entry", Name: "Entry__c", Type: "LongTextArea", Length: 131_072},
}

// An Org is the org of a workspace.
type Org interface {
	Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error)
}

// An AuditLog writes the entries of a workspace into an object of its own org, by
// upsert on the field of the entry's id. Its own requests make no entries, which
// would have to be written in turn: the log has a line for each.
type AuditLog struct {
	Workspace string
	// Object is the object's API name.
	Object string
	// Fields are the names of fields, by what is in them, where they are not those
	// of AuditLogFields; "" leaves one out.
	Fields map[string]string
	// CallsPerHour and CallsPerDay bound the requests of this process.
	CallsPerHour, CallsPerDay int
	// Reserve is how many percent of the org's calls a day are left to others.
	Reserve int
	// Connect returns the org.
	Connect func(ctx context.Context) (Org, error)
	// Usage returns the API calls used and allowed in 24 hours, as the org last
	// said; ok is false before it did.
	Usage func() (used, allowed int, ok bool)
	// Wrote is told of each request that wrote entries.
	Wrote func(entries int, requestID string)

	last  time.Time   // when the last request was made
	calls []time.Time // of the last 24 hours
}

// auditLogBatch is the most that one request takes (REST API Developer Guide,
// "sObject Collections"); auditLogBytes keeps a request well below what it may
// have.
const (
	auditLogBatch = 200
	auditLogBytes = 4 << 20
)

// Sink is the sink that writes into the org.
func (a *AuditLog) Sink() *Sink {
	pause := max(restPause, time.Hour/time.Duration(max(a.CallsPerHour, 1)))
	return &Sink{Name: "org", What: "write the audit trail into the org's " + a.Object, Workspace: a.Workspace, Batch: auditLogBatch, Pause: pause, Send: a.send}
}

// wait returns an error if no request may be made now.
func (a *AuditLog) wait(now time.Time) error {
	for len(a.calls) > 0 && now.Sub(a.calls[0]) >= 24*time.Hour {
		a.calls = a.calls[1:]
	}
	if len(a.calls) >= a.CallsPerDay {
		return &Later{Err: fmt.Errorf("%d API calls were made in 24 hours, as many as auditLog.callsPerDay says", a.CallsPerDay), After: 24*time.Hour - now.Sub(a.calls[0])}
	}
	if used, allowed, ok := a.Usage(); ok && allowed-used <= allowed*a.Reserve/100 {
		return &Later{Err: fmt.Errorf("the org has %d of %d API calls left today, and auditLog.reserve leaves %d percent to others", allowed-used, allowed, a.Reserve), After: 15 * time.Minute}
	}
	return nil
}

func (a *AuditLog) send(ctx context.Context, _ string, entries []proof.Leaf) (int, error) {
	now := time.Now()
	// The sink rests between two looks; between two requests of one look, here.
	if gap := time.Hour / time.Duration(max(a.CallsPerHour, 1)); now.Sub(a.last) < gap {
		return 0, nil
	}
	if err := a.wait(now); err != nil {
		return 0, err
	}
	org, err := a.Connect(ctx)
	if err != nil {
		return 0, err
	}
	n, body, err := a.body(entries)
	if err != nil {
		return 0, err
	}
	a.last, a.calls = now, append(a.calls, now)
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodPatch, Path: "/composite/sobjects/" + a.Object + "/" + a.name(AuditLogFields[0]),
		Body: body, Semantics: salesforce.Idempotent})
	if err != nil {
		return 0, limited(err)
	}
	var results []struct {
		Success bool `json:"success"`
		Errors  []struct {
			StatusCode string `json:"statusCode"`
			Message    string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(answer.Body, &results); err != nil || len(results) != n {
		return 0, errors.New("the org's answer is none to an upsert of records")
	}
	arrived := 0
	for arrived < n && results[arrived].Success {
		arrived++
	}
	if arrived > 0 {
		a.Wrote(arrived, answer.RequestID)
	}
	if arrived == n {
		return n, nil
	}
	why := "without saying why"
	if e := results[arrived].Errors; len(e) > 0 {
		why = e[0].StatusCode + ": " + e[0].Message
	}
	return arrived, fmt.Errorf("the org refuses entry %d: %s", entries[arrived].N, why)
}

// limited is an error of the org, with a wait where that is a limit.
func limited(err error) error {
	var e *salesforce.Error
	if errors.As(err, &e) && e.Class == salesforce.ClassLimited {
		return &Later{Err: err, After: max(e.RetryAfter, 15*time.Minute)}
	}
	return err
}

// body is the request with as many of the entries as fit, at least one.
func (a *AuditLog) body(entries []proof.Leaf) (n int, body []byte, err error) {
	var records []json.RawMessage
	size := 0
	for _, e := range entries {
		record, err := a.record(e)
		if err != nil {
			return 0, nil, err
		}
		if size += len(record); n > 0 && size > auditLogBytes {
			break
		}
		records = append(records, record)
		n++
	}
	body, err = json.Marshal(map[string]any{"allOrNone": false, "records": records})
	return n, body, err
}

// record is an entry as a record of the object.
func (a *AuditLog) record(l proof.Leaf) (json.RawMessage, error) {
	var e map[string]json.RawMessage
	if err := json.Unmarshal(l.Entry, &e); err != nil {
		return nil, fmt.Errorf("entry %d is none; salesforce-mcp audit verify says more", l.N)
	}
	record := map[string]any{"attributes": map[string]string{"type": a.Object}}
	for _, f := range AuditLogFields {
		name := a.name(f)
		if name == "" {
			continue
		}
		value := e[f.From]
		switch f.From {
		case "entry":
			value = l.Entry
		case "leaf":
			record[name] = l.N
			continue
		}
		if value == nil {
			continue
		}
		record[name] = f.value(value)
	}
	return json.Marshal(record)
}

// value is a member of an entry as the field takes it.
func (f AuditLogField) value(raw json.RawMessage) any {
	if f.Type == "Number" {
		return json.Number(raw)
	}
	text := string(raw)
	var said string
	var list []string
	switch {
	case f.From == "entry":
	case json.Unmarshal(raw, &said) == nil:
		text = said
	case f.From == "records" && json.Unmarshal(raw, &list) == nil:
		text = strings.Join(list, "\n")
	}
	if f.Type == "DateTime" {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		return nil
	}
	return cutText(text, f.Length)
}

// cutText cuts a text to so many characters, in the way in which the platform
// counts them: those of UTF-16 (it is written in Java; the guides do not say).
func cutText(text string, most int) string {
	n := 0
	for i, r := range text {
		width := max(utf16.RuneLen(r), 1)
		if n+width > most {
			const mark = "…"
			for n+1 > most { // room for the mark
				last, size := utf8.DecodeLastRuneInString(text[:i])
				n -= max(utf16.RuneLen(last), 1)
				i -= size
			}
			return text[:i] + mark
		}
		n += width
	}
	return text
}

func (a *AuditLog) name(f AuditLogField) string {
	if name, ok := a.Fields[f.From]; ok {
		return name
	}
	return f.Name
}

// Check looks whether the object has the fields, and may be written.
func (a *AuditLog) Check(ctx context.Context) error {
	org, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/sobjects/" + a.Object + "/describe", Semantics: salesforce.Safe})
	if err != nil {
		return err
	}
	var object struct {
		Createable bool `json:"createable"`
		Fields     []struct {
			Name       string `json:"name"`
			ExternalID bool   `json:"externalId"`
			Createable bool   `json:"createable"`
			Updateable bool   `json:"updateable"`
		} `json:"fields"`
	}
	if err := json.Unmarshal(answer.Body, &object); err != nil {
		return fmt.Errorf("read the describe of %s: %w", a.Object, err)
	}
	may := map[string]bool{}
	external := false
	id := a.name(AuditLogFields[0])
	for _, f := range object.Fields {
		may[strings.ToLower(f.Name)] = f.Createable && f.Updateable
		external = external || strings.EqualFold(f.Name, id) && f.ExternalID
	}
	var missing []string
	for _, f := range AuditLogFields {
		if name := a.name(f); name != "" && !may[strings.ToLower(name)] {
			missing = append(missing, name)
		}
	}
	switch {
	case !object.Createable:
		return fmt.Errorf("the connection's user may not create records of %s", a.Object)
	case missing != nil:
		return fmt.Errorf("%s has no fields %s that the connection's user may write: add them, or leave them out with auditLog.fields", a.Object, strings.Join(missing, ", "))
	case !external:
		return fmt.Errorf("%s of %s is no external id", id, a.Object)
	}
	return nil
}
