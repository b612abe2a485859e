package allowlist

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// approvalsTool is the tool with which an agent reads what became of the calls
// that it has asked a person to approve.
const approvalsTool = "approvals"

// How long an approval waits for a person, unless the rule says so.
const (
	defaultConfirmWithin = 24 * time.Hour
	longestConfirmWithin = 30 * 24 * time.Hour
)

// confirmable are the effects that a rule may let a person confirm. What reads is
// named by its tool or operation.
var confirmable = []string{"add", "set", "remove", "act"}

// Confirmation says whether a person has to approve an operation first.
type Confirmation struct {
	Needed bool
	Why    string        // the part of the rule that asks for it: "remove", "records.delete"
	Within time.Duration // how long the call waits for that
	// Elicits says that the caller's host shows questions to the person it works
	// for, as an administrator has declared.
	Elicits bool
}

// Confirm says whether a person has to approve op before the caller does it.
// Effects are what its content may do beside op.Effect: effects, and tools and
// operations of requests inside it. It is asked after
// [Gate.Allow]; a caller whom no rule covers needs an approval for everything.
func (g *Gate) Confirm(caller Caller, op Operation, effects ...string) Confirmation {
	w, ok := g.Workspace(caller.Workspace)
	if !ok {
		return Confirmation{Needed: true, Within: defaultConfirmWithin}
	}
	rule, ok := w.ruleFor(caller.Agent, caller.Host)
	if !ok {
		return Confirmation{Needed: true, Within: defaultConfirmWithin}
	}
	c := Confirmation{Within: rule.ConfirmWithin}
	if c.Within == 0 {
		c.Within = defaultConfirmWithin
	}
	c.Why, c.Needed = rule.confirms(op, effects)
	for _, p := range w.Profiles {
		if p.Name == caller.Host {
			c.Elicits = p.Elicits
		}
	}
	return c
}

// confirms names the part of the rule because of which a person has to approve op.
func (r Rule) confirms(op Operation, effects []string) (why string, needed bool) {
	if op.Tool == approvalsTool {
		return "", false
	}
	for _, part := range r.Confirm {
		if part == op.Effect || part == op.Tool || part == op.Tool+"."+op.Action || slices.Contains(effects, part) {
			return part, true
		}
	}
	return "", false
}

// confirmation describes what the rule lets a person confirm, for the audit trail.
func (r Rule) confirmation() string {
	if len(r.Confirm) == 0 || r.Off {
		return ""
	}
	return "; confirmed: " + strings.Join(r.Confirm, ", ")
}

// validateConfirm returns every problem with what the rule lets a person confirm.
func (r Rule) validateConfirm(field string) error {
	var problems []error
	for i, part := range r.Confirm {
		field := fmt.Sprintf("%s.confirm[%d]", field, i)
		switch tool, _, _ := strings.Cut(part, "."); {
		case part == "read":
			problems = append(problems, fmt.Errorf(`%s: "read" would have each reading approved; name the tools or operations, such as "query.soql"`, field))
		case tool == approvalsTool:
			problems = append(problems, fmt.Errorf("%s: %q cannot be confirmed: with it agents read what became of their approvals", field, part))
		case !slices.Contains(confirmable, part) && !actionName(part):
			problems = append(problems, fmt.Errorf(`%s: %q is neither an effect ("set", "remove"), a tool ("records") nor an operation ("records.delete")`, field, part))
		}
	}
	if r.ConfirmWithin != 0 && (r.ConfirmWithin < time.Minute || r.ConfirmWithin > longestConfirmWithin) {
		problems = append(problems, fmt.Errorf("%s.confirmWithin: %s must be between 1m and %s", field, r.ConfirmWithin, longestConfirmWithin))
	}
	if r.ConfirmWithin != 0 && len(r.Confirm) == 0 {
		problems = append(problems, fmt.Errorf("%s.confirmWithin: is for a rule with confirm", field))
	}
	return errors.Join(problems...)
}

// ConfirmedNames are the tools and operations among what the rule lets a person
// confirm, by their place in it.
func (r Rule) ConfirmedNames() map[int]string {
	names := map[int]string{}
	for i, part := range r.Confirm {
		if !slices.Contains(confirmable, part) {
			names[i] = part
		}
	}
	return names
}
