package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/salesforce/fakeorg"
)

// talkingOrg is a simulated org whose tokens the Agent API takes, for servers that are
// processes of their own.
func talkingOrg(t *testing.T) *runningOrg {
	t.Helper()
	quickly(t)
	ctx, stop := context.WithCancel(context.Background())
	org, err := startOrg(ctx, "127.0.0.1:0", &testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := org.wait(); err != nil {
			t.Error(err)
		}
	})
	if err := org.org.SetClient(agentClient(org.ready)); err != nil {
		t.Fatal(err)
	}
	return org
}

// agentConfig is the file of a server for an org, with a workspace a. Where a database
// is given, several may share it, and the key.
func agentConfig(t *testing.T, org *runningOrg, dir, database string) string {
	t.Helper()
	state, key := "data: "+dir, filepath.Join(dir, "master.key")
	if database != "" {
		state = fmt.Sprintf("database: %q", database)
		if _, err := os.Stat(key); err != nil {
			if err := run(t.Context(), []string{"keys", "new", "--out", key}, os.Getenv, strings.NewReader(""), io.Discard, io.Discard); err != nil {
				t.Fatal(err)
			}
		}
	}
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
%s
allowLoopbackOrg: true
secrets: {keyFile: %s}
audit: {checkpoints: %s}
workspaces:
  - name: a
    auth: {mode: clientCredentials, loginURL: %q, clientID: %q, clientSecret: %q}
    profiles: [{name: desk, tokens: [%s], overwritesArguments: true, agent: ["header:agent-id", "argument:agent_id"], user: ["argument:user_id"], context: ["argument:context_id"]}]
    rules: [{agent: "*", preset: all}]
`, state, key, filepath.Join(dir, "checkpoints"), org.ready.Org, org.ready.ClientID, org.ready.ClientSecret, allowlist.HashToken("token-a"))
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// taken waits until an agent has taken the message that the last fault is for.
func (o *runningOrg) taken(t *testing.T) {
	t.Helper()
	eventually(t, "the message is with the agent", func() bool {
		resp, err := http.Get(o.ready.Org + "/_faults")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		left, err := io.ReadAll(resp.Body)
		return err == nil && strings.TrimSpace(string(left)) == "[]"
	})
}

// TestAgentforceKilled: the server is killed while an agent thinks about a message.
// After its start the conversation goes on where it was, and no sequence id is used
// twice.
func TestAgentforceKilled(t *testing.T) {
	org := talkingOrg(t)
	file := agentConfig(t, org, t.TempDir(), "")
	session, sequence := "", int64(0)
	for _, stream := range []bool{false, true} {
		address, end := startChild(t, file)
		k := newTalker(t, "http://"+address+"/w/a/mcp", "token-a", "desk", "ann")
		if session == "" {
			session = k.begin()
		}
		sequence++
		if got := k.do("sendMessage", spoke(session, "What is in order SO-71000?")); got.SequenceID != sequence {
			t.Errorf("sequence id %d, want %d", got.SequenceID, sequence)
		}
		org.org.Inject(fakeorg.Fault{Agent: "slow", DelayMS: 60_000})
		lost := make(chan string)
		go func() {
			_, problem := k.try("sendMessage", spoke(session, "Was it delivered?"), stream)
			lost <- problem
		}()
		org.taken(t)
		end(os.Kill)
		if problem := <-lost; problem == "" {
			t.Error("the call that was under way succeeded")
		}
		sequence++ // it was taken

		address, end = startChild(t, file)
		k = newTalker(t, "http://"+address+"/w/a/mcp", "token-a", "desk", "ann")
		sequence++
		got, problem := k.try("sendMessage", spoke(session, "And my refund?"), stream)
		if problem != "" || got.SequenceID != sequence || !strings.Contains(got.Text, "of order SO-71000 is") {
			t.Errorf("after the restart, stream %v: %+v %s, want sequence id %d", stream, got, problem, sequence)
		}
		end(os.Kill)
	}
	kept := sessionOf(t, org.org, session)
	var ids []int64
	for _, s := range kept.Said {
		ids = append(ids, s.Sequence)
	}
	if !slices.Equal(ids, []int64{1, 3, 4, 6}) { // whose connection is gone the agent stops thinking about; its number is used all the same
		t.Errorf("the agent was told %v", kept.Said)
	}
	t.Logf("killed twice with a message under way; the agent was told the sequence ids %v", ids)
	_, end := startChild(t, file)
	end(os.Interrupt)
	var out, log bytes.Buffer
	if err := run(t.Context(), []string{"audit", "export", "--workspace", "a", "--config", file}, func(string) string { return "" }, strings.NewReader(""), &out, &log); err != nil {
		t.Fatal(err, log.String())
	}
	if n := strings.Count(out.String(), `"outcome":"unknown"`); n != 2 {
		t.Errorf("%d calls have an unknown outcome, want the 2 that were under way", n)
	}
}

// agentServers are two servers, each a process of its own, over one Postgres.
func agentServers(t *testing.T, org *runningOrg) (endpoints []string) {
	t.Helper()
	database, dir := pgtest.URL(t), t.TempDir()
	for range 2 {
		address, _ := startChild(t, agentConfig(t, org, dir, database))
		endpoints = append(endpoints, "http://"+address+"/w/a/mcp")
	}
	return endpoints
}

// TestAgentforceReplicas: one conversation through two servers, which have no more in
// common than their database. They take turns for 80 messages, and both speak at once
// for 20 more: each message has an id of its own, 1 to 100. There is no message 101.
func TestAgentforceReplicas(t *testing.T) {
	org := talkingOrg(t)
	var at []*talker
	for _, endpoint := range agentServers(t, org) {
		at = append(at, newTalker(t, endpoint, "token-a", "desk", "ann"))
	}
	session := at[0].begin()
	var mu sync.Mutex
	replies := map[int64]spoken{}
	say := func(n int) {
		text := fmt.Sprintf("What about order SO-90%03d?", n)
		got, problem := at[n%2].try("sendMessage", spoke(session, text), n%3 == 0)
		mu.Lock()
		defer mu.Unlock()
		if problem != "" || !strings.Contains(got.Text, fmt.Sprintf("SO-90%03d.", n)) {
			t.Errorf("%s: %+v %s", text, got, problem)
		}
		if before, given := replies[got.SequenceID]; given {
			t.Errorf("sequence id %d is given twice: %+v, %+v", got.SequenceID, before, got)
		}
		replies[got.SequenceID] = got
	}
	for n := range 80 {
		say(n)
		if _, ok := replies[int64(n+1)]; !ok {
			t.Fatalf("message %d has another sequence id", n+1)
		}
	}
	for n := 80; n < 100; n += 2 {
		if n < 86 { // the agent thinks about the first while there is the second
			org.org.Inject(fakeorg.Fault{Agent: "slow", DelayMS: 150})
		}
		var both sync.WaitGroup
		both.Go(func() { say(n) })
		both.Go(func() { say(n + 1) })
		both.Wait()
	}
	for i, k := range at {
		if got, problem := k.try("sendMessage", spoke(session, "hi"), false); !strings.Contains(problem, "code: session_limit") {
			t.Errorf("message 101 at server %d: %+v %s", i, got, problem)
		}
	}
	for _, r := range org.org.Requests() {
		if strings.Contains(r.Path, "/messages") && r.Status != http.StatusOK {
			t.Errorf("the org refused a message with %d: another was under way, or came before it", r.Status)
		}
	}
	kept := sessionOf(t, org.org, session)
	if len(kept.Said) != 100 || len(replies) != 100 {
		t.Errorf("%d messages, %d replies", len(kept.Said), len(replies))
	}
	for i, s := range kept.Said {
		if s.Sequence != int64(i+1) || replies[s.Sequence].PlanID != s.PlanID || replies[s.Sequence].Text != s.Reply {
			t.Errorf("message %d is %+v, its reply was taken for %+v", i+1, s, replies[s.Sequence])
		}
	}
	t.Logf("the agent was told %d messages, sequence ids %d to %d, each once", len(kept.Said), kept.Said[0].Sequence, kept.Said[len(kept.Said)-1].Sequence)
}

// agentFaults are what befalls answers, and whether the caller has the reply all the
// same.
var agentFaults = []struct {
	name  string
	fault fakeorg.Fault
	heals bool
}{
	{"401", fakeorg.Fault{Status: 401, ErrorCode: "Unauthorized", Message: "Invalid token"}, true},
	{"423", fakeorg.Fault{Status: 423, ErrorCode: "LockedException", Message: "Session is locked"}, true},
	{"slow", fakeorg.Fault{Agent: "slow", DelayMS: 50}, true},
	{"withdrawn", fakeorg.Fault{Agent: "validation"}, true},
	{"422", fakeorg.Fault{Status: 422, ErrorCode: "UnprocessableEntityException", Message: "no"}, false},
	{"500", fakeorg.Fault{Status: 500, ErrorCode: "InternalServerException", Message: "no"}, false},
	{"503", fakeorg.Fault{Status: 503, ErrorCode: "ServiceUnavailable", Message: "no"}, false},
	{"a page", fakeorg.Fault{Status: 502, HTML: "<html>Bad Gateway</html>"}, false},
	{"no answer, not told", fakeorg.Fault{Cut: "before"}, false},
	{"no answer, told", fakeorg.Fault{Cut: "after"}, false},
	{"cut off", fakeorg.Fault{Agent: "cut"}, false},
	{"a failure", fakeorg.Fault{Agent: "failure"}, false},
	{"an error", fakeorg.Fault{Agent: "error"}, false},
	{"stopped", fakeorg.Fault{Agent: "timeout", DelayMS: 1}, false},
}

// TestAgentforceStorm: 50 conversations at once, with a fault in a fifth of the
// answers. Nobody gets what was said to somebody else, whoever got no reply was told
// so, and whoever was not disturbed got one.
func TestAgentforceStorm(t *testing.T) {
	t.Run("one server", func(t *testing.T) {
		org := talkingOrg(t)
		address, _ := startChild(t, agentConfig(t, org, t.TempDir(), ""))
		storm(t, org, 4, "http://"+address+"/w/a/mcp")
	})
	t.Run("two servers", func(t *testing.T) {
		org := talkingOrg(t)
		storm(t, org, 10, agentServers(t, org)...)
	})
}

// storm has 50 conversations of so many messages through servers, each message through the next of them.
func storm(t *testing.T, org *runningOrg, messages int, endpoints ...string) {
	t.Helper()
	const conversations = 50
	seed := rand.Uint64()
	type told struct {
		text, problem string
		reply         spoken
		fault         int // of agentFaults; -1 is none
	}
	sessions, all := make([]string, conversations), make([][]told, conversations)
	var group sync.WaitGroup
	for c := range conversations {
		group.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(c)))
			var at []*talker
			for _, endpoint := range endpoints {
				at = append(at, newTalker(t, endpoint, "token-a", "desk", fmt.Sprint("user-", c)))
			}
			sessions[c] = at[0].begin()
			for m := range messages {
				// The agent knows no such order, and says so with its number.
				it := told{text: fmt.Sprintf("What about order SO-9%02d%02d?", c, m), fault: -1}
				if random.IntN(5) == 0 {
					it.fault = random.IntN(len(agentFaults))
					fault := agentFaults[it.fault].fault
					fault.Path = "/sessions/" + sessions[c] + "/messages"
					org.org.Inject(fault)
				}
				k, stream := at[m%len(at)], random.IntN(2) == 0
				it.reply, it.problem = k.try("sendMessage", spoke(sessions[c], it.text), stream)
				if stream && it.problem == "" {
					k.progress(it.reply.Text)
				}
				all[c] = append(all[c], it)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}

	faults, failed, replied, reached := 0, 0, 0, 0
	for c, conversation := range all {
		kept := sessionOf(t, org.org, sessions[c])
		heard := map[int64]fakeorg.AgentSaid{}
		texts, last := map[string]bool{}, int64(0)
		for _, s := range kept.Said {
			if s.Sequence <= last || texts[s.Text] || !strings.Contains(s.Text, fmt.Sprintf("SO-9%02d", c)) {
				t.Errorf("conversation %d: the agent was told %+v after %d", c, s, last)
			}
			heard[s.Sequence], texts[s.Text], last = s, true, s.Sequence
		}
		reached += len(heard)
		for m, it := range conversation {
			name, heals := "no fault", true
			if it.fault >= 0 {
				faults++
				name, heals = agentFaults[it.fault].name, agentFaults[it.fault].heals
			}
			switch {
			case (it.problem == "") != heals:
				t.Errorf("%s with %s: %+v %q", it.text, name, it.reply, it.problem)
			case it.problem != "":
				failed++
				if !strings.Contains(it.problem, "code: ") || strings.HasPrefix(it.problem, "no answer") {
					t.Errorf("%s with %s: %q", it.text, name, it.problem)
				}
			default:
				replied++
				s := heard[it.reply.SequenceID]
				number := strings.Trim(it.text[len(it.text)-9:], "?")
				if it.reply.SequenceID != int64(m+1) || s.Text != it.text || s.Reply != it.reply.Text || s.PlanID != it.reply.PlanID || it.reply.SessionID != sessions[c] || !strings.Contains(it.reply.Text, number) {
					t.Errorf("%s with %s: the agent was told %+v, the reply is %+v", it.text, name, s, it.reply)
				}
			}
		}
	}
	t.Logf("seed %d: %d conversations, %d messages, faults in %d; %d replies, each to its message; %d errors, each told; the agents were told %d messages",
		seed, conversations, conversations*messages, faults, replied, failed, reached)
}
