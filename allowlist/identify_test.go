package allowlist

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// factory overwrites arguments, as Agent Factory does; gateway names the agent
// in a header only; desk is one fixed agent.
var (
	factory = &Profile{
		Name: "factory", Tokens: []string{HashToken("factory-token")}, OverwritesArguments: true,
		Agent:   []Source{{FromHeader, "agent-id"}, {FromArgument, "agent_id"}},
		User:    []Source{{FromArgument, "user_id"}},
		Context: []Source{{FromArgument, "context_id"}},
	}
	gateway = &Profile{
		Name: "gateway", Tokens: []string{HashToken("gateway-token")},
		Agent: []Source{{FromHeader, "Agent-Id"}, {FromHeader, "X-Agent"}},
		User:  []Source{{FromHeader, "X-Forwarded-User"}},
	}
	desk = &Profile{Name: "desk", Local: true, Agent: []Source{{Static, "cursor"}}, User: []Source{{Static, "me"}}}
)

// demo is a workspace with all three, where the agents support and lab are
// allowed.
func demo(rules ...Rule) *Workspace {
	if rules == nil {
		rules = []Rule{{Agent: "support", Preset: PresetAll}, {Agent: "lab", Preset: PresetRead}}
	}
	return &Workspace{Name: "demo", Profiles: []*Profile{factory, gateway, desk}, Rules: rules}
}

// headers returns a header from names and values in turn.
func headers(pairs ...string) http.Header {
	header := http.Header{}
	for pair := range slices.Chunk(pairs, 2) {
		header.Add(pair[0], pair[1])
	}
	return header
}

func TestIdentify(t *testing.T) {
	three := map[string]any{"agent_id": "support", "user_id": "ada", "context_id": "c-1"}
	with := func(more map[string]any) map[string]any {
		all := maps.Clone(three)
		maps.Copy(all, more)
		return all
	}
	for name, test := range map[string]struct {
		profile *Profile
		header  http.Header
		args    map[string]any
		rules   []Rule
		want    Caller
		rest    map[string]any
		refusal string // words of the message; "" when identified
	}{
		"injected arguments": {
			profile: factory, args: with(map[string]any{"action": "get", "attachments": []any{"a"}, "attachment_urls": "u", "_meta": map[string]any{}}),
			want: Caller{"demo", "factory", "support", "ada", "c-1"}, rest: map[string]any{"action": "get", "_meta": map[string]any{}},
		},
		"header and the same argument": {
			profile: factory, header: headers("agent-id", "support"), args: three,
			want: Caller{"demo", "factory", "support", "ada", "c-1"}, rest: map[string]any{},
		},
		"header, no injected argument": {
			profile: factory, header: headers("agent-id", "support"), args: map[string]any{"action": "get"},
			want: Caller{"demo", "factory", "support", "", ""}, rest: map[string]any{"action": "get"},
		},
		"header and another argument": {
			profile: factory, header: headers("agent-id", "lab"), args: three, refusal: "differs",
		},
		"the agent alone":                  {profile: factory, args: map[string]any{"agent_id": "support"}, refusal: "come together"},
		"two of three beside a header":     {profile: factory, header: headers("agent-id", "support"), args: map[string]any{"agent_id": "support", "user_id": "ada"}, refusal: "come together"},
		"the user alone beside a header":   {profile: factory, header: headers("agent-id", "support"), args: map[string]any{"user_id": "victim"}, refusal: "come together"},
		"nothing":                          {profile: factory, refusal: "send it in the request header agent-id, or set the capability's Scope"},
		"nothing, all agents allowed":      {profile: factory, rules: []Rule{{Agent: "*", Preset: PresetRead}}, want: Caller{Workspace: "demo", Host: "factory"}, rest: map[string]any{}},
		"all agents of another host":       {profile: factory, rules: []Rule{{Agent: "*", Host: "gateway", Preset: PresetRead}}, refusal: "Scope"},
		"a part, all agents allowed":       {profile: factory, args: map[string]any{"agent_id": "support"}, rules: []Rule{{Agent: "*", Preset: PresetRead}}, refusal: "come together"},
		"an empty injected argument":       {profile: factory, args: with(map[string]any{"user_id": ""}), refusal: `"user_id" is empty`},
		"a null injected argument":         {profile: factory, args: with(map[string]any{"user_id": nil}), refusal: `"user_id" must be a string`},
		"a number as injected argument":    {profile: factory, args: with(map[string]any{"agent_id": json.Number("7")}), refusal: `"agent_id" must be a string`},
		"identity in _meta":                {profile: factory, args: map[string]any{"_meta": three}, refusal: "Scope"},
		"identity in body":                 {profile: factory, args: map[string]any{"body": three}, refusal: "Scope"},
		"arguments of a host that has not": {profile: gateway, header: headers("Agent-Id", "lab"), args: three, refusal: "not accepted from this host"},
		"user argument of such a host":     {profile: gateway, header: headers("Agent-Id", "lab"), args: map[string]any{"user_id": "victim"}, refusal: "not accepted from this host"},
		"context argument of a local host": {profile: desk, args: map[string]any{"context_id": "c"}, refusal: "not accepted from this host"},
		"attachments of such a host stay":  {profile: gateway, header: headers("Agent-Id", "lab"), args: map[string]any{"attachments": "a"}, want: Caller{"demo", "gateway", "lab", "", ""}, rest: map[string]any{"attachments": "a"}},
		"two headers that agree":           {profile: gateway, header: headers("Agent-Id", "lab", "X-Agent", "lab"), want: Caller{"demo", "gateway", "lab", "", ""}, rest: map[string]any{}},
		"two headers that disagree":        {profile: gateway, header: headers("Agent-Id", "lab", "X-Agent", "support"), refusal: "differs"},
		"a header twice":                   {profile: gateway, header: headers("Agent-Id", "lab", "Agent-Id", "support"), refusal: "differs"},
		"an empty header":                  {profile: gateway, header: headers("Agent-Id", ""), refusal: "is empty"},
		"a header nobody configured":       {profile: gateway, header: headers("Agent", "support", "X-Forwarded-User", "ada"), refusal: "send it in the request header Agent-Id, or send it in the request header X-Agent"},
		"static": {
			profile: desk, header: headers("agent-id", "support"), args: map[string]any{"q": "x"},
			want: Caller{"demo", "desk", "cursor", "me", ""}, rest: map[string]any{"q": "x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := maps.Clone(test.args)
			got, rest, err := demo(test.rules...).Identify(&Host{Profile: test.profile, header: test.header}, test.args)
			if diff := cmp.Diff(before, test.args); diff != "" {
				t.Errorf("the arguments were changed:\n%s", diff)
			}
			if test.refusal != "" {
				var refusal *Refusal
				if !errors.As(err, &refusal) || refusal.Code != InvalidIdentity && refusal.Code != MissingAgent ||
					!strings.HasPrefix(refusal.Message, "The calling agent could not be identified") || !strings.Contains(refusal.Message, test.refusal) {
					t.Errorf("error %#v, want a refusal with %q", err, test.refusal)
				}
				if got != (Caller{}) || rest != nil {
					t.Errorf("a refusal with caller %+v and arguments %v", got, rest)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("caller %+v, error %v; want %+v", got, err, test.want)
			}
			if diff := cmp.Diff(test.rest, rest); diff != "" {
				t.Errorf("remaining arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIdentifyHeader(t *testing.T) {
	for name, test := range map[string]struct {
		profile *Profile
		header  http.Header
		agent   string
		known   bool
		refused bool
	}{
		"named in a header": {profile: factory, header: headers("agent-id", "lab"), agent: "lab", known: true},
		"named later":       {profile: factory},
		"static":            {profile: desk, agent: "cursor", known: true},
		"disagreement":      {profile: gateway, header: headers("agent-id", "lab", "x-agent", "support"), refused: true},
		"not an identifier": {profile: gateway, header: headers("agent-id", "lab\u200b"), refused: true},
	} {
		caller, known, err := demo().IdentifyHeader(&Host{Profile: test.profile, header: test.header})
		if caller.Agent != test.agent || known != test.known || (err != nil) != test.refused {
			t.Errorf("%s: agent %q, known %v, error %v", name, caller.Agent, known, err)
		}
		if err == nil && (caller.Workspace != "demo" || caller.Host != test.profile.Name) {
			t.Errorf("%s: caller %+v", name, caller)
		}
	}
}

func TestIdentifierIsWhatItLooksLike(t *testing.T) {
	for _, good := range []string{"a", "support", "Kundendienst Süd", "客服", "agent:1/2@x", strings.Repeat("x", 128)} {
		if err := checkIdentifier(good); err != nil {
			t.Errorf("%q %v", good, err)
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "long": strings.Repeat("x", 129), "every agent": "*",
		"space before": " support", "space after": "support ", "no-break space after": "support\u00a0", "no-break space": "sup\u00a0port",
		"newline": "support\n", "tab": "sup\tport", "NUL": "support\x00", "escape": "\x1b[31msupport", "delete": "support\x7f",
		"invalid UTF-8": "support\xff", "replacement character": "support\uFFFD",
		"zero-width space": "sup\u200bport", "zero-width joiner": "sup\u200dport", "soft hyphen": "sup\u00adport",
		"right-to-left override": "\u202etroppus", "byte order mark": "\ufeffsupport", "tag character": "support\U000E0041",
		"variation selector": "support\ufe0f", "combining joiner": "sup\u034fport", "Hangul filler": "support\u3164",
		"braille blank": "support\u2800", "line separator": "sup\u2028port", "private use": "support\ue000",
	} {
		if err := checkIdentifier(bad); err == nil {
			t.Errorf("%s: %q was accepted", name, bad)
		}
		if _, _, err := demo().Identify(&Host{Profile: gateway, header: headers("Agent-Id", bad)}, nil); err == nil {
			t.Errorf("%s: %q named an agent", name, bad)
		}
	}
}

// Whatever else stands in the arguments reaches the tool, and what the host
// injects does not.
func TestIdentifyKeepsOtherArguments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"AGENT_ID", "agent_id ", "agentId", "body", "action", "_meta", "attachment", "id"}))
		args := map[string]any{}
		for key, value := range rapid.MapOf(name, rapid.String()).Draw(t, "arguments") {
			if !slices.Contains(identityKeys, key) && !slices.Contains(attachmentKeys, key) {
				args[key] = value
			}
		}
		sent := maps.Clone(args)
		for _, key := range identityKeys {
			sent[key] = "x"
		}
		for _, key := range rapid.SliceOf(rapid.SampledFrom(attachmentKeys)).Draw(t, "attachments") {
			sent[key] = "x"
		}
		caller, rest, err := demo().Identify(&Host{Profile: factory}, sent)
		if err != nil || caller != (Caller{"demo", "factory", "x", "x", "x"}) {
			t.Fatalf("caller %+v, error %v", caller, err)
		}
		if diff := cmp.Diff(args, rest); diff != "" {
			t.Errorf("remaining arguments (-want +got):\n%s", diff)
		}
	})
}

// All sources with a value must agree, so their order decides nothing, and the
// agent is one that some source named.
func TestIdentifyDoesNotDependOnTheOrderOfSources(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sources := []Source{{FromHeader, "A"}, {FromHeader, "B"}, {FromHeader, "C"}, {FromArgument, "agent_id"}}
		agent := rapid.SampledFrom([]string{"support", "lab"})
		header, said := http.Header{}, map[string]bool{}
		for _, source := range sources[:3] {
			for _, value := range rapid.SliceOfN(agent, 0, 2).Draw(t, source.Name) {
				header.Add(source.Name, value)
				said[value] = true
			}
		}
		args := map[string]any{}
		if rapid.Bool().Draw(t, "injected") {
			value := agent.Draw(t, "agent_id")
			args = map[string]any{"agent_id": value, "user_id": "u", "context_id": "c"}
			said[value] = true
		}
		identify := func(order []Source) (string, bool) {
			caller, _, err := demo().Identify(&Host{Profile: &Profile{Name: "h", Agent: order, OverwritesArguments: true}, header: header}, args)
			return caller.Agent, err == nil
		}
		agentOne, ok := identify(sources)
		agentTwo, okTwo := identify(rapid.Permutation(sources).Draw(t, "order"))
		if agentOne != agentTwo || ok != okTwo {
			t.Fatalf("%q %v in one order, %q %v in another", agentOne, ok, agentTwo, okTwo)
		}
		if ok != (len(said) == 1) || ok && !said[agentOne] {
			t.Fatalf("agent %q, identified %v; the sources said %v", agentOne, ok, said)
		}
	})
}

func FuzzIdentify(f *testing.F) {
	f.Add("support", `{"action":"get","agent_id":"support","user_id":"ada","context_id":"c"}`, true)
	f.Add("", `{"agent_id":"lab","user_id":null,"context_id":{}}`, true)
	f.Add("lab\u200b", `{"attachments":[1],"_meta":{"agent_id":"support"}}`, false)
	f.Add("*", `{"AGENT_ID":"support"}`, false)
	f.Fuzz(func(t *testing.T, agent, arguments string, overwrites bool) {
		var args map[string]any
		if json.Unmarshal([]byte(arguments), &args) != nil {
			return
		}
		profile, header := gateway, http.Header{}
		if overwrites {
			profile = factory
		}
		if agent != "" {
			header.Set("Agent-Id", agent)
		}
		before := maps.Clone(args)
		caller, rest, err := demo().Identify(&Host{Profile: profile, header: header}, args)
		if diff := cmp.Diff(before, args); diff != "" {
			t.Errorf("the arguments were changed:\n%s", diff)
		}
		if err != nil {
			if caller != (Caller{}) || rest != nil || !strings.HasPrefix(err.Error(), unidentified) {
				t.Errorf("refusal %v with caller %+v and arguments %v", err, caller, rest)
			}
			return
		}
		injected, _ := args["agent_id"].(string)
		if caller.Agent != agent && (agent != "" || !overwrites || caller.Agent != injected) {
			t.Errorf("agent %q, which neither the header (%q) nor an accepted argument (%q) names", caller.Agent, agent, injected)
		}
		for _, id := range []string{caller.Agent, caller.User, caller.Context} {
			if id != "" && checkIdentifier(id) != nil {
				t.Errorf("caller %+v has an identifier that is none", caller)
			}
		}
		for _, key := range identityKeys {
			if _, stays := rest[key]; stays {
				t.Errorf("%s stays among the arguments", key)
			}
		}
		for key := range args {
			_, stays := rest[key]
			stripped := slices.Contains(identityKeys, key) || overwrites && slices.Contains(attachmentKeys, key)
			if stays == stripped {
				t.Errorf("argument %q: stays %v", key, stays)
			}
		}
	})
}
