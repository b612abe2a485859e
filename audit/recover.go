package audit

import (
	"context"
	"errors"
	"fmt"
)

// recoverBatch is how many open intents are closed at a time.
const recoverBatch = 500

// Recover closes the intents that an earlier process left open with the outcome
// "unknown", and returns how many there were. It is called once, before the
// first call begins; later it would close intents of calls that still run, and
// refuses.
func (j *Journal) Recover(ctx context.Context, open Unfinished) (closed int, err error) {
	if j.begun.Load() {
		return 0, errors.New("recover the audit journal before the first call begins, not after")
	}
	for {
		intents, err := open.OpenIntents(ctx, recoverBatch)
		if err != nil {
			return closed, fmt.Errorf("find open intents: %w", err)
		}
		if len(intents) == 0 {
			return closed, nil
		}
		for _, e := range intents {
			intent := &Intent{journal: j, entry: e}
			err := intent.End(ctx, Outcome{
				Status:  Unknown,
				Code:    "interrupted",
				Message: "the server stopped before the call ended; look into the org to find out whether it was executed",
			})
			if err != nil {
				return closed, fmt.Errorf("close intent %s: %w", e.ID, err)
			}
			closed++
		}
	}
}
