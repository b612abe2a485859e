package allowlist

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// anyAgent is the agent of the rule for all agents.
const anyAgent = "*"

// Presets of a [Rule], by what they let through.
const (
	PresetRead    = "read"     // what only reads
	PresetReadAdd = "read+add" // what reads, and what adds without touching what is there
	PresetAll     = "all"      // everything
)

// presets maps a preset to the effects it lets through.
var presets = map[string][]string{
	PresetRead:    {"read"},
	PresetReadAdd: {"read", "add"},
	PresetAll:     {"read", "add", "set", "remove", "act"},
}

// Presets returns the presets, from the narrowest to the widest.
func Presets() []string { return []string{PresetRead, PresetReadAdd, PresetAll} }

// Effects returns the effects that a preset lets through.
func Effects(preset string) []string { return slices.Clone(presets[preset]) }

// Operation is what a caller wants to do.
type Operation struct {
	Tool   string // "records"
	Action string // "get"
	Effect string // "read", "add", "set", "remove" or "act"; anything else is refused
	// Opaque says that nobody can tell which records and fields it touches: it runs
	// code, or a report.
	Opaque bool
}

// Rule says what an agent may do.
//
// A preset lets operations through by their effect and Actions by their name.
// Where both are given an operation must pass both, so that Actions narrows the
// preset: {read, [records]} is what reads in the tool records. Where only one
// is given it decides alone: {read} is everything that reads, {[records.get]}
// is that operation. Where neither is given nothing passes.
type Rule struct {
	// Agent is the identifier of the agent, compared exactly, or "*" for every
	// agent that no other rule names.
	Agent string `yaml:"agent"`
	// Host is the name of the host profile through which the agent must come.
	// Empty is every host of the workspace. Name it where two hosts of a
	// workspace do not trust each other: a host can claim any agent.
	Host string `yaml:"host"`
	// Off refuses the agent, whatever else the rule says, which is kept for when it is
	// switched on again. It shuts out one agent beside a rule for "*"; that one itself is
	// then as if it were not there.
	Off bool `yaml:"off"`
	// Preset is "read", "read+add", "all" or empty.
	Preset string `yaml:"preset"`
	// Actions are names of tools ("records") and operations ("records.get").
	Actions []string `yaml:"actions"`
	// Changes are the objects of whose records the audit trail keeps what changes.
	Changes Changes `yaml:"changes"`
	// Confirm is what the agent may do only after a person has approved it: effects
	// ("add", "set", "remove", "act"), tools ("records") and operations
	// ("records.delete"). A call whose content could have one of the effects, as
	// that of "act" can have any, is confirmed as well.
	Confirm []string `yaml:"confirm"`
	// ConfirmWithin is how long a call waits for that. Default 24 h.
	ConfirmWithin time.Duration `yaml:"confirmWithin"`
	// Limits bound how much the agent may do.
	Limits Limits `yaml:"limits"`
	// SObjects are names of objects ("Account"), and Fields of fields ("Contact.Email",
	// "*.SSN__c", "Contact.*"), that calls may touch or not, wherever in them. What
	// nobody can tell of is refused under any of these lists, except where Actions
	// has the operation itself.
	SObjects Lists `yaml:"sObjects"`
	Fields   Lists `yaml:"fields"`
}

// Permits reports whether the rule lets op through, whoever asks.
func (r Rule) Permits(op Operation) bool {
	if r.Off || op.Tool == "" || op.Action == "" || !slices.Contains(presets[PresetAll], op.Effect) {
		return false
	}
	if r.Preset == "" && len(r.Actions) == 0 {
		return false
	}
	if op.Tool == approvalsTool { // of no use to anybody else
		return len(r.Confirm) > 0
	}
	if r.Preset != "" && !slices.Contains(presets[r.Preset], op.Effect) {
		return false
	}
	if op.Opaque && r.Narrowed() && !r.names(op) {
		return false
	}
	return len(r.Actions) == 0 || slices.Contains(r.Actions, op.Tool) || r.names(op)
}

// names reports whether the rule names the operation itself, and not its tool.
func (r Rule) names(op Operation) bool { return slices.Contains(r.Actions, op.Tool+"."+op.Action) }

// String describes the rule for the audit trail: `agent desk: read of records`.
func (r Rule) String() string {
	text := "agent " + r.Agent
	if r.Host != "" {
		text += " through " + r.Host
	}
	return text + ": " + r.grants() + r.confirmation()
}

// mostNames is how many names of a list a description has: each entry of the audit
// trail has it.
const mostNames = 10

// grants describes what the rule lets through, without naming the agent.
func (r Rule) grants() string {
	if r.Off {
		return "nothing, because it is switched off"
	}
	text := r.operations()
	for _, list := range []struct {
		before string
		names  []string
	}{{"; objects only ", r.SObjects.Allow}, {"; objects not ", r.SObjects.Deny}, {"; fields only ", r.Fields.Allow}, {"; fields not ", r.Fields.Deny}} {
		if n := len(list.names); n > mostNames {
			text += fmt.Sprintf("%s%s and %d more", list.before, strings.Join(list.names[:mostNames], ", "), n-mostNames)
		} else if n > 0 {
			text += list.before + strings.Join(list.names, ", ")
		}
	}
	return text
}

// operations describes which operations the rule lets through.
func (r Rule) operations() string {
	switch {
	case r.Preset == "" && len(r.Actions) == 0:
		return "nothing"
	case len(r.Actions) == 0:
		return r.Preset
	case r.Preset == "":
		return strings.Join(r.Actions, ", ")
	}
	return r.Preset + " of " + strings.Join(r.Actions, ", ")
}

// validate returns every problem of the rule, each naming field and value.
func (r Rule) validate(field string) error {
	var problems []error
	if err := checkIdentifier(r.Agent); err != nil && r.Agent != anyAgent {
		problems = append(problems, fmt.Errorf("%s.agent: %q %w", field, r.Agent, err))
	}
	if _, known := presets[r.Preset]; !known && r.Preset != "" {
		problems = append(problems, fmt.Errorf("%s.preset: %q is none of %q, %q and %q",
			field, r.Preset, PresetRead, PresetReadAdd, PresetAll))
	}
	problems = append(problems, r.Limits.validate(field+".limits"))
	for i, action := range r.Actions {
		if !actionName(action) {
			problems = append(problems, fmt.Errorf(`%s.actions[%d]: %q is neither a tool ("records") nor an operation ("records.get")`,
				field, i, action))
		}
	}
	problems = append(problems, r.Changes.validate(field), r.validateConfirm(field), r.validateContent(field))
	return errors.Join(problems...)
}

// actionName reports whether text has the form of a tool or of an operation.
func actionName(text string) bool {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		letters := func(r rune) bool { return r == '_' || 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' }
		if part == "" || strings.TrimFunc(part, letters) != "" {
			return false
		}
	}
	return len(parts) <= 2
}
