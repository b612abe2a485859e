package fakeorg

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault makes matching requests fail. Faults wait in a queue; the first that fits a request is applied to it.
// The body of POST /_faults is one fault or an array of them; GET lists those left, DELETE forgets them.
type Fault struct {
	Method       string `json:"method,omitempty"`  // empty fits every method
	Path         string `json:"path,omitempty"`    // part of path and query; empty fits every path
	Times        int    `json:"times,omitempty"`   // requests it is for; default 1, -1 for ever
	DelayMS      int    `json:"delayMs,omitempty"` // wait first
	Status       int    `json:"status,omitempty"`  // answer this status with the error, or HTML; default 500 with an errorCode
	ErrorCode    string `json:"errorCode,omitempty"`
	Message      string `json:"message,omitempty"`
	HTML         string `json:"html,omitempty"`         // a page, as load balancers send
	Cut          string `json:"cut,omitempty"`          // "before" or "after": close the connection before or after the work is done
	ExpireTokens bool   `json:"expireTokens,omitempty"` // all tokens given out so far expire
	LimitReached bool   `json:"limitReached,omitempty"` // the daily limit of calls is used up
	Gateway      string `json:"gateway,omitempty"`      // what the payment gateway makes of a refund: a salesforceResultCode such as Decline or Indeterminate
	Agent        string `json:"agent,omitempty"`        // what an agent makes of a message: one of [AgentFaults]
	Refusal      string `json:"refusal,omitempty"`      // one of [Refusals], for what the members above leave open
}

type faults struct {
	faultsMu sync.Mutex
	queue    []*Fault
}

// Inject adds faults to the queue. It panics when one names a refusal that is not among [Refusals].
func (o *Org) Inject(queue ...Fault) {
	o.faultsMu.Lock()
	defer o.faultsMu.Unlock()
	for _, f := range queue {
		f, err := f.complete()
		if err != nil {
			panic(err)
		}
		o.queue = append(o.queue, &f)
	}
}

// faultQueue serves /_faults.
func (o *Org) faultQueue(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		added, err := decodeFaults(r.Body)
		if err != nil {
			o.writeError(w, r, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "%v", err))
			return
		}
		o.Inject(added...)
	case http.MethodDelete:
		o.faultsMu.Lock()
		o.queue = nil
		o.faultsMu.Unlock()
	}
	o.faultsMu.Lock()
	defer o.faultsMu.Unlock()
	o.writeAnswer(w, r, &answer{status: http.StatusOK, body: append([]*Fault{}, o.queue...)})
}

// decodeFaults reads one fault or an array of them, and refuses a key it does not know.
func decodeFaults(body io.Reader) ([]Fault, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	source := strings.TrimSpace(string(text))
	if !strings.HasPrefix(source, "[") {
		source = "[" + source + "]"
	}
	d := json.NewDecoder(strings.NewReader(source))
	d.DisallowUnknownFields()
	var queue []Fault
	if err := d.Decode(&queue); err != nil {
		return nil, err
	}
	for i, f := range queue {
		if queue[i], err = f.complete(); err != nil {
			return nil, err
		}
	}
	return queue, nil
}

// stage is how far a request has come when a fault may meet it.
type stage int

const (
	arriving stage = iota
	within         // a subrequest, which meets those that answer with an error
	thinking       // a message that an agent has taken, which meets those of agents; a refused one leaves them to the next
)

// next takes the fault for a request out of the queue, or nil. One that is first but for another stage is left there.
func (o *Org) next(r *http.Request, at stage) *Fault {
	o.faultsMu.Lock()
	defer o.faultsMu.Unlock()
	for i, f := range o.queue {
		if at == within && !f.isError() || f.isAgent() && !isMessage(r) {
			continue
		}
		if (f.Method == "" || f.Method == r.Method) && strings.Contains(r.RequestURI, f.Path) {
			if f.isAgent() != (at == thinking) {
				return nil
			}
			taken := *f
			if f.Times > 0 {
				f.Times--
			}
			if f.Times == 0 {
				o.queue = append(o.queue[:i:i], o.queue[i+1:]...)
			}
			return &taken
		}
	}
	return nil
}

// disturbed is the key of the context's value of a request that has met its fault.
type disturbed struct{}

// disturb applies faults to requests of the API.
func (o *Org) disturb(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if own(r) {
			next.ServeHTTP(w, r)
			return
		}
		f := o.next(r, arriving)
		if f == nil {
			next.ServeHTTP(w, r)
			return
		}
		f.apply(o, w, r.WithContext(context.WithValue(r.Context(), disturbed{}, true)), next)
	})
}

// own tells the paths of the simulation from those of the platform.
func own(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/_") }

func (f *Fault) apply(o *Org, w http.ResponseWriter, r *http.Request, next http.Handler) {
	wait(r, time.Duration(f.DelayMS)*time.Millisecond)
	if f.ExpireTokens {
		o.endSessions(func(*session) bool { return true })
	}
	switch {
	case f.Cut == "after":
		next.ServeHTTP(&unheard{header: http.Header{}}, r)
		panic(http.ErrAbortHandler) // the documented way to close the connection
	case f.Cut != "":
		panic(http.ErrAbortHandler)
	case f.LimitReached:
		o.writeError(w, r, limitReached())
	case f.HTML != "":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(orElse(f.Status, http.StatusServiceUnavailable))
		_, _ = io.WriteString(w, f.HTML)
	case f.ErrorCode != "" && r.URL.Path == authorizePath:
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loginFault{}, f))) // told to the client by a redirect
	case f.ErrorCode != "" && strings.HasPrefix(r.URL.Path, "/services/oauth2/"):
		o.writeAnswer(w, r, &answer{status: orElse(f.Status, http.StatusBadRequest), body: object{{"error", f.ErrorCode}, {"error_description", f.Message}}})
	case f.isError() && strings.HasPrefix(r.URL.Path, agentRoot):
		o.refuseAgent(w, r, agentRefusal(orElse(f.Status, http.StatusInternalServerError), f.ErrorCode, "%s", f.Message))
	case f.isError():
		o.writeError(w, r, f.err())
	case f.Gateway != "":
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), gatewayFault{}, f.Gateway)))
	default:
		next.ServeHTTP(w, r)
	}
}

// isError reports whether the fault answers with an error of the API.
func (f *Fault) isError() bool {
	return f.Cut == "" && f.HTML == "" && (f.ErrorCode != "" || f.Status != 0)
}

// isAgent reports whether the fault is what an agent makes of a message, and nothing comes before that.
func (f *Fault) isAgent() bool {
	return f.Agent != "" && f.Cut == "" && f.HTML == "" && !f.LimitReached && !f.isError()
}

func (f *Fault) err() *fault {
	return refuse(orElse(f.Status, http.StatusInternalServerError), f.ErrorCode, "%s", f.Message)
}

// wait lets time pass, but not after the client has gone.
func wait(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// unheard is a ResponseWriter for an answer that never arrives.
type unheard struct{ header http.Header }

// Header gives the headers nobody will see.
func (u *unheard) Header() http.Header { return u.header }

// Write takes everything.
func (u *unheard) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader does nothing.
func (u *unheard) WriteHeader(int) {}
