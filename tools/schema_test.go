package tools_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// describing is an org that describes contacts, and answers queries. It counts what
// it is asked.
type describing struct {
	asked []string
	fail  error // of a description
	away  error // of the credentials
	sent  func(salesforce.Exchange)
}

func (d *describing) Connect(_ context.Context, _ allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	d.sent = sent
	return d, d.away
}

func (d *describing) Do(_ context.Context, r *salesforce.Request) (*salesforce.Response, error) {
	d.asked = append(d.asked, r.Path)
	d.sent(salesforce.Exchange{Method: r.Method, Path: r.Path, Status: 200})
	body := `{"totalSize":0,"done":true,"records":[]}`
	if strings.HasSuffix(r.Path, "/describe") {
		if d.fail != nil {
			return nil, d.fail
		}
		body = `{"name":"Contact","keyPrefix":"003","fields":[{"name":"Id"},{"name":"LastName"},{"name":"Email"}],"childRelationships":[]}`
	}
	return &salesforce.Response{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}, nil
}

// TestDescribed: an object is described once in five minutes for each user, with
// the caller's credentials, only where the rule has lists, and the entry says so.
// What cannot be described is refused, and says why in its own words.
func TestDescribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, err := allowlist.NewGate(&allowlist.Workspace{Name: "w", Rules: []allowlist.Rule{{Agent: "free", Preset: "all"},
			{Agent: "narrow", Preset: "all", Fields: allowlist.Lists{Deny: []string{"Contact.Email"}}}}},
			&allowlist.Workspace{Name: "v", Rules: []allowlist.Rule{{Agent: "narrow", Preset: "all", Fields: allowlist.Lists{Deny: []string{"Contact.Email"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		store, org := new(memory), new(describing)
		journal := audit.NewJournal(store)
		defer journal.Close()
		s := &tools.Server{Table: tools.All, Gate: gate, Journal: journal, Schemas: new(tools.Schemas), Orgs: org, Log: zerolog.Nop()}
		ask := func(workspace, agent, user, q string) (asked []string, err error) {
			org.asked = nil
			_, err = s.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: workspace, Agent: agent, User: user}}, Surface: "mcp", Tool: "runQuery", Args: map[string]any{"q": q}})
			return org.asked, err
		}
		const fine, kept = "SELECT LastName FROM Contact", "SELECT Email FROM Contact"
		once, again := []string{"/sobjects/contact/describe", "/query"}, []string{"/query"}
		for _, step := range []struct {
			workspace, agent, user string
			later                  time.Duration
			want                   []string
		}{
			{"w", "free", "ann", 0, again}, {"w", "narrow", "ann", 0, once}, {"w", "narrow", "ann", 0, again}, {"w", "narrow", "bob", 0, once}, {"v", "narrow", "ann", 0, once},
			{"w", "narrow", "ann", 4 * time.Minute, again}, {"w", "narrow", "ann", 2 * time.Minute, once},
		} {
			time.Sleep(step.later)
			asked, err := ask(step.workspace, step.agent, step.user, fine)
			if err != nil || !slices.Equal(asked, step.want) {
				t.Errorf("%+v: %v %v", step, asked, err)
			}
		}
		if asked, err := ask("w", "narrow", "ann", kept); err == nil || len(asked) > 0 {
			t.Errorf("asked %v, %v", asked, err)
		}
		time.Sleep(time.Hour)
		for _, tt := range []struct {
			fail, away error
			code       tools.Code
		}{
			{fail: &salesforce.Error{Status: 503, Class: salesforce.ClassTransient, Code: "SERVER_UNAVAILABLE", Message: "down"}, code: "SERVER_UNAVAILABLE"},
			{fail: &salesforce.Error{Status: 404, Class: salesforce.ClassNotFound, Code: "NOT_FOUND", Message: "none"}, code: tools.NotAuthorized},
			{fail: errors.New("secret cause"), code: tools.Internal},
			{away: &tools.Error{Code: tools.NotConnected, Message: "Salesforce is not connected for this user"}, code: tools.NotConnected},
		} {
			org.fail, org.away = tt.fail, tt.away
			before := len(store.all())
			asked, err := ask("w", "narrow", "eve "+string(tt.code), fine)
			var e *tools.Error
			if !errors.As(err, &e) || e.Code != tt.code || slices.Contains(asked, "/query") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: asked %v, %v", tt.code, asked, err)
			}
			entries := store.all()[before:]
			if len(entries) != 1 || entries[0].Phase != audit.PhaseRefusal || len(entries[0].Exchanges) != len(asked) {
				t.Errorf("%s: entries %+v", tt.code, entries)
			}
		}
	})
}
