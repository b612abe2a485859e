package salesforce

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The n-th repetition waits a random time below backoffFirst·2ⁿ (full
// jitter), at most backoffMost.
const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 2 * time.Second
)

// backoff returns how long to wait before the n-th repetition, counted from
// 0. A Retry-After of the answer is a minimum.
func backoff(n int, retryAfter time.Duration) time.Duration {
	most := min(backoffMost, backoffFirst<<min(n, 10))
	return max(retryAfter, rand.N(most))
}

// mayRepeat reports whether a request may be sent again after e without a
// second effect. ranBefore says that an earlier exchange of this call may
// have been executed.
func mayRepeat(s Semantics, e *Error, ranBefore bool) bool {
	return e.NotExecuted || s == Safe || s == Idempotent && !ranBefore
}

// isPassing reports whether the same request may succeed in a moment.
func isPassing(e *Error) bool {
	if isCancelled(e) || e.Status/100 == 3 {
		return false
	}
	return e.Class == ClassTransient || e.Code == "UNABLE_TO_LOCK_ROW" ||
		e.Status == http.StatusTooManyRequests || e.Status == http.StatusLocked || isConcurrency(e)
}

// isConcurrency tells the limit on long requests running at once from the
// daily quota, which has the same code. Only the former passes soon; a text
// that says neither counts as the quota.
func isConcurrency(e *Error) bool {
	return e.Code == "REQUEST_LIMIT_EXCEEDED" && strings.Contains(strings.ToLower(e.Message), "concurrent")
}

// isExpired reports whether a new token would help. Two other 401s carry the
// same code and stay after any number of logins (seen in jsforce,
// src/http-api.ts).
func isExpired(e *Error) bool {
	if e.agents && e.Status == http.StatusUnauthorized {
		return true
	}
	status := e.Status == http.StatusUnauthorized || e.Status == http.StatusInternalServerError // the latter from SOAP
	return status && e.Code == "INVALID_SESSION_ID" &&
		!strings.Contains(e.Message, "Connected app is not attached to Agent") &&
		!strings.Contains(e.Message, "This session is not valid for use with the REST API")
}

// isGone reports whether the record of a DELETE is no longer there. The
// platform answers a second DELETE with any of these codes; a 404 page of the
// edge says nothing.
func isGone(e *Error) bool {
	switch e.Code {
	case "ENTITY_IS_DELETED":
		return true
	case "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY":
		return e.Status == http.StatusNotFound
	}
	return false
}

// isOutage reports whether an error counts against the org's circuit breaker:
// failures of the network and of the edge, not those of single requests.
func isOutage(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Class != ClassTransient {
		return false
	}
	return e.Status == 0 || e.Code == "" || e.Status == http.StatusServiceUnavailable
}

// isUncounted reports whether an error says nothing new about the org: the caller
// gave up, or the same call failed before.
func isUncounted(err error) bool {
	var again repeated
	return isCancelled(err) || errors.As(err, &again) && isOutage(err)
}

// repeated is the error of an exchange that was not the first of its call.
type repeated struct{ err *Error }

func (r repeated) Error() string { return r.err.Error() }
func (r repeated) Unwrap() error { return r.err }

func isCancelled(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == 0 && errors.Is(e.Err, errCallEnded)
}

// errCallEnded marks errors whose cause is the caller's context, in contrast
// to our own time limit.
var errCallEnded = errors.New("the caller's context ended")

// parseRetryAfter reads the header in both its forms, seconds and a date; it
// returns 0 when there is none.
func parseRetryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(header)); err == nil {
		return time.Duration(min(max(seconds, 0), 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// sleep waits, or returns false when the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
