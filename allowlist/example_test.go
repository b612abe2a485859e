package allowlist_test

import (
	"context"
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

	host, err := workspace.Authenticate(context.Background(), allowlist.Presented{
		Bearer: "a long random token", Header: http.Header{"Agent-Id": {"support"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, args, err := workspace.Identify(host, map[string]any{"action": "get"})
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
