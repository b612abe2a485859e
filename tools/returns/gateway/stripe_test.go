package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools/returns/gateway/fakestripe"
)

const stripeKey = "sk_test_51N0t4R34lK3y"

// stripeWorld is a fake Stripe behind a real server, and a gateway to it. The clock
// moves when told.
type stripeWorld struct {
	*fakestripe.Stripe
	gateway *Stripe
	passed  atomic.Int64 // nanoseconds
	url     string
	server  *httptest.Server
}

func startStripe(t *testing.T) *stripeWorld {
	t.Helper()
	w := &stripeWorld{}
	began := time.Now()
	w.Stripe = &fakestripe.Stripe{Key: stripeKey, Clock: func() time.Time { return began.Add(time.Duration(w.passed.Load())) }}
	w.server = httptest.NewServer(w.Stripe)
	t.Cleanup(w.server.Close)
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}})
	t.Cleanup(client.Close)
	w.url = w.server.URL
	var err error
	if w.gateway, err = NewStripe(StripeOptions{Key: stripeKey, HTTP: client.HTTP(), URL: w.url}); err != nil {
		t.Fatal(err)
	}
	return w
}

var _ Gateway = (*Stripe)(nil)

// TestStripeFaults holds what each failure of the request that pays back is said to
// mean, whether money moved, and that a repetition with the same key ends in one
// refund.
func TestStripeFaults(t *testing.T) {
	w := startStripe(t)
	for i, row := range []struct {
		name  string
		fault fakestripe.Fault
		want  Outcome
		moved int
	}{
		{"lost before", fakestripe.Fault{Lose: "before"}, Unknown, 0},
		{"lost after", fakestripe.Fault{Lose: "after"}, Unknown, 1},
		{"rate limit", fakestripe.Fault{Status: 429, Type: "invalid_request_error", Code: "rate_limit", RetryAfter: 7}, Transient, 0},
		{"lock", fakestripe.Fault{Status: 429, Type: "invalid_request_error", Code: "lock_timeout"}, Transient, 0},
		{"in use", fakestripe.Fault{Status: 409, Type: "idempotency_error", Code: "idempotency_key_in_use"}, Unknown, 0},
		{"500 before", fakestripe.Fault{Status: 500, Type: "api_error"}, Unknown, 0},
		{"500 after, kept", fakestripe.Fault{Status: 500, Type: "api_error", Late: true}, Unknown, 1},
		{"503 page", fakestripe.Fault{Status: 503, Body: "<html>busy</html>"}, Unknown, 0},
		{"403", fakestripe.Fault{Status: 403, Type: "invalid_request_error"}, Refused, 0},
		{"402", fakestripe.Fault{Status: 402, Type: "card_error", Code: "card_declined"}, Declined, 0},
		{"disputed", fakestripe.Fault{Status: 400, Type: "invalid_request_error", Code: "charge_disputed"}, Declined, 0},
		{"other parameters", fakestripe.Fault{Status: 400, Type: "idempotency_error"}, Conflict, 0},
		{"no JSON", fakestripe.Fault{Status: 200, Body: "OK"}, Unknown, 0},
		{"no refund", fakestripe.Fault{Status: 200, Body: "{}"}, Unknown, 0},
		{"null", fakestripe.Fault{Status: 200, Body: "null"}, Unknown, 0},
		{"redirect", fakestripe.Fault{Status: 307, Body: `{"id": "re_x", "status": "succeeded", "amount": 1250, "currency": "eur"}`}, Unknown, 0},
		{"no id", fakestripe.Fault{Status: 200, Body: `{"status": "succeeded", "amount": 1250, "currency": "eur"}`}, Unknown, 0},
		{"other status", fakestripe.Fault{Status: 200, Body: `{"id": "re_x", "status": "new", "amount": 1250, "currency": "eur"}`}, Unknown, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			payment := fmt.Sprintf("pi_fault%d", i)
			w.AddPayment(payment, 5000, "eur")
			before := len(w.Refunds())
			row.fault.Method = "POST"
			w.Inject(row.fault)
			r := Request{Key: "ret/acme/" + payment, Payment: payment, Amount: 1250, Currency: "EUR"}
			_, err := w.gateway.Refund(t.Context(), r)
			if OutcomeOf(err) != row.want || err == nil {
				t.Fatalf("%v, want %s", err, row.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.RetryAfter != time.Duration(row.fault.RetryAfter)*time.Second {
				t.Errorf("retry after %s", e.RetryAfter)
			}
			if moved := len(w.Refunds()) - before; moved != row.moved {
				t.Errorf("%d refunds, want %d", moved, row.moved)
			}
			if _, found, err := w.gateway.Find(t.Context(), r); found != (row.moved == 1) || err != nil {
				t.Errorf("found %t %v", found, err)
			}
			if made, err := w.gateway.Refund(t.Context(), r); err != nil || made.Amount != 1250 || made.Status != Done {
				t.Errorf("again: %+v %v", made, err)
			}
			if moved := len(w.Refunds()) - before; moved != 1 {
				t.Errorf("%d refunds after a repetition", moved)
			}
		})
	}
}

// TestStripeStatus holds what the statuses of Stripe's refunds mean, at once and later.
func TestStripeStatus(t *testing.T) {
	w := startStripe(t)
	for status, want := range map[string]Status{"succeeded": Done, "pending": Pending, "requires_action": Pending, "failed": Failed, "canceled": Failed} {
		id := "pi_" + status
		w.AddPayment(id, 5000, "eur")
		w.SetStatus(id, status)
		r := Request{Key: id, Payment: id, Amount: 100, Currency: "EUR"}
		for range 2 { // the second is the refund that was made before
			made, err := w.gateway.Refund(t.Context(), r)
			if made.Status != want || (want == Failed) != (err != nil) || err != nil && OutcomeOf(err) != Declined {
				t.Errorf("%s: %+v %v", status, made, err)
			}
		}
		if made, found, err := w.gateway.Find(t.Context(), r); !found || err != nil || made.Status != want {
			t.Errorf("%s: found %t %+v %v", status, found, made, err)
		}
	}
	if n := len(w.Refunds()); n != 5 {
		t.Errorf("%d refunds", n)
	}
}

// TestStripeForgottenKey holds that a repetition pays back once although Stripe has
// forgotten the key.
func TestStripeForgottenKey(t *testing.T) {
	w := startStripe(t)
	w.AddPayment("ch_old", 5000, "usd")
	w.Inject(fakestripe.Fault{Method: "POST", Lose: "after"})
	r := Request{Key: "k", Payment: "ch_old", Amount: 100, Currency: "USD"}
	if _, err := w.gateway.Refund(t.Context(), r); OutcomeOf(err) != Unknown {
		t.Fatal(err)
	}
	for i := range 120 { // more than one page
		if _, err := w.gateway.Refund(t.Context(), Request{Key: fmt.Sprint("other", i), Payment: "ch_old", Amount: 1, Currency: "USD"}); err != nil {
			t.Fatal(err)
		}
	}
	w.passed.Store(int64(25 * time.Hour))
	if made, err := w.gateway.Refund(t.Context(), r); err != nil || made.ID != "re_000001" {
		t.Errorf("%+v %v", made, err)
	}
	if n := len(w.Refunds()); n != 121 {
		t.Errorf("%d refunds", n)
	}
}

// TestStripeAtOnce holds that of two calls with one key that run at once one is told
// that it is not known.
func TestStripeAtOnce(t *testing.T) {
	w := startStripe(t)
	w.AddPayment("pi_1", 5000, "eur")
	r := Request{Key: "k", Payment: "pi_1", Amount: 100, Currency: "EUR"}
	var second error
	w.Inject(fakestripe.Fault{Method: "POST", Hold: func() { _, second = w.gateway.Refund(context.Background(), r) }})
	if made, err := w.gateway.Refund(t.Context(), r); err != nil || made.Status != Done {
		t.Errorf("%+v %v", made, err)
	}
	if OutcomeOf(second) != Unknown || !strings.Contains(fmt.Sprint(second), "idempotency_key_in_use") {
		t.Errorf("the second: %v", second)
	}
	if n := len(w.Refunds()); n != 1 {
		t.Errorf("%d refunds", n)
	}
}

// TestStripeUnits holds currencies that Stripe counts in its own way.
func TestStripeUnits(t *testing.T) {
	w := startStripe(t)
	for _, row := range []struct {
		currency     string
		amount, sent int64
		want         Outcome
	}{
		{"JPY", 500, 500, ""}, {"ISK", 500, 50000, ""}, {"KWD", 1230, 1230, ""}, {"KWD", 1235, 0, Refused},
	} {
		id := fmt.Sprintf("pi_%s%d", row.currency, row.amount)
		w.AddPayment(id, 1_000_000, strings.ToLower(row.currency))
		before := w.Refunds()
		made, err := w.gateway.Refund(t.Context(), Request{Key: id, Payment: id, Amount: row.amount, Currency: row.currency})
		if row.want != "" {
			if OutcomeOf(err) != row.want || len(w.Refunds()) != len(before) {
				t.Errorf("%s: %v", id, err)
			}
			continue
		}
		if all := w.Refunds(); err != nil || made.Amount != row.amount || all[len(all)-1].Amount != row.sent {
			t.Errorf("%s: %+v %v, Stripe has %+v", id, made, err, all)
		}
	}
}

// TestStripeAway holds that nobody there is no unknown outcome, that a wrong key is
// refused, and that neither tells the key.
func TestStripeAway(t *testing.T) {
	w := startStripe(t)
	w.AddPayment("pi_1", 5000, "eur")
	r := Request{Key: "k", Payment: "pi_1", Amount: 100, Currency: "EUR"}
	wrong, err := NewStripe(StripeOptions{Key: stripeKey + "x", HTTP: w.server.Client(), URL: w.url})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Refund(t.Context(), r); OutcomeOf(err) != Refused || strings.Contains(err.Error(), stripeKey) {
		t.Error(err)
	}
	guarded, err := NewStripe(StripeOptions{Key: stripeKey, HTTP: salesforce.New(salesforce.Options{}).HTTP(), URL: w.url})
	if err != nil {
		t.Fatal(err)
	}
	seen := w.Requests()
	if _, err := guarded.Refund(t.Context(), r); OutcomeOf(err) != Transient || w.Requests() != seen {
		t.Errorf("an internal address was asked: %v", err)
	}
	w.server.Close()
	if _, err := w.gateway.Refund(t.Context(), r); OutcomeOf(err) != Transient {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v", StripeOptions{Key: stripeKey}, StripeOptions{Key: stripeKey}); strings.Contains(text, stripeKey) {
		t.Error(text)
	}
}

// TestStripeShapes holds the requests against Stripe's own stripe-mock, which checks
// names and types of parameters, where STRIPE_MOCK says its URL.
func TestStripeShapes(t *testing.T) {
	url := os.Getenv("STRIPE_MOCK")
	if url == "" {
		t.Skip("STRIPE_MOCK is not set, such as to http://127.0.0.1:12111")
	}
	gateway, err := NewStripe(StripeOptions{Key: "sk_test_123", HTTP: &http.Client{}, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	for _, payment := range []string{"pi_123", "ch_123"} {
		// It takes the request, and answers with a refund of its own, which does not have our key.
		_, err := gateway.Refund(t.Context(), Request{Key: "k", Payment: payment, Amount: 100, Currency: "USD"})
		if OutcomeOf(err) != Unknown || !strings.Contains(fmt.Sprint(err), "does not have the key in its metadata") {
			t.Errorf("%s: %v", payment, err)
		}
	}
}

// hostileStripe is a gateway to whatever answers.
func hostileStripe(t *testing.T, h http.HandlerFunc) *Stripe {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}})
	t.Cleanup(client.Close)
	g, err := NewStripe(StripeOptions{Key: stripeKey, HTTP: client.HTTP(), URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var ofOne = Request{Key: "ret/a/b/refund/0", Payment: "pi_1", Amount: 100, Currency: "EUR"}

// TestStripeText: what an error says is one line that can be printed, and has no part of
// the key, though a proxy quotes what it was sent in every place.
func TestStripeText(t *testing.T) {
	const odd = `\u001b[2K\r\u001b[32mrefund done\u202e\nrun approved`
	for name, body := range map[string]string{
		"error":   `{"error":{"type":"invalid_request_error","code":"x KEY ` + odd + `","message":"bad header KEY ` + odd + strings.Repeat("x", 280) + `KEY"}}`,
		"status":  `{"object":"list","data":[{"id":"re_1","status":"KEY ` + odd + `","metadata":{"salesforce_mcp_key":"ret/a/b/refund/0"}}]}`,
		"id":      `{"object":"list","data":[{"id":"KEY","status":"succeeded","payment_intent":"pi_1","metadata":{"salesforce_mcp_key":"ret/a/b/refund/0"}}]}`,
		"payment": `{"object":"list","data":[{"id":"re_1","status":"succeeded","payment_intent":"KEY ` + odd + `","metadata":{"salesforce_mcp_key":"ret/a/b/refund/0"}}]}`,
		"ids": `{"object":"list","data":[{"id":"KEY` + odd + `","metadata":{"salesforce_mcp_key":"ret/a/b/refund/0"}},
			{"id":"KEY","metadata":{"salesforce_mcp_key":"ret/a/b/refund/0"}}]}`,
	} {
		g := hostileStripe(t, func(w http.ResponseWriter, r *http.Request) {
			if name == "error" {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = w.Write([]byte(strings.ReplaceAll(body, "KEY", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))))
		})
		_, err := g.Refund(t.Context(), ofOne)
		if err == nil || strings.Contains(err.Error(), stripeKey[:16]) || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %+q", name, fmt.Sprint(err))
		}
	}
}

// TestStripeSecret: of a long key the part that is random is concealed by itself.
func TestStripeSecret(t *testing.T) {
	g := &Stripe{secret: stripeSecret("rk_live_0123456789abcdefXYZ")}
	if got := g.said("key 0123456789abcdefXYZ of rk_live_0123456789abcdefXYZ"); strings.Contains(got, "0123") {
		t.Error(got)
	}
}

// TestStripePages: a list without an end is given up, and a person is told where to look.
func TestStripePages(t *testing.T) {
	for name, data := range map[string]string{"others": `{"id":"re_%d","status":"succeeded"}`, "none": "", "null": "null"} {
		var asked atomic.Int64
		g := hostileStripe(t, func(w http.ResponseWriter, _ *http.Request) {
			n := asked.Add(1)
			_, _ = fmt.Fprint(w, `{"object":"list","has_more":true,"data":[`+strings.ReplaceAll(data, "%d", fmt.Sprint(n))+`]}`)
		})
		_, found, err := g.Find(t.Context(), ofOne)
		if want := map[bool]Outcome{true: Transient, false: Unknown}[name == "null"]; found || err == nil || OutcomeOf(err) != want {
			t.Errorf("%s: %t %v", name, found, err)
		}
		if n := asked.Load(); n > stripePages {
			t.Errorf("%s: %d pages were read", name, n)
		}
	}
}

// TestStripeOther: an answer that tells of another refund than was asked for is taken for
// none: of the request that pays back it is not known what it did.
func TestStripeOther(t *testing.T) {
	const sound = `{"id":"re_9","object":"refund","amount":100,"currency":"eur","status":"succeeded","payment_intent":"pi_1","metadata":{"salesforce_mcp_key":"ret/a/b/refund/0"}}`
	for name, row := range map[string]struct {
		refund      string
		made, found Outcome
	}{
		"ours":                   {sound, "", ""},
		"other payment":          {strings.Replace(sound, "pi_1", "pi_other", 1), Unknown, Conflict},
		"no payment":             {strings.Replace(sound, `"pi_1"`, "null", 1), Unknown, Conflict},
		"charge for the payment": {strings.Replace(sound, `"payment_intent"`, `"charge"`, 1), Unknown, Conflict},
		"other key":              {strings.Replace(sound, "refund/0", "refund/1", 1), Unknown, ""},
		"no key":                 {strings.Replace(sound, "salesforce_mcp_key", "key", 1), Unknown, ""},
		"other amount":           {strings.Replace(sound, "100", "1", 1), Unknown, Conflict},
		"other currency":         {strings.Replace(sound, "eur", "usd", 1), Unknown, Conflict},
		"key as id":              {strings.Replace(sound, "re_9", stripeKey, 1), Unknown, Unknown},
	} {
		listed := ""
		g := hostileStripe(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				_, _ = fmt.Fprint(w, row.refund)
			case strings.HasSuffix(r.URL.Path, "/refunds"):
				_, _ = fmt.Fprint(w, `{"object":"list","has_more":false,"data":[`+listed+`]}`)
			default:
				_, _ = fmt.Fprint(w, `{"id":"pi_1","object":"payment_intent","currency":"eur"}`)
			}
		})
		made, err := g.Refund(t.Context(), ofOne)
		if (err == nil) != (row.made == "") || err != nil && OutcomeOf(err) != row.made {
			t.Errorf("%s: %+v %v", name, made, err)
		}
		listed = row.refund
		if made, found, err := g.Find(t.Context(), ofOne); found != (name == "ours") || (err == nil) != (row.found == "") || err != nil && OutcomeOf(err) != row.found {
			t.Errorf("%s: %t %+v %v", name, found, made, err)
		}
	}
}

// TestStripeNever: a no to the request that pays back is one to all with its key, and one
// to a look is none.
func TestStripeNever(t *testing.T) {
	w := startStripe(t)
	w.AddPayment("pi_1", 100, "eur")
	w.Inject(fakestripe.Fault{Method: "GET", Status: 402, Type: "card_error", Code: "card_declined"})
	if _, _, err := w.gateway.Find(t.Context(), ofOne); OutcomeOf(err) != Refused {
		t.Errorf("a look: %v", err)
	}
	w.Inject(fakestripe.Fault{Method: "POST", Lose: "before"})
	if _, err := w.gateway.Refund(t.Context(), ofOne); OutcomeOf(err) != Unknown {
		t.Fatal(err)
	}
	other := ofOne
	other.Key = "other"
	if _, err := w.gateway.Refund(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, err := w.gateway.Refund(t.Context(), ofOne)
	if e := (*Error)(nil); !errors.As(err, &e) || e.Outcome != Declined || !e.Never {
		t.Errorf("all was paid back by another: %+v", err)
	}
}
