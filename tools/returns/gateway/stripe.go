package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v85"

	"salesforce-mcp/salesforce"
)

// StripeOptions are the settings of [NewStripe].
type StripeOptions struct {
	// Key is the secret or restricted key. A restricted one needs to write refunds
	// and to read charges and payment intents.
	Key salesforce.Secret
	// HTTP sends the requests. It connects to no address that it should not, and
	// follows no redirect, as that of [salesforce.Client.HTTP].
	HTTP *http.Client
	// URL is where Stripe is. Default https://api.stripe.com.
	URL string
	// Timeout bounds one request. Default 80 s, that of Stripe's own libraries.
	Timeout time.Duration
}

// Stripe pays back by Stripe's refunds (API v1). It is safe for concurrent use.
//
// The key goes along twice: as Idempotency-Key, which Stripe keeps for at least 24
// hours, and in the refund's metadata, where Find sees it for ever. Nothing is
// repeated down here: a call sends its refund once.
type Stripe struct {
	client  *stripe.Client
	secret  string // the part of the key that nobody may read
	timeout time.Duration
}

// metadataKey is the refund's metadata that holds the key.
const metadataKey = "salesforce_mcp_key"

// stripeBody is the longest answer that is read, in bytes: a page of 100 refunds
// has about 60 kB.
const stripeBody = 4 << 20

// stripePages is how many pages of 100 refunds are read at most. A payment has a few
// hundred refunds at the very most.
const stripePages = 20

// NewStripe returns a gateway, or an error when the options cannot work.
func NewStripe(o StripeOptions) (*Stripe, error) {
	if o.Key.Reveal() == "" || o.HTTP == nil {
		return nil, errors.New("stripe needs a secret key and an HTTP client")
	}
	inner := *o.HTTP
	inner.Transport = stripeTransport{cmp.Or[http.RoundTripper](inner.Transport, http.DefaultTransport)}
	config := stripe.BackendConfig{
		HTTPClient:        &inner,
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
		MaxNetworkRetries: stripe.Int64(0),
		URL:               stripe.String(cmp.Or(o.URL, stripe.APIURL)),
	}
	backends := &stripe.Backends{API: stripe.GetBackendWithConfig(stripe.APIBackend, &config)}
	return &Stripe{
		client:  stripe.NewClient(o.Key.Reveal(), stripe.WithBackends(backends)),
		secret:  stripeSecret(o.Key),
		timeout: cmp.Or(o.Timeout, 80*time.Second),
	}, nil
}

// stripeSecret is the part of a key that nobody may read: what stands behind sk_live_,
// or all of it when that is short.
func stripeSecret(key salesforce.Secret) string {
	text := key.Reveal()
	if part := text[strings.LastIndex(text, "_")+1:]; len(part) >= 16 {
		return part
	}
	return text
}

// said is text of an answer for people, without the key: a proxy may quote what it was
// sent.
func (s *Stripe) said(text string) string {
	return plain(strings.ReplaceAll(text, s.secret, "***"))
}

// stripeTransport bounds what is read, takes a redirect for no answer, and does not
// tell Stripe in what surroundings we run.
type stripeTransport struct{ next http.RoundTripper }

// RoundTrip sends a request.
func (t stripeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("X-Stripe-Client-User-Agent")
	r.Header.Set("User-Agent", "salesforce-mcp")
	r.GetBody = nil // else net/http sends a request with an Idempotency-Key again by itself
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 == 3 {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("status %d, a redirect, which Stripe does not send", answer.StatusCode)
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, stripeBody), answer.Body}
	return answer, nil
}

// Refund pays back a payment intent or a charge, after a look at the refunds that it
// has and at its currency, which the request to Stripe cannot name.
func (s *Stripe) Refund(ctx context.Context, r Request) (Refund, error) {
	if made, found, err := before(ctx, s, r); found || err != nil {
		return made, err
	}
	amount, err := stripeAmount(r)
	if err != nil {
		return Refund{}, err
	}
	if err := s.checkCurrency(ctx, r); err != nil {
		return Refund{}, err
	}
	params := &stripe.RefundCreateParams{Amount: &amount, Reason: stripe.String(string(stripe.RefundReasonRequestedByCustomer))}
	params.PaymentIntent, params.Charge = stripePayment(r.Payment)
	params.AddMetadata(metadataKey, r.Key)
	params.SetIdempotencyKey(r.Key)

	ctx, sent, cancel := s.watch(ctx)
	defer cancel()
	answer, err := s.client.V1Refunds.Create(ctx, params)
	if err != nil {
		return Refund{}, s.failure(err, sent.Load())
	}
	made, err := s.read(answer, r)
	if err != nil {
		return Refund{}, unsure(err)
	}
	if made.Status == Failed {
		return made, declined(made)
	}
	return made, nil
}

// Find looks through the refunds of the payment for the one with the key. The list
// is up to date when the refund's request has ended (the search API is not:
// docs.stripe.com/search, "data freshness").
func (s *Stripe) Find(ctx context.Context, r Request) (Refund, bool, error) {
	if err := r.check(); err != nil {
		return Refund{}, false, err
	}
	params := &stripe.RefundListParams{}
	if params.PaymentIntent, params.Charge = stripePayment(r.Payment); params.PaymentIntent == nil && params.Charge == nil {
		return Refund{}, false, refused("payment %.40q is not the id of a payment intent (pi_…) or a charge (ch_…, py_…)", r.Payment)
	}
	ctx, _, cancel := s.watch(ctx)
	defer cancel()
	with, err := s.list(ctx, params, r.Key)
	switch {
	case err != nil || len(with) == 0:
		return Refund{}, false, err
	case len(with) > 1:
		return Refund{}, false, &Error{Outcome: Conflict, Message: fmt.Sprintf("%d refunds were made with the key, %s and %s among them", len(with), s.said(with[0].ID), s.said(with[1].ID))}
	}
	made, err := s.read(with[0], r)
	return made, err == nil, err
}

// list returns the refunds of a payment that have the key.
func (s *Stripe) list(ctx context.Context, params *stripe.RefundListParams, key string) (with []*stripe.Refund, err error) {
	defer func() {
		if recover() != nil { // the library does not survive a null in a list (v85)
			with, err = nil, &Error{Outcome: Transient, Message: "Stripe gave a list of refunds that cannot be read"}
		}
	}()
	params.Limit, params.Single = stripe.Int64(100), true
	for range stripePages {
		page := s.client.V1Refunds.List(ctx, params)
		for refund, err := range page.All(ctx) {
			if err != nil {
				return nil, s.unread(err)
			}
			if refund.Metadata[metadataKey] == key {
				with = append(with, refund)
			}
			params.StartingAfter = &refund.ID
		}
		if !page.Meta().HasMore {
			return with, nil
		}
	}
	return nil, &Error{Outcome: Unknown, Message: fmt.Sprintf("Stripe tells of more than %d pages of refunds of the payment: look in Stripe whether one has the key in its metadata (%s)", stripePages, metadataKey)}
}

// checkCurrency compares the payment's currency with the request's.
func (s *Stripe) checkCurrency(ctx context.Context, r Request) error {
	ctx, _, cancel := s.watch(ctx)
	defer cancel()
	var paid stripe.Currency
	var err error
	if intent, charge := stripePayment(r.Payment); intent != nil {
		var answer *stripe.PaymentIntent
		if answer, err = s.client.V1PaymentIntents.Retrieve(ctx, *intent, nil); err == nil {
			paid = answer.Currency
		}
	} else {
		var answer *stripe.Charge
		if answer, err = s.client.V1Charges.Retrieve(ctx, *charge, nil); err == nil {
			paid = answer.Currency
		}
	}
	if err != nil {
		return s.unread(err)
	}
	if !strings.EqualFold(string(paid), r.Currency) {
		return refused("the payment was made in %.10q, and cannot be paid back in %s", strings.ToUpper(string(paid)), r.Currency)
	}
	return nil
}

// watch bounds a request and tells whether any of it may have reached Stripe.
func (s *Stripe) watch(ctx context.Context) (context.Context, *atomic.Bool, context.CancelFunc) {
	sent := &atomic.Bool{}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { sent.Store(true) }}), sent, cancel
}

var stripeID = regexp.MustCompile(`^(pi|ch|py)_[A-Za-z0-9_]{1,200}$`)

// stripePayment returns the id as the one parameter or the other, or two nils.
func stripePayment(id string) (intent, charge *string) {
	switch {
	case !stripeID.MatchString(id):
		return nil, nil
	case strings.HasPrefix(id, "pi_"):
		return &id, nil
	}
	return nil, &id
}

// stripeDecimals are the currencies that Stripe counts with other decimals than
// ours (docs.stripe.com/currencies, "special cases"): with two, of which both are 0.
var stripeDecimals = map[string]int64{"ISK": 100, "UGX": 100}

// stripeThree are those with three decimals, of which Stripe wants the last to be 0.
var stripeThree = map[string]bool{"BHD": true, "JOD": true, "KWD": true, "OMR": true, "TND": true}

func stripeAmount(r Request) (int64, error) {
	if stripeThree[r.Currency] && r.Amount%10 != 0 {
		return 0, refused("Stripe pays %s back in steps of 10 minor units, and %d is none", r.Currency, r.Amount)
	}
	return r.Amount * cmp.Or(stripeDecimals[r.Currency], 1), nil
}

var stripeRefundID = regexp.MustCompile(`^(re|pyr)_[A-Za-z0-9_]{1,200}$`)

// read reads a refund of a request. One that lacks its id or its status says nothing
// about it, and one of another payment, without the key, or of another amount is another.
func (s *Stripe) read(answer *stripe.Refund, r Request) (Refund, error) {
	made := Refund{ID: answer.ID, Currency: strings.ToUpper(string(answer.Currency)), At: time.Unix(answer.Created, 0).UTC()}
	made.Amount = answer.Amount / cmp.Or(stripeDecimals[made.Currency], 1)
	made.Reference = answer.ID
	switch answer.Status {
	case stripe.RefundStatusSucceeded:
		made.Status = Done
	case stripe.RefundStatusPending, stripe.RefundStatusRequiresAction:
		made.Status = Pending
	case stripe.RefundStatusFailed, stripe.RefundStatusCanceled:
		made.Status = Failed
	default:
		return Refund{}, &Error{Outcome: Unknown, Message: fmt.Sprintf("Stripe answered with a refund of status %.40q", s.said(string(answer.Status)))}
	}
	if !stripeRefundID.MatchString(made.ID) {
		return Refund{}, &Error{Outcome: Unknown, Message: "Stripe answered with a refund that has no id such as re_…"}
	}
	of := ""
	switch intent, _ := stripePayment(r.Payment); {
	case intent != nil && answer.PaymentIntent != nil:
		of = answer.PaymentIntent.ID
	case intent == nil && answer.Charge != nil:
		of = answer.Charge.ID
	}
	if of != r.Payment {
		return Refund{}, &Error{Outcome: Conflict, Message: fmt.Sprintf("refund %s is of the payment %.60q, and not of %s", made.ID, s.said(of), r.Payment)}
	}
	if answer.Metadata[metadataKey] != r.Key {
		return Refund{}, &Error{Outcome: Conflict, Message: fmt.Sprintf("refund %s does not have the key in its metadata (%s)", made.ID, metadataKey)}
	}
	return made, r.same(made)
}

// declines are the codes with which Stripe says no for good.
var declines = map[stripe.ErrorCode]bool{
	stripe.ErrorCodeChargeAlreadyRefunded: true,
	stripe.ErrorCodeChargeDisputed:        true,
	stripe.ErrorCodeChargeNotRefundable:   true,
	"refund_disputed_payment":             true,
}

// failure says what an error means. Sent tells whether a request that pays back
// may have reached Stripe. Stripe's own advice is to take a 500 for not known
// (docs.stripe.com/error-low-level); validation errors, 409 and 429 are answered
// before anything is done (docs.stripe.com/api/idempotent_requests). A 409 means
// that a request with the same key is still under way, and that one may pay back.
//
// A no to a request that pays back is one to all with its key: Stripe repeats what it
// answered to the first, and one that it has forgotten Find would have seen.
func (s *Stripe) failure(err error, sent bool) *Error {
	var e *stripe.Error
	if !errors.As(err, &e) || e.HTTPStatusCode == 0 {
		return &Error{Outcome: unlessSent(sent), Message: "Stripe gave no answer that can be read", Err: errors.Unwrap(err)}
	}
	out := &Error{Code: s.said(cmp.Or(string(e.Code), string(e.Type))), Message: fmt.Sprintf("status %d: %s", e.HTTPStatusCode, s.said(e.Msg))}
	if e.LastResponse != nil {
		if wait, err := time.ParseDuration(e.LastResponse.Header.Get("Retry-After") + "s"); err == nil && wait > 0 {
			out.RetryAfter = min(wait, time.Hour)
		}
	}
	switch status := e.HTTPStatusCode; {
	case e.Type == stripe.ErrorTypeIdempotency && status == http.StatusBadRequest:
		out.Outcome = Conflict
	case status == http.StatusConflict || status >= 500 || status == http.StatusRequestTimeout:
		out.Outcome = unlessSent(sent)
	case status == http.StatusTooManyRequests:
		out.Outcome = Transient
	case status == http.StatusPaymentRequired || declines[e.Code]:
		out.Outcome, out.Never = Declined, true
	default:
		out.Outcome = Refused
	}
	return out
}

// unread says what an error of a request means that only looks: no to that is no word
// about a refund.
func (s *Stripe) unread(err error) *Error {
	out := s.failure(err, false)
	if out.Outcome == Declined {
		out.Outcome, out.Never = Refused, false
	}
	return out
}

// unlessSent is the outcome of a request without a usable answer.
func unlessSent(sent bool) Outcome {
	if sent {
		return Unknown
	}
	return Transient
}
