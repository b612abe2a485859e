package loop

import (
	"encoding/json"
	"strings"
	"testing"

	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

// TestFlowHolds: the flow is one that the engine takes.
func TestFlowHolds(t *testing.T) {
	if err := (&Loop{}).Flow().Check(); err != nil {
		t.Error(err)
	}
}

// TestPays: the payment that is paid back is the first of which enough is left.
func TestPays(t *testing.T) {
	list := []records.Payment{{ID: "a", Reference: "pi_a", Refundable: 10}, {ID: "b", Refundable: 30}, {ID: "c", Reference: "pi_c", Refundable: 40}}
	for _, c := range []struct {
		gateway  string
		amount   int64
		payments []records.Payment
		want     string // as the gateway calls it, or what is wrong
	}{
		{GatewayPayments, 10, list, "a"},
		{GatewayPayments, 11, list, "b"},
		{GatewayPayments, 31, list, "c"},
		{GatewayPayments, 41, list, "no payment of the order has more than 40 left"},
		{GatewayPayments, 10, nil, "no payment of the order was found"},
		{GatewayPayments, 0, nil, ""},
		{GatewayStripe, 10, list, "pi_a"},
		{GatewayStripe, 11, list, "has no reference of Stripe"},
		{GatewayRecord, 11, list, "b"},
		{GatewayRecord, 10, nil, ""},
		{GatewayRecord, 41, list, "no payment of the order has more than 40 left"},
	} {
		f := frozen{Gateway: c.gateway, Return: records.Return{Payments: c.payments}, Decision: policy.Decision{Amount: c.amount, Currency: "EUR"}}
		var err error
		f.Payment, err = pays(f)
		if err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) || err == nil && f.payment() != c.want {
			t.Errorf("%s %d: %+v %v, want %s", c.gateway, c.amount, f.Payment, err, c.want)
		}
	}
}

// TestApproved: what the policy approves is paid back once, all of it is written down,
// and the trail tells the story.
func TestApproved(t *testing.T) {
	w := start(t)
	id := w.demo("Sander does not fit the job")
	s := w.process(id)
	if s.Status != returns.Done || s.Amount != 8010 || s.Fee != 890 || s.Refund == nil || s.Refund.Amount != 8010 || s.Verdict != policy.Approve {
		t.Fatalf("%+v", s)
	}
	if w.paid() != 80.10 || len(w.PaidBack()) != 1 {
		t.Errorf("paid back %+v", w.PaidBack())
	}
	if got, want := w.story(s.RunID), "claim evaluate approval refund records release document event"; got != want {
		t.Errorf("story %q, want %q", got, want)
	}
	if got := w.caseStatus(id); got != "Closed" {
		t.Errorf("the case is %s", got)
	}
	if rows := w.soql("SELECT Subject FROM Task WHERE WhatId = '" + id + "'"); len(rows) != 1 {
		t.Errorf("tasks %v", rows)
	}
	if rows := w.soql("SELECT Title, PathOnClient FROM ContentVersion WHERE FirstPublishLocationId = '" + id + "'"); len(rows) != 1 || !strings.HasSuffix(rows[0]["PathOnClient"].(string), ".pdf") {
		t.Errorf("documents %v", rows)
	}
	if len(w.locks) != 0 {
		t.Errorf("locks %v", w.locks)
	}
	for _, e := range w.entries {
		if e.Host != "mcp" || e.Agent != "ada" || e.User != "dora" || e.Run != s.RunID {
			t.Errorf("entry of %+v", e)
		}
		if e.Phase == "outcome" && e.Instruction == "refund" {
			var says struct {
				Gateway, ID string
				Amount      int64
			}
			if err := json.Unmarshal(e.Detail, &says); err != nil || says.Amount != 8010 || says.Gateway != GatewayPayments || says.ID == "" || e.Digest == "" || len(e.Exchanges) == 0 {
				t.Errorf("%v: %s %+v", err, e.Detail, e)
			}
		}
	}
	// Another agent that processes the case gets the run that there is.
	again, err := w.Start(t.Context(), w.org, ada, Ask{CaseID: id[:15]})
	if err != nil || again.RunID != s.RunID {
		t.Errorf("%v: %+v", err, again)
	}
}
