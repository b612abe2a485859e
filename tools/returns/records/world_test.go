package records

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// now is when the simulated orgs of these tests are.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// world is a simulated org behind a real server.
type world struct {
	*fakeorg.Org
	clock *atomic.Int64 // nanoseconds after now
	t     *testing.T
	org   *salesforce.Org
}

func start(t *testing.T) world {
	t.Helper()
	clock := &atomic.Int64{}
	org, err := fakeorg.New(fakeorg.Options{Clock: func() time.Time { return now.Add(time.Duration(clock.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org.Handler())
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}})
	t.Cleanup(func() {
		server.Close()
		client.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	return world{org, clock, t, &salesforce.Org{Client: client, Credentials: tokenOf{salesforce.Token{
		AccessToken: salesforce.Secret(org.MintToken(fakeorg.IntegrationUser)), InstanceURL: server.URL}}}}
}

type tokenOf struct{ token salesforce.Token }

func (t tokenOf) Token(context.Context) (salesforce.Token, error) { return t.token, nil }
func (tokenOf) Drop(salesforce.Token)                             {}

// simulated is the mapping to the simulated org.
func simulated(t *testing.T) Mapping {
	t.Helper()
	text, err := os.ReadFile("testdata/simulated.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// soql returns the rows of a query.
func (w world) soql(text string) []row {
	w.t.Helper()
	answer, err := w.org.Do(context.Background(), &salesforce.Request{Method: "GET", Path: "/query", Query: url.Values{"q": {text}}, Semantics: salesforce.Safe})
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	rows, err := answered{Body: answer.Body}.rows()
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// demo returns the id of a seeded case by its subject.
func (w world) demo(subject string) string {
	w.t.Helper()
	rows := w.soql("SELECT Id FROM Case WHERE " + is("Subject", subject))
	if len(rows) != 1 {
		w.t.Fatalf("%d cases have the subject %q", len(rows), subject)
	}
	return rows[0].id("Id")
}

// send makes or changes records as the integration user, and returns the id.
func (w world) send(method, path string, body map[string]any) string {
	w.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.org.Do(context.Background(), &salesforce.Request{Method: method, Path: path, Body: text})
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	if answer.Status == http.StatusNoContent {
		return ""
	}
	var made struct{ ID string }
	if err := json.Unmarshal(answer.Body, &made); err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}
