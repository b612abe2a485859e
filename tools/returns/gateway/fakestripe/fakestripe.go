// Package fakestripe is a Stripe that keeps what it is told, for tests of whoever
// pays back by it.
//
// It knows payments, refunds, and idempotency keys as Stripe documents them for API
// v1 (docs.stripe.com/api/idempotent_requests): the answer to the first request with
// a key is kept with its status, 500 included, once its execution has begun; a
// repetition with other parameters is an idempotency_error; one that comes while
// the first is still under way is a 409; and keys are forgotten after 24 hours.
// Stripe's own stripe-mock keeps nothing, and so cannot be used for that.
package fakestripe

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// keyLife is how long a key is kept.
const keyLife = 24 * time.Hour

// Stripe is one account. The fields are set before the first request. It is safe
// for concurrent use.
type Stripe struct {
	// Key is the secret key that requests must come with.
	Key string
	// Clock tells the time; default time.Now.
	Clock func() time.Time

	mu       sync.Mutex
	payments map[string]*payment
	refunds  []*Refund // the oldest first
	keys     map[string]*kept
	faults   []Fault
	requests int
}

type payment struct {
	amount   int64
	currency string
	status   string // of refunds that are made of it
}

// Refund is a refund as Stripe keeps it.
type Refund struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Amount   int64             `json:"amount"`
	Charge   *string           `json:"charge"`
	Created  int64             `json:"created"`
	Currency string            `json:"currency"`
	Metadata map[string]string `json:"metadata"`
	Intent   *string           `json:"payment_intent"`
	Reason   *string           `json:"reason"`
	Status   string            `json:"status"`
}

// kept is what is kept of a key. Status is 0 while the first request is under way.
type kept struct {
	digest [sha256.Size]byte
	at     time.Time
	status int
	body   []byte
}

// Fault makes the next request with that method fail.
type Fault struct {
	// Method is the HTTP method; empty fits every one.
	Method string
	// Lose closes the connection: "before" anything is done or "after" all is.
	Lose string
	// Status is answered, with the error's type and code, before anything is done;
	// or after all is, and kept with the key, when Late is set.
	Status     int
	Type, Code string
	Late       bool
	// RetryAfter is the header of that name, in seconds.
	RetryAfter int
	// Body is answered as it is, with Status, instead of an error.
	Body string
	// Hold is called while the request is under way, before its effect.
	Hold func()
}

// AddPayment adds a payment that can be paid back. Its id begins with pi_ or ch_.
func (s *Stripe) AddPayment(id string, amount int64, currency string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.payments == nil {
		s.payments, s.keys = map[string]*payment{}, map[string]*kept{}
	}
	s.payments[id] = &payment{amount: amount, currency: currency, status: "succeeded"}
}

// SetStatus says what status refunds of a payment will have.
func (s *Stripe) SetStatus(id, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.payments[id].status = status
}

// Inject adds faults to the queue.
func (s *Stripe) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Calm forgets the faults that are left.
func (s *Stripe) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Refunds returns the refunds made so far, the oldest first.
func (s *Stripe) Refunds() []Refund {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Refund
	for _, r := range s.refunds {
		all = append(all, *r)
	}
	return all
}

// Requests returns how many requests came.
func (s *Stripe) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ServeHTTP answers a request.
func (s *Stripe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		write(w, 400, failure("invalid_request_error", "", "the body is no form"))
		return
	}
	f := s.begin(r.Method)
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	switch {
	case f.Lose == "before":
		panic(http.ErrAbortHandler)
	case f.Status != 0 && !f.Late:
		write(w, f.Status, f.answer())
		return
	case r.Header.Get("Authorization") != "Bearer "+s.Key:
		write(w, 401, failure("invalid_request_error", "", "Invalid API Key provided"))
		return
	}
	status, answer := s.answer(r, form, f)
	if f.Lose == "after" {
		panic(http.ErrAbortHandler)
	}
	write(w, status, answer)
}

// begin takes the next fault for a request.
func (s *Stripe) begin(method string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	for i, f := range s.faults {
		if f.Method == "" || f.Method == method {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			return f
		}
	}
	return Fault{}
}

func (f Fault) answer() []byte {
	if f.Body != "" {
		return []byte(f.Body)
	}
	return failure(f.Type, f.Code, "injected")
}

func (s *Stripe) answer(r *http.Request, form url.Values, f Fault) (int, []byte) {
	kind, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/refunds":
		return s.once(r.Header.Get("Idempotency-Key"), form, f)
	case r.Method == http.MethodGet && r.URL.Path == "/v1/refunds":
		return s.list(r.URL.Query())
	case r.Method == http.MethodGet && (kind == "payment_intents" || kind == "charges"):
		s.mu.Lock()
		defer s.mu.Unlock()
		if p := s.payments[id]; p != nil {
			return 200, encode(map[string]any{"id": id, "object": strings.TrimSuffix(kind, "s"), "amount": p.amount, "currency": p.currency})
		}
		return 404, failure("invalid_request_error", "resource_missing", "No such payment: "+id)
	}
	return 404, failure("invalid_request_error", "", "Unrecognized request URL")
}

// once makes a refund unless its key is known.
func (s *Stripe) once(key string, form url.Values, f Fault) (int, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	digest := sha256.Sum256([]byte(form.Encode()))
	k := s.keys[key]
	if k != nil && k.status != 0 && s.now().Sub(k.at) >= keyLife {
		k = nil
	}
	switch {
	case k != nil && k.digest != digest:
		return 400, failure("idempotency_error", "", "Keys for idempotent requests can only be used with the same parameters they were first used with.")
	case k != nil && k.status == 0:
		return 409, failure("idempotency_error", "idempotency_key_in_use", "There is currently another in-progress request using this Idempotent Key.")
	case k != nil:
		return k.status, k.body
	}
	if status, refusal := s.invalid(form); status != 0 {
		return status, refusal // not kept: the execution has not begun
	}
	k = &kept{digest: digest, at: s.now()}
	if key != "" {
		s.keys[key] = k
	}
	if f.Hold != nil {
		s.mu.Unlock()
		f.Hold()
		s.mu.Lock()
	}
	k.status, k.body = s.refund(form)
	if f.Late {
		k.status, k.body = f.Status, f.answer()
	}
	return k.status, k.body
}

// invalid refuses parameters.
func (s *Stripe) invalid(form url.Values) (int, []byte) {
	for name := range form {
		switch base, _, _ := strings.Cut(name, "["); base {
		case "amount", "charge", "payment_intent", "reason", "metadata":
		default:
			return 400, failure("invalid_request_error", "parameter_unknown", "Received unknown parameter: "+name)
		}
	}
	if n, err := strconv.ParseInt(form.Get("amount"), 10, 64); err != nil || n < 1 {
		return 400, failure("invalid_request_error", "parameter_invalid_integer", "Invalid integer: amount")
	}
	if s.payments[form.Get("payment_intent")+form.Get("charge")] == nil {
		return 404, failure("invalid_request_error", "resource_missing", "No such payment")
	}
	return 0, nil
}

// refund pays back what is left to be paid back.
func (s *Stripe) refund(form url.Values) (int, []byte) {
	id := form.Get("payment_intent") + form.Get("charge")
	p := s.payments[id]
	amount, left := number(form.Get("amount")), p.amount
	for _, r := range s.refunds {
		if r.of() == id && r.Status != "failed" && r.Status != "canceled" {
			left -= r.Amount
		}
	}
	switch {
	case left == 0:
		return 400, failure("invalid_request_error", "charge_already_refunded", "Charge has already been refunded.")
	case amount > left:
		return 400, failure("invalid_request_error", "", "Refund amount is greater than unrefunded amount on charge")
	}
	r := &Refund{ID: fmt.Sprintf("re_%06d", len(s.refunds)+1), Object: "refund", Amount: amount, Created: s.now().Unix(), Currency: p.currency,
		Metadata: map[string]string{}, Status: p.status}
	for name := range form {
		if in, ok := strings.CutPrefix(name, "metadata["); ok {
			r.Metadata[strings.TrimSuffix(in, "]")] = form.Get(name)
		}
	}
	for name, field := range map[string]**string{"charge": &r.Charge, "payment_intent": &r.Intent, "reason": &r.Reason} {
		if v := form.Get(name); v != "" {
			*field = &v
		}
	}
	s.refunds = append(s.refunds, r)
	return 200, encode(r)
}

// of is the payment of a refund.
func (r *Refund) of() string {
	if r.Charge != nil {
		return *r.Charge
	}
	return *r.Intent
}

// list is GET /v1/refunds: the newest first, in pages.
func (s *Stripe) list(q url.Values) (int, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := q.Get("payment_intent") + q.Get("charge")
	if of != "" && s.payments[of] == nil {
		return 404, failure("invalid_request_error", "resource_missing", "No such payment: "+of)
	}
	limit := int(number(q.Get("limit")))
	if limit < 1 || limit > 100 {
		limit = 10
	}
	page, more, after := []*Refund{}, false, q.Get("starting_after")
	for i := len(s.refunds) - 1; i >= 0; i-- {
		r := s.refunds[i]
		switch {
		case after != "":
			if r.ID == after {
				after = ""
			}
		case of != "" && r.of() != of:
		case len(page) == limit:
			more = true
		default:
			page = append(page, r)
		}
	}
	return 200, encode(map[string]any{"object": "list", "url": "/v1/refunds", "has_more": more, "data": page})
}

func (s *Stripe) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

// number reads a number that was found to be one; else it is 0.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func failure(kind, code, message string) []byte {
	e := map[string]any{"type": kind, "message": message}
	if code != "" {
		e["code"] = code
	}
	return encode(map[string]any{"error": e})
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
