package fakeorg

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// TestLater: promised work is done when its time has come, in order, with the time it was promised for, and what it
// promises itself is done too.
func TestLater(t *testing.T) {
	var seconds atomic.Int64
	began := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	o, err := New(Options{Pace: time.Second, Clock: func() time.Time { return began.Add(time.Duration(seconds.Load()) * time.Second) }})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var done []string
	note := func(what string) func(*call) error {
		return func(c *call) error {
			done = append(done, what+c.now().Format(" 05"))
			return nil
		}
	}
	c := &call{Request: new(http.Request), org: o, user: &user{}}
	c.later(2, note("second"))
	c.later(1, func(c *call) error {
		c.later(1, note("promised by the first"))
		return note("first")(c)
	})
	c.later(3, func(*call) error { return errors.New("broken") })
	status := func() int {
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/services/data", nil))
		return w.Code
	}
	for _, want := range []struct{ seconds, status, done int }{{0, 200, 0}, {1, 200, 1}, {2, 200, 3}, {3, 500, 3}, {4, 200, 3}} {
		seconds.Store(int64(want.seconds))
		if got := status(); got != want.status || len(done) != want.done {
			t.Errorf("after %d s: status %d, done %v", want.seconds, got, done)
		}
	}
	if want := [3]string{"first 01", "second 02", "promised by the first 02"}; len(done) != 3 || [3]string(done) != want {
		t.Errorf("done %q, want %q", done, want)
	}
}
