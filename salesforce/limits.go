package salesforce

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sony/gobreaker/v2"
)

// Usage returns the API calls used and allowed in 24 hours that an answer reports
// in its headers; ok is false when it reports none.
func Usage(h http.Header) (used, allowed int, ok bool) {
	return parseUsage(h.Get("Sforce-Limit-Info"))
}

// OrgState is how one org stands with a [Client].
type OrgState struct {
	Origin        string // as in https://acme.my.salesforce.com
	Used, Allowed int    // API calls in 24 hours as the org last reported them; 0 before that
	LeftAlone     bool   // its circuit breaker is open: calls are not sent
}

// Orgs returns the states of all orgs that the client has been to, in no order.
func (c *Client) Orgs() []OrgState {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]OrgState, 0, len(c.orgs))
	for origin, s := range c.orgs {
		s.mu.Lock()
		all = append(all, OrgState{origin, s.used, s.allowed, s.breaker.State() == gobreaker.StateOpen})
		s.mu.Unlock()
	}
	return all
}

// parseUsage reads the header Sforce-Limit-Info, whose form is
// "api-usage=18/5000" and may go on with "; per-app-api-usage=…".
func parseUsage(header string) (used, allowed int, ok bool) {
	for part := range strings.SplitSeq(header, ";") {
		value, found := strings.CutPrefix(strings.TrimSpace(part), "api-usage=")
		if !found {
			continue
		}
		before, after, _ := strings.Cut(value, "/")
		used, err1 := strconv.Atoi(before)
		allowed, err2 := strconv.Atoi(after)
		if err1 == nil && err2 == nil && used >= 0 && allowed > 0 {
			return used, allowed, true
		}
	}
	return 0, 0, false
}
