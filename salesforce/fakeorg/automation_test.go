package fakeorg

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAutomationFileIsRefused(t *testing.T) {
	s, err := loadSchema(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ file, want string }{
		"no YAML":                {"rules: [", "automation: yaml"},
		"unknown key":            {"rules: [{name: R, colour: red}]", "colour not found"},
		"rule of nothing":        {"rules: [{name: R, object: Nothing}]", `rule R: no object "Nothing"`},
		"rule with a wrong name": {"rules: [{name: R, object: Case, steps: [{set: {Prio: 1}}]}]", "rule R: Case has no field Prio"},
		"step for nothing":       {"rules: [{name: R, object: Case, steps: [{create: Note}]}]", `rule R: no object "Note"`},
		"approval":               {"approvals: [{name: A, object: Case, rejected: [{set: {Prio: 1}}]}]", "approval A: Case has no field Prio"},
		"approval of its own":    {"approvals: [{name: A, object: User}]", "approval A: User is not among the objects of TargetObjectId"},
		"quick action":           {"quickActions: [{name: Case.Q, target: Task, fields: [Prio*]}]", "quick action Case.Q: Task has no field Prio"},
		"quick action default":   {"quickActions: [{name: Q, target: Task, defaults: {Prio: 1}}]", "quick action Q: Task has no field Prio"},
		"quick action parent":    {"quickActions: [{name: Q, target: Task, parent: CaseId}]", "quick action Q: Task has no field CaseId"},
		"quick action target":    {"quickActions: [{name: Q, target: Note}]", "quick action Q: no such object"},
		"quick action object":    {"quickActions: [{name: Note.Q, target: Task}]", "quick action Note.Q: no such object"},
		"standard action":        {"actions: [{kind: standard, name: sing}]", "action sing: nothing does it"},
		"flow":                   {"actions: [{kind: flow, name: F, object: Case, steps: [{update: Note}]}]", `action F: no object "Note"`},
		"flow without a record":  {"actions: [{kind: flow, name: F, object: Case, record: caseId}]", "action F: no input caseId"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := loadAutomation([]byte(test.file), s); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// TestExpressions: every expression of automation.yaml is one that SQLite can work out over its record.
func TestExpressions(t *testing.T) {
	o := newOrg(t, time.Now())
	c := &call{Request: httptest.NewRequest("GET", "/", nil), org: o, db: o.db, user: &user{id: makeID("005", 1)}}
	checked := 0
	check := func(where, object string, inputs []actionParameter, expressions ...string) {
		t.Helper()
		r := c.automate(o.schema.Object(object), "")
		for _, p := range inputs {
			r.inputs[p.Name] = nil
		}
		for _, e := range expressions {
			if e == "" {
				continue
			}
			checked++
			if _, err := r.evaluate(e); err != nil {
				t.Errorf("%s: %s: %v", where, e, err)
			}
		}
	}
	steps := func(where, object string, inputs []actionParameter, steps []automationStep) {
		for i, s := range steps {
			check(fmt.Sprintf("%s step %d", where, i), object, inputs, s.When, s.ID)
			for _, v := range s.Set {
				check(fmt.Sprintf("%s step %d %s", where, i, v.field), object, inputs, v.expression)
			}
		}
	}
	for _, r := range o.auto.Rules {
		check(r.Name, r.Object, nil, r.When)
		steps(r.Name, r.Object, nil, r.Steps)
	}
	for _, p := range o.auto.Approvals {
		check(p.Name, p.Object, nil, p.When)
		for _, level := range p.Levels {
			check(p.Name+" "+level.Name, p.Object, nil, level.When)
		}
		for _, s := range [][]automationStep{p.Submitted, p.Approved, p.Rejected, p.Recalled} {
			steps(p.Name, p.Object, nil, s)
		}
	}
	for _, q := range o.auto.QuickActions {
		for _, v := range q.Defaults {
			check(q.Name+" "+v.field, q.of, nil, v.expression)
		}
	}
	for _, i := range o.auto.Actions {
		steps(i.Name, i.Object, i.Inputs, i.Steps)
		for _, p := range i.Outputs {
			check(i.Name+" "+p.Name, i.Object, i.Inputs, p.Value)
		}
	}
	if checked < 90 {
		t.Errorf("only %d expressions", checked)
	}
}

// TestApprovalLevels: a level whose condition does not hold is passed over, or ends the process.
func TestApprovalLevels(t *testing.T) {
	for otherwise, want := range map[string]string{"": "Pending", "GotoNextStep": "Pending", "ApproveRecord": "Approved", "RejectRecord": "Rejected"} {
		o := newOrg(t, time.Now())
		p := o.auto.Approvals[0]
		p.Levels[0].When, p.Levels[0].Otherwise, p.Levels[1].When = "FALSE", otherwise, ""
		err := o.write(t.Context(), func(db querier) error {
			c := &call{Request: httptest.NewRequest("POST", "/", nil), org: o, db: db, user: &user{id: makeID("005", 1)}}
			id, err := c.putRecord("Opportunity", values{"Name": "x", "StageName": "Prospecting", "CloseDate": "2027-01-01", "Discount__c": 20})
			if err != nil {
				return err
			}
			a, err := c.submit(approvalRequest{ContextID: id})
			if err == nil && (a.status != want || (len(a.items) == 1) != (want == "Pending")) {
				t.Errorf("%s: the record is %s, with the work items %v", otherwise, a.status, a.items)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
