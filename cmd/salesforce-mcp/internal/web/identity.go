package web

import (
	"net/http"

	"salesforce-mcp/allowlist"
)

// identity is one authenticated request of a host. It implements
// tools.Identity.
type identity struct {
	gate      *allowlist.Gate
	workspace *allowlist.Workspace
	profile   *allowlist.Profile
	header    http.Header
	request   *http.Request
	log       *securityLog
}

// Local is the one caller of stdio: a local profile of a workspace.
func Local(gate *allowlist.Gate, workspace *allowlist.Workspace, profile *allowlist.Profile) *identity {
	return &identity{gate: gate, workspace: workspace, profile: profile}
}

// Identify says on whose behalf the host calls.
func (id *identity) Identify(args map[string]any) (allowlist.Caller, map[string]any, error) {
	caller, rest, err := id.workspace.Identify(id.profile, id.header, args)
	if err != nil {
		id.Refused(err.Error())
	}
	return caller, rest, err
}

// Refused writes to the security log what was wrong with a message. On stdio
// there is none: the one caller sees the answer.
func (id *identity) Refused(what string) {
	if id.log != nil {
		id.log.refused(id.request, "message", what)
	}
}

// Listed reports whether tools/list shows the operation. Before the agent is
// named it shows what any agent of the host may do.
func (id *identity) Listed(op allowlist.Operation) bool {
	caller, known, err := id.workspace.IdentifyHeader(id.profile, id.header)
	switch {
	case err != nil:
		return false
	case !known:
		return id.gate.MayEver(id.workspace.Name, id.profile.Name, op)
	}
	_, err = id.gate.Allow(caller, op)
	return err == nil
}
