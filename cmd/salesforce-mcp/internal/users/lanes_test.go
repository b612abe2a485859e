package users

import (
	"errors"
	"testing"
)

// TestLanes: when as many strangers try as may wait, the next one is told at once, and
// who is known comes in all the same.
func TestLanes(t *testing.T) {
	ctx := t.Context()
	hash, err := Hash(ctx, "correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	weight := int64(0)
	for strangers.turns.TryAcquire(1) {
		weight++
	}
	strangers.waiting.Add(strangers.most)
	if _, err := Matches(ctx, "", "guess", true); !errors.Is(err, ErrBusy) {
		t.Errorf("one stranger too many: %v", err)
	}
	if ok, err := Matches(ctx, hash, "correct horse battery staple", false); !ok || err != nil {
		t.Errorf("who is known: %t, error %v", ok, err)
	}
	strangers.waiting.Add(-strangers.most)
	strangers.turns.Release(weight)
	if ok, err := Matches(ctx, hash, "correct horse battery staple", true); !ok || err != nil || strangers.waiting.Load() != 0 || known.waiting.Load() != 0 {
		t.Errorf("a stranger with the right password, after that: %t, error %v", ok, err)
	}
}
