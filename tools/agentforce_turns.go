package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
)

// Agentforce is what a server needs for conversations with agents. Its exported fields
// are set before the first call. It is safe for concurrent use.
type Agentforce struct {
	Sessions Sessions
	// Limits are those of a workspace; zero ones are DefaultSessionLimits, and so are
	// all where it is nil.
	Limits func(workspace string) SessionLimits
	// AgentUser reports whether the agent's own user is to act for a caller, and not
	// the user of its token: it is where tokens are the app's. Nil is always.
	AgentUser func(allowlist.Caller) bool
	// Queue is how many messages of a session wait in this process at once; more are
	// refused. Default 4.
	Queue int
	// Patience is how long each of them waits. Default 30 s, which is also the most
	// that a call has time for.
	Patience time.Duration

	mu      sync.Mutex
	waiting map[string]*waiting // by session id
}

// waiting are the messages of a session that wait in this process, the first with the
// place.
type waiting struct {
	n     int
	place chan struct{}
}

// turnPause is how often a turn is asked for that another process may have.
const turnPause = 100 * time.Millisecond

// turnLease is for how long a turn is its own: longer than a call may take.
const turnLease = 5 * time.Minute

// agentforce is that of the server.
func (c OwnCall) agentforce() (*Agentforce, error) {
	if c.Server.Agentforce == nil {
		return nil, &Error{Code: AgentforceOff, Message: "this server speaks with no agents of Salesforce's"}
	}
	return c.Server.Agentforce, nil
}

func (f *Agentforce) limits(workspace string) SessionLimits {
	var l SessionLimits
	if f.Limits != nil {
		l = f.Limits(workspace)
	}
	return SessionLimits{
		Hourly:   cmp.Or(l.Hourly, DefaultSessionLimits.Hourly),
		Open:     cmp.Or(l.Open, DefaultSessionLimits.Open),
		Messages: cmp.Or(l.Messages, DefaultSessionLimits.Messages),
	}
}

// full is the error of a session too many, and when to try again; less than zero is
// not known.
func (f *Agentforce) full(limits SessionLimits, wait time.Duration) error {
	if wait < 0 {
		return &Error{Code: SessionLimit, Message: fmt.Sprintf("%d sessions with agents are open in this workspace, the most there may be", limits.Open),
			RetryAfter: 60, Hint: "End sessions that are no longer needed (agentforce, action endSession), or wait until others have ended."}
	}
	return &Error{Code: SessionLimit, Message: fmt.Sprintf("%d sessions were begun in this workspace in the last hour, the most there may be", limits.Hourly),
		RetryAfter: int(math.Ceil(wait.Seconds())), Hint: "Go on in a session that is open, or wait."}
}

// errNoSession is the error of a session that is not the caller's, whoever's it is.
func errNoSession() error {
	return &Error{Code: NoSession, Message: "there is no such session of this agent for this user",
		Hint: "Who began a session speaks in it: begin one (agentforce, action startSession)."}
}

// find returns a session of the caller's.
func (f *Agentforce) find(ctx context.Context, caller allowlist.Caller, id string) (s Session, ended bool, err error) {
	s, ended, ok, err := f.Sessions.FindSession(ctx, caller, id)
	if err == nil && !ok {
		err = errNoSession()
	}
	return s, ended, err
}

// turn waits until nothing else is said in a session, and takes the turn.
func (f *Agentforce) turn(ctx context.Context, caller allowlist.Caller, id string) (Session, error) {
	if _, _, err := f.find(ctx, caller, id); err != nil { // before it can be in anybody's way
		return Session{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(f.Patience, agentPatience))
	defer cancel()
	leave, err := f.line(ctx, id)
	if err != nil {
		return Session{}, err
	}
	defer leave()
	limits := f.limits(caller.Workspace)
	for {
		s, turn, err := f.Sessions.TakeTurn(ctx, caller, id, limits, turnLease)
		switch {
		case err != nil && ctx.Err() != nil:
			return s, busy("and was not answered in time")
		case err != nil:
			return s, err
		case turn == TurnTaken:
			return s, nil
		case turn == TurnNone:
			return s, errNoSession()
		case turn == TurnEnded:
			return s, &Error{Code: SessionOver, Message: "the session has ended", Hint: "Begin another (agentforce, action startSession)."}
		case turn == TurnSpent:
			return s, &Error{Code: SessionLimit, Message: fmt.Sprintf("the session has had its %d messages", limits.Messages),
				Hint: "End it and begin another, which may be done at once: what the agent must know has to be said again."}
		}
		pause := time.NewTimer(turnPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return s, busy("and was not answered in time")
		}
	}
}

// busy is the error of a message that was not sent because of others.
func busy(why string) error {
	return &Error{Code: SessionBusy, Message: "another message of this session is under way, " + why + "; nothing was sent", RetryAfter: 5,
		Hint: "Wait for the reply to one message before the next."}
}

// line waits for the place at the head of those in this process who want to speak in a
// session. Leave gives it up.
func (f *Agentforce) line(ctx context.Context, id string) (leave func(), err error) {
	f.mu.Lock()
	if f.waiting == nil {
		f.waiting = map[string]*waiting{}
	}
	w := f.waiting[id]
	if w == nil {
		w = &waiting{place: make(chan struct{}, 1)}
		f.waiting[id] = w
	}
	if w.n >= cmp.Or(f.Queue, 4) {
		f.mu.Unlock()
		return nil, busy("and as many wait as may")
	}
	w.n++
	f.mu.Unlock()
	gone := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if w.n--; w.n == 0 {
			delete(f.waiting, id)
		}
	}
	select {
	case w.place <- struct{}{}:
		return func() { <-w.place; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, busy("and was not answered in time")
	}
}

// giveBack gives a turn back, also when the call's time is up.
func (c OwnCall) giveBack(ctx context.Context, f *Agentforce, s Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), salesforce.AgentGrace)
	defer cancel()
	if err := f.Sessions.EndTurn(ctx, s); err != nil {
		c.Server.Log.Error().Err(err).Msg("a turn could not be given back; it ends with its lease")
	}
}

// noteGone notes that a session is over when an error says so.
func (c OwnCall) noteGone(ctx context.Context, f *Agentforce, s Session, err error) {
	var e *salesforce.Error
	if errors.As(err, &e) && e.Code == salesforce.AgentSessionGone {
		c.noteEnd(ctx, f, s, salesforce.EndExpiration)
	}
}

// noteEnd notes that a session is over.
func (c OwnCall) noteEnd(ctx context.Context, f *Agentforce, s Session, reason string) {
	if err := f.Sessions.SessionEnded(context.WithoutCancel(ctx), s.Key, reason); err != nil {
		c.Server.Log.Error().Err(err).Msg("the end of a session could not be noted; it is when it was idle")
	}
}
