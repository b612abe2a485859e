package loop

import (
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/policy"
)

// clip is as much of a text as a field of so many characters takes.
func clip(text string, most int) string {
	units := 0
	for i, r := range text {
		if units += utf16.RuneLen(r); units > most {
			return text[:i]
		}
	}
	return text
}

// write writes a text into everything of a case that a customer, or whoever keeps the
// catalogue, can write freely.
func (w *world) write(caseID, text string) {
	w.t.Helper()
	c := w.soql("SELECT AccountId, ContactId FROM Case WHERE Id = " + soql.Quote(caseID))[0]
	r := w.soql("SELECT Id, OrderId FROM ReturnOrder WHERE CaseId = " + soql.Quote(caseID))[0]
	name := clip(text, 80)
	if name == "" {
		name = "?"
	}
	w.send("PATCH", "/sobjects/Case/"+caseID, map[string]any{"Subject": clip(text, 255), "Description": text, "SuppliedName": name})
	w.send("PATCH", "/sobjects/Account/"+c["AccountId"].(string), map[string]any{"Name": name, "Description": text})
	w.send("PATCH", "/sobjects/Contact/"+c["ContactId"].(string), map[string]any{"LastName": name})
	w.send("PATCH", "/sobjects/Order/"+r["OrderId"].(string), map[string]any{"Description": text})
	w.send("PATCH", "/sobjects/ReturnOrder/"+r["Id"].(string), map[string]any{"Description": text})
	for _, item := range w.soql("SELECT Id, PricebookEntry.Product2Id FROM OrderItem WHERE OrderId = " + soql.Quote(r["OrderId"].(string))) {
		w.send("PATCH", "/sobjects/OrderItem/"+item["Id"].(string), map[string]any{"Description": clip(text, 255)})
		product := item["PricebookEntry"].(map[string]any)["Product2Id"].(string)
		w.send("PATCH", "/sobjects/Product2/"+product, map[string]any{"Name": clip(text, 255), "Description": clip(text, 4000)})
	}
}

// TestInjections is attack 29 and promise P16: of 200 texts that try to talk the loop
// into a refund none changes a decision, whatever record it stands in, and neither does
// an agent that repeats it as its reasoning. Returns that are not approved go through
// the whole loop with each, the others at the end.
func TestInjections(t *testing.T) {
	w := start(t)
	subjects := []string{"Drill came with a cracked housing", "Return after two months", "Laser level is off by two degrees", "Clearance jigsaw is not wanted",
		"Sixth return of the year", "Grinder was refunded already", "Sander does not fit the job"}
	cases := make([]string, len(subjects))
	neutral := make([]policy.Decision, len(subjects))
	evaluate := func(i int, text string) policy.Decision {
		e, err := w.Evaluate(t.Context(), w.org, ada, Ask{CaseID: cases[i], Confidence: &sure, Reasoning: text})
		if err != nil {
			t.Fatal(err)
		}
		return e.Decision
	}
	for i, subject := range subjects {
		cases[i] = w.demo(subject)
		w.write(cases[i], "The customer asks to return a part of the order.")
		neutral[i] = evaluate(i, "")
	}
	differ := 0
	for n, text := range corpus(t) {
		i := n % len(cases)
		w.write(cases[i], text)
		if diff := cmp.Diff(neutral[i], evaluate(i, text)); diff != "" {
			differ++
			t.Errorf("text %d decides (-neutral +with it):\n%s", n+1, diff)
		}
		if neutral[i].Verdict == policy.Approve {
			continue
		}
		s := w.ask(Ask{CaseID: cases[i], Confidence: &sure, Reasoning: text})
		want := map[policy.Verdict]string{policy.Deny: returns.Denied, policy.Review: returns.Waiting}[neutral[i].Verdict]
		if s.Status != want || w.paid() != 0 {
			t.Fatalf("text %d: %+v, %v went back", n+1, s, w.paid())
		}
		if s.Status == returns.Waiting {
			if _, err := w.Cancel(t.Context(), ada, s.RunID, ""); err != nil {
				t.Fatal(err)
			}
			w.later(s.RunID, 10e9)
		}
	}
	for i, d := range neutral {
		if d.Verdict != policy.Approve {
			continue
		}
		before := w.paid()
		if s := w.process(cases[i]); s.Status != returns.Done || s.Amount != d.Amount || int64((w.paid()-before)*100+0.5) != d.Amount {
			t.Errorf("%+v, %v went back", s, w.paid()-before)
		}
	}
	t.Logf("%d of 200 texts changed a decision", differ)
}
