package audit

import "errors"

var (
	// ErrUsed is the error of [Journal.Begin] when the approval that a call needs
	// cannot be used: another call has used it, or its time is over. Nothing is
	// recorded then, and nothing may be done.
	ErrUsed = errors.New("the approval cannot be used")
	// ErrDecided is the error of [Intent.End] when the approval that a verdict is
	// about waits for none: somebody else was faster, or its time is over. Nothing
	// has changed then, and the intent wants another outcome.
	ErrDecided = errors.New("the approval does not wait for a decision")
)

// A Consent is the approval that a call uses. It is used with the intent, in one
// commit: of two calls that use the same one, one is let through, and a call that
// was not recorded has used none.
type Consent struct {
	ID    string
	Taken bool // set by [Store.Append]: it cannot be used, and the intent is not kept
}

// A Verdict is what a person has decided on an approval. It takes effect with the
// outcome that has it, in one commit: none is without its entry. The entry says
// which approval, who decided and when.
type Verdict struct {
	Approved bool
	Note     string
	Void     bool // set by [Store.Append]: the approval waits for none, and the outcome is not kept
}
