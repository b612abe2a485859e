//go:build faults

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway/fakestripe"
)

const (
	shopClient = "3MVG9shop"
	shopSecret = "simulated"
	shopStripe = "sk_test_shop"
)

// A shop is an org with the cases of its customers and its payment gateway, all in
// this process: what they hold is what is true.
type shop struct {
	t       *testing.T
	name    string // of its workspace
	gateway string
	org     *fakeorg.Org
	stripe  *fakestripe.Stripe // of gateway stripe
	served  *httptest.Server   // the org, for the test itself
	cases   []*sale

	mu     sync.Mutex
	known  map[string]*sale
	dice   *rand.Rand // for faults; nil when nothing goes wrong
	faults int
	seen   []sighting // what changes something and has reached it
}

// A fate is what a case is to come to.
type fate string

const (
	plain    fate = "plain"    // refunded in full
	fee      fate = "fee"      // refunded but for a tenth
	high     fate = "high"     // more than the policy gives without a person
	shy      fate = "shy"      // the agent is not sure, so that a person decides
	late     fate = "late"     // denied by the policy
	final    fate = "final"    // the same
	exchange fate = "exchange" // no money
	twin     fate = "twin"     // refunded; another return of the same order is under way as well
	rival    fate = "rival"    // another case of the same order wants the same piece
	fickle   fate = "fickle"   // the agent takes it back in the middle, perhaps too late
	declined fate = "declined" // the payment cannot be refunded
)

// A sale is a case that asks for a return, with what it may come to.
type sale struct {
	fate      fate
	approve   bool // what a person says who is asked
	id        string
	order     string
	payment   string // as the gateway calls it
	paid, due int64  // cents: of the order; the most that the policy gives for this case

	delivered int // days ago
	ordered   int
	back      int
	price     int64 // cents, of a piece

	other *sale // about the same order

	mu        sync.Mutex
	runs      map[string]returns.View // by generation, in the end
	told      []string                // the runs that agents were told of
	last      told
	cancelled string // the run that the agent was told is taken back
}

// draw makes up a case.
func draw(random *rand.Rand) *sale {
	a := &sale{fate: plain, runs: map[string]returns.View{}, approve: random.IntN(2) == 0, delivered: 1 + random.IntN(12), ordered: 1 + random.IntN(3), price: int64(500 + random.IntN(5500))}
	n := random.IntN(100)
	for _, f := range []struct {
		fate fate
		of   int // in a hundred
	}{{fee, 8}, {high, 6}, {shy, 4}, {late, 3}, {final, 2}, {exchange, 5}, {fickle, 6}, {declined, 4}, {twin, 6}, {rival, 6}} {
		if n -= f.of; n < 0 {
			a.fate = f.fate
			break
		}
	}
	if *returnsFate != "" {
		a.fate = fate(*returnsFate)
	}
	switch a.fate {
	case fee:
		a.delivered += 16
	case late:
		a.delivered += 31
	case high:
		a.price += 20100
	case twin:
		a.ordered = 2
	case rival:
		a.ordered = 1
	}
	a.back = 1 + random.IntN(a.ordered)
	if a.fate == twin {
		a.back = 1
	}
	a.paid, a.due = a.price*int64(a.ordered), a.price*int64(a.back)
	switch a.fate {
	case rival:
		a.paid += a.price // for something else
	case fee:
		a.due -= a.due / 10
	case late, final, exchange, declined:
		a.due = 0
	}
	return a
}

// newShop opens a shop with so many cases.
func newShop(t *testing.T, name, gateway string, cases int, random *rand.Rand) *shop {
	org, err := fakeorg.New(fakeorg.Options{DailyCalls: 50_000_000, Clients: []fakeorg.Client{{Key: shopClient, Secret: shopSecret, RunAs: fakeorg.IntegrationUser}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, name: name, gateway: gateway, org: org, served: httptest.NewServer(org.Handler()), known: map[string]*sale{}}
	t.Cleanup(func() {
		s.served.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	if gateway == config.GatewayStripe {
		s.stripe = &fakestripe.Stripe{Key: shopStripe}
	}
	for len(s.cases) < cases {
		a := draw(random)
		s.cases = append(s.cases, a)
		if a.pairs() {
			a.other = &sale{fate: a.fate, runs: map[string]returns.View{}, approve: a.approve, paid: a.paid, due: a.due, delivered: a.delivered, ordered: a.ordered, back: a.back,
				price: a.price, other: a}
			s.cases = append(s.cases, a.other)
		}
	}
	for chunk := range slices.Chunk(s.cases, 200) {
		s.write(chunk)
	}
	s.dice = random
	return s
}

// pairs reports whether two cases are about one order.
func (a *sale) pairs() bool { return a.fate == twin || a.fate == rival }

// atRest reports whether the run of a case goes nowhere without somebody: it has ended,
// wants a person, or waits for its turn after one that does. One that waits for an
// approval goes on soon.
func (a *sale) atRest() bool {
	a.mu.Lock()
	now := a.last
	a.mu.Unlock()
	if now.Status == returns.Waiting && now.Waits != "" && a.other != nil {
		a.other.mu.Lock()
		defer a.other.mu.Unlock()
		return a.other.last.Escalated
	}
	return returns.Ended(now.Status) || now.Escalated || now.Status == returns.Waiting && now.Waits == ""
}

// write writes cases into the org, and their payments into the books of the gateway.
// The second of twins has the order of the first.
func (s *shop) write(cases []*sale) {
	entries := s.rows("SELECT Id, Pricebook2Id, Product2.Final_Sale__c FROM PricebookEntry")
	entry := func(final bool) map[string]any {
		for _, e := range entries {
			if product, _ := e["Product2"].(map[string]any); (product["Final_Sale__c"] == true) == final {
				return e
			}
		}
		s.t.Fatal("the org sells nothing that fits")
		return nil
	}
	var first []*sale // that have an order of their own
	for i, a := range cases {
		if !a.pairs() || i == 0 || cases[i-1].fate != a.fate || cases[i-1].order != "own" {
			a.order = "own"
			first = append(first, a)
		}
	}
	day := func(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
	rows := func(sObject string, fields func(a *sale, i int) map[string]any) []string {
		var list []any
		for i, a := range first {
			row := fields(a, i)
			row["attributes"] = map[string]string{"type": sObject}
			list = append(list, row)
		}
		return s.create(list)
	}
	accounts := rows("Account", func(_ *sale, i int) map[string]any { return map[string]any{"Name": fmt.Sprint("Customer ", i)} })
	orders := rows("Order", func(a *sale, i int) map[string]any {
		return map[string]any{"AccountId": accounts[i], "EffectiveDate": day(a.delivered + 4), "Status": "Activated", "Pricebook2Id": entry(a.fate == final)["Pricebook2Id"],
			"Delivered_On__c": day(a.delivered)}
	})
	items := rows("OrderItem", func(a *sale, i int) map[string]any {
		return map[string]any{"OrderId": orders[i], "PricebookEntryId": entry(a.fate == final)["Id"], "Quantity": a.ordered, "UnitPrice": json.Number(dollars(a.price))}
	})
	for i, a := range first {
		if a.fate == rival {
			s.create([]any{map[string]any{"attributes": map[string]string{"type": "OrderItem"}, "OrderId": orders[i], "PricebookEntryId": entry(false)["Id"], "Quantity": 1,
				"UnitPrice": json.Number(dollars(a.price))}})
		}
	}
	groups := rows("PaymentGroup", func(_ *sale, i int) map[string]any { return map[string]any{"SourceObjectId": orders[i]} })
	payments := rows("Payment", func(a *sale, i int) map[string]any {
		return map[string]any{"AccountId": accounts[i], "PaymentGroupId": groups[i], "Amount": json.Number(dollars(a.paid)), "Status": "Processed", "Type": "Capture",
			"ProcessingMode": "Salesforce", "GatewayRefNumber": "pi_" + orders[i]}
	})
	own := map[*sale]int{}
	for i, a := range first {
		a.order, a.payment = orders[i], payments[i]
		own[a] = i
		if s.stripe != nil {
			a.payment = "pi_" + orders[i]
			if a.fate != declined { // Stripe does not know the payments of those
				s.stripe.AddPayment(a.payment, a.paid, "usd")
			}
		}
	}
	for i, a := range cases {
		if n, mine := own[a]; !mine {
			own[a], a.order, a.payment = own[cases[i-1]], cases[i-1].order, cases[i-1].payment
		} else if a.fate == declined && s.stripe == nil { // whatever went back of it before, the org has no record of
			s.refund(payments[n], a.paid)
		}
	}
	var list []any
	for _, a := range cases {
		list = append(list, map[string]any{"attributes": map[string]string{"type": "Case"}, "AccountId": accounts[own[a]], "Type": "Return", "Reason": "Damaged", "Origin": "Web",
			"Status": "New", "Subject": "A return: " + string(a.fate)})
	}
	ids := s.create(list)
	list = nil
	for i, a := range cases {
		a.id = ids[i]
		s.known[a.id] = a
		list = append(list, map[string]any{"attributes": map[string]string{"type": "ReturnOrder"}, "AccountId": accounts[own[a]], "CaseId": a.id, "OrderId": a.order, "Status": "Submitted"})
	}
	ids, list = s.create(list), nil
	for i, a := range cases {
		list = append(list, map[string]any{"attributes": map[string]string{"type": "ReturnOrderLineItem"}, "ReturnOrderId": ids[i], "OrderItemId": items[own[a]], "QuantityReturned": a.back})
	}
	s.create(list)
}

// byID returns the case with an ID, or nil.
func (s *shop) byID(id string) *sale {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[id]
}

// calm ends all that goes wrong at the shop.
func (s *shop) calm() {
	s.mu.Lock()
	s.dice = nil
	s.mu.Unlock()
	if status, answer := s.do(http.MethodDelete, "/_faults", nil); status != http.StatusOK {
		s.t.Fatalf("%d %s", status, answer)
	}
	if s.stripe != nil {
		s.stripe.Calm()
	}
}

// dollars is an amount of cents.
func dollars(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// refund pays a payment back behind everybody's back.
func (s *shop) refund(payment string, cents int64) {
	status, answer := s.do(http.MethodPost, "/services/data/v62.0/commerce/payments/payments/"+payment+"/refunds", map[string]any{"amount": json.Number(dollars(cents))})
	var made struct{ Refund struct{ ID string } }
	if err := json.Unmarshal(answer, &made); err != nil || status != http.StatusCreated || made.Refund.ID == "" {
		s.t.Fatalf("%d %s", status, answer)
	}
	if status, answer := s.do(http.MethodDelete, "/services/data/v62.0/sobjects/Refund/"+made.Refund.ID, nil); status != http.StatusNoContent {
		s.t.Fatalf("%d %s", status, answer)
	}
}

// create creates records, at most 200, and returns their IDs.
func (s *shop) create(list []any) (ids []string) {
	status, answer := s.do(http.MethodPost, "/services/data/v62.0/composite/sobjects", map[string]any{"allOrNone": true, "records": list})
	var made []struct {
		ID      string
		Success bool
	}
	if err := json.Unmarshal(answer, &made); err != nil || status != http.StatusOK {
		s.t.Fatalf("%d %s", status, answer)
	}
	for _, m := range made {
		if !m.Success {
			s.t.Fatalf("%s", answer)
		}
		ids = append(ids, m.ID)
	}
	return ids
}

// do sends the org a request of an administrator.
func (s *shop) do(method, path string, body any) (int, []byte) {
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequest(method, s.served.URL+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.org.MintToken(fakeorg.AdminUser)) // faults end those there are
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// rows are those of a query, with all of its pages.
func (s *shop) rows(q string) (rows []map[string]any) {
	for next := "/services/data/v62.0/query?q=" + url.QueryEscape(q); next != ""; {
		status, answer := s.do(http.MethodGet, next, nil)
		var page struct {
			NextRecordsURL string
			Records        []map[string]any
		}
		if err := json.Unmarshal(answer, &page); err != nil || status != http.StatusOK {
			s.t.Fatalf("%s: %d %s", q, status, answer)
		}
		rows, next = append(rows, page.Records...), page.NextRecordsURL
	}
	return rows
}
