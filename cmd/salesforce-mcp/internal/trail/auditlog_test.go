package trail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/salesforce"
)

// org answers requests for records.
type org func(*salesforce.Request) (string, error)

func (o org) Do(_ context.Context, r *salesforce.Request) (*salesforce.Response, error) {
	body, err := o(r)
	if err != nil {
		return nil, err
	}
	return &salesforce.Response{Status: 200, Body: []byte(body)}, nil
}

// TestAuditLogLimits: what the org or the configuration bounds is kept to.
func TestAuditLogLimits(t *testing.T) {
	entries := []proof.Leaf{{N: 7, Entry: []byte(`{"id":"x"}`)}, {N: 8, Entry: []byte(`{"id":"y"}`)}, {N: 9, Entry: []byte(`{"id":"z"}`)}}
	const good, bad = `{"success":true,"errors":[]}`, `{"success":false,"errors":[{"statusCode":"STRING_TOO_LONG","message":"Agent__c: too long"}]}`
	for name, c := range map[string]struct {
		answer     string
		err        error
		used, most int
		arrived    int
		problem    string
		after      time.Duration
	}{
		"all":             {answer: "[" + good + "," + good + "," + good + "]", arrived: 3},
		"one refused":     {answer: "[" + good + "," + bad + "," + good + "]", arrived: 1, problem: "the org refuses entry 8: STRING_TOO_LONG: Agent__c: too long"},
		"too few":         {answer: "[" + good + "]", problem: "is none to an upsert"},
		"a page":          {answer: "<html>", problem: "is none to an upsert"},
		"limit":           {err: &salesforce.Error{Class: salesforce.ClassLimited, Code: "REQUEST_LIMIT_EXCEEDED"}, problem: "REQUEST_LIMIT_EXCEEDED", after: 15 * time.Minute},
		"limit, and when": {err: &salesforce.Error{Class: salesforce.ClassLimited, RetryAfter: time.Hour}, problem: "retry", after: time.Hour},
		"down":            {err: &salesforce.Error{Class: salesforce.ClassTransient, Message: "down"}, problem: "down"},
		"reserve":         {used: 800, most: 1000, problem: "200 of 1000 API calls left today", after: 15 * time.Minute},
		"near it":         {answer: "[" + good + "," + good + "," + good + "]", used: 799, most: 1000, arrived: 3},
	} {
		calls := 0
		a := &AuditLog{Workspace: "a", Object: "Audit_Log__c", CallsPerHour: 60, CallsPerDay: 1000, Reserve: 20,
			Connect: func(context.Context) (Org, error) {
				return org(func(*salesforce.Request) (string, error) { calls++; return c.answer, c.err }), nil
			},
			Usage: func() (int, int, bool) { return c.used, c.most, c.most > 0 },
			Wrote: func(int, string) {},
		}
		n, err := a.Sink().Send(t.Context(), "a", entries)
		var later *Later
		wait := time.Duration(0)
		if errors.As(err, &later) {
			wait = later.After
		}
		if n != c.arrived || (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) || wait != c.after || (c.used == 800) != (calls == 0) {
			t.Errorf("%s: %d arrived, %v, wait %v, %d calls", name, n, err, wait, calls)
		}
	}
}

// TestAuditLogPace: there is one request in a span of time, so many of them a day.
func TestAuditLogPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		a := &AuditLog{Object: "Audit_Log__c", CallsPerHour: 60, CallsPerDay: 100, Usage: func() (int, int, bool) { return 0, 0, false }, Wrote: func(int, string) {},
			Connect: func(context.Context) (Org, error) {
				return org(func(*salesforce.Request) (string, error) {
					at = append(at, time.Now())
					return `[{"success":true}]`, nil
				}), nil
			}}
		send := a.Sink().Send
		for range 3 * 24 * 360 { // three days, every ten seconds
			_, _ = send(t.Context(), "a", []proof.Leaf{{Entry: []byte("{}")}})
			time.Sleep(10 * time.Second)
		}
		if len(at) < 290 || len(at) > 300 {
			t.Errorf("%d requests in three days", len(at))
		}
		for i := range at {
			if i > 0 && at[i].Sub(at[i-1]) < time.Minute || i >= 100 && at[i].Sub(at[i-100]) < 24*time.Hour {
				t.Fatalf("request %d at %v", i, at[i])
			}
		}
	})
}

// TestAuditLogRecord: an entry fills the fields that the documentation names, in
// their types, and cut to their lengths.
func TestAuditLogRecord(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range AuditLogFields {
		kind := f.Type
		switch f.Type {
		case "Text", "LongTextArea":
			kind = fmt.Sprintf("%s(%d)", f.Type, f.Length)
		case "Number":
			kind = fmt.Sprintf("Number(%d, %d)", f.Length-f.Scale, f.Scale)
		}
		if row := fmt.Sprintf("| `%s` | `%s` | %s |", f.From, f.Name, kind); !strings.Contains(string(doc), row) {
			t.Errorf("docs/audit.md lacks the row %s", row)
		}
	}
	a := &AuditLog{Object: "Trail__c", Fields: map[string]string{"agent": "Bot__c", "arguments": ""}}
	entry := `{"id":"x","time":"2026-11-24T12:00:00.5Z","agent":"` + strings.Repeat("é", 300) + `","arguments":{"a":1},"records":["1","2"],"confidence":0.75,"message":"say \"no\""}`
	raw, err := a.record(proof.Leaf{N: 5, Entry: []byte(entry)})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"attributes": map[string]any{"type": "Trail__c"}, "EntryId__c": "x", "Time__c": "2026-11-24T12:00:00.500Z", "Bot__c": strings.Repeat("é", 254) + "…",
		"Records__c": "1\n2", "Confidence__c": 0.75, "Message__c": `say "no"`, "Leaf__c": 5.0, "Entry__c": entry}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("record %v", got)
	}
	if _, err := a.record(proof.Leaf{Entry: []byte("nonsense")}); err == nil {
		t.Error("an entry that is none")
	}
}

// TestCutText is a law: what is cut fits, and is as long as it can be.
func TestCutText(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text, most := rapid.String().Draw(r, "text"), rapid.IntRange(1, 20).Draw(r, "most")
		got := cutText(text, most)
		length := len(utf16.Encode([]rune(got)))
		switch whole := len(utf16.Encode([]rune(text))); {
		case whole <= most && got != text:
			r.Fatalf("%q was cut", text)
		case whole > most && (length > most || length < most-2 || !strings.HasSuffix(got, "…")):
			r.Fatalf("%q became %q", text, got)
		}
	})
}
