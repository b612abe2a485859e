package tools

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"salesforce-mcp/auth"
	"salesforce-mcp/salesforce"
)

// A Code says what kind of failure an Error is. It is what programs branch on.
// Failures that Salesforce reports keep Salesforce's errorCode instead.
type Code string

// The codes of failures that are ours.
const (
	UnknownTool     Code = "unknown_tool"
	UnknownAction   Code = "unknown_action"
	UnknownArgument Code = "unknown_argument"
	MissingArgument Code = "missing_argument"
	InvalidArgument Code = "invalid_argument"
	NotIdentified   Code = "agent_not_identified"
	NotAuthorized   Code = "agent_not_authorized"
	NotRecorded     Code = "audit_unavailable"
	NotConnected    Code = "salesforce_not_connected"
	Unreadable      Code = "unreadable_answer"
	TimedOut        Code = "timed_out"
	ApexFailed      Code = "apex_failed"
	NoResult        Code = "no_result"
	NoHandle        Code = "not_given"
	KeyMismatch     Code = "idempotency_mismatch"
	InProgress      Code = "in_progress"
	OutcomeUnknown  Code = "outcome_unknown"
	RateLimited     Code = "rate_limited"
	BudgetExceeded  Code = "budget_exceeded"
	// Of calls that a person has to approve.
	ApprovalRequired Code = "approval_required"
	ApprovalDenied   Code = "approval_denied"
	ApprovalUsed     Code = "approval_used"
	ManyApprovals    Code = "too_many_approvals"
	NoApproval       Code = "no_approval"
	NotWaiting       Code = "approval_not_waiting"
	FourEyes         Code = "approval_by_requester"
	// Of returns.
	ReturnsOff Code = "returns_not_configured"
	NoReturn   Code = "no_return"        // there is no such case, or no such run
	RunState   Code = "run_not_possible" // the run is not where that can be done with it
	// Of conversations with agents.
	AgentforceOff Code = "agentforce_not_configured"
	NoSession     Code = "no_session" // there is none of the caller's
	SessionOver   Code = "session_ended"
	SessionBusy   Code = "session_busy" // nothing was sent
	SessionLimit  Code = "session_limit"
	Internal      Code = "internal_error"
)

// An Error is a failure that the caller may read and act on.
type Error struct {
	Code       Code     `json:"code"`
	Message    string   `json:"message"`
	Status     int      `json:"status,omitempty"`      // HTTP status of Salesforce's answer
	Fields     []string `json:"fields,omitempty"`      // the fields it is about
	Related    []string `json:"candidates,omitempty"`  // the records that stand in the way
	Also       []string `json:"also,omitempty"`        // further errors of the same answer
	Call       string   `json:"call,omitempty"`        // ID of the call's entry in the audit trail, which administrators find it by
	RequestID  string   `json:"requestId,omitempty"`   // Salesforce's X-SFDC-Request-Id
	RetryAfter int      `json:"retryAfter,omitempty"`  // seconds to wait before trying again
	Hint       string   `json:"hint,omitempty"`        // what to do next
	ConnectURL string   `json:"connect_url,omitempty"` // where the user connects Salesforce
	Scopes     []string `json:"scopes,omitempty"`      // what the user is asked to grant there
	ApprovalID string   `json:"approvalId,omitempty"`  // of a call that a person has to approve
	ExpiresAt  string   `json:"expiresAt,omitempty"`   // until when it waits for that

	ask *question // what the person is asked for whom the agent works, where that can be done
}

// Error returns everything a model needs, because many hosts hand it the text
// of an error and nothing else. The message comes first: hosts and their
// documentation search for how it begins.
func (e *Error) Error() string {
	var b strings.Builder
	message := strings.Trim(e.Message, "\n")
	if strings.Contains(message, "\n") { // nothing in it may look like a line of ours
		message = "Salesforce says:\n  " + strings.ReplaceAll(message, "\n", "\n  ")
	}
	b.WriteString(message)
	fmt.Fprintf(&b, "\ncode: %s", cell(string(e.Code)))
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	for _, line := range []struct {
		name   string
		values []string
	}{{"fields", e.Fields}, {"candidates", e.Related}, {"also", e.Also}} {
		if len(line.values) > 0 {
			fmt.Fprintf(&b, "\n%s: %s", line.name, cell(strings.Join(line.values, ", ")))
		}
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "\nretry after: %d s", e.RetryAfter)
	}
	if e.Hint != "" {
		b.WriteString("\nhint: " + e.Hint)
	}
	if e.ConnectURL != "" {
		b.WriteString("\nconnect_url: " + e.ConnectURL)
	}
	if e.ApprovalID != "" {
		b.WriteString("\napproval id: " + cell(e.ApprovalID))
	}
	if e.RequestID != "" {
		b.WriteString("\nSalesforce request id: " + cell(e.RequestID))
	}
	if e.Call != "" {
		b.WriteString("\ncall: " + e.Call)
	}
	return Printable(b.String())
}

// of returns the error as one of the call with that ID.
func (e *Error) of(call string) *Error {
	again := *e
	again.Call = call
	return &again
}

// AsError returns err as what the caller may see. An error that is neither ours
// nor Salesforce's is not shown: its text may hold addresses or secrets.
func AsError(err error) *Error {
	var ours *Error
	var login *auth.Error
	var theirs *salesforce.Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &login):
		return &Error{Code: NotConnected, Message: login.Message}
	case errors.As(err, &theirs):
		e := &Error{Code: Code(theirs.Code), Message: theirs.Message, Status: theirs.Status, Fields: theirs.Fields,
			Related: theirs.Candidates, RequestID: theirs.RequestID, Hint: theirs.Hint()}
		e.RetryAfter = int(math.Ceil(theirs.RetryAfter.Seconds()))
		for _, d := range theirs.Details[min(1, len(theirs.Details)):] {
			e.Also = append(e.Also, d.Code+": "+d.Message)
		}
		if theirs.Repeated {
			e.Also = append(e.Also, "an earlier try of this call got no answer: it may have been done all the same")
		}
		if e.Code == "" {
			e.Code = Code(theirs.Class)
		}
		return e
	}
	return &Error{Code: Internal, Message: "the server failed; its log has the cause"}
}

// JSON is the error as programs read it: {"error":{"code","message",…}}.
func (e *Error) JSON() []byte {
	b, err := encode(map[string]*Error{"error": e})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return b
}
