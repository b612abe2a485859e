package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
)

// A talker speaks with agents of Salesforce's by a client that is not ours: the
// official Go SDK's.
type talker struct {
	t       *testing.T
	agent   string
	user    string // for whom it works
	session *sdk.ClientSession
	sent    int // progress tokens

	mu   sync.Mutex
	told map[string][]string // what came as progress, by token
	last map[string]float64  // its number
}

// newTalker connects to an MCP endpoint as an agent.
func newTalker(t *testing.T, endpoint, hostToken, agent, user string) *talker {
	t.Helper()
	k := &talker{t: t, agent: agent, user: user, told: map[string][]string{}, last: map[string]float64{}}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			k.mu.Lock()
			defer k.mu.Unlock()
			token := fmt.Sprint(r.Params.ProgressToken)
			if !strings.HasPrefix(token, "progress-"+k.user+"-") {
				t.Errorf("%s was told %q of %s", k.user, r.Params.Message, token)
			}
			if r.Params.Progress <= k.last[token] {
				t.Errorf("progress %v after %v", r.Params.Progress, k.last[token])
			}
			k.told[token], k.last[token] = append(k.told[token], r.Params.Message), r.Params.Progress
		}})
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: endpoint, DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: withHeaders{"Authorization": "Bearer " + hostToken, "Agent-Id": agent}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	k.session = session
	return k
}

// spoken is what a call of the tool agentforce answers.
type spoken struct {
	SessionID, Text, PlanID, FeedbackID, Ended string
	SequenceID                                 int64
	Citations                                  []struct{ RecordID, Value string }
	Messages                                   []struct{ Type string }
	Agents                                     []agentListed
	Noted                                      bool
}

type agentListed struct {
	AgentID, DeveloperName string
	Active                 bool
}

// try calls an action. The problem is the text of an error, or "". With stream the
// answer is told while it comes.
func (k *talker) try(action string, args map[string]any, stream bool) (out spoken, problem string) {
	all := map[string]any{"action": action, "agent_id": k.agent, "user_id": k.user, "context_id": "c", "outputFormat": "structured"}
	for name, value := range args {
		all[name] = value
	}
	params := &sdk.CallToolParams{Name: "agentforce", Arguments: all}
	if stream {
		k.sent++
		params.SetProgressToken(k.token())
	}
	res, err := k.session.CallTool(k.t.Context(), params)
	if err != nil {
		return out, "no answer: " + err.Error()
	}
	text := res.Content[0].(*sdk.TextContent).Text
	if res.IsError {
		return out, text
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		k.t.Errorf("%s: %v in %s", action, err, text)
	}
	return out, ""
}

func (k *talker) token() string { return fmt.Sprint("progress-", k.user, "-", k.sent) }

// progress is what the last streamed call was told, once its end is the reply, which
// may come after the answer.
func (k *talker) progress(reply string) (all []string) {
	k.t.Helper()
	for range 500 {
		k.mu.Lock()
		all = slices.Clone(k.told[k.token()])
		k.mu.Unlock()
		if strings.HasSuffix(strings.Join(all, ""), reply) {
			return all
		}
		time.Sleep(10 * time.Millisecond)
	}
	k.t.Errorf("told %q, and not %q", all, reply)
	return all
}

// do calls an action that succeeds.
func (k *talker) do(action string, args map[string]any) spoken {
	k.t.Helper()
	out, problem := k.try(action, args, false)
	if problem != "" {
		k.t.Fatalf("%s %v: %s", action, args, problem)
	}
	return out
}

// begin starts a session with the agent of the simulated org that answers.
func (k *talker) begin() string {
	k.t.Helper()
	for _, a := range k.do("listAgents", nil).Agents {
		if a.DeveloperName == fakeorg.ServiceAgent {
			return k.do("startSession", map[string]any{"agentId": a.AgentID}).SessionID
		}
	}
	k.t.Fatal("the agent is not listed")
	return ""
}

// spoke are the arguments of a message.
func spoke(session, text string) map[string]any {
	return map[string]any{"sessionId": session, "text": text}
}

// sessionOf is a session as the simulated org remembers it.
func sessionOf(t *testing.T, org *fakeorg.Org, id string) fakeorg.AgentSession {
	t.Helper()
	for _, s := range org.AgentSessions() {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("the org knows no session %s", id)
	return fakeorg.AgentSession{}
}

// agentWorld is a world where beside the admin agent there is "other", which may do as
// much, and "asker", for which a person decides; beside the host of the demo there is
// "desk", with the token "token-desk".
func agentWorld(t *testing.T) *world {
	t.Helper()
	quickly(t)
	return newWorld(t, func(c *config.Config) {
		for i := range c.Workspaces {
			c.Workspaces[i].Rules = append(slices.Clone(c.Workspaces[i].Rules), allowlist.Rule{Agent: "other", Preset: "all"}, allowlist.Rule{Agent: "asker", Preset: "all", Confirm: []string{"act"}})
		}
		desk := *c.Workspaces[0].Profiles[0]
		desk.Name, desk.Tokens = "desk", []string{allowlist.HashToken("token-desk")}
		c.Workspaces[0].Profiles = append(c.Workspaces[0].Profiles, &desk)
		c.Admins = allowlist.Admins{{Name: "maria", Tokens: []string{allowlist.HashToken("admin-maria")}, Workspaces: []string{"a"}}}
	})
}

// quickly has agents of orgs that are started from now on write without a pause.
func quickly(t *testing.T) {
	harnessed.pace = time.Nanosecond
	t.Cleanup(func() { harnessed.pace = 0 })
}

// agentClient is the app of the server, for which the org makes tokens that are JWTs
// with the scopes of the Agent API.
func agentClient(org orgReady) fakeorg.Client {
	return fakeorg.Client{Key: org.ClientID, Name: "salesforce-mcp", Secret: org.ClientSecret, PublicKey: &testKey().PublicKey, RunAs: org.Username,
		RequireSecret: true, RequirePKCE: true, RotateRefreshTokens: true,
		JWTAccessTokens: true, Scopes: []string{"api", "refresh_token", "openid", "chatbot_api", "sfap_api"}}
}

// talks is an agent of a host in a workspace of the world, that works for a user.
func (w *world) talks(workspace, hostToken, agent, user string) *talker {
	w.t.Helper()
	return newTalker(w.t.(*testing.T), w.origin+"/w/"+workspace+"/mcp", hostToken, agent, user)
}
