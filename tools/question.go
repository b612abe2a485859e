package tools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"salesforce-mcp/audit"
)

const (
	// questionTime is how long a question can be answered. Somebody is in front of
	// the client, or nobody answers.
	questionTime = 10 * time.Minute
	// maxQuestion is how many bytes of arguments a question shows. Nobody is asked
	// about what they are not shown; an administrator decides about longer ones.
	maxQuestion = 4000
)

// A question is what the person for whom an agent works is asked about a call that
// waits, through their client (MCP elicitation).
type question struct {
	text  string
	state string // sealed: which approval it is about, and until when
}

// An Answer is what a client says that its user has answered to a question. It
// counts only from a host that an administrator has declared to ask people, and
// with the state of that very question.
type Answer struct {
	State    string
	Approved bool
	Declined bool // neither: the person has closed the question
}

// asking is the content of a question's state.
type asking struct {
	Approval string    `json:"approval"`
	Until    time.Time `json:"until"`
}

// stateName is the name under which a state is sealed. With it a state is that of
// one call, of one caller: opened for any other it is not authentic.
func (c AskedCall) stateName() (string, error) {
	text, err := encode(c)
	return "question " + string(text), err
}

// question is what is asked about a call that waits; nil when it cannot be asked.
func (s *Server) question(ctx context.Context, a Approval) *question {
	var args bytes.Buffer
	if json.Indent(&args, a.Arguments, "", "  ") != nil || args.Len() > maxQuestion || bytes.Contains(a.Arguments, []byte(`"truncated":true`)) {
		return nil
	}
	name, err := a.stateName()
	if err != nil {
		return nil
	}
	plain, err := encode(asking{a.ID, time.Now().Add(questionTime).UTC()})
	if err != nil {
		return nil
	}
	sealed, err := s.Sealer.Seal(ctx, a.Workspace, name, plain)
	if err != nil {
		s.Log.Error().Err(err).Msg("a question cannot be sealed; the call waits for an administrator")
		return nil
	}
	text := fmt.Sprintf("The agent %s wants to do this in Salesforce: %s.%s\n%s", cmp.Or(a.Agent, "(without a name)"), a.Tool, a.Action, args.String())
	if a.Reasoning != "" {
		text += "\nIt says why: " + cell(a.Reasoning)
	}
	return &question{text: Printable(text), state: base64.RawURLEncoding.EncodeToString(sealed)}
}

// answered lets the answer to a question take effect. The error says that it is
// none: forged, of another call or caller, too late, or given before.
func (s *Server) answered(ctx context.Context, call AskedCall, c Call, entry *audit.Entry) error {
	wrong := &Error{Code: InvalidArgument, Message: "the requestState is not that of a question about this very call, or its time is over; nothing was sent",
		Hint: "Make the call again, without inputResponses, to be asked again."}
	name, err := call.stateName()
	if err != nil {
		return err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Answer.State)
	if err != nil {
		return wrong
	}
	plain, err := s.Sealer.Open(ctx, call.Workspace, name, sealed)
	var about asking
	if err != nil || json.Unmarshal(plain, &about) != nil || about.Approval == "" || time.Now().After(about.Until) {
		return wrong
	}
	entry.Approval = about.Approval
	if !c.Answer.Approved && !c.Answer.Declined {
		return nil
	}
	v := Verdict{Approve: c.Answer.Approved, By: cmp.Or(call.User, "the user of "+call.Host), Surface: c.Surface, Asked: true}
	_, err = Decide(ctx, s.Journal, s.Approvals, call.Workspace, about.Approval, v)
	return err
}
