package salesforce

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestRetry tells for each semantics how many exchanges an answer leads to
// when it is followed by a success.
func TestRetry(t *testing.T) {
	const apex = "/services/apexrest/orders"
	for _, test := range []struct {
		name                     string
		answer                   http.HandlerFunc
		path                     string
		unsafe, idempotent, safe int
	}{
		{"lock error", locked, "/x", 2, 2, 2},
		{"503 of the API", unavailable, "/x", 2, 2, 2},
		{"concurrency limit", concurrent, "/x", 2, 2, 2},
		{"expired token", expired, "/x", 2, 2, 2},
		{"expired token as one object", expiredObject, "/x", 1, 2, 2},
		{"503 of the edge", edge503, "/x", 1, 2, 2},
		{"502 of the edge", edge502, "/x", 1, 2, 2},
		{"420 of the edge", edge420, "/x", 1, 2, 2},
		{"500 of the API", unknown, "/x", 1, 2, 2},
		{"no answer", cut, "/x", 1, 2, 2},
		{"half an answer", cutInside, "/x", 1, 2, 2},
		{"503 of an org's own code", unavailable, apex, 1, 2, 2},
		{"lock error of an org's own code", locked, apex, 1, 2, 2},
		{"lock error inside a result", reply(400, `[{"isSuccess":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"x"}]}]`), "/x", 1, 2, 2},
		{"503 as one object", reply(503, `{"errorCode":"SERVER_UNAVAILABLE","message":"x"}`), "/x", 1, 2, 2},
		{"too many requests", reply(429, `slow down`), "/x", 1, 2, 2},
		{"daily limit", daily, "/x", 1, 1, 1},
		{"limit of neither text", reply(403, `[{"message":"Limit","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`), "/x", 1, 1, 1},
		{"wrong input", wrong, "/x", 1, 1, 1},
		{"gone", gone, "/x", 1, 1, 1},
	} {
		for semantics, want := range map[Semantics]int{Unsafe: test.unsafe, Idempotent: test.idempotent, Safe: test.safe} {
			synctest.Test(t, func(t *testing.T) {
				seen := &served{}
				org := newTimedOrg(t, Options{}, nil, seen.script(test.answer, okay))
				_, err := org.Do(t.Context(), &Request{Method: "POST", Path: test.path, Semantics: semantics})
				if seen.count() != want || (err == nil) != (want == 2) {
					t.Errorf("%s, semantics %d: %d exchanges and error %v, want %d", test.name, semantics, seen.count(), err, want)
				}
			})
		}
	}
}

func TestRefusedConnectionIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen, refusals := &served{}, 2
		org := newTimedOrg(t, Options{}, func() bool { refusals--; return refusals >= 0 }, seen.script(okay))
		var sent []Exchange
		org.Sent = func(x Exchange) { sent = append(sent, x) }
		if _, err := org.Do(t.Context(), &Request{Method: "POST", Path: "/x"}); err != nil || seen.count() != 1 {
			t.Errorf("%d requests, %v", seen.count(), err)
		}
		if len(sent) != 3 || sent[0].Status != 0 || sent[0].Err == "" || sent[2].Status != 200 {
			t.Errorf("exchanges %+v", sent)
		}
	})
}

func TestRepeatedDeleteOfNothing(t *testing.T) {
	missing := reply(404, `[{"errorCode":"INVALID_CROSS_REFERENCE_KEY","message":"invalid cross reference id"}]`)
	page := reply(404, `<html>not found</html>`)
	for _, test := range []struct {
		name    string
		method  string
		answers []http.HandlerFunc
		removed bool
	}{
		{"cut, then gone", "DELETE", []http.HandlerFunc{cut, gone}, true},
		{"edge, then missing", "DELETE", []http.HandlerFunc{edge503, missing}, true},
		{"cut, lock, then gone", "DELETE", []http.HandlerFunc{cut, locked, gone}, true},
		{"gone at once", "DELETE", []http.HandlerFunc{gone}, false},
		{"lock, then gone: somebody else removed it", "DELETE", []http.HandlerFunc{locked, gone}, false},
		{"cut, then a page of the edge", "DELETE", []http.HandlerFunc{cut, page}, false},
		{"an update of nothing", "PATCH", []http.HandlerFunc{cut, gone}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := &served{}
			org := newTimedOrg(t, Options{}, nil, seen.script(test.answers...))
			got, err := org.Do(t.Context(), &Request{Method: test.method, Path: "/sobjects/Account/1", Semantics: Idempotent})
			if test.removed != (err == nil && got.AlreadyRemoved && got.Status == 204) {
				t.Errorf("%s: %+v, %v", test.name, got, err)
			}
			if seen.count() != len(test.answers) {
				t.Errorf("%s: %d exchanges", test.name, seen.count())
			}
		})
	}
}

func TestRetryStopsWithItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newTimedOrg(t, Options{}, nil, locked)
		began := time.Now()
		e := errorOf(t, org, &Request{Method: "POST", Path: "/x"})
		if took := time.Since(began); took > 5*time.Second || took < time.Second {
			t.Errorf("gave up after %v", took)
		}
		if e.Code != "UNABLE_TO_LOCK_ROW" || e.Class != ClassConflict || !e.NotExecuted {
			t.Errorf("error = %+v", e)
		}
	})
}

func TestRetryAfterIsMinimum(t *testing.T) {
	for header, want := range map[string]time.Duration{"3": 3 * time.Second, "6": 0, "Sat, 01 Jan 2000 00:00:04 GMT": 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) { // the bubble's clock begins at 2000-01-01 00:00:00 UTC
			seen := &served{}
			slow := reply(503, `[{"errorCode":"SERVER_UNAVAILABLE","message":"x"}]`, "Retry-After", header)
			org := newTimedOrg(t, Options{}, nil, seen.script(slow, okay))
			began := time.Now()
			_, err := org.Do(t.Context(), &Request{Method: "GET", Path: "/x", Semantics: Safe})
			took := time.Since(began)
			var e *Error
			switch {
			case want > 0 && (err != nil || took < want || took > 5*time.Second):
				t.Errorf("Retry-After %s: %v after %v", header, err, took)
			case want == 0 && (!errors.As(err, &e) || e.Class != ClassLimited || e.RetryAfter != 6*time.Second || took > time.Second):
				t.Errorf("Retry-After %s: %v after %v", header, err, took)
			}
		})
	}
}

func TestRetryRespectsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &served{}
		org := newTimedOrg(t, Options{}, nil, seen.script(reply(503, `x`, "Retry-After", "2"), okay))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := org.Do(ctx, &Request{Method: "GET", Path: "/x", Semantics: Safe})
		var e *Error
		if !errors.As(err, &e) || e.Status != 503 || time.Since(began) > 100*time.Millisecond || seen.count() != 1 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestExchangeHasTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newTimedOrg(t, Options{}, nil, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		began := time.Now()
		e := errorOf(t, org, &Request{Method: "GET", Path: "/x", Semantics: Safe})
		if time.Since(began) != 2*time.Minute || e.Class != ClassTransient || e.Message != "no answer in time" {
			t.Errorf("%+v after %v", e, time.Since(began))
		}
	})
}

func TestBreakerLeavesFailingOrgAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &served{}
		answers := []http.HandlerFunc{wrong, unknown, locked} // do not count
		for range breakerFailures {
			answers = append(answers, edge503)
		}
		org := newTimedOrg(t, Options{RetryBudget: -1}, nil, seen.script(append(answers, okay)...))
		request := &Request{Method: "POST", Path: "/x"}
		for range answers {
			errorOf(t, org, request)
		}
		before := seen.count()
		e := errorOf(t, org, request)
		if seen.count() != before || !e.NotExecuted || e.RetryAfter != breakerPause {
			t.Errorf("%+v; %d requests came through", e, seen.count()-before)
		}
		time.Sleep(breakerPause + time.Second)
		if _, err := org.Do(t.Context(), request); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

// A single call that keeps failing says one thing about the org, however often
// it was repeated.
func TestBreakerCountsCallsNotRepetitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &served{}
		down := true
		org := newTimedOrg(t, Options{RetryBudget: time.Minute}, nil, seen.script(func(w http.ResponseWriter, r *http.Request) {
			if down {
				edge503(w, r)
				return
			}
			okay(w, r)
		}))
		e := errorOf(t, org, &Request{Method: "GET", Path: "/x", Semantics: Safe})
		if seen.count() <= breakerFailures || e.Status != http.StatusServiceUnavailable {
			t.Errorf("%d requests, then %+v", seen.count(), e)
		}
		down = false
		if _, err := org.Do(t.Context(), &Request{Method: "POST", Path: "/x"}); err != nil {
			t.Errorf("another call was kept away: %v", err)
		}
	})
}

func TestBreakerIgnoresCallersThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newTimedOrg(t, Options{}, nil, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		for range 3 * breakerFailures {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := org.Do(ctx, &Request{Method: "POST", Path: "/x"}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v", err)
			}
			cancel()
		}
	})
}

func TestBackoffGrowsWithFullJitter(t *testing.T) {
	for n, most := range []time.Duration{100, 200, 400, 800, 1600, 2000, 2000} {
		most *= time.Millisecond
		var least, longest = time.Hour, time.Duration(0)
		for range 2000 {
			d := backoff(n, 0)
			least, longest = min(least, d), max(longest, d)
		}
		if longest >= most || longest < most*9/10 || least > most/10 {
			t.Errorf("repetition %d waits %v to %v, want 0 to %v", n, least, longest, most)
		}
		if d := backoff(n, 3*time.Second); d != 3*time.Second {
			t.Errorf("repetition %d waits %v despite Retry-After 3", n, d)
		}
	}
}

// fault is a way an exchange can go. ran says whether the worst platform that
// behaves so has executed the request.
type fault struct {
	name   string
	ran    bool
	answer http.HandlerFunc
}

var faults = []fault{
	{"success", true, okay},
	{"refused", false, nil}, // the connection is
	{"expired", false, expired},
	{"expired object", true, expiredObject},
	{"locked", false, locked},
	{"unavailable", false, unavailable},
	{"concurrent", false, concurrent},
	{"daily", false, daily},
	{"cut", true, cut},
	{"half", true, cutInside},
	{"edge 503", true, edge503},
	{"edge 503 later", true, reply(503, "busy", "Retry-After", "1")},
	{"edge 502", true, edge502},
	{"unknown", true, unknown},
	{"429", true, reply(429, "")},
	{"wrong", true, wrong},
	{"gone", true, gone},
	{"redirect", true, reply(302, "", "Location", "/elsewhere")},
}

// TestRetryLaw draws what happens to the exchanges of one call and checks
// what must hold whatever happens: an Unsafe request that may have been
// executed is never sent again, an Idempotent one once at most; NotExecuted
// is never a lie; and Do ends within its budget.
func TestRetryLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := rapid.SliceOfN(rapid.SampledFrom(faults), 1, 8).Draw(rt, "faults")
		semantics := rapid.SampledFrom([]Semantics{Unsafe, Idempotent, Safe}).Draw(rt, "semantics")
		method := rapid.SampledFrom([]string{"GET", "POST", "PATCH", "DELETE"}).Draw(rt, "method")

		n := 0 // exchanges begun
		current := func() fault { return plan[min(n, len(plan))-1] }
		var response *Response
		var err error
		var took time.Duration
		synctest.Test(t, func(t *testing.T) {
			refuse := func() bool { n++; return current().answer == nil }
			org := newTimedOrg(t, Options{}, refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current().answer(w, r) }))
			began := time.Now()
			response, err = org.Do(t.Context(), &Request{Method: method, Path: "/x", Semantics: semantics})
			took = time.Since(began)
		})

		ranBefore, ran := 0, 0 // executed: before the last exchange, in all
		for i := range n {
			if plan[min(i, len(plan)-1)].ran {
				ran++
				if i < n-1 {
					ranBefore++
				}
			}
		}
		if semantics == Unsafe && ranBefore > 0 || semantics == Idempotent && ranBefore > 1 {
			rt.Fatalf("sent again %d times after it may have been executed", ranBefore)
		}
		if took > 5*time.Second {
			rt.Fatalf("took %v", took)
		}
		last := current().name
		removed := response != nil && response.AlreadyRemoved && last == "gone" && method == "DELETE" && ranBefore > 0
		if (err == nil) != (last == "success" || removed) {
			rt.Fatalf("%+v, %v after %s", response, err, last)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Class == "" || strings.TrimSpace(e.Message) == "") {
			rt.Fatalf("error %#v lacks something", err)
		}
		if e != nil && e.NotExecuted && ran > 0 {
			rt.Fatalf("NotExecuted, but it may have been executed %d times", ran)
		}
	})
}
