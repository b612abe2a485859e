package allowlist

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The operations of the tests.
var (
	recordsGet    = Operation{Tool: "records", Action: "get", Effect: "read"}
	recordsCreate = Operation{Tool: "records", Action: "create", Effect: "add"}
	recordsUpdate = Operation{Tool: "records", Action: "update", Effect: "set"}
	recordsDelete = Operation{Tool: "records", Action: "delete", Effect: "remove"}
	querySOQL     = Operation{Tool: "query", Action: "soql", Effect: "read"}
	toolingRun    = Operation{Tool: "tooling", Action: "executeAnonymous", Effect: "act"}
	operations    = []Operation{recordsGet, recordsCreate, recordsUpdate, recordsDelete, querySOQL, toolingRun}
)

// newGate returns a gate over demo and another workspace with a secret agent.
func newGate(t *testing.T, rules ...Rule) *Gate {
	t.Helper()
	other := &Workspace{Name: "other", Profiles: []*Profile{gateway}, Rules: []Rule{{Agent: "hidden", Preset: PresetAll}}}
	g, err := NewGate(demo(rules...), other)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestSuspended: a workspace that is suspended refuses everybody, shows nothing, and says
// why; what is under way finds that its rule is gone.
func TestSuspended(t *testing.T) {
	w := &Workspace{Name: "w", Suspended: true, Rules: []Rule{{Agent: "*", Preset: PresetAll}}}
	g, err := NewGate(w)
	if err != nil {
		t.Fatal(err)
	}
	caller, op := Caller{Workspace: "w", Agent: "a"}, Operation{Tool: "records", Action: "get", Effect: "read"}
	decision, err := g.Allow(caller, op)
	var refusal *Refusal
	if decision.Allowed || !errors.As(err, &refusal) || refusal.Code != Suspended || !strings.HasPrefix(refusal.Message, notAuthorized+": this workspace is suspended") {
		t.Errorf("%+v, %v", decision, err)
	}
	if _, ok := g.Rule(caller); ok || g.MayEver("w", "", op) {
		t.Error("it has a rule, or shows an operation")
	}
}

func TestRulePermits(t *testing.T) {
	for name, test := range map[string]struct {
		rule Rule
		want []Operation
	}{
		"nothing given":          {Rule{}, nil},
		"read":                   {Rule{Preset: "read"}, []Operation{recordsGet, querySOQL}},
		"read+add":               {Rule{Preset: "read+add"}, []Operation{recordsGet, recordsCreate, querySOQL}},
		"all":                    {Rule{Preset: "all"}, operations},
		"unknown preset":         {Rule{Preset: "write"}, nil},
		"a tool":                 {Rule{Actions: []string{"records"}}, operations[:4]},
		"an operation":           {Rule{Actions: []string{"records.delete"}}, []Operation{recordsDelete}},
		"several":                {Rule{Actions: []string{"query", "records.get"}}, []Operation{recordsGet, querySOQL}},
		"read of a tool":         {Rule{Preset: "read", Actions: []string{"records"}}, []Operation{recordsGet}},
		"preset and its outside": {Rule{Preset: "read", Actions: []string{"records.delete"}}, nil},
		"all of a tool":          {Rule{Preset: "all", Actions: []string{"query"}}, []Operation{querySOQL}},
		"other case":             {Rule{Actions: []string{"Records", "records.GET"}}, nil},
		"prefix":                 {Rule{Actions: []string{"record", "records.ge", "records."}}, nil},
		"switched off":           {Rule{Preset: "all", Off: true}, nil},
		"an operation, off":      {Rule{Actions: []string{"records.get"}, Off: true}, nil},
		"star":                   {Rule{Actions: []string{"*", "records.*"}}, nil},
	} {
		var got []Operation
		for _, op := range operations {
			if test.rule.Permits(op) {
				got = append(got, op)
			}
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: permits %v, want %v", name, got, test.want)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s: permits %v, want %v", name, got, test.want)
			}
		}
	}
	for _, op := range []Operation{{}, {Tool: "records", Action: "get"}, {Tool: "records", Action: "get", Effect: "Read"}, {Tool: "records", Action: "get", Effect: "write"}, {Action: "get", Effect: "read"}, {Tool: "records", Effect: "read"}} {
		if (Rule{Preset: "all"}).Permits(op) || (Rule{Actions: []string{"records", "records.get", ""}}).Permits(op) {
			t.Errorf("the incomplete operation %+v is permitted", op)
		}
	}
}

// TestOff: a rule that is switched off shuts its agent out, also where "*" would let it in,
// and the others keep what they have.
func TestOff(t *testing.T) {
	off := Rule{Agent: "desk", Preset: "all", Confirm: []string{"act"}, Fields: Lists{Deny: []string{"Contact.Email"}}, Off: true}
	g := newGate(t, Rule{Agent: "*", Preset: "read"}, off)
	desk, other := Caller{Workspace: "demo", Host: "gateway", Agent: "desk"}, Caller{Workspace: "demo", Host: "gateway", Agent: "other"}
	for _, op := range operations {
		decision, err := g.Allow(desk, op)
		if err == nil || g.Lists(desk, op) || decision.Rule != "agent desk: nothing, because it is switched off" || !strings.Contains(err.Error(), "switched off") || strings.Contains(err.Error(), "must name") {
			t.Errorf("%s.%s: %+v, %v", op.Tool, op.Action, decision, err)
		}
		if _, err := g.AllowTouches(desk, op, nil); err == nil {
			t.Errorf("%s.%s is let through by its touches", op.Tool, op.Action)
		}
		if reads := op.Effect == "read"; g.Lists(other, op) != reads || g.Lists(Caller{Workspace: "demo", Host: "gateway"}, op) != reads {
			t.Errorf("%s.%s of the others changed", op.Tool, op.Action)
		}
	}
	if off.Unlimited() {
		t.Error("a rule that is switched off is unlimited")
	}
	g = newGate(t, Rule{Agent: "*", Preset: "read", Off: true}, Rule{Agent: "desk", Preset: "read"})
	if decision, err := g.Allow(other, recordsGet); err == nil || decision.Rule != "" {
		t.Errorf("the rule for all agents is switched off: %+v, %v", decision, err)
	}
	if _, _, err := demo(Rule{Agent: "*", Preset: "read", Off: true}).Identify(&Host{Profile: gateway}, nil); err == nil {
		t.Error("and lets an agent without a name through")
	}
}

func TestGateAllow(t *testing.T) {
	rules := []Rule{
		{Agent: "*", Preset: "read"},
		{Agent: "support", Preset: "all"},
		{Agent: "support", Host: "gateway", Preset: "read+add"},
		{Agent: "blocked"},
		{Agent: "*", Host: "desk", Actions: []string{"query"}},
	}
	for name, test := range map[string]struct {
		rules  []Rule
		caller Caller
		op     Operation
		rule   string
		code   string // "" when allowed
	}{
		"by name":                     {rules, Caller{Workspace: "demo", Host: "factory", Agent: "support"}, recordsDelete, "agent support: all", ""},
		"by name through a host":      {rules, Caller{Workspace: "demo", Host: "gateway", Agent: "support"}, recordsDelete, "agent support through gateway: read+add", NotPermitted},
		"by star":                     {rules, Caller{Workspace: "demo", Host: "factory", Agent: "any"}, recordsGet, "agent *: read", ""},
		"by star, no name":            {rules, Caller{Workspace: "demo", Host: "factory"}, recordsGet, "agent *: read", ""},
		"by star, too much":           {rules, Caller{Workspace: "demo", Host: "factory", Agent: "any"}, recordsUpdate, "agent *: read", NotPermitted},
		"by star through a host":      {rules, Caller{Workspace: "demo", Host: "desk", Agent: "any"}, recordsGet, "agent * through desk: query", NotPermitted},
		"name before star, also less": {rules, Caller{Workspace: "demo", Host: "factory", Agent: "blocked"}, recordsGet, "agent blocked: nothing", NotPermitted},
		"name before host":            {rules, Caller{Workspace: "demo", Host: "desk", Agent: "support"}, recordsDelete, "agent support: all", ""},
		"not listed":                  {nil, Caller{Workspace: "demo", Host: "factory", Agent: "any"}, recordsGet, "", NotAllowlisted},
		"no name":                     {nil, Caller{Workspace: "demo", Host: "factory"}, recordsGet, "", NotAllowlisted},
		"other case":                  {nil, Caller{Workspace: "demo", Host: "factory", Agent: "Support"}, recordsGet, "", NotAllowlisted},
		"trailing space":              {nil, Caller{Workspace: "demo", Host: "factory", Agent: "support "}, recordsGet, "", NotAllowlisted},
		"look-alike":                  {nil, Caller{Workspace: "demo", Host: "factory", Agent: "suрport"}, recordsGet, "", NotAllowlisted}, // Cyrillic р
		"agent of another workspace":  {nil, Caller{Workspace: "demo", Host: "gateway", Agent: "hidden"}, recordsGet, "", NotAllowlisted},
		"unknown workspace":           {nil, Caller{Workspace: "nowhere", Host: "gateway", Agent: "support"}, recordsGet, "", NotAllowlisted},
		"zero caller":                 {rules, Caller{}, recordsGet, "", NotAllowlisted},
		"unknown effect":              {nil, Caller{Workspace: "demo", Host: "factory", Agent: "support"}, Operation{Tool: "records", Action: "get", Effect: ""}, "agent support: all", NotPermitted},
	} {
		decision, err := newGate(t, test.rules...).Allow(test.caller, test.op)
		if decision.Rule != test.rule || decision.Allowed != (test.code == "") || decision.Allowed != (err == nil) {
			t.Errorf("%s: decision %+v, error %v; want rule %q, code %q", name, decision, err, test.rule, test.code)
		}
		var refusal *Refusal
		if test.code != "" && (!errors.As(err, &refusal) || refusal.Code != test.code ||
			!strings.HasPrefix(refusal.Message, "This agent is not authorized to use this connector") ||
			!strings.Contains(refusal.Message, "Authorized agents")) {
			t.Errorf("%s: error %#v", name, err)
		}
	}
}

// A refusal tells nothing about other agents, hosts or workspaces, and a
// workspace that does not exist refuses in the words of one that does.
func TestRefusalsRevealNothing(t *testing.T) {
	g := newGate(t)
	agents := []string{"any", "hidden", "lab"}
	for _, agent := range agents {
		for _, workspace := range []string{"demo", "other", "nowhere"} {
			_, err := g.Allow(Caller{Workspace: workspace, Host: "gateway", Agent: agent}, recordsDelete)
			if err == nil {
				continue
			}
			for _, word := range []string{"support", "hidden", "lab", "factory", "desk", "demo", "other", "nowhere"} {
				if word != agent && strings.Contains(strings.ReplaceAll(err.Error(), "all agents", ""), word) {
					t.Errorf("%s in %s: %q names %q", agent, workspace, err, word)
				}
			}
		}
	}
	message := func(workspace string) string {
		_, err := g.Allow(Caller{Workspace: workspace, Host: "gateway", Agent: "any"}, recordsGet)
		return err.Error()
	}
	if message("demo") != message("nowhere") {
		t.Errorf("%q in a workspace, %q outside", message("demo"), message("nowhere"))
	}
}

func TestGateMayEver(t *testing.T) {
	g := newGate(t,
		Rule{Agent: "lab", Preset: "read"},
		Rule{Agent: "support", Host: "factory", Actions: []string{"records.create"}},
		Rule{Agent: "blocked"})
	for _, test := range []struct {
		workspace, host string
		op              Operation
		want            bool
	}{
		{"demo", "factory", recordsGet, true},
		{"demo", "factory", recordsCreate, true},
		{"demo", "gateway", recordsGet, true},
		{"demo", "gateway", recordsCreate, false},
		{"demo", "factory", recordsDelete, false},
		{"nowhere", "factory", recordsGet, false},
	} {
		if got := g.MayEver(test.workspace, test.host, test.op); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
	var zero Gate
	if _, err := zero.Allow(Caller{Workspace: "demo", Agent: "lab"}, recordsGet); err == nil || zero.MayEver("demo", "factory", recordsGet) {
		t.Error("the zero gate lets through")
	}
}

// Nothing is allowed but what a rule that covers the caller permits, and what
// is allowed was listed.
func TestUnlistedIsNeverAllowed(t *testing.T) {
	agents := rapid.SampledFrom([]string{"support", "lab", "Support", "support ", ""})
	hosts := rapid.SampledFrom([]string{"factory", "gateway", "desk"})
	rapid.Check(t, func(t *rapid.T) {
		w := demo([]Rule{}...)
		w.Rules = nil
		seen := map[[2]string]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "rules") {
			r := Rule{
				Agent:   rapid.SampledFrom([]string{"*", "support", "lab"}).Draw(t, "rule agent"),
				Host:    rapid.SampledFrom([]string{"", "factory", "gateway"}).Draw(t, "rule host"),
				Preset:  rapid.SampledFrom([]string{"", "read", "read+add", "all"}).Draw(t, "preset"),
				Actions: rapid.SliceOfN(rapid.SampledFrom([]string{"records", "records.get", "query.soql"}), 0, 2).Draw(t, "actions"),
			}
			if !seen[[2]string{r.Agent, r.Host}] {
				seen[[2]string{r.Agent, r.Host}] = true
				w.Rules = append(w.Rules, r)
			}
		}
		g, err := NewGate(w)
		if err != nil {
			t.Fatal(err)
		}
		caller := Caller{Workspace: "demo", Host: hosts.Draw(t, "host"), Agent: agents.Draw(t, "agent")}
		op := rapid.SampledFrom(operations).Draw(t, "operation")
		decision, err := g.Allow(caller, op)
		if decision.Allowed != (err == nil) {
			t.Fatalf("decision %+v, error %v", decision, err)
		}
		named, listed := false, false
		for _, r := range w.Rules {
			covers := (r.Host == "" || r.Host == caller.Host) && (r.Agent == "*" || r.Agent == caller.Agent)
			named = named || covers && r.Agent != "*"
			listed = listed || covers && r.Permits(op)
		}
		if decision.Allowed && !listed {
			t.Fatalf("%+v may %+v by no rule of %v", caller, op, w.Rules)
		}
		if decision.Allowed && named && strings.HasPrefix(decision.Rule, "agent *") {
			t.Fatalf("a rule for all agents won over one that names %q: %v", caller.Agent, w.Rules)
		}
		if decision.Allowed && !g.MayEver("demo", caller.Host, op) {
			t.Fatalf("%+v is allowed and not listed", op)
		}
	})
}

// TestMissingTools: what a workspace does not have is allowed to nobody, and shown to
// nobody.
func TestMissingTools(t *testing.T) {
	gate, err := NewGate(&Workspace{Name: "w", Missing: []string{"returns"}, Rules: []Rule{{Agent: "a", Preset: "all"}}})
	if err != nil {
		t.Fatal(err)
	}
	process := Operation{Tool: "returns", Action: "process", Effect: "act"}
	caller := Caller{Workspace: "w", Agent: "a"}
	_, err = gate.Allow(caller, process)
	if err == nil || !strings.Contains(err.Error(), "the workspace has no returns") || gate.MayEver("w", "", process) {
		t.Error(err)
	}
	if _, err := gate.Allow(caller, recordsGet); err != nil || !gate.MayEver("w", "", recordsGet) {
		t.Error(err)
	}
}
