package returns

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/audit"
)

// A View is a run as a person sees it who looks after runs. Its JSON is what
// administrators' programs get. What steps have come to is sealed or long, and in the
// audit trail.
type View struct {
	ID         string          `json:"runId"`
	Workspace  string          `json:"workspace"`
	Kind       string          `json:"kind"`
	Subject    string          `json:"subject"` // of a return, the ID of the case
	Generation int64           `json:"generation"`
	Status     string          `json:"status"`
	Step       string          `json:"step"`                 // that is next, or was the last
	Goal       string          `json:"goal,omitempty"`       // the status in which going back ends
	Refund     string          `json:"refund,omitempty"`     // "begun": perhaps made; "passed": made
	Escalated  bool            `json:"escalated"`            // it wants a person
	Tries      int64           `json:"tries,omitempty"`      // of the step, without success
	Reason     json.RawMessage `json:"reason,omitempty"`     // why it waits, goes back or wants a person
	Answer     json.RawMessage `json:"answer,omitempty"`     // what a person has said to that
	Needed     string          `json:"needed,omitempty"`     // what a person can do
	Approval   string          `json:"approvalId,omitempty"` // that it waits for
	Started    time.Time       `json:"startedAt"`
	Moved      time.Time       `json:"movedAt"`
	Wakes      *time.Time      `json:"wakesAt,omitempty"` // when it goes on by itself
	Steps      []StepView      `json:"steps,omitempty"`   // in the order of their beginning
}

// A StepView is a step of it.
type StepView struct {
	Name     string     `json:"name"`
	State    string     `json:"state"` // "intent", "done", "unknown", "failed" or "waiting"
	Attempts int64      `json:"attempts"`
	Key      string     `json:"key"`              // under which the other side knows it
	Digest   string     `json:"digest,omitempty"` // SHA-256 of what is asked for
	Started  time.Time  `json:"startedAt"`
	Finished *time.Time `json:"finishedAt,omitempty"`
}

// longest is more than a run waits for a time.
const longest = 10 * 365 * 24 * time.Hour

// ViewOf is the view of a run; approval is the ID of the one that it waits for, or "".
// Without steps (nil) the view says less.
func ViewOf(r audit.Run, steps map[string]audit.Step, approval string) View {
	v := View{ID: r.ID, Workspace: r.Workspace, Kind: r.Kind, Subject: r.Subject, Generation: r.Generation, Status: r.Status, Step: r.At, Goal: r.Goal, Refund: r.Pivot,
		Escalated: r.Escalated, Tries: r.Tries, Reason: shown(r.Reason), Answer: shown(r.Answer), Approval: approval, Started: r.Started, Moved: r.Moved}
	if !Ended(r.Status) && r.WakeTime.Sub(r.Moved) < longest {
		v.Wakes = &r.WakeTime
	}
	for _, t := range steps {
		s := StepView{Name: t.Name, State: t.State, Attempts: t.Attempt, Key: t.Key, Digest: t.Digest, Started: t.Started}
		if !t.Finished.IsZero() {
			s.Finished = &t.Finished
		}
		v.Steps = append(v.Steps, s)
	}
	slices.SortFunc(v.Steps, func(a, b StepView) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Name, b.Name)) })
	_, told := TestimonyOf(r.Answer)
	switch {
	case told: // it is being acted upon
	case approval != "":
		v.Needed = "Decide about the approval " + approval + ", or cancel the run."
	case steps != nil && Parked(r, steps):
		v.Needed = "Put right what the reason says and retry the run, or cancel it."
	case r.Escalated && r.Pivot == "" && r.Status == Running:
		v.Needed = "Put right what the reason says: the step is tried again by itself. Or cancel the run."
	case InDoubt(r, nil):
		v.Needed = "Look at the payment gateway for the key " + Key(r, r.At) + ". If it can never tell, say what became of the refund: settle."
	case r.Escalated && !Ended(r.Status):
		v.Needed = "Put right what the reason says: the step is tried again by itself."
	}
	return v
}

// Because is the reason of a run for people: what a fault, a question, a person or the
// rules say, or all of it.
func (v View) Because() string {
	var r struct {
		Message, Text, Note string
		Reasons             []struct{ Verdict, Text string }
	}
	_ = json.Unmarshal(v.Reason, &r) // another reason is shown as it is
	for _, rule := range r.Reasons {
		if rule.Verdict == "deny" {
			r.Text = strings.TrimSpace(r.Text + " " + rule.Text)
		}
	}
	return cmp.Or(r.Message, r.Text, r.Note, string(v.Reason))
}

// shown is JSON, whatever it was.
func shown(value []byte) json.RawMessage {
	if len(value) == 0 || json.Valid(value) {
		return value
	}
	text, _ := json.Marshal(string(value)) // text can be encoded
	return text
}
