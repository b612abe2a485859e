package returns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"salesforce-mcp/audit"
)

// A Testimony is what a person says became of a pivot of which nobody else can tell:
// the step that is in doubt is called again with it (Attempt.Answer).
type Testimony struct {
	Made      bool   `json:"made"`
	Reference string `json:"reference,omitempty"` // under which the other side has it, when it was made
	By        string `json:"by"`
	Note      string `json:"note"` // how they know
}

// said is a testimony as the answer to a step: no other answer has the member.
type said struct {
	Testimony *Testimony `json:"testimony"`
}

// TestimonyOf reads the testimony in an answer; ok is false when it is something else.
func TestimonyOf(answer []byte) (t Testimony, ok bool) {
	var s said
	if json.Unmarshal(answer, &s) != nil || s.Testimony == nil {
		return t, false
	}
	return *s.Testimony, true
}

// ErrTestimony is the error of a testimony that lacks something.
var ErrTestimony = errors.New("say what became of the refund")

// maxReference is how many bytes a reference may have.
const maxReference = 255

func (t Testimony) check() error {
	text := utf8.ValidString(t.Reference) && !strings.ContainsFunc(t.Reference, unicode.IsControl) && strings.TrimSpace(t.Reference) == t.Reference
	switch {
	case t.Made && (t.Reference == "" || len(t.Reference) > maxReference || !text):
		return fmt.Errorf("%w: what was made has a reference, of 1 to %d characters on one line", ErrTestimony, maxReference)
	case !t.Made && t.Reference != "":
		return fmt.Errorf("%w: what was not made has no reference", ErrTestimony)
	case strings.TrimSpace(t.Note) == "":
		return fmt.Errorf("%w, and how you know that (the note)", ErrTestimony)
	}
	return nil
}

// InDoubt reports whether a person may say what became of a run's pivot: it was tried
// and nobody can tell whether it is done, a person was called, and no attempt is under
// way. Steps that are not known (nil) are not looked at.
func InDoubt(r audit.Run, steps map[string]audit.Step) bool {
	_, answered := TestimonyOf(r.Answer)
	return r.Status == Running && r.Pivot == pivotBegun && r.Escalated && !answered && (steps == nil || steps[r.At].State == stepUnknown)
}

// testified returns the move of a run whose pivot is in doubt when a person has said
// what became of it. The step looks once more before it believes them.
func testified(r audit.Run, steps map[string]audit.Step, t Testimony) (audit.Move, error) {
	_, answered := TestimonyOf(r.Answer)
	switch {
	case Ended(r.Status):
		return audit.Move{}, fmt.Errorf("%w: it is %s", ErrEnded, r.Status)
	case r.Pivot == pivotPassed:
		return audit.Move{}, fmt.Errorf("%w: its refund is known to be made", ErrCannot)
	case r.Pivot == "" || r.Status != Running:
		return audit.Move{}, fmt.Errorf("%w: its refund is known not to be made", ErrCannot)
	case answered:
		return audit.Move{}, fmt.Errorf("%w: somebody has said already what became of its refund", ErrCannot)
	case !r.Escalated:
		return audit.Move{}, fmt.Errorf("%w: what became of its refund is being found out; say it when the run calls for a person", ErrCannot)
	case steps[r.At].State != stepUnknown:
		return audit.Move{}, fmt.Errorf("%w: its refund is being looked for at this moment, try again in a minute", ErrCannot)
	}
	answer, err := json.Marshal(said{&t})
	if err != nil {
		return audit.Move{}, err
	}
	r.Answer, r.Tries = answer, 0
	return audit.Move{To: r}, nil
}

// Settle says what became of a run's pivot that is in doubt, and returns the run. Nothing
// is sent again: where the other side can tell after all that it was made, that counts,
// and else the person's word does. A run whose refund was made goes on to its records;
// one whose refund was not made goes back, and ends as failed. The error is
// ErrTestimony, or those of Retry.
func (h Hand) Settle(ctx context.Context, j *audit.Journal, runs Runs, workspace, id string, made bool, reference string) (audit.Run, error) {
	if err := h.check(); err != nil {
		return audit.Run{}, err
	}
	t := Testimony{Made: made, Reference: reference, By: h.By, Note: h.Note}
	if err := t.check(); err != nil {
		return audit.Run{}, err
	}
	entry := func(r audit.Run) audit.Entry {
		e := h.entry("settle")(r)
		e.Arguments = audit.Redact(map[string]any{"runId": r.ID, "made": made, "reference": reference, "note": h.Note}, nil)
		return e
	}
	return byHand(ctx, j, runs, workspace, id, entry, func(r audit.Run, steps map[string]audit.Step) (audit.Move, error) {
		return testified(r, steps, t)
	})
}
