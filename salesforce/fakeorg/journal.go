package fakeorg

import (
	"net/http"
	"sync"
)

// Seen is a request the org has received.
type Seen struct {
	Method string `json:"method"`
	Path   string `json:"path"` // with the query
	Status int    `json:"status"`
	User   string `json:"user"` // name of the token's user, empty without a valid token
	// Subrequests are the requests inside a composite one that were performed, with the status each had then, whether or
	// not what it wrote was undone afterwards.
	Subrequests []Seen `json:"subrequests,omitempty"`
}

// journal keeps what requests have been seen and how many calls have been counted.
type journal struct {
	journalMu sync.Mutex
	seen      []Seen
	calls     int
}

// journalLength is how many requests are kept at least.
const journalLength = 10000

// Requests returns the requests seen so far, oldest first, without those on paths of the simulation itself.
func (o *Org) Requests() []Seen {
	o.journalMu.Lock()
	defer o.journalMu.Unlock()
	return append([]Seen{}, o.seen...)
}

// requestLog serves /_requests: GET lists, DELETE forgets.
func (o *Org) requestLog(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		o.journalMu.Lock()
		o.seen = nil
		o.journalMu.Unlock()
	}
	o.writeAnswer(w, r, &answer{status: http.StatusOK, body: o.Requests()})
}

// note adds a request to the journal. A cut connection is noted with status 0.
func (o *Org) note(r *http.Request, w *watched) {
	if own(r) {
		return
	}
	s := Seen{Method: r.Method, Path: r.RequestURI, Status: w.status, User: w.user, Subrequests: w.inside}
	o.journalMu.Lock()
	defer o.journalMu.Unlock()
	if len(o.seen) >= 2*journalLength {
		o.seen = append([]Seen{}, o.seen[journalLength:]...)
	}
	o.seen = append(o.seen, s)
}

// countCall counts an API call and returns the count.
func (o *Org) countCall() int {
	o.journalMu.Lock()
	defer o.journalMu.Unlock()
	o.calls++
	return o.calls
}
