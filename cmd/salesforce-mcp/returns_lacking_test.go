package main

import (
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/metadata"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/policy"
)

// without takes a permission out of the permission set for returns: of a user, a field,
// or to edit or create records of an object.
func without(t *testing.T, p *metadata.Package, kind, name string) {
	t.Helper()
	set := &p.Sets[slices.IndexFunc(p.Sets, func(s metadata.PermissionSet) bool { return s.Name == metadata.ReturnsSet })]
	before := len(set.User) + len(set.Fields)
	changed := false
	switch kind {
	case "user":
		set.User = slices.DeleteFunc(set.User, func(u metadata.UserPermission) bool { return u.Name == name })
	case "field":
		set.Fields = slices.DeleteFunc(set.Fields, func(f metadata.FieldPermission) bool { return f.Field == name })
	case "edit":
		for i := range set.Objects {
			if o := &set.Objects[i]; o.Object == name {
				changed, o.Edit = o.Edit, false
			}
		}
	case "create":
		for i := range set.Objects {
			if o := &set.Objects[i]; o.Object == name {
				changed, o.Create = o.Create, false
			}
		}
	}
	if !changed && len(set.User)+len(set.Fields) == before {
		t.Errorf("the set has no permission %s %s", kind, name)
	}
}

// TestReturnsWithOneLess: without any one permission of the set the step that needs it
// says which it is, to the agent or on the run that waits for a person; no money is lost
// over it, and with the permission the return comes to its end.
func TestReturnsWithOneLess(t *testing.T) {
	w := newReturnsWorld(t)
	w.driveQuickly()
	agent := w.agent(demoAgent)
	whole, err := packageOf(&w.app.config.Workspaces[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, name      string
		number, outcome string
		step            string // "" is the call itself
		paid            int    // times, before it is mended
		says            string
	}{
		{"field", "Order.Delivered_On__c", "1066", policy.OutcomeRefund, "", 0, "Delivered_On__c"},
		{"user", "PaymentsAPIUser", "1066", policy.OutcomeRefund, "refund", 0, "PaymentsAPIUser"},
		{"edit", "Case", "1067", policy.OutcomeRefund, "claim", 1, "Case"},
		{"field", "Activity.Return_Key__c", "1068", policy.OutcomeRefund, "records", 3, "Return_Key__c"},
		{"create", "Order", "1074", policy.OutcomeReplace, "records", 3, "Order"},
		{"create", "Return_Completed__e", "1071", policy.OutcomeRefund, "event", 4, "Return_Completed__e"},
	} {
		p, err := packageOf(&w.app.config.Workspaces[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		without(t, p, c.kind, c.name)
		w.deploy(p)
		what := args{"caseId": w.caseOf(c.number), "outcome": c.outcome, "reasoning": "r", "confidence": 0.95}
		if c.step == "" {
			agent.refused("process", what, c.says)
			w.deploy(whole)
			continue
		}
		s := agent.do("process", what)
		if s.Status == returns.Waiting && s.ApprovalID != "" {
			if _, err := tools.Decide(t.Context(), w.app.journal, w.app.store, "a", s.ApprovalID, tools.Verdict{Approve: true, By: "ann", Surface: "admin"}); err != nil {
				t.Error(err)
			}
		}
		eventually(t, c.kind+" "+c.name+" is missed", func() bool {
			s = agent.do("status", args{"runId": s.RunID})
			return s.Problem != nil && s.Escalated
		})
		t.Logf("%s %s: %s at %s: %s", c.kind, c.name, s.Status, s.Step, s.Problem.Message)
		if s.Step != c.step || !strings.Contains(s.Problem.Message, c.says) {
			t.Errorf("without %s %s: %+v %+v", c.kind, c.name, s, s.Problem)
		}
		if n := len(w.org.org.PaidBack()); n != c.paid {
			t.Errorf("without %s %s: %d paid back, want %d", c.kind, c.name, n, c.paid)
		}
		w.deploy(whole)
		if s.Status == returns.Waiting {
			hand := returns.Hand{By: "ann", Surface: "admin", Note: "permitted"}
			if _, err := hand.Retry(t.Context(), w.app.journal, w.app.store, "a", s.RunID); err != nil {
				t.Error(err)
			}
		}
		if s = agent.until(s.RunID, returns.Done); s.Escalated || s.Problem != nil {
			t.Errorf("mended: %+v", s)
		}
	}
	if n := len(w.org.org.PaidBack()); n != 4 {
		t.Errorf("%d paid back", n)
	}
}
