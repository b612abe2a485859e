package store

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

func TestResultsAreRememberedForADay(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, err := d.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		keep := func(id string, made time.Time) tools.Kept {
			t.Helper()
			k := tools.Kept{ID: id, Owner: allowlist.Caller{Workspace: "w", Host: "h", Agent: "a", User: "u"}, Instruction: "getIngestFailed",
				Arguments: json.RawMessage(`{"jobId":"7505g00000QwErTAAV"}`), Made: made.UTC().Truncate(time.Millisecond)}
			if err := s.Keep(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			return k
		}
		keep("old", time.Now().Add(-26*time.Hour))
		dayOld := keep("a day old", time.Now().Add(-24*time.Hour))
		fresh := keep("fresh", time.Now())
		if err := s.Keep(t.Context(), fresh); err == nil {
			t.Error("an id was taken twice")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = d.open(t) // after a restart
		for _, want := range []tools.Kept{dayOld, fresh} {
			got, ok, err := s.Kept(t.Context(), want.ID)
			if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
				t.Errorf("%s: %v %v\n%s", want.ID, ok, err, diff)
			}
		}
		for _, id := range []string{"old", "unknown", ""} {
			if got, ok, err := s.Kept(t.Context(), id); ok || err != nil {
				t.Errorf("%s: %+v %v", id, got, err)
			}
		}
		var n int
		if err := s.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM result").Scan(&n); err != nil || n != 2 {
			t.Errorf("%d results are stored, %v", n, err)
		}
	})
}
