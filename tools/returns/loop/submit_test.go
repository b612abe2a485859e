package loop

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

// choosing is an org that names the approver whom the process of the simulated org
// wants to be told.
type choosing struct {
	tools.Org
	approver string
}

func (o choosing) Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error) {
	if r.Path == "/process/approvals" {
		again := *r
		again.Body = bytes.Replace(r.Body, []byte(`"actionType"`), []byte(`"nextApproverIds":["`+o.approver+`"],"actionType"`), 1)
		r = &again
	}
	return o.Org.Do(ctx, r)
}

// TestSubmit: where a workspace names an approval process of Salesforce, the case is
// submitted to it once, what that changes on the case is known to who decides here, and
// only that decision counts. One that does not work keeps nobody from being asked.
func TestSubmit(t *testing.T) {
	w := start(t)
	w.setting(func(s *Settings) { s.ApprovalProcess = "Case_Goodwill" })
	process := func(id string) (said string) {
		for _, e := range w.entries {
			var says decided
			if e.Instruction == "approval" && e.Phase == audit.PhaseOutcome && json.Unmarshal(e.Detail, &says) == nil && says.Process != "" {
				said += says.Process + " "
			}
		}
		return said
	}
	s := w.process(w.demo("Sixth return of the year"))
	if s.Status != returns.Waiting || s.ApprovalID == "" || !strings.Contains(process(s.RunID), "not submitted: ") {
		t.Fatalf("%+v, process %s", s, process(s.RunID))
	}

	approver := w.soql("SELECT Id FROM User WHERE Username = 'priya.nair@alderridge.example'")[0]["Id"].(string)
	connect := w.Connect
	w.Connect = func(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
		org, err := connect(ctx, caller, sent)
		return choosing{org, approver}, err
	}
	id := w.demo("Laser level is off by two degrees")
	s = w.process(id)
	s = w.later(s.RunID, time.Second)
	if s.Status != returns.Waiting || s.ApprovalID == "" || !strings.HasSuffix(process(s.RunID), "submitted pending ") {
		t.Fatalf("%+v, process %s", s, process(s.RunID))
	}
	w.goOn(s.RunID)
	w.work(s.RunID)
	if rows := w.soql("SELECT Id FROM ProcessInstance WHERE TargetObjectId = " + soql.Quote(id)); len(rows) != 1 || w.paid() != 0 {
		t.Errorf("submitted %v", rows)
	}
	if s = w.decide(s, true, ""); s.Refund == nil || w.paid() != 259 {
		t.Errorf("%+v", s)
	}
}
