package fakeorg

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// AgentLimits are what the Agent API allows. Zero is the number of the usage page, which no other source has.
type AgentLimits struct {
	Starts   int // sessions that begin in an hour; 1,000
	Open     int // sessions that are open at once; 50
	Messages int // messages of a session; 100
}

// agentIdle is how long a session is kept that nobody says anything in. How long the platform keeps it was not found.
const agentIdle = time.Hour

// AgentFaults are the ways in which an agent fails on demand ([Fault.Agent]):
//   - cut: the stream breaks after the second piece; an answer that is not streamed does not arrive
//   - validation: the pieces are withdrawn, and others follow
//   - failure: the answer is a message of the type Failure
//   - error: an event of the type Error ends the stream; an answer that is not streamed is 500
//   - slow: the agent thinks for DelayMS
//   - timeout: the agent thinks for DelayMS, by default 120 seconds, and the answer is 500
var AgentFaults = []string{"cut", "validation", "failure", "error", "slow", "timeout"}

// AgentSession is a session with an agent, as the org remembers it.
type AgentSession struct {
	ID       string      `json:"sessionId"`
	Agent    string      `json:"agentId"`
	User     string      `json:"user"` // of the token
	Key      string      `json:"externalSessionKey"`
	Bypass   bool        `json:"bypassUser"`
	Said     []AgentSaid `json:"said,omitempty"`
	Feedback []string    `json:"feedback,omitempty"` // GOOD or BAD, a blank and the text
	Ended    string      `json:"ended,omitempty"`    // the reason; Expiration when it was idle for too long
}

// AgentSaid is a message and what became of it.
type AgentSaid struct {
	Sequence int64  `json:"sequenceId"`
	Text     string `json:"text"`
	Reply    string `json:"reply"`
	PlanID   string `json:"planId"`
}

// agents are the sessions with agents.
type agents struct {
	agentsMu sync.Mutex
	talks    []*talk // the oldest first
	byTalk   map[string]*talk
}

// talk is a session at work.
type talk struct {
	AgentSession
	begun, used time.Time
	busy        bool
	chunks      bool            // whether its answers come in pieces
	last        int64           // sequence id
	order       string          // id of the order last spoken of
	given       map[string]bool // feedback ids
}

// openTalk keeps a new session unless too many are open or have begun.
func (a *agents) openTalk(t *talk, now time.Time, limits AgentLimits) *agentError {
	a.agentsMu.Lock()
	defer a.agentsMu.Unlock()
	started, open, oldest := 0, 0, now
	for _, old := range a.talks {
		old.expire(now)
		if old.begun.After(now.Add(-time.Hour)) {
			started++
			if old.begun.Before(oldest) {
				oldest = old.begun
			}
		}
		if old.Ended == "" {
			open++
		}
	}
	if started >= cmp.Or(limits.Starts, 1000) {
		return atLimit(oldest.Add(time.Hour).Sub(now), "the org has started %d sessions within an hour", started)
	}
	if open >= cmp.Or(limits.Open, 50) {
		return atLimit(30*time.Second, "the org has %d open sessions", open)
	}
	if a.byTalk == nil {
		a.byTalk = map[string]*talk{}
	}
	t.ID, t.begun, t.used, t.given = uuid.NewString(), now, now, map[string]bool{}
	a.talks, a.byTalk[t.ID] = append(a.talks, t), t
	return nil
}

// expire ends a session that has been idle for too long.
func (t *talk) expire(now time.Time) {
	if t.Ended == "" && !t.busy && now.Sub(t.used) > agentIdle {
		t.Ended = "Expiration"
	}
}

// holdTalk locks an open session of a user for one request. Another one in flight is refused, so that the caller of a
// session it has got is the only one that changes it; letTalk gives it back.
func (a *agents) holdTalk(id, user string, now time.Time) (*talk, *agentError) {
	a.agentsMu.Lock()
	defer a.agentsMu.Unlock()
	t := a.byTalk[id]
	if t != nil {
		t.expire(now)
	}
	switch {
	case t == nil || t.Ended != "" || t.User != user:
		return nil, agentRefusal(http.StatusNotFound, "NotFoundException", "V6Session not found for sessionId: %s", id)
	case t.busy:
		return nil, agentRefusal(http.StatusLocked, "LockedException", "Session %s is locked: a request is in flight", id)
	}
	t.busy, t.used = true, now
	return t, nil
}

// letTalk gives a session back after do, which may change it.
func (a *agents) letTalk(t *talk, do func()) {
	a.agentsMu.Lock()
	defer a.agentsMu.Unlock()
	t.busy = false
	do()
}

// AgentSessions tells of all sessions with agents so far, the oldest first.
func (o *Org) AgentSessions() []AgentSession {
	o.agentsMu.Lock()
	defer o.agentsMu.Unlock()
	all := []AgentSession{}
	for _, t := range o.talks {
		t.expire(o.options.Clock())
		copied := t.AgentSession
		copied.Said, copied.Feedback = slices.Clone(t.Said), slices.Clone(t.Feedback)
		all = append(all, copied)
	}
	return all
}

// agentLog serves /_agents.
func (o *Org) agentLog(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_ = json.NewEncoder(w).Encode(o.AgentSessions()) // the client has gone: nothing to do about it
}

// MintAgentToken gives a JWT with the scopes of the Agent API for a user, without asking for credentials. An unknown
// username gives a token that no request is accepted with.
func (o *Org) MintAgentToken(username string) string {
	o.turn.RLock()
	defer o.turn.RUnlock()
	u, err := o.findUser(context.Background(), o.db, username)
	if err != nil {
		return o.tokenText()
	}
	text, err := o.openSession(&session{user: u, scopes: agentScopes, issuer: cmp.Or(o.options.BaseURL, "http://simulated.example")})
	if err != nil {
		return o.tokenText()
	}
	return text
}
