package fakeorg

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSubrequestsFindEveryRoute: there is one table of routes. What is mounted on it answers subrequests too, with the
// work it promises, which is taken back with what it has written.
func TestSubrequestsFindEveryRoute(t *testing.T) {
	at := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	o, err := New(Options{Pace: time.Second, Clock: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	done := []string{}
	promise := func(c *call) (*answer, error) {
		name := c.PathValue("name")
		c.later(1, func(*call) error {
			done = append(done, name)
			return nil
		})
		if name == "broken" {
			return nil, invalid("BROKEN", "it is broken")
		}
		return ok(object{{"promised", name}, {"version", c.version}, {"header", c.Header.Get("X-Test")}})
	}
	o.mount(o.mux, "/services/data/{version}/added", []route{
		{method: http.MethodPut, path: "/later/{name}", handle: promise},
		{method: http.MethodGet, path: "/alone", alone: true, handle: promise},
		{method: http.MethodGet, path: "/stream", handle: func(*call) (*answer, error) { return ok(func() {}) }},
	})
	token := o.MintToken(AdminUser)
	ask := func(allOrNone, names string) string {
		t.Helper()
		var subrequests []string
		for name := range strings.FieldsSeq(names) {
			subrequests = append(subrequests, `{"method":"PUT","url":"/services/data/v61.0/added/later/`+name+`","referenceId":"`+name+`","httpHeaders":{"x-test":"yes"}}`)
		}
		r := httptest.NewRequest(http.MethodPost, "/services/data/v62.0/composite", strings.NewReader(`{"allOrNone":`+allOrNone+`,"compositeRequest":[`+strings.Join(subrequests, ",")+
			`,{"method":"GET","url":"/services/data/v62.0/sobjects/User/`+makeID("005", 1)+`?fields=Id","referenceId":"user"}]}`))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, r)
		return w.Body.String()
	}
	if got, want := ask("true", "first"), `{"body":{"promised":"first","version":"v61.0","header":"yes"},"httpHeaders":{},"httpStatusCode":200,"referenceId":"first"}`; !strings.Contains(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	ask("false", "second broken")
	ask("true", "third broken")
	at = at.Add(time.Second)
	if err := o.catchUp(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(done, " "); got != "first second" {
		t.Errorf("done: %s", got)
	}
	ask("false", "fourth")
	r := httptest.NewRequest(http.MethodPut, "/services/data/v62.0/added/later/broken", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	o.Handler().ServeHTTP(httptest.NewRecorder(), r)
	at = at.Add(time.Second)
	if err := o.catchUp(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(done, " "); got != "first second fourth" {
		t.Errorf("done: %s", got)
	}
	for _, path := range []string{"alone", "stream"} {
		c := &call{Request: r, org: o, user: &user{}, db: o.db}
		if a := c.performSubrequest(subrequest{Method: "GET", URL: "/services/data/v62.0/added/" + path}); a.status != http.StatusBadRequest || !a.failed {
			t.Errorf("%s answers %d", path, a.status)
		}
	}
}
