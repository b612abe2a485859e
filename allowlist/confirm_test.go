package allowlist

import (
	"strings"
	"testing"
	"time"
)

func TestConfirm(t *testing.T) {
	w := &Workspace{Name: "w", Profiles: []*Profile{
		{Name: "desk", Tokens: []string{HashToken("a")}, Elicits: true, Agent: []Source{{FromHeader, "agent-id"}}},
		{Name: "hub", Tokens: []string{HashToken("b")}, Agent: []Source{{FromHeader, "agent-id"}}},
	}, Rules: []Rule{
		{Agent: "effects", Preset: "all", Confirm: []string{"set", "remove"}},
		{Agent: "names", Preset: "all", Confirm: []string{"tooling", "records.delete", "query.soql"}, ConfirmWithin: time.Hour},
		{Agent: "names", Host: "hub", Preset: "all"},
		{Agent: "nothing", Confirm: []string{"remove"}},
	}}
	gate, err := NewGate(w)
	if err != nil {
		t.Fatal(err)
	}
	op := func(name, effect string) Operation {
		tool, action, _ := strings.Cut(name, ".")
		return Operation{Tool: tool, Action: action, Effect: effect}
	}
	for _, tt := range []struct {
		agent, host string
		op          Operation
		effects     []string
		why         string
		within      time.Duration
	}{
		{"effects", "desk", op("records.delete", "remove"), nil, "remove", 24 * time.Hour},
		{"effects", "desk", op("records.create", "add"), nil, "", 24 * time.Hour},
		{"effects", "desk", op("query.soql", "read"), []string{"read"}, "", 24 * time.Hour},
		{"effects", "desk", op("composite.request", "act"), []string{"add", "set", "remove", "act"}, "set", 24 * time.Hour},
		{"effects", "desk", op("bulkIngest.create", "add"), []string{"add", "remove"}, "remove", 24 * time.Hour},
		{"effects", "desk", op("approvals.get", "read"), nil, "", 24 * time.Hour},
		{"names", "desk", op("tooling.query", "read"), nil, "tooling", time.Hour},
		{"names", "desk", op("records.delete", "remove"), nil, "records.delete", time.Hour},
		{"names", "desk", op("records.update", "set"), nil, "", time.Hour},
		{"names", "desk", op("query.soql", "read"), nil, "query.soql", time.Hour},
		{"names", "hub", op("records.delete", "remove"), nil, "", 24 * time.Hour},
	} {
		got := gate.Confirm(Caller{Workspace: "w", Host: tt.host, Agent: tt.agent}, tt.op, tt.effects...)
		if want := (Confirmation{Needed: tt.why != "", Why: tt.why, Within: tt.within, Elicits: tt.host == "desk"}); got != want {
			t.Errorf("%s through %s, %+v: %+v, want %+v", tt.agent, tt.host, tt.op, got, want)
		}
	}
	for _, nobody := range []Caller{{Workspace: "w", Agent: "stranger"}, {Workspace: "x", Agent: "effects"}, {}} {
		if !gate.Confirm(nobody, op("records.get", "read")).Needed {
			t.Errorf("%+v needs no approval", nobody)
		}
	}
	for agent, want := range map[string]bool{"effects": true, "nothing": false} {
		if _, err := gate.Allow(Caller{Workspace: "w", Host: "desk", Agent: agent}, op("approvals.get", "read")); (err == nil) != want {
			t.Errorf("%s reads approvals: %v", agent, err)
		}
	}
	if _, err := gate.Allow(Caller{Workspace: "w", Host: "hub", Agent: "names"}, op("approvals.list", "read")); err == nil {
		t.Error("an agent that asks nobody reads approvals")
	}
	if got, want := w.Rules[0].String(), "agent effects: all; confirmed: set, remove"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestConfirmValidate(t *testing.T) {
	for want, rule := range map[string]Rule{
		`rules[0].confirm[0]: "read" would have each reading approved`: {Confirm: []string{"read"}},
		`rules[0].confirm[1]: "re move" is neither an effect`:          {Confirm: []string{"set", "re move"}},
		`rules[0].confirm[0]: "" is neither`:                           {Confirm: []string{""}},
		`rules[0].confirm[0]: "approvals" cannot be confirmed`:         {Confirm: []string{"approvals"}},
		`rules[0].confirm[0]: "approvals.get" cannot be confirmed`:     {Confirm: []string{"approvals.get"}},
		`rules[0].confirmWithin: 30s must be between 1m and 720h0m0s`:  {Confirm: []string{"set"}, ConfirmWithin: 30 * time.Second},
		`rules[0].confirmWithin: 721h0m0s must be`:                     {Confirm: []string{"set"}, ConfirmWithin: 721 * time.Hour},
		`rules[0].confirmWithin: is for a rule with confirm`:           {ConfirmWithin: time.Hour},
	} {
		rule.Agent = "a"
		err := (&Workspace{Name: "w", Rules: []Rule{rule}}).Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	names := Rule{Confirm: []string{"set", "records", "act", "query.soql"}}.ConfirmedNames()
	if len(names) != 2 || names[1] != "records" || names[3] != "query.soql" {
		t.Errorf("%v", names)
	}
}

func TestAdmins(t *testing.T) {
	a, b := &Workspace{Name: "a", Profiles: []*Profile{nil, {Name: "h", Tokens: []string{strings.ToUpper(HashToken("host"))}}}}, &Workspace{Name: "b"}
	admins := Admins{
		{Name: "maria", Tokens: []string{HashToken("m1"), HashToken("m2")}, Workspaces: []string{"a"}},
		{Name: "ann", Tokens: []string{strings.ToUpper(HashToken("ann"))}, Workspaces: []string{"*"}},
	}
	if err := admins.Validate(a, b); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ token, workspace, want string }{
		{"m1", "a", "maria"}, {"m2", "a", "maria"}, {"m1", "b", ""}, {"ann", "a", "ann"}, {"ann", "b", "ann"},
		{"", "a", ""}, {"host", "a", ""}, {HashToken("m1"), "a", ""}, {"m1", "", ""},
	} {
		name, ok := admins.Authenticate(tt.token, tt.workspace)
		if name != tt.want || ok != (tt.want != "") {
			t.Errorf("%q of %q is %q %v, want %q", tt.token, tt.workspace, name, ok, tt.want)
		}
	}
	if _, ok := (Admins)(nil).Authenticate("", "a"); ok {
		t.Error("nobody is an administrator")
	}
	good := HashToken("x")
	for want, admins := range map[string]Admins{
		`admins[0].name: ""`:                                 {{Tokens: []string{good}, Workspaces: []string{"a"}}},
		`admins[0].name: " maria"`:                           {{Name: " maria", Tokens: []string{good}, Workspaces: []string{"a"}}},
		`admins[1].name: "Maria" is the name of two`:         {{Name: "maria", Tokens: []string{good}, Workspaces: []string{"a"}}, {Name: "Maria", Tokens: []string{HashToken("y")}, Workspaces: []string{"a"}}},
		`admins[0].tokens: at least one`:                     {{Name: "m", Workspaces: []string{"a"}}},
		`admins[0].tokens[0]: must be a SHA-256 hash`:        {{Name: "m", Tokens: []string{"secret"}, Workspaces: []string{"a"}}},
		`admins[0].tokens[0]: is the hash of an empty token`: {{Name: "m", Tokens: []string{HashToken("")}, Workspaces: []string{"a"}}},
		`admins[0].tokens[0]: is listed twice`:               {{Name: "m", Tokens: []string{HashToken("host")}, Workspaces: []string{"a"}}},
		`admins[0].tokens[1]: is listed twice`:               {{Name: "m", Tokens: []string{good, strings.ToUpper(good)}, Workspaces: []string{"a"}}},
		`admins[0].workspaces: at least one is needed`:       {{Name: "m", Tokens: []string{good}}},
		`admins[0].workspaces[0]: there is no workspace "c"`: {{Name: "m", Tokens: []string{good}, Workspaces: []string{"c"}}},
	} {
		err := admins.Validate(a, b)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
