package main

import (
	"errors"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// TestRecorded: what a command does has an entry that says how it ended; what
// cannot be recorded is not done.
func TestRecorded(t *testing.T) {
	st, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("it is locked")
	for _, want := range []error{nil, failed} {
		if err := recorded(t.Context(), st, audit.Entry{Workspace: "a", Tool: "secret"}, nil, func() error { return want }); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = recorded(t.Context(), st, audit.Entry{Workspace: "a", Tool: "secret"}, nil, func() error { panic("killed") })
	}()
	entries, err := st.List(t.Context(), audit.Query{Calls: true})
	if err != nil || len(entries) != 3 || entries[0].Outcome != audit.OK || entries[1].Outcome != audit.Failed || entries[1].Message != "it is locked" ||
		entries[2].Outcome != audit.Unknown || entries[0].User == "" {
		t.Errorf("%+v, %v", entries, err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := recorded(t.Context(), st, audit.Entry{Workspace: "a"}, nil, func() error { t.Error("it was done"); return nil }); !errors.Is(err, audit.ErrUnavailable) {
		t.Error(err)
	}
}
