package loop

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/records"
)

// A turn is what the functions of a step work with: one attempt.
type turn struct {
	*Loop
	returns.Attempt
	in   Input
	s    Settings  // after connect
	org  tools.Org // after connect
	sent sent
}

// step makes a function of the engine of one that works with a turn. It notes what is
// sent, and classes the error.
func (l *Loop) step(do func(*turn, context.Context) (returns.Result, error)) func(context.Context, returns.Attempt) (returns.Result, error) {
	return func(ctx context.Context, a returns.Attempt) (returns.Result, error) {
		t, err := l.turn(a)
		if err != nil {
			return returns.Result{}, err
		}
		res, err := do(t, ctx)
		res.Exchanges = t.sent.list()
		return res, classed(err)
	}
}

// find makes Step.Find of a function that also reports whether it has found something.
func (l *Loop) find(look func(*turn, context.Context) (returns.Result, bool, error)) func(context.Context, returns.Attempt) (returns.Result, bool, error) {
	return func(ctx context.Context, a returns.Attempt) (returns.Result, bool, error) {
		t, err := l.turn(a)
		if err != nil {
			return returns.Result{}, false, err
		}
		res, found, err := look(t, ctx)
		res.Exchanges = t.sent.list()
		return res, found, classed(err)
	}
}

// request makes Step.Request of a function of a turn.
func (l *Loop) request(text func(*turn, context.Context) ([]byte, error)) func(context.Context, returns.Attempt) ([]byte, error) {
	return func(ctx context.Context, a returns.Attempt) ([]byte, error) {
		t, err := l.turn(a)
		if err != nil {
			return nil, err
		}
		return text(t, ctx)
	}
}

// turn is an attempt with what its run was started with.
func (l *Loop) turn(a returns.Attempt) (*turn, error) {
	in, err := inputOf(a.Run)
	return &turn{Loop: l, Attempt: a, in: in}, err
}

// repeated is Step.Find of what may be done again: it never finds anything.
func repeated(context.Context, returns.Attempt) (returns.Result, bool, error) {
	return returns.Result{}, false, nil
}

// connect gets the settings of the workspace and its org, as the caller for whom the
// run is.
func (t *turn) connect(ctx context.Context) (err error) {
	if t.s, err = t.settings(t.Run.Workspace); err != nil {
		return err
	}
	t.org, err = t.Connect(ctx, t.in.caller(t.Run), t.sent.add)
	return err
}

// settings are those of a workspace. The error is a *returns.Fault.
func (l *Loop) settings(workspace string) (Settings, error) {
	s, ok := l.Settings(workspace)
	if !ok || s.Policy == nil || s.Open == nil {
		return s, fix(string(tools.ReturnsOff), fmt.Sprintf("the workspace %q has no settings for returns: give it those (returns, in the configuration), and let the run go on", workspace))
	}
	return s, nil
}

// sent is the requests of a turn.
type sent struct {
	mu        sync.Mutex
	exchanges []audit.Exchange
}

func (s *sent) add(x salesforce.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exchanges = append(s.exchanges, audit.Exchange(x))
}

func (s *sent) list() []audit.Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchanges)
}

// sealedName is the name under which what a step came to is sealed.
func sealedName(run, step string) string { return "return " + run + " " + step }

// seal is v as a result of a step of which the database shows nothing.
func (t *turn) seal(ctx context.Context, step string, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sealed, err := t.Sealer.Seal(ctx, t.Run.Workspace, sealedName(t.Run.ID, step), text)
	if err != nil {
		return nil, passing("seal", err)
	}
	return sealed, nil
}

// open reads the sealed result of a step into v.
func (l *Loop) open(ctx context.Context, run audit.Run, step string, sealed []byte, v any) error {
	text, err := l.Sealer.Open(ctx, run.Workspace, sealedName(run.ID, step), sealed)
	if err != nil {
		return passing("seal", err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fix("result", fmt.Sprintf("what the step %s came to cannot be read: %v", step, err))
	}
	return nil
}

// result reads what an earlier step of the run came to.
func (t *turn) result(ctx context.Context, step string, v any) error {
	sealed, ok := t.Results[step]
	if !ok {
		return fix("result", fmt.Sprintf("the step %s has no result, which comes before", step))
	}
	return t.open(ctx, t.Run, step, sealed, v)
}

// detail is v for the audit trail.
func detail(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return nil // it is our own, and can be encoded
	}
	return text
}

// wrote is the result of a step that has written records.
func wrote(done records.Done, v any) returns.Result {
	return returns.Result{Records: done.Records, Changes: done.Changes, Detail: detail(v)}
}
