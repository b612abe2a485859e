package loop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce"
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

// places are where a customer, or whoever keeps the catalogue, can write freely about a
// case: fields, with how many characters they take, by the path of their record.
func (w *world) places(caseID string) map[string]map[string]int {
	w.t.Helper()
	c := w.soql("SELECT AccountId, ContactId FROM Case WHERE Id = " + soql.Quote(caseID))[0]
	r := w.soql("SELECT Id, OrderId FROM ReturnOrder WHERE CaseId = " + soql.Quote(caseID))[0]
	order := r["OrderId"].(string)
	at := map[string]map[string]int{
		"Case/" + caseID:                     {"Subject": 255, "Description": 32000, "SuppliedName": 80},
		"Account/" + c["AccountId"].(string): {"Name": 255, "Description": 32000},
		"Contact/" + c["ContactId"].(string): {"LastName": 80},
		"Order/" + order:                     {"Description": 32000},
		"ReturnOrder/" + r["Id"].(string):    {"Description": 32000},
	}
	for _, item := range w.soql("SELECT Id, PricebookEntry.Product2Id FROM OrderItem WHERE OrderId = " + soql.Quote(order)) {
		at["OrderItem/"+item["Id"].(string)] = map[string]int{"Description": 255}
		at["Product2/"+item["PricebookEntry"].(map[string]any)["Product2Id"].(string)] = map[string]int{"Name": 255, "Description": 4000}
	}
	return at
}

// write writes a text into all places.
func (w *world) write(places map[string]map[string]int, text string) {
	w.t.Helper()
	var parts []any
	for path, fields := range places {
		values := map[string]any{}
		for name, most := range fields {
			values[name] = clip(text, most)
		}
		parts = append(parts, map[string]any{"method": "PATCH", "url": "/services/data/" + salesforce.DefaultVersion + "/sobjects/" + path,
			"referenceId": fmt.Sprint("p", len(parts)), "body": values})
	}
	body, err := json.Marshal(map[string]any{"allOrNone": true, "compositeRequest": parts})
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.org.Do(w.t.Context(), &salesforce.Request{Method: "POST", Path: "/composite", Body: body})
	if err != nil || bytes.Contains(answer.Body, []byte("errorCode")) {
		w.t.Fatalf("%v: %s", err, answer.Body)
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
	cases, places := make([]string, len(subjects)), make([]map[string]map[string]int, len(subjects))
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
		places[i] = w.places(cases[i])
		w.write(places[i], "The customer asks to return a part of the order.")
		neutral[i] = evaluate(i, "")
	}
	differ := 0
	for n, text := range corpus(t) {
		i := n % len(cases)
		w.write(places[i], text)
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
