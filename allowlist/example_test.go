package allowlist_test

import (
	"fmt"
	"net/http"

	"salesforce-mcp/allowlist"
)

// An agent framework proves itself with a token and names its agent in a
// header. The agent may read, and what it may not is refused with a sentence
// that says so.
func Example() {
	workspace := &allowlist.Workspace{
		Name: "acme",
		Profiles: []*allowlist.Profile{{
			Name:   "framework",
			Tokens: []string{allowlist.HashToken("a long random token")},
			Agent:  []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}},
		}},
		Rules: []allowlist.Rule{{Agent: "support", Preset: allowlist.PresetRead}},
	}
	gate, err := allowlist.NewGate(workspace)
	if err != nil {
		fmt.Println(err)
		return
	}

	profile, err := workspace.Authenticate("a long random token")
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, args, err := workspace.Identify(profile, http.Header{"Agent-Id": {"support"}}, map[string]any{"action": "get"})
	fmt.Println(caller.Agent, args, err)

	decision, err := gate.Allow(caller, allowlist.Operation{Tool: "records", Action: "get", Effect: "read"})
	fmt.Println(decision.Rule, err)
	_, err = gate.Allow(caller, allowlist.Operation{Tool: "records", Action: "delete", Effect: "remove"})
	fmt.Println(err)
	// Output:
	// support map[action:get] <nil>
	// agent support: read <nil>
	// This agent is not authorized to use this connector for records.delete: its rule allows read. An administrator can change the rule (Authorized agents, or rules in the configuration file).
}
