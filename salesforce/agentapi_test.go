package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	anAgent   = "0Xxed00000002Q1CAI"
	aSession  = "e17fe68d-8509-4da7-8715-f270da5d64be"
	aKey      = "0b6a1ef0-5d0f-4d6c-9f0e-7a2b8b9f6a01"
	endOfTurn = `data: {"message":{"type":"EndOfTurn","id":"4"}}` + "\n\n"
)

// ask makes the recorded request through Agents.
func (r *recording) ask(ctx context.Context, a Agents) (*AgentReply, error) {
	switch {
	case r.Method == http.MethodDelete:
		return a.End(ctx, aSession, EndUserRequest)
	case strings.HasSuffix(r.Path, "/messages"):
		return a.Send(ctx, Say{SessionID: aSession, Sequence: 1, Text: "hi"})
	}
	agent := strings.Split(r.Path, "/")[5]
	s, err := a.Start(ctx, AgentStart{AgentID: agent, Key: aKey, AgentUser: true})
	if err != nil {
		return nil, err
	}
	if s.ID != aSession || !strings.HasPrefix(s.Endpoint, "http://127.0.0.1:") {
		return nil, fmt.Errorf("session %+v", s)
	}
	return &s.Greeting, nil
}

// TestAgentRecordings replays the recorded pairs: the client sends what was recorded
// as sent, and makes of the answer what it says.
func TestAgentRecordings(t *testing.T) {
	files, err := filepath.Glob("../testdata/recordings/agents-*.json")
	more, _ := filepath.Glob("../testdata/recordings/sfpi-*.json")
	if files = append(files, more...); err != nil || len(files) != 11 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	want := map[string]string{
		"agents-001-agent_session_start": "Hi, I'm an AI service assistant. How can I help you?",
		"agents-003-agent_message_send":  "How can I assist you with any questions or issues you might have?",
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, file)
			org, seen := newOrg(t, Options{RetryBudget: -1}, reply(r.Status, string(r.ResponseBody)))
			got, err := r.ask(t.Context(), Agents{org})
			var e *Error
			switch expected, isError := refused[name]; {
			case name == "agents-006-agent_session_end-err":
				if err != nil || got.Ended == "" { // gone is ended
					t.Errorf("%+v, %v", got, err)
				}
			case isError && (!errors.As(err, &e) || e.Class != expected.Class || e.Hint() == "" || e.NotExecuted):
				t.Errorf("%v", err)
			case !isError && err != nil:
				t.Error(err)
			case !isError && r.Method == http.MethodDelete && got.Ended != "ClientRequest":
				t.Errorf("%+v", got)
			case !isError && want[name] != got.Text:
				t.Errorf("%q", got.Text)
			}
			checkSent(t, r, seen)
			var sent, recorded map[string]any
			_ = json.Unmarshal([]byte(seen.bodies[0]), &sent)
			_ = json.Unmarshal(r.RequestBody, &recorded)
			if sent["externalSessionKey"] != nil { // what differs on purpose
				recorded["externalSessionKey"], recorded["variables"], recorded["featureSupport"] = aKey, []any{}, "Streaming"
				recorded["instanceConfig"] = map[string]any{"endpoint": org.Credentials.(*minter).url}
			}
			if diff := cmp.Diff(recorded, sent); diff != "" {
				t.Error(diff)
			}
			if r.Method == http.MethodDelete && seen.requests[0].Header.Get("X-Session-End-Reason") != EndUserRequest {
				t.Error("no reason for the end")
			}
		})
	}
}

// streamed answers with an event stream and, unless it is whole, cuts it off.
func streamed(body string, whole bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		if !whole {
			panic(http.ErrAbortHandler)
		}
	}
}

// TestAgentStream: what is told while an agent answers, and what it comes to.
func TestAgentStream(t *testing.T) {
	data := func(message string) string { return `data: {"offset":0,"message":` + message + "}\n\n" }
	chunk := func(text string) string { return data(`{"type":"TextChunk","message":` + text + `}`) }
	inform := data(`{"type":"Inform","message":"Your return is approved.","planId":"p","feedbackId":"f","citedReferences":[{"value":"x"}]}`)
	for name, c := range map[string]struct {
		body  string
		whole bool
		told  []AgentProgress
		text  string
		fails string
	}{
		"pieces and the whole": {"event: PROGRESS_INDICATOR\nid: 1\n" + data(`{"type":"ProgressIndicator","message":"Looking"}`) + ": ping\n\n" + chunk(`"Your return "`) + chunk(`"is approved."`) + inform + endOfTurn, false,
			[]AgentProgress{{Doing: "Looking"}, {Chunk: "Your return "}, {Chunk: "is approved."}}, "Your return is approved.", ""},
		"names of events do not matter": {"event: END_OF_TURN\r\n" + strings.ReplaceAll(inform+endOfTurn, "\n", "\r\n"), true, nil, "Your return is approved.", ""},
		"pieces alone":                  {chunk(`"a"`) + chunk(`"b"`) + endOfTurn, true, []AgentProgress{{Chunk: "a"}, {Chunk: "b"}}, "ab", ""},
		"validation withdraws":          {chunk(`"secret"`) + data(`{"type":"ValidationFailureChunk"}`) + chunk(`"sorry"`) + endOfTurn, true, []AgentProgress{{Chunk: "secret"}, {Withdrawn: true}, {Chunk: "sorry"}}, "sorry", ""},
		"cut in the middle":             {chunk(`"Your ret"`) + "data: {\"mess", false, []AgentProgress{{Chunk: "Your ret"}}, "", `what had come is "Your ret"`},
		"closed without an end":         {inform, true, nil, "Your return is approved.", `what had come is "Your return is approved."`},
		"withdrawn and cut":             {chunk(`"secret"`) + data(`{"type":"ValidationFailureChunk"}`), true, []AgentProgress{{Chunk: "secret"}, {Withdrawn: true}}, "", "nothing of it had come"},
		"an error":                      {data(`{"type":"Error","error":"Boom","message":"it broke","httpStatus":503}`), true, nil, "", "Boom: it broke"},
		"a failure":                     {data(`{"type":"Failure","code":"ACTION_FAILED","errors":["no stock"]}`) + endOfTurn, true, nil, "", "ACTION_FAILED: no stock"},
		"a failure is not the end":      {data(`{"type":"Failure","message":"no"}`) + data(`{"type":"ProgressIndicator","message":"Cleaning up"}`) + data(`{"type":"Failure","message":"later"}`) + endOfTurn, false, []AgentProgress{{Doing: "Cleaning up"}}, "", "AGENT_FAILURE: no"},
		"a failure and cut":             {data(`{"type":"Failure","message":"no"}`), false, nil, "", "AGENT_FAILURE: no"},
		"what is unknown":               {"data: nonsense\n\ndata: {}\n\n" + data(`{"type":"ThoughtTextChunk","message":"hm"}`) + endOfTurn, true, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			org, seen := newOrg(t, Options{RetryBudget: -1}, streamed(c.body, c.whole))
			var told []AgentProgress
			got, err := Agents{org}.Stream(t.Context(), Say{SessionID: aSession, Sequence: 3, Text: "and?"}, func(p AgentProgress) { told = append(told, p) })
			if diff := cmp.Diff(c.told, told); diff != "" {
				t.Error(diff)
			}
			if got == nil || got.Text != c.text || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%+v, %v", got, err)
			}
			if strings.Contains(c.body, "feedbackId") && (got.FeedbackID != "f" || got.PlanID != "p" || len(got.Messages[0].Citations) == 0) {
				t.Errorf("%+v", got)
			}
			if accept := seen.requests[0].Header.Get("Accept"); accept != "text/event-stream" || !strings.HasSuffix(seen.requests[0].URL.Path, "/messages/stream") {
				t.Errorf("%s to %s", accept, seen.requests[0].URL)
			}
		})
	}
}

// TestAgentErrors: each refusal has a class and the message that helps, and only what
// an agent was not told is sent again.
func TestAgentErrors(t *testing.T) {
	for name, c := range map[string]struct {
		answers []http.HandlerFunc
		sent    int
		class   Class
		hint    string
	}{
		"401 once":   {[]http.HandlerFunc{reply(401, `{"error":"Unauthorized","message":"no"}`), reply(200, `{"messages":[]}`)}, 2, "", ""},
		"401 twice":  {[]http.HandlerFunc{reply(401, `{"error":"Unauthorized","message":"no"}`)}, 2, ClassAuth, "chatbot_api and sfap_api"},
		"403":        {[]http.HandlerFunc{reply(403, `{"message":"no"}`)}, 1, ClassPermission, "scope"},
		"422":        {[]http.HandlerFunc{reply(422, `{"message":"variable"}`)}, 1, ClassValidation, "variables"},
		"423 passes": {[]http.HandlerFunc{reply(423, `{"message":"locked"}`), reply(200, `{"messages":[]}`)}, 2, "", ""},
		"429":        {[]http.HandlerFunc{reply(429, `{"message":"slow"}`, "Retry-After", "60")}, 1, ClassLimited, "wait"},
		"500":        {[]http.HandlerFunc{reply(500, `{"error":"X","message":"y"}`)}, 1, ClassTransient, "look before"},
		"500 config": {[]http.HandlerFunc{reply(500, `{"error":"EngineConfigLookupException","message":"y"}`)}, 1, ClassValidation, "My Domain"},
		"503":        {[]http.HandlerFunc{reply(503, `{"error":"X","message":"y"}`)}, 1, ClassTransient, "not available"},
		"page":       {[]http.HandlerFunc{edge502}, 1, ClassTransient, ""},
	} {
		t.Run(name, func(t *testing.T) {
			org, seen := newOrg(t, Options{}, c.answers...)
			_, err := Agents{org}.Send(t.Context(), Say{SessionID: aSession, Sequence: 1, Text: "hi"})
			var e *Error
			if c.class == "" && err != nil || c.class != "" && (!errors.As(err, &e) || e.Class != c.class || !strings.Contains(e.Hint(), c.hint)) {
				t.Errorf("%v", err)
			}
			if seen.count() != c.sent {
				t.Errorf("sent %d times", seen.count())
			}
		})
	}
}

// TestAgentTimeout: an agent that was stopped by the platform is told from one that
// failed, though both are 500.
func TestAgentTimeout(t *testing.T) {
	for took, code := range map[time.Duration]string{2 * time.Minute: AgentTimeout, time.Minute: "X"} {
		synctest.Test(t, func(t *testing.T) {
			org := newTimedOrg(t, Options{}, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				time.Sleep(took)
				reply(500, `{"error":"X","message":"y"}`)(w, r)
			}))
			_, err := Agents{org}.Send(t.Context(), Say{SessionID: aSession, Sequence: 1, Text: "hi"})
			var e *Error
			if !errors.As(err, &e) || e.Code != code || e.NotExecuted {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
}

// TestAgentHost: a token goes to the platform's Agent API, or to an org on this machine,
// and nowhere else.
func TestAgentHost(t *testing.T) {
	for _, c := range []struct{ configured, org, want string }{
		{"", "https://acme.my.salesforce.com", "https://api.salesforce.com"},
		{"https://api.gov.salesforce.com", "https://acme.my.salesforce.com", "https://api.gov.salesforce.com"},
		{"https://evil.example", "https://acme.my.salesforce.com", ""},
		{"http://127.0.0.1:1", "https://acme.my.salesforce.com", ""},
		{"", "http://127.0.0.1:8080", "http://127.0.0.1:8080"},
	} {
		client := New(Options{Hosts: Hosts{Loopback: true}, AgentHost: c.configured})
		org, err := client.options.Hosts.Check(c.org)
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.agentHost(org)
		if c.want == "" && err == nil || c.want != "" && (err != nil || got.String() != c.want) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
	org := &Org{Client: New(Options{}), Credentials: &minter{url: "https://na1.salesforce.com"}}
	if _, err := (Agents{org}).Start(t.Context(), AgentStart{AgentID: anAgent, Key: aKey}); err == nil || !strings.Contains(err.Error(), "My Domain") {
		t.Errorf("no My Domain: %v", err)
	}
}

// FuzzEvents: however a stream is cut into reads, the same events are found, and none
// of them has a line ending that was not sent.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{"data: a\n\n", "data: a\r\ndata: b\r\n\r\n", "data:a\r\rdata\n\n", "\xef\xbb\xbfdata: x\n\n: c\n\ndata: cut"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read := func(r io.Reader) (all []string) {
			if err := events(r, func(data []byte) (bool, error) { all = append(all, string(data)); return false, nil }); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return all
		}
		whole := read(strings.NewReader(text))
		if diff := cmp.Diff(whole, read(byByte{strings.NewReader(text)})); diff != "" {
			t.Error(diff)
		}
		for _, e := range whole {
			if strings.Contains(e, "\r") {
				t.Errorf("%q", e)
			}
		}
	})
}

// byByte reads one byte at a time.
type byByte struct{ io.Reader }

func (b byByte) Read(p []byte) (int, error) { return b.Reader.Read(p[:min(1, len(p))]) }
