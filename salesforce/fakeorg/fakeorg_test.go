package fakeorg_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// api is where most paths of these tests start.
const api = "/services/data/v62.0"

// server is an org behind a real server, and a user of it.
type server struct {
	*fakeorg.Org
	t     *testing.T
	url   string
	token string
}

func start(t *testing.T, options fakeorg.Options) *server {
	t.Helper()
	org, err := fakeorg.New(options)
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(org.Handler())
	t.Cleanup(func() {
		listener.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	return &server{Org: org, t: t, url: listener.URL, token: org.MintToken(fakeorg.IntegrationUser)}
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request. Headers are name, value pairs; they may replace the token. Paths that do not start with
// /services are below the API's.
func (s *server) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	r, err := s.send(method, path, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *server) send(method, path, body string, headers ...string) (reply, error) {
	if !strings.HasPrefix(path, "/services") && !strings.HasPrefix(path, "/_") && !strings.HasPrefix(path, "/id/") && path != "/" {
		path = api + path
	}
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text)}, err
}

// create makes a record and returns its id.
func (s *server) create(object, body string) string {
	s.t.Helper()
	r := s.do("POST", "/sobjects/"+object, body)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(r.body), &made); err != nil || r.status != 201 {
		s.t.Fatalf("create %s %s: %d %s", object, body, r.status, r.body)
	}
	return made.ID
}

// get returns one field of a record.
func (s *server) get(object, id, field string) any {
	s.t.Helper()
	r := s.do("GET", "/sobjects/"+object+"/"+id+"?fields="+field, "")
	record := map[string]any{}
	if err := json.Unmarshal([]byte(r.body), &record); err != nil || r.status != 200 {
		s.t.Fatalf("get %s %s: %d %s", object, id, r.status, r.body)
	}
	return record[field]
}

// want fails the test unless the answer is this.
func (r reply) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.status != status || r.body != body {
		t.Errorf("got  %d %s\nwant %d %s", r.status, r.body, status, body)
	}
}

// wants fails the test unless the answer has the status and holds the text.
func (r reply) wants(t *testing.T, status int, part string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, part) {
		t.Errorf("got  %d %s\nwant %d …%s…", r.status, r.body, status, part)
	}
}

// clock is a time that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
