package records

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools/returns/decimal"
)

// Status returns the status of a case.
func Status(ctx context.Context, org Org, m Mapping, caseID string) (string, error) {
	if !caseForm.MatchString(caseID) {
		return "", fmt.Errorf("%w: %.40q is not the id of a case (500…)", ErrNoCase, caseID)
	}
	answers, err := queries(ctx, org, selects(caseObject, m.Case.Status)+" WHERE "+is("Id", caseID)+" LIMIT 1")
	if err != nil {
		return "", err
	}
	if len(answers[0]) == 0 {
		return "", fmt.Errorf("%w: %s", ErrNoCase, caseID)
	}
	return answers[0][0].text(m.Case.Status), nil
}

// Claim sets the status of a case, and returns the one before. An empty status writes
// nothing. A repetition ends in the same status. Where from is given, a case that is in
// none of those statuses is left as it is: a request that arrives late, when its sender
// is long dead, does not open a case again.
func Claim(ctx context.Context, org Org, m Mapping, caseID, status string, from ...string) (Done, error) {
	if !caseForm.MatchString(caseID) {
		return Done{}, fmt.Errorf("%w: %.40q is not the id of a case (500…)", ErrNoCase, caseID)
	}
	if status == "" {
		return Done{}, nil
	}
	w := write{name: "case", object: caseObject, id: caseID, fields: map[string]any{m.Case.Status: status}}
	found := selects(caseObject, m.Case.Status) + " WHERE " + is("Id", caseID)
	if len(from) > 0 {
		from = append(from, status)
		found += " AND " + in(m.Case.Status, from)
		w.id = "@{before.records[0].Id}" // there is none in another status, and then nothing is written
	}
	answers, err := composite(ctx, org, salesforce.Unsafe, []part{query("before", found+" LIMIT 1"), w.part()})
	if err != nil && len(from) > 0 {
		if now, unread := Status(ctx, org, m, caseID); unread == nil && !slices.Contains(from, now) {
			return Done{}, nil
		}
	}
	if err != nil {
		return Done{}, err
	}
	rows, err := answers[0].rows()
	if err != nil {
		return Done{}, err
	}
	if len(rows) > 0 {
		w.id, w.before = rows[0].id("Id"), map[string]any{m.Case.Status: rows[0].text(m.Case.Status)}
	}
	return done([]write{w}, nil), nil
}

// Attach writes a document and links it to its case. The org keeps no key for it that
// would keep a second one out: look with [FindAttached] first.
func Attach(ctx context.Context, org Org, m Mapping, d Document) (Done, error) {
	if !caseForm.MatchString(d.CaseID) || d.Key == "" {
		return Done{}, fmt.Errorf("a document needs the id of a case (500…) and a key")
	}
	fields := map[string]any{"Title": clip(d.Title, 255), "PathOnClient": clip(d.FileName, 255), "FirstPublishLocationId": d.CaseID, m.documentKey(): d.Key}
	w := write{name: "document", object: documentObject, fields: fields}
	body := map[string]any{"VersionData": base64.StdEncoding.EncodeToString(d.PDF)}
	for name, value := range fields {
		body[name] = value
	}
	id, err := create(ctx, org, documentObject, body)
	if err != nil {
		return Done{}, err
	}
	return done([]write{w}, map[string]string{"document": id}), nil
}

// FindAttached looks for the document with the key on its case. Of several it is the
// first.
func FindAttached(ctx context.Context, org Org, m Mapping, d Document) (Done, bool, error) {
	if !caseForm.MatchString(d.CaseID) || d.Key == "" {
		return Done{}, false, fmt.Errorf("a document needs the id of a case (500…) and a key")
	}
	// The field of the key may be one that queries cannot filter by.
	answers, err := queries(ctx, org, selects(documentObject, "Title", "PathOnClient", m.documentKey())+" WHERE "+is("FirstPublishLocationId", d.CaseID)+
		" ORDER BY CreatedDate, Id LIMIT "+fmt.Sprint(maxHistory))
	if err != nil {
		return Done{}, false, err
	}
	for _, r := range answers[0] {
		if r.text(m.documentKey()) == d.Key {
			w := write{name: "document", object: documentObject, id: r.id("Id"), fields: map[string]any{"Title": r.text("Title"), "PathOnClient": r.text("PathOnClient"),
				"FirstPublishLocationId": d.CaseID, m.documentKey(): d.Key}}
			return done([]write{w}, nil), true, nil
		}
	}
	return Done{}, false, nil
}

// Publish publishes the platform event, if the mapping has one. What was published
// cannot be looked up: whoever listens tells two of them by the run.
func Publish(ctx context.Context, org Org, m Mapping, e Event) (Done, error) {
	if m.Event.Object == "" {
		return Done{}, nil
	}
	fields := map[string]any{}
	set(fields, m.Event.Case, e.CaseID)
	set(fields, m.Event.Outcome, e.Outcome)
	set(fields, m.Event.Run, e.Run)
	set(fields, m.Event.Currency, e.Currency)
	if e.Currency != "" && m.Event.Amount != "" {
		amount, err := decimal.Of(e.Amount, e.Currency)
		if err != nil {
			return Done{}, err
		}
		fields[m.Event.Amount] = json.Number(amount)
	}
	if _, err := create(ctx, org, m.Event.Object, fields); err != nil {
		return Done{}, err
	}
	// The id in the answer is not that of a record, and not delivered.
	return Done{Changes: changes([]write{{name: "event", object: m.Event.Object, fields: fields}}, nil)}, nil
}

// create makes a record and returns its id.
func create(ctx context.Context, org Org, object string, fields map[string]any) (string, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return "", err
	}
	answer, err := org.Do(ctx, &salesforce.Request{Method: http.MethodPost, Path: "/sobjects/" + object, Body: body})
	if err != nil {
		return "", err
	}
	var made struct {
		ID      string
		Success bool
	}
	if err := json.Unmarshal(answer.Body, &made); err != nil || !made.Success {
		return "", &salesforce.Error{Class: salesforce.ClassTransient, Message: "the org gave no answer to a create that can be read", RequestID: answer.RequestID, Repeated: answer.Repeated}
	}
	return made.ID, nil
}

// Escalate writes the task for a person, once for each key.
func Escalate(ctx context.Context, org Org, m Mapping, e Escalation) (Done, error) {
	w, err := m.escalation(e)
	if err != nil {
		return Done{}, err
	}
	answers, err := composite(ctx, org, salesforce.Unsafe, []part{w.part()})
	if err != nil {
		return Done{}, err
	}
	ids := map[string]string{}
	if made := answers[0].ids(); len(made) > 0 {
		ids[w.name] = made[0]
	}
	return done([]write{w}, ids), nil
}

// FindEscalated looks for the task with the key.
func FindEscalated(ctx context.Context, org Org, m Mapping, e Escalation) (Done, bool, error) {
	w, err := m.escalation(e)
	if err != nil {
		return Done{}, false, err
	}
	answers, err := queries(ctx, org, selects(taskObject)+" WHERE "+is(w.key, w.value)+" LIMIT 1")
	if err != nil || len(answers[0]) == 0 {
		return Done{}, false, err
	}
	return done([]write{w}, map[string]string{w.name: answers[0][0].id("Id")}), true, nil
}

func (m Mapping) escalation(e Escalation) (write, error) {
	if !caseForm.MatchString(e.CaseID) || e.Key == "" {
		return write{}, fmt.Errorf("an escalation needs the id of a case (500…) and a key")
	}
	owner := m.Task.Queue
	if owner == "" {
		owner = m.Task.Owner
	}
	return write{name: "task", object: taskObject, key: m.Task.Key, value: pathKey(e.Key),
		fields: m.task(m.Task.Escalated, owner, e.CaseID, e.Subject, e.Text+"\n\nRun "+e.Run)}, nil
}
