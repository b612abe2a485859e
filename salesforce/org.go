package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Org is one connected org as one caller sees it. The fields are set before
// the first Do and not changed thereafter; Do is safe for concurrent use.
type Org struct {
	// Client sends the requests; it is shared by all orgs of the process.
	Client *Client
	// Credentials give the access tokens.
	Credentials Credentials
	// Version is the REST API version such as v62.0; empty means
	// [DefaultVersion].
	Version string
	// Sent, when set, is called after every HTTP exchange, failed ones
	// included, before Do returns and before the next exchange begins.
	Sent func(Exchange)
}

// Do sends a request and returns the answer. All errors are [*Error].
//
// A streamed answer keeps its turn at the org until it is closed; there are
// fewer turns for those that are not read promptly, so that slow readers keep
// nobody else waiting.
//
// It repeats what may be repeated (see [Semantics]) while the client's retry
// budget lasts, and gives up early when the wait would outlast the budget or
// the context's deadline; when the platform asked for that wait, the error is
// of class limited and says how long. A token that the platform calls expired
// is dropped and replaced once.
func (o *Org) Do(ctx context.Context, r *Request) (*Response, error) {
	if err := o.check(r); err != nil {
		return nil, &Error{Class: ClassValidation, Message: err.Error(), NotExecuted: true}
	}
	began := time.Now()
	r, used := once(r)
	ran := false     // an exchange may have been executed
	renewed := false // the token has been replaced
	var last *Error
	for n := 0; ; n++ {
		response, token, e := o.attempt(ctx, r, n > 0)
		if e == nil {
			response.Repeated = ran
			return response, nil
		}
		if last != nil && errors.Is(e, gobreaker.ErrOpenState) {
			return nil, last // it says more than that the org is left alone now
		}
		last = e
		if ran && r.Method == http.MethodDelete && isGone(e) {
			return &Response{Status: http.StatusNoContent, RequestID: e.RequestID, AlreadyRemoved: true, Repeated: true}, nil
		}
		again := mayRepeat(r.Semantics, e, ran) && !used()
		e.Repeated = ran && r.Semantics != Safe
		ran = ran || !e.NotExecuted
		e.NotExecuted = !ran
		if isExpired(e) && !renewed {
			o.Credentials.Drop(token)
			renewed = true
			if again {
				continue
			}
		}
		if !again || !isPassing(e) {
			return nil, e
		}
		wait := backoff(n, e.RetryAfter)
		if !o.hasTime(ctx, began, wait) {
			return nil, outOfTime(e)
		}
		if !sleep(ctx, wait) {
			e.Err = context.Cause(ctx)
			return nil, e
		}
	}
}

// attempt makes one exchange with the current token, in the org's turn. Again
// says that it repeats an exchange of the same call: a call that keeps failing
// counts once against the org.
func (o *Org) attempt(ctx context.Context, r *Request, again bool) (*Response, Token, *Error) {
	token, err := o.Credentials.Token(ctx)
	if err != nil {
		return nil, Token{}, noToken(ctx, err)
	}
	origin, err := o.Client.options.Hosts.Check(token.InstanceURL)
	if err != nil {
		return nil, token, &Error{Class: ClassAuth, Message: "the token's instance URL was refused: " + err.Error(), NotExecuted: true}
	}
	place := origin.String()
	if r.Agents { // it fails by itself
		place += agentRoot
	}
	state := o.Client.state(place)
	slots := state.slots
	if r.Streamed && !r.Prompt || r.Stream != nil {
		slots = state.streams
	}
	if err := slots.Acquire(ctx, 1); err != nil {
		return nil, token, ended(ctx, "the call ended while it waited for its turn at the org")
	}
	streaming := false
	defer func() {
		if !streaming {
			slots.Release(1)
		}
	}()
	// Another call may have dropped the token while this one waited.
	fresh, err := o.Credentials.Token(ctx)
	if err != nil {
		return nil, Token{}, noToken(ctx, err)
	}
	if fresh.InstanceURL == token.InstanceURL {
		token = fresh
	}

	response, err := state.breaker.Execute(func() (*Response, error) {
		response, e := o.exchange(ctx, r, origin, token)
		switch {
		case e == nil:
			return response, nil
		case again:
			return nil, repeated{e}
		}
		return nil, e
	})
	var e *Error
	switch {
	case err == nil:
		if s, ok := response.Stream.(*stream); ok {
			streaming = true
			s.closed = func() { slots.Release(1) }
		}
		return response, token, nil
	case errors.As(err, &e):
		return nil, token, e
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return nil, token, &Error{
			Class: ClassTransient, NotExecuted: true, RetryAfter: breakerPause, Err: gobreaker.ErrOpenState,
			Message: fmt.Sprintf("the last %d calls to the org failed, so it is left alone for some seconds", breakerFailures),
		}
	}
	return nil, token, &Error{Class: ClassTransient, Message: err.Error(), Err: err}
}

var (
	methods = regexp.MustCompile(`^(GET|HEAD|POST|PUT|PATCH|DELETE)$`)
	version = regexp.MustCompile(`^(v[0-9]{2,3}\.0)?$`)
)

// check refuses requests that could go elsewhere than where they say.
func (o *Org) check(r *Request) error {
	if !methods.MatchString(r.Method) {
		return fmt.Errorf("method %q is not one of GET, HEAD, POST, PUT, PATCH, DELETE", clip(r.Method, 20))
	}
	if !version.MatchString(o.Version) {
		return fmt.Errorf("version %q is not of the form v62.0", clip(o.Version, 20))
	}
	return checkPath(r.Path)
}

// hasTime reports whether a repetition after wait begins within the budget
// and before the caller's deadline.
func (o *Org) hasTime(ctx context.Context, began time.Time, wait time.Duration) bool {
	next := time.Now().Add(wait)
	if deadline, ok := ctx.Deadline(); ok && next.After(deadline) {
		return false
	}
	return next.Sub(began) <= o.Client.options.RetryBudget
}

// outOfTime is the last error when there is no time to repeat. If the
// platform named a wait, waiting is what the caller should do; a pause of our
// own is no limit.
func outOfTime(e *Error) *Error {
	if e.RetryAfter > 0 && !errors.Is(e, gobreaker.ErrOpenState) {
		e.Class = ClassLimited
	}
	return e
}

// noToken is the error of a call whose credentials gave no token. The text
// and the cause are the credentials' own. It is of class auth, or transient
// when the cause has the methods Temporary and RetryAfter and they say so.
func noToken(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return ended(ctx, "the call ended before an access token was there")
	}
	e := &Error{Class: ClassAuth, Message: err.Error(), NotExecuted: true, Err: err}
	var login interface {
		Temporary() bool
		RetryAfter() time.Duration
	}
	if errors.As(err, &login) && login.Temporary() {
		e.Class, e.RetryAfter = ClassTransient, login.RetryAfter()
	}
	return e
}

// ended is the error of a call that its caller ended before it was sent.
func ended(ctx context.Context, message string) *Error {
	return &Error{
		Class: ClassTransient, Message: message, NotExecuted: true,
		Err: fmt.Errorf("%w: %w", errCallEnded, context.Cause(ctx)),
	}
}
