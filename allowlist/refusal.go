package allowlist

import "fmt"

// Codes of a [Refusal].
const (
	// MissingAgent: no source of the host's profile named an agent.
	MissingAgent = "missing_agent_id"
	// InvalidIdentity: an identifier is malformed, incomplete, contradicted by
	// another source, or given where this host may not give it.
	InvalidIdentity = "invalid_identity"
	// NotAllowlisted: no rule of the workspace covers the agent.
	NotAllowlisted = "not_allowlisted"
	// NotPermitted: the agent's rule does not cover the operation.
	NotPermitted = "not_permitted"
	// ContentNotPermitted: the rule covers the operation, but not what is in it.
	ContentNotPermitted = "content_not_permitted"
	// Suspended: the workspace refuses everybody.
	Suspended = "workspace_suspended"
)

// The sentences with which refusals begin. Hosts and their documentation search
// for these words (documentation of the connector's common issues).
const (
	unidentified  = "The calling agent could not be identified"
	notAuthorized = "This agent is not authorized to use this connector"
)

// Refusal is the error for a caller who is not let through. Its message is
// meant for the caller: it says how to mend the matter, and it names nothing
// but what the caller itself sent and its own rule.
type Refusal struct {
	Code    string // one of the constants of this package, for programs
	Message string // a documented sentence, what is wrong, and what would be right
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// unidentifiedf refuses a caller whose identity is wrong.
func unidentifiedf(code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Message: unidentified + ": " + fmt.Sprintf(format, args...)}
}
