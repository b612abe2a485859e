package tools

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
)

// charge is what a call takes of what its agent may do, or nil when nothing limits
// the agent. A repetition whose answer is known sends nothing: it takes a call of
// its minute, and nothing of its day.
func (op *Op) charge(caller allowlist.Caller, d allowlist.Decision, args Args, k *once) (*audit.Charge, error) {
	l := d.Limits
	if l == (allowlist.Limits{}) {
		return nil, nil
	}
	c := &audit.Charge{
		Account:        audit.Account{Workspace: caller.Workspace, Host: d.Host, Agent: caller.Agent},
		CallsPerMinute: audit.Meter{Takes: 1, Limit: l.CallsPerMinute},
		CallsPerDay:    audit.Meter{Takes: 1, Limit: l.CallsPerDay},
		WritesPerDay:   audit.Meter{Takes: op.writes(args), Limit: l.WritesPerDay},
	}
	if k.replays() {
		c.CallsPerDay.Takes, c.WritesPerDay.Takes = 0, 0
		return c, nil
	}
	_, streamed := streamedBody(op, args)
	switch writes := c.WritesPerDay; {
	case writes.Limit == 0:
	case streamed:
		return nil, &Error{Code: BudgetExceeded, Message: fmt.Sprintf("this agent may write %d records a day, and how many a body has that is streamed is not known before it is sent; nothing was sent", writes.Limit),
			Hint: "Send the arguments as one JSON object, with the rows as an argument, which are counted."}
	case writes.Takes > writes.Limit:
		return nil, &Error{Code: BudgetExceeded, Message: fmt.Sprintf("this call writes %d records, and this agent may write %d a day; nothing was sent", writes.Takes, writes.Limit),
			Hint: "Write fewer, or ask an administrator, who can raise the limit (writesPerDay in limits of the agent's rule)."}
	}
	return c, nil
}

// spent is the error of a call that exceeds what is left.
func spent(c *audit.Charge, now time.Time) *Error {
	e := &Error{Code: BudgetExceeded, RetryAfter: max(1, int(math.Ceil(c.Until.Sub(now).Seconds())))}
	what, field := "", ""
	switch c.Spent {
	case &c.CallsPerMinute:
		e.Code, what, field = RateLimited, fmt.Sprintf("%d calls a minute", c.Spent.Limit), "callsPerMinute"
	case &c.CallsPerDay:
		what, field = fmt.Sprintf("%d calls a day", c.Spent.Limit), "callsPerDay"
	default:
		what, field = fmt.Sprintf("%d records to write a day, of which not %d are left", c.Spent.Limit, c.Spent.Takes), "writesPerDay"
	}
	e.Message = fmt.Sprintf("the limit of this agent is reached: %s. Nothing was sent. It counts anew from %s on, which is in %d s", what, c.Until.Format(time.RFC3339), e.RetryAfter)
	e.Hint = fmt.Sprintf("Stop, and do not repeat the call before. An administrator can raise the limit (%s in limits of the agent's rule).", field)
	return e
}

// streamedBody returns the body of a call that is streamed.
func streamedBody(op *Op, args Args) (*Upload, bool) {
	raw, ok := op.raw()
	if !ok {
		return nil, false
	}
	up, ok := args[raw.Name].(*Upload)
	return up, ok
}

// writes is how many records a call may add, change or remove, as far as its
// arguments tell: as many as there are records, IDs, requests and rows in their
// lists, or one. What Apex, a flow or a deploy does is not known, and counts as one.
func (op *Op) writes(args Args) int64 {
	if op.Effect == Read {
		return 0
	}
	n, listed := int64(0), false
	for _, p := range op.params() {
		v, given := args[p.Name]
		if !given || p.In == Local {
			continue
		}
		switch v := v.(type) {
		case []string:
			if p.Form == RecordIDList {
				n, listed = max(n, int64(len(v))), true
			}
		case []any:
			listed = true
			switch p.Form {
			case Subrequests, BatchRequests:
				n += requestWrites(v)
			case Graphs:
				for _, graph := range v {
					o, _ := graph.(map[string]any)
					requests, _ := o[subrequests.Name].([]any)
					n += requestWrites(requests)
				}
			default:
				n += elements(v)
			}
		case string:
			if p.In == Raw {
				n, listed = rowCount(v), true
			}
		}
	}
	if !listed {
		return 1
	}
	return n
}

// requestWrites is how many records the requests inside a request may write.
func requestWrites(requests []any) (n int64) {
	for _, r := range requests {
		request, _ := r.(map[string]any)
		method, _ := request["method"].(string)
		target, _ := request["url"].(string)
		switch {
		case method != http.MethodGet && method != http.MethodHead:
			n += max(1, idCount(target), elements(request["body"])+elements(request["richInput"]))
		case runsCode(target):
			n++
		}
	}
	return n
}

// runsCode reports whether a GET runs Apex, which may write. References and what
// cannot be read may stand for that.
func runsCode(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	plain, err := url.PathUnescape(path)
	plain = strings.ToLower(plain)
	return err != nil || strings.Contains(plain, "executeanonymous") || strings.Contains(plain, "tooling/@{")
}

// elements counts the elements of all lists in a value: records, their children,
// and whatever else comes in lists, under whatever names.
func elements(v any) (n int64) {
	switch v := v.(type) {
	case []any:
		n = int64(len(v))
		for _, e := range v {
			n += elements(e)
		}
	case map[string]any:
		for _, e := range v {
			n += elements(e)
		}
	}
	return n
}

// idCount counts the IDs of a URL that removes a collection.
func idCount(target string) (n int64) {
	_, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return int64(strings.Count(query, ",")) + 1
	}
	for name, list := range values {
		for _, ids := range list {
			if strings.EqualFold(name, recordIDs.Name) {
				n += int64(strings.Count(ids, ",")) + 1
			}
		}
	}
	return n
}

// rowCount is how many rows a CSV has at most: its lines below the header. A value
// with line breaks makes a row count more than once, which no reading of quotes
// can get wrong in the other direction.
func rowCount(csv string) (n int64) {
	for line := range strings.FieldsFuncSeq(csv, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return max(0, n-1)
}
