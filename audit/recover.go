package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// recoverBatch is how many open intents are closed at a time.
const recoverBatch = 500

// Recover closes intents that nobody else will close with the outcome "unknown",
// and returns how many there were. It is called before the first call begins and,
// where other processes use the store too, again and again.
func (j *Journal) Recover(ctx context.Context, open Unfinished) (closed int, err error) {
	for {
		intents, err := open.OpenIntents(ctx, recoverBatch)
		if err != nil {
			return closed, fmt.Errorf("find open intents: %w", err)
		}
		if len(intents) == 0 {
			return closed, nil
		}
		var group sync.WaitGroup
		ended := make([]error, len(intents))
		for i, e := range intents { // at once, so that they share commits
			group.Go(func() {
				ended[i] = (&Intent{journal: j, entry: e}).End(ctx, Outcome{
					Status:  Unknown,
					Code:    "interrupted",
					Message: "the server stopped before the call ended; look into the org to find out whether it was executed",
				})
			})
		}
		group.Wait()
		for i, err := range ended {
			switch {
			case errors.Is(err, ErrEnded): // another process was faster
			case err != nil:
				return closed, fmt.Errorf("close intent %s: %w", intents[i].ID, err)
			default:
				closed++
			}
		}
	}
}
