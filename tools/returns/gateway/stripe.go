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
	timeout time.Duration
}

// metadataKey is the refund's metadata that holds the key.
const metadataKey = "salesforce_mcp_key"

// stripeBody is the longest answer that is read, in bytes: a page of 100 refunds
// has about 60 kB.
const stripeBody = 4 << 20

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
		timeout: cmp.Or(o.Timeout, 80*time.Second),
	}, nil
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
		return Refund{}, stripeError(err, sent.Load())
	}
	made, err := stripeRefund(answer)
	if err != nil {
		return Refund{}, err
	}
	if err := r.same(made); err != nil {
		return made, err
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
	params.Limit = stripe.Int64(100)
	ctx, _, cancel := s.watch(ctx)
	defer cancel()
	var with []*stripe.Refund
	for refund, err := range s.client.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return Refund{}, false, stripeError(err, false)
		}
		if refund.Metadata[metadataKey] == r.Key {
			with = append(with, refund)
		}
	}
	switch len(with) {
	case 0:
		return Refund{}, false, nil
	case 1:
		made, err := stripeRefund(with[0])
		if err == nil {
			err = r.same(made)
		}
		return made, err == nil, err
	}
	return Refund{}, false, &Error{Outcome: Conflict, Message: fmt.Sprintf("%d refunds were made with the key, %s and %s among them", len(with), with[0].ID, with[1].ID)}
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
		return stripeError(err, false)
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

// stripeRefund reads an answer. One that lacks the refund says nothing about it.
func stripeRefund(answer *stripe.Refund) (Refund, error) {
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
		return made, &Error{Outcome: Unknown, Message: fmt.Sprintf("Stripe answered with a refund of status %.40q", answer.Status)}
	}
	if made.ID == "" {
		return made, &Error{Outcome: Unknown, Message: "Stripe answered with a refund that has no id"}
	}
	return made, nil
}

// declines are the codes with which Stripe says no for good.
var declines = map[stripe.ErrorCode]bool{
	stripe.ErrorCodeChargeAlreadyRefunded: true,
	stripe.ErrorCodeChargeDisputed:        true,
	stripe.ErrorCodeChargeNotRefundable:   true,
	"refund_disputed_payment":             true,
}

// stripeError says what an error means. Sent tells whether a request that pays back
// may have reached Stripe. Stripe's own advice is to take a 500 for not known
// (docs.stripe.com/error-low-level); validation errors, 409 and 429 are answered
// before anything is done (docs.stripe.com/api/idempotent_requests). A 409 means
// that a request with the same key is still under way, and that one may pay back.
func stripeError(err error, sent bool) *Error {
	var e *stripe.Error
	if !errors.As(err, &e) || e.HTTPStatusCode == 0 {
		return &Error{Outcome: unlessSent(sent), Message: "Stripe gave no answer that can be read", Err: errors.Unwrap(err)}
	}
	out := &Error{Code: cmp.Or(string(e.Code), string(e.Type)), Message: fmt.Sprintf("status %d: %.300s", e.HTTPStatusCode, e.Msg)}
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
		out.Outcome = Declined
	default:
		out.Outcome = Refused
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
