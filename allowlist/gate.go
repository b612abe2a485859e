package allowlist

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// Gate decides for all workspaces. The zero Gate refuses everything. It is safe for
// concurrent use.
type Gate struct {
	workspaces atomic.Pointer[map[string]*Workspace]
}

// Decision is what a [Gate] decided, for the audit trail.
type Decision struct {
	Allowed bool
	// Rule describes the rule that decided, in the words of [Rule.String]. It
	// is empty when no rule covers the caller.
	Rule string
	// Limits are those of the rule.
	Limits Limits
	// Host is the one that the rule names, whose calls are counted apart; "" when
	// those of an agent through all hosts are counted together.
	Host string
}

// NewGate validates the workspaces and returns a gate over them. The error
// holds every problem of all of them.
func NewGate(workspaces ...*Workspace) (*Gate, error) {
	g := &Gate{}
	if err := g.Replace(workspaces...); err != nil {
		return nil, err
	}
	return g, nil
}

// Replace puts workspaces in the place of those of the gate, all at once: what is
// decided from then on is decided by them. When one of them is not valid nothing
// changes, and the error holds every problem.
func (g *Gate) Replace(workspaces ...*Workspace) error {
	next := make(map[string]*Workspace, len(workspaces))
	var problems []error
	for _, w := range workspaces {
		if err := w.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("workspace %q: %w", w.Name, err))
		}
		if next[w.Name] != nil {
			problems = append(problems, fmt.Errorf("workspace %q: is there twice", w.Name))
		}
		next[w.Name] = w
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	g.workspaces.Store(&next)
	return nil
}

// Workspace returns the workspace of that name.
func (g *Gate) Workspace(name string) (*Workspace, bool) {
	all := g.workspaces.Load()
	if all == nil {
		return nil, false
	}
	w, ok := (*all)[name]
	return w, ok
}

// SuspendedText says that a workspace is suspended, and who can mend it.
const SuspendedText = "this workspace is suspended, and refuses every call until an administrator of the platform resumes it"

// Allow decides whether the caller may do op. The decision is filled in either
// way; the error, a *[Refusal], is nil exactly when it is allowed.
func (g *Gate) Allow(caller Caller, op Operation) (Decision, error) {
	w, ok := g.Workspace(caller.Workspace)
	if !ok {
		return Decision{}, notListed(caller)
	}
	if w.Suspended {
		return Decision{}, &Refusal{Code: Suspended, Message: notAuthorized + ": " + SuspendedText}
	}
	rule, ok := w.ruleFor(caller.Agent, caller.Host)
	if !ok {
		return Decision{}, notListed(caller)
	}
	if !rule.Permits(op) {
		return Decision{Rule: rule.String()}, rule.notPermitted(op)
	}
	if slices.Contains(w.Missing, op.Tool) {
		return Decision{Rule: rule.String()}, &Refusal{Code: NotPermitted,
			Message: fmt.Sprintf("%s for %s.%s: the workspace has no %[2]s. An administrator can configure it.", notAuthorized, op.Tool, op.Action)}
	}
	return Decision{Allowed: true, Rule: rule.String(), Limits: rule.Limits, Host: rule.Host}, nil
}

// Rule returns the rule that decides about a caller.
func (g *Gate) Rule(caller Caller) (Rule, bool) {
	w, ok := g.Workspace(caller.Workspace)
	if !ok || w.Suspended {
		return Rule{}, false
	}
	return w.ruleFor(caller.Agent, caller.Host)
}

// AllowTouches decides whether the caller may do op with what it touches: the
// operations of requests inside it, and the objects and fields of all of them. The
// decision and the error are as of [Gate.Allow].
func (g *Gate) AllowTouches(caller Caller, op Operation, touches []Touch) (Decision, error) {
	decision, err := g.Allow(caller, op)
	if err != nil {
		return decision, err
	}
	rule, _ := g.Rule(caller)
	for _, t := range touches {
		if err := rule.refusal(op, t); err != nil {
			return Decision{Rule: rule.String()}, err
		}
	}
	return decision, nil
}

// refusal says why the rule does not let op touch something; nil if it does.
func (r Rule) refusal(op Operation, t Touch) error {
	why := ""
	switch {
	case t.Op.Tool == "": // nobody can say what it does
		why = t.Why
	case !r.Permits(t.Op):
		return r.notPermitted(t.Op)
	case !r.Narrowed() || t.How == "" || t.Op.Opaque: // which its name has let through
		return nil
	case t.SObject == "":
		why = "nobody can say what it touches: " + t.Why
	case !r.PermitsSObject(t.SObject):
		why = fmt.Sprintf("it would %s", Touch{SObject: t.SObject, How: t.How})
	case t.Field == "*" && r.Restricts(t.SObject):
		why = fmt.Sprintf("it would %s by all fields of %s", t.How, t.SObject)
	case t.Field != "" && t.Field != "*" && !r.PermitsField(t.SObject, t.Field):
		why = fmt.Sprintf("it would %s", t)
	default:
		return nil
	}
	return &Refusal{
		Code: ContentNotPermitted,
		Message: fmt.Sprintf("%s for this call of %s.%s: %s, and its rule allows %s. Leave that out; an administrator can change the rule (Authorized agents, or rules in the configuration file).",
			notAuthorized, op.Tool, op.Action, why, r.grants()),
	}
}

// notPermitted refuses an operation.
func (r Rule) notPermitted(op Operation) *Refusal {
	why := ""
	if !r.Off && op.Opaque && r.Narrowed() && !r.names(op) {
		why = fmt.Sprintf(" Nobody can say which objects and fields %[1]s.%[2]s touches, so that the rule must name %[1]s.%[2]s among its actions.", op.Tool, op.Action)
	}
	return &Refusal{
		Code: NotPermitted,
		Message: fmt.Sprintf("%s for %s.%s: its rule allows %s.%s An administrator can change the rule (Authorized agents, or rules in the configuration file).",
			notAuthorized, op.Tool, op.Action, r.grants(), why),
	}
}

// MayEver reports whether some agent of the host may do op. It is what
// tools/list shows to a host that names the agent only in tools/call; each call
// is decided by [Gate.Allow] all the same.
func (g *Gate) MayEver(workspace, host string, op Operation) bool {
	w, ok := g.Workspace(workspace)
	if !ok || w.Suspended || slices.Contains(w.Missing, op.Tool) {
		return false
	}
	for _, r := range w.Rules {
		if (r.Host == "" || r.Host == host) && r.Permits(op) {
			return true
		}
	}
	return false
}

// Lists reports whether tools/list shows op to a caller: what it may do or, where the
// host has not named its agent yet, what any agent of the host may.
func (g *Gate) Lists(caller Caller, op Operation) bool {
	if caller.Agent == "" {
		return g.MayEver(caller.Workspace, caller.Host, op)
	}
	_, err := g.Allow(caller, op)
	return err == nil
}

// notListed refuses a caller whom no rule covers. It reads the same whether the
// workspace exists or not.
func notListed(caller Caller) *Refusal {
	who := "an agent without a name"
	if caller.Agent != "" {
		who = fmt.Sprintf("the agent %q", caller.Agent)
	}
	return &Refusal{
		Code: NotAllowlisted,
		Message: fmt.Sprintf("%s: no rule covers %s. An administrator can add it (Authorized agents, or rules in the configuration file), or allow all agents.",
			notAuthorized, who),
	}
}
