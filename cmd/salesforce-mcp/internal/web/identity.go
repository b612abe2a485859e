package web

import (
	"net/http"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// identity is one authenticated request of a host.
type identity struct {
	gate      *allowlist.Gate
	workspace *allowlist.Workspace
	host      *allowlist.Host
	request   *http.Request // nil on stdio
	log       *securityLog
}

// Local is the one caller of stdio: the local host of a workspace.
func Local(gate *allowlist.Gate, workspace *allowlist.Workspace, host *allowlist.Host) tools.Identity {
	return &identity{gate: gate, workspace: workspace, host: host}
}

// Identify says on whose behalf the host calls.
func (id *identity) Identify(args map[string]any) (allowlist.Caller, map[string]any, error) {
	caller, rest, err := id.workspace.Identify(id.host, args)
	if err != nil {
		id.refused("identity", err.Error())
	}
	return caller, rest, err
}

// Visible returns what tools/list shows. Before the agent is named that is what
// any agent of the host may do.
func (id *identity) Visible(t tools.Table) (tools.Table, error) {
	caller, _, err := id.workspace.IdentifyHeader(id.host)
	if err != nil {
		id.refused("identity", err.Error())
		return nil, err
	}
	return t.Only(func(op allowlist.Operation) bool { return id.gate.Lists(caller, op) }), nil
}

// Refused writes to the security log what was wrong with a message.
func (id *identity) Refused(what string) { id.refused("message", what) }

// refused writes to the security log. On stdio there is none: the one caller sees
// the answer.
func (id *identity) refused(what, value string) {
	if id.log != nil {
		id.log.refused(id.request, what, value)
	}
}
