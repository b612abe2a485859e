package gateway

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools/returns/decimal"
	"salesforce-mcp/tools/returns/gateway/fakestripe"
)

// world is a gateway with the other side that a test may look at.
type world struct {
	Gateway
	// pay makes a payment of so many minor units of EUR; nil when the gateway knows
	// no payments.
	pay func(amount int64) string
	// moved is how many refunds the other side has made.
	moved func() int
	// lose loses the next request that pays back, "before" or "after" its effect.
	lose func(when string)
}

// orgWorld is a simulated org behind a real server.
type orgWorld struct {
	*fakeorg.Org
	org *salesforce.Org
}

func startOrg(t *testing.T) orgWorld {
	t.Helper()
	org, err := fakeorg.New(fakeorg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org.Handler())
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}})
	t.Cleanup(func() {
		server.Close()
		client.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	return orgWorld{org, &salesforce.Org{Client: client, Credentials: tokenOf{salesforce.Token{
		AccessToken: salesforce.Secret(org.MintToken(fakeorg.IntegrationUser)), InstanceURL: server.URL}}}}
}

type tokenOf struct{ token salesforce.Token }

func (t tokenOf) Token(context.Context) (salesforce.Token, error) { return t.token, nil }
func (tokenOf) Drop(salesforce.Token)                             {}

func (o orgWorld) pay(t *testing.T, amount int64) string {
	t.Helper()
	text, err := decimal.Of(amount, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	g := &Record{Org: o.org}
	answer, err := g.Org.Do(context.Background(), &salesforce.Request{Method: "POST", Path: "/sobjects/Payment",
		Body: []byte(`{"Amount": ` + text + `, "Status": "Processed", "ProcessingMode": "Salesforce", "Type": "Capture"}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := strings.Cut(string(answer.Body), `"id":"`)
	return id[:18]
}

func (o orgWorld) records(t *testing.T) int {
	t.Helper()
	var rows []struct{ ID string }
	if err := ask(context.Background(), o.org, "SELECT Id FROM Refund WHERE Refund_Key__c != null", &rows); err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

// worlds are all gateways.
func worlds(t *testing.T) map[string]world {
	o, s := startOrg(t), startStripe(t)
	payments := 0
	return map[string]world{
		"salesforcePayments": {
			Gateway: &SalesforcePayments{Org: o.org, Currency: "EUR"},
			pay:     func(amount int64) string { return o.pay(t, amount) },
			moved:   func() int { return len(o.PaidBack()) },
			lose:    func(when string) { o.Inject(fakeorg.Fault{Method: "POST", Path: "/refunds", Cut: when}) },
		},
		"record": {
			Gateway: &Record{Org: o.org},
			moved:   func() int { return o.records(t) },
			lose:    func(when string) { o.Inject(fakeorg.Fault{Method: "POST", Path: "/sobjects/Refund", Cut: when}) },
		},
		"stripe": {
			Gateway: s.gateway,
			pay: func(amount int64) string {
				payments++
				id := fmt.Sprintf("pi_%d", payments)
				s.AddPayment(id, amount, "eur")
				return id
			},
			moved: func() int { return len(s.Refunds()) },
			lose:  func(when string) { s.Inject(fakestripe.Fault{Method: "POST", Lose: when}) },
		},
	}
}

// payment makes a payment where there are payments.
func (w world) payment(amount int64) string {
	if w.pay == nil {
		return ""
	}
	return w.pay(amount)
}

// TestConformance holds what every gateway promises.
func TestConformance(t *testing.T) {
	for name, w := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("once", w.once)
			t.Run("lost", w.lost)
			t.Run("refusals", w.refusals)
			t.Run("law", w.law)
		})
	}
}

func (w world) once(t *testing.T) {
	before := w.moved()
	r := Request{Key: "ret/acme/it's\\1", Payment: w.payment(10000), Amount: 1050, Currency: "EUR"}
	if _, found, err := w.Find(t.Context(), r); found || err != nil {
		t.Fatalf("found before it was made: %t %v", found, err)
	}
	made, err := w.Refund(t.Context(), r)
	if err != nil || made.ID == "" || made.Amount != 1050 || made.Currency != "EUR" || made.Status != Done {
		t.Fatalf("%+v %v", made, err)
	}
	again, err := w.Refund(t.Context(), r)
	if err != nil || again.ID != made.ID {
		t.Errorf("again: %+v %v, want %s", again, err, made.ID)
	}
	if seen, found, err := w.Find(t.Context(), r); !found || err != nil || seen.ID != made.ID || seen.At.IsZero() {
		t.Errorf("found %t %+v %v, want %s", found, seen, err, made.ID)
	}
	other := r
	other.Key += "2"
	if second, err := w.Refund(t.Context(), other); err != nil || second.ID == made.ID {
		t.Errorf("with another key: %+v %v", second, err)
	}
	if n := w.moved() - before; n != 2 {
		t.Errorf("%d refunds, want 2", n)
	}
	r.Amount++
	if _, err := w.Refund(t.Context(), r); OutcomeOf(err) != Conflict || err == nil {
		t.Errorf("the key with another amount: %v", err)
	}
	if _, found, err := w.Find(t.Context(), r); found || OutcomeOf(err) != Conflict {
		t.Errorf("the key with another amount: %t %v", found, err)
	}
	if n := w.moved() - before; n != 2 {
		t.Errorf("%d refunds, want 2", n)
	}
}

func (w world) lost(t *testing.T) {
	for when, moved := range map[string]int{"before": 0, "after": 1} {
		before := w.moved()
		r := Request{Key: "lost-" + when, Payment: w.payment(10000), Amount: 200, Currency: "EUR"}
		w.lose(when)
		if _, err := w.Refund(t.Context(), r); OutcomeOf(err) != Unknown || err == nil {
			t.Errorf("lost %s: %v", when, err)
		}
		if n := w.moved() - before; n != moved {
			t.Fatalf("lost %s: %d refunds", when, n)
		}
		if _, found, err := w.Find(t.Context(), r); found != (moved == 1) || err != nil {
			t.Errorf("lost %s: found %t %v", when, found, err)
		}
		if made, err := w.Refund(t.Context(), r); err != nil || made.Status != Done {
			t.Errorf("lost %s: again %+v %v", when, made, err)
		}
		if n := w.moved() - before; n != 1 {
			t.Errorf("lost %s: %d refunds in the end", when, n)
		}
	}
}

func (w world) refusals(t *testing.T) {
	before := w.moved()
	good := Request{Key: "refused", Payment: w.payment(1000), Amount: 1, Currency: "EUR"}
	cases := map[string]func(*Request){
		"no key":      func(r *Request) { r.Key = "" },
		"nothing":     func(r *Request) { r.Amount = 0 },
		"no currency": func(r *Request) { r.Currency = "XX" },
	}
	if w.pay != nil {
		cases["other currency"] = func(r *Request) { r.Currency = "USD" }
		cases["more than was paid"] = func(r *Request) { r.Amount = 1001 }
		cases["path as payment"] = func(r *Request) { r.Payment = "../refunds" }
		cases["no payment"] = func(r *Request) { r.Payment = "" }
		cases["payment that is none"] = func(r *Request) { r.Payment = strings.Repeat("z", len(r.Payment)) }
	}
	for name, spoil := range cases {
		r := good
		r.Key += "-" + strings.ReplaceAll(name, " ", "-")
		spoil(&r)
		if _, err := w.Refund(t.Context(), r); err == nil || OutcomeOf(err) != Refused && OutcomeOf(err) != Declined {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := w.Refund(ended, good); OutcomeOf(err) != Transient {
		t.Errorf("a call that has ended: %v", err)
	}
	if n := w.moved() - before; n != 0 {
		t.Errorf("%d refunds", n)
	}
}

// law holds that whatever is lost, and however often it is repeated, a key pays back
// once, and that Find says so.
func (w world) law(t *testing.T) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		if run > 12 { // each step is several requests
			return
		}
		payment, start := w.payment(1_000_000), w.moved()
		paid := map[string]bool{}
		for i := range rapid.IntRange(1, 8).Draw(rt, "steps") {
			key := fmt.Sprintf("law-%d-%s", run, rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key"))
			r := Request{Key: key, Payment: payment, Amount: 100, Currency: "EUR"}
			lost := rapid.SampledFrom([]string{"", "before", "after"}).Draw(rt, "lost")
			if lost != "" && !paid[key] {
				w.lose(lost)
			}
			_, err := w.Refund(t.Context(), r)
			want := err == nil || !paid[key] && lost != "" && OutcomeOf(err) == Unknown
			paid[key] = paid[key] || lost != "before"
			if _, found, lookErr := w.Find(t.Context(), r); !want || found != paid[key] || lookErr != nil {
				rt.Fatalf("step %d: %v, found %t %v", i, err, found, lookErr)
			}
		}
		n := 0
		for _, p := range paid {
			if p {
				n++
			}
		}
		if got := w.moved() - start; got != n {
			rt.Fatalf("%d refunds, want %d", got, n)
		}
	})
}

var (
	_ Gateway = (*SalesforcePayments)(nil)
	_ Gateway = (*Record)(nil)
)
