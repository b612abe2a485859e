//go:build faults

package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools/returns/gateway/fakestripe"
)

// A sighting is a request that changes something and that reached a shop.
type sighting struct {
	at     time.Time
	caseID string
	step   string // "" where the request does not say
	path   string
}

var (
	keyRE   = regexp.MustCompile(`ret[/:][a-z]+[/:](500[A-Za-z0-9]{15})[/:]([a-z ]+)[/:]([0-9]+)`)
	caseRE  = regexp.MustCompile(`500Sm[A-Za-z0-9]{13}`)
	writeRE = regexp.MustCompile(`"method":"(POST|PATCH|PUT|DELETE)"`)
)

// front is the address at which the server reaches a part of a shop: what comes and
// goes there is seen, and befalls the server.
func (m *member) front(s *shop, what string, part http.Handler) string {
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the server was killed
		}
		s.see(r, body)
		s.disturb(r)
		hit := m.hit()
		for _, h := range hit {
			switch h.where {
			case "sent":
				m.strike(h, "when "+what+" had a request")
				time.Sleep(h.delay)
			case "under way":
				time.AfterFunc(h.delay, func() { m.strike(h, "at any moment") })
			}
		}
		// What has arrived has its effect, be its sender dead.
		inside := r.Clone(context.WithoutCancel(r.Context()))
		inside.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		part.ServeHTTP(answer, inside)
		for _, h := range hit {
			if h.where == "answered" {
				m.strike(h, "before it had the answer of "+what)
			}
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	m.fleet.t.Cleanup(served.Close)
	return served.URL
}

// Faults of orgs, of their payments, and of Stripe.
var (
	orgFaults = []fakeorg.Fault{
		{Cut: "before"}, {Cut: "after"}, {Cut: "after"}, {Cut: "after"}, {Status: 503, HTML: "<html>down</html>"}, {Status: 500, ErrorCode: "UNKNOWN_EXCEPTION"},
		{Status: 503, ErrorCode: "SERVER_UNAVAILABLE"}, {Status: 400, ErrorCode: "UNABLE_TO_LOCK_ROW"}, {ExpireTokens: true}, {DelayMS: 700}, {DelayMS: 100},
		{Status: 403, ErrorCode: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."},
	}
	paymentFaults = []fakeorg.Fault{{Cut: "after"}, {Cut: "after"}, {Cut: "before"}, {Status: 500, ErrorCode: "UNKNOWN_EXCEPTION"}, {DelayMS: 700}}
	stripeFaults  = []fakestripe.Fault{
		{Lose: "after"}, {Lose: "after"}, {Lose: "before"}, {Status: 500, Type: "api_error"}, {Status: 500, Type: "api_error", Late: true},
		{Status: 429, Type: "invalid_request_error", Code: "rate_limit"}, {Hold: func() { time.Sleep(700 * time.Millisecond) }}, {Status: 502, Body: "<html>"},
	}
)

// disturb lets something go wrong with this request, now and then: with one in
// twenty-five, one in six refunds, and for good with one in a hundred of those.
func (s *shop) disturb(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dice := s.dice
	if dice == nil || strings.HasPrefix(r.URL.Path, "/services/oauth2/") {
		return
	}
	refund := r.Method == http.MethodPost && (strings.HasPrefix(r.URL.Path, "/v1/") || strings.Contains(r.URL.Path, "/commerce/payments/"))
	if refund && dice.IntN(6) > 0 || !refund && dice.IntN(25) > 0 {
		return
	}
	s.faults++
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		f := stripeFaults[dice.IntN(len(stripeFaults))]
		f.Method = r.Method
		s.stripe.Inject(f)
		return
	}
	f := orgFaults[dice.IntN(len(orgFaults))]
	if refund {
		f = paymentFaults[dice.IntN(len(paymentFaults))]
		if dice.IntN(16) == 0 {
			f = fakeorg.Fault{Gateway: []string{"Indeterminate", "SystemError"}[dice.IntN(2)]}
		}
	}
	f.Method, f.Path = r.Method, r.URL.Path
	s.org.Inject(f)
}

// hit takes what befalls the server with this request.
func (m *member) hit() (hit []*onWire) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	m.after = slices.DeleteFunc(m.after, func(w *onWire) bool {
		due := w.number == m.count
		if due {
			hit = append(hit, w)
		}
		return due
	})
	return hit
}

func (m *member) strike(w *onWire, where string) {
	if w.kill {
		m.fleet.note(true, where)
		m.kill()
	} else if m.freeze() {
		m.fleet.note(false, where)
	}
}

// see notes a request that changes something.
func (s *shop) see(r *http.Request, body []byte) {
	read := r.Method == http.MethodGet || strings.HasPrefix(r.URL.Path, "/services/oauth2/") ||
		strings.HasSuffix(r.URL.Path, "/composite") && !writeRE.Match(body)
	if read {
		return
	}
	text := r.Method + " " + r.URL.Path + " " + r.Header.Get("Idempotency-Key") + " " + string(body)
	if plain, err := url.QueryUnescape(text); err == nil {
		text = plain
	}
	seen := sighting{at: time.Now(), caseID: caseRE.FindString(text), path: r.URL.Path}
	if key := keyRE.FindStringSubmatch(text); key != nil {
		seen.caseID, seen.step = key[1], key[2]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, seen)
}
