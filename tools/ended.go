package tools

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	oteltrace "go.opentelemetry.io/otel/trace"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
)

// Ended is what a call came to, for whoever counts calls. All of its texts are
// from small fixed sets, whatever a caller wrote or an org answered.
type Ended struct {
	Tool, Action string       // of the row; "" when the call named none
	Outcome      audit.Status // ok, error, unknown, or refused
	Class        string       // of the error, if there is one: a Code of ours, or the class of Salesforce's
	Duration     time.Duration
}

// ended tells of a call that has ended. Its entry has the time at which it began,
// and an ID if it was recorded.
func (s *Server) ended(ctx context.Context, id string, e audit.Entry, err error) time.Duration {
	say(oteltrace.SpanFromContext(ctx), id, e, err)
	var took time.Duration
	if !e.Time.IsZero() {
		took = time.Since(e.Time)
	}
	if s.Ended == nil {
		return took
	}
	end := Ended{Outcome: e.Outcome, Duration: took}
	if e.Effect != "" { // the row was found
		end.Tool, end.Action = e.Tool, e.Action
	}
	if err != nil {
		end.Class = AsError(err).class()
	}
	s.Ended(end)
	return took
}

// note logs a call in one line, by the ID of its entry in the audit trail, which
// has the rest.
func (s *Server) note(ctx context.Context, id string, e audit.Entry, err error) {
	took := s.ended(ctx, id, e, err)
	level := zerolog.InfoLevel
	if e.Outcome == audit.Unknown {
		level = zerolog.WarnLevel
	}
	line := s.Log.WithLevel(level).Str("call", id).Str("workspace", e.Workspace).Str("host", e.Host).Str("agent", e.Agent).
		Str("surface", e.Surface).Str("tool", e.Tool).Str("action", e.Action).Str("effect", e.Effect).
		Str("outcome", string(e.Outcome)).Dur("ms", took)
	if err != nil {
		failure := AsError(err)
		line = line.Str("code", string(failure.Code))
		if failure.RequestID != "" {
			line = line.Str("salesforce_request", failure.RequestID)
		}
	}
	line.Msg("call")
}

// class is the code of an error of ours, and of Salesforce's, of which there is no
// end, the class.
func (e *Error) class() string {
	switch e.Code {
	case UnknownTool, UnknownAction, UnknownArgument, MissingArgument, InvalidArgument, NotIdentified, NotAuthorized, NotRecorded,
		NotConnected, Unreadable, TimedOut, ApexFailed, NoResult, NoHandle, KeyMismatch, InProgress, OutcomeUnknown, RateLimited,
		BudgetExceeded, ApprovalRequired, ApprovalDenied, ApprovalUsed, ManyApprovals, NoApproval, NotWaiting, FourEyes, ReturnsOff, NoReturn, RunState, AgentforceOff,
		NoSession, SessionOver, SessionBusy, SessionLimit, Internal:
		return string(e.Code)
	}
	return string(salesforce.ClassOf(string(e.Code), e.Status))
}
