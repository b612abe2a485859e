package loop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/records"
)

// escalate makes the task for a person, once for each key, and tells others.
func (t *turn) escalate(ctx context.Context, subject, text string) (records.Done, error) {
	done, err := records.Escalate(ctx, t.org, t.s.Mapping, records.Escalation{Key: t.Key, CaseID: t.Run.Subject, Run: t.Run.ID, Subject: subject, Text: text})
	if err != nil {
		return done, err
	}
	told, err := records.Publish(ctx, t.org, t.s.Mapping, records.Event{CaseID: t.Run.Subject, Outcome: "escalated", Run: t.Run.ID})
	return records.Done{Records: append(done.Records, told.Records...), Changes: append(done.Changes, told.Changes...)}, err
}

// stuck tells a person of a run that does not go on by itself.
func (t *turn) stuck(ctx context.Context) (returns.Result, error) {
	if err := t.connect(ctx); err != nil {
		return returns.Result{}, err
	}
	var problem returns.Fault
	_ = json.Unmarshal(t.Run.Reason, &problem) // another reason is none
	text := fmt.Sprintf("The return does not get past its step %q and goes on being tried.", t.Run.At)
	switch made, _ := t.made(); {
	case t.Run.Pivot == "begun":
		text += " Whether money went back is not known: look at the payment gateway for the key " + returns.Key(t.Run, "refund") + "."
	case made != nil:
		text += fmt.Sprintf(" %s went back (%s); what is missing is what the step writes.", money(made.Amount, made.Currency), made.ID)
	}
	if problem.Message != "" {
		text += "\n\n" + problem.Message
	}
	done, err := t.escalate(ctx, "Return wants a person", text)
	return wrote(done, map[string]any{"step": t.Run.At, "problem": problem.Message, "records": done.Records}), err
}

// submit submits the case to the approval process of Salesforce that the workspace
// names, once: one that has it pending is left alone. Whether that works decides
// nothing, and is told to the audit trail.
//
// The form of the requests is that of process.submitApproval and of ProcessInstance
// (REST API Developer Guide, Process Approvals; Object Reference).
func (t *turn) submit(ctx context.Context) string {
	process := t.s.ApprovalProcess
	if process == "" {
		return ""
	}
	answer, err := t.org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/query", Semantics: salesforce.Safe, Query: url.Values{"q": {
		"SELECT Id FROM ProcessInstance WHERE TargetObjectId = " + soql.Quote(t.Run.Subject) + " AND Status = 'Pending' LIMIT 1"}}})
	if err != nil {
		return "not submitted: " + err.Error()
	}
	var pending struct{ TotalSize int }
	if err := json.Unmarshal(answer.Body, &pending); err != nil {
		return "not submitted: the org gave no answer that can be read"
	}
	if pending.TotalSize > 0 {
		return "pending"
	}
	body, err := json.Marshal(map[string]any{"requests": []any{map[string]any{"actionType": "Submit", "contextId": t.Run.Subject,
		"comments": "Return " + t.Run.ID + " wants a decision.", "processDefinitionNameOrId": process, "skipEntryCriteria": "false"}}})
	if err != nil {
		return "not submitted: " + err.Error()
	}
	if _, err := t.org.Do(ctx, &salesforce.Request{Method: http.MethodPost, Path: "/process/approvals", Body: body}); err != nil {
		return "not submitted: " + err.Error()
	}
	return "submitted"
}
