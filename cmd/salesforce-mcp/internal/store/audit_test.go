package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/audit"
)

func TestJournalIsAppendOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	j := journal(t, s)
	intent, err := j.Begin(t.Context(), call())
	if err != nil {
		t.Fatal(err)
	}
	if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Refuse(t.Context(), call()); err != nil {
		t.Fatal(err)
	}
	signLog(t, s)
	before := list(t, s, audit.Query{})
	outsider, err := sql.Open("sqlite", filepath.Join(dir, databaseName)) // another program, with default settings
	if err != nil {
		t.Fatal(err)
	}
	defer outsider.Close()

	copied := `(SELECT '%s', at, 'outcome', '%s', workspace, agent, tool, 'ok', '{}', 3 FROM audit_entry LIMIT 1)`
	const columns = `audit_entry (id, at, phase, intent, workspace, agent, tool, outcome, entry, leaf)`
	for name, attempt := range map[string]string{
		"update":               `UPDATE audit_entry SET agent = 'nobody'`,
		"delete":               `DELETE FROM audit_entry`,
		"update from":          `UPDATE audit_entry SET entry = '{}' WHERE id = '` + intent.ID() + `'`,
		"replace by id":        `REPLACE INTO ` + columns + ` SELECT id, at, phase, intent, workspace, 'nobody', tool, outcome, '{}', 3 FROM audit_entry WHERE phase = 'refusal'`,
		"replace by intent":    `INSERT OR REPLACE INTO ` + columns + ` SELECT * FROM ` + fmt.Sprintf(copied, "new", intent.ID()),
		"replace by rowid":     `REPLACE INTO audit_entry (rowid, id, at, phase, workspace, agent, tool, outcome, entry, leaf) VALUES (1, 'new', 0, 'intent', '', '', '', '', '{}', 0)`,
		"upsert":               `INSERT INTO ` + columns + ` SELECT id, at, phase, intent, workspace, agent, tool, outcome, entry, 3 FROM audit_entry WHERE true ON CONFLICT (id) DO UPDATE SET agent = 'nobody'`,
		"second outcome":       `INSERT INTO ` + columns + ` SELECT * FROM ` + fmt.Sprintf(copied, "new", intent.ID()),
		"outcome of nothing":   `INSERT INTO ` + columns + ` SELECT 'new', at, 'outcome', NULL, workspace, agent, tool, 'ok', '{}', 3 FROM audit_entry LIMIT 1`,
		"intent of an outcome": `INSERT INTO ` + columns + ` SELECT 'new', at, 'intent', 'x', workspace, agent, tool, '', '{}', 3 FROM audit_entry LIMIT 1`,
		"replace by number":    `REPLACE INTO ` + columns + ` SELECT 'new', at, 'refusal', NULL, workspace, agent, tool, 'refused', '{}', 1 FROM audit_entry LIMIT 1`,
		"a gap":                `INSERT INTO ` + columns + ` SELECT 'new', at, 'refusal', NULL, workspace, agent, tool, 'refused', '{}', 4 FROM audit_entry LIMIT 1`,
		"no number":            `INSERT INTO audit_entry (id, at, phase, workspace, agent, tool, outcome, entry) SELECT 'new', at, 'refusal', workspace, agent, tool, 'refused', '{}' FROM audit_entry LIMIT 1`,
		"older checkpoint":     `UPDATE audit_log SET size = size - 1`,
		"same size":            `UPDATE audit_log SET checkpoint = ''`,
		"no checkpoint":        `DELETE FROM audit_log`,
	} {
		for who, db := range map[string]*sql.DB{"writer": s.writer.DB, "outsider": outsider} {
			if _, err := db.ExecContext(t.Context(), attempt); err == nil {
				t.Errorf("%s by the %s was accepted", name, who)
			} else if strings.Contains(err.Error(), "syntax") || strings.Contains(err.Error(), "no such") {
				t.Errorf("%s by the %s failed for another reason: %v", name, who, err)
			}
		}
	}
	after := list(t, s, audit.Query{})
	if diff := cmp.Diff(before, after); diff != "" || len(before) != 3 {
		t.Errorf("entries changed (-before +after):\n%s", diff)
	}
}

func TestAppendIsAllOrNothing(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		good, bad := call(), call()
		good.ID, good.Phase = "1", audit.PhaseIntent
		bad.ID, bad.Phase, bad.Intent = "2", audit.PhaseOutcome, "no such intent"
		if err := s.Append(t.Context(), []audit.Entry{good, bad}); err == nil {
			t.Fatal("an outcome without its intent was accepted")
		}
		if entries := list(t, s, audit.Query{}); len(entries) != 0 {
			t.Errorf("kept %+v", entries)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Append(ctx, []audit.Entry{good}); err != nil { // and the writer is free
			t.Error(err)
		}
	})
}

func TestRecoverClosesOpenIntents(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s, err := d.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j := audit.NewJournal(s)
		const calls, ended = 510, 3 // more than one batch stay open
		for i := range calls {
			e := call()
			e.Agent = fmt.Sprint("agent-", i)
			intent, err := j.Begin(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			if i < ended {
				if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n, err := j.Recover(t.Context(), s); n != 0 || err != nil {
			t.Errorf("recovered %d while calls run, %v", n, err)
		}
		j.Close()
		crash(t, s) // no outcome for most

		s = d.open(t)
		j = journal(t, s)
		if oldest, err := s.OpenIntents(t.Context(), 2); err != nil || len(oldest) != 2 || oldest[0].Agent != "agent-3" || oldest[1].Agent != "agent-4" {
			t.Errorf("the two oldest open intents: %+v, error %v", oldest, err)
		}
		for _, want := range []int{calls - ended, 0} {
			closed, err := j.Recover(t.Context(), s)
			if err != nil || closed != want {
				t.Fatalf("recovered %d, error %v; want %d", closed, err, want)
			}
		}
		unknown := list(t, s, audit.Query{Outcome: audit.Unknown, Limit: 2 * calls})
		agents := map[string]bool{}
		for _, e := range unknown {
			agents[e.Agent] = true
			if e.Phase != audit.PhaseOutcome || e.Code != "interrupted" || e.Duration != 0 || e.Arguments != nil {
				t.Fatalf("entry %+v", e)
			}
		}
		if len(unknown) != calls-ended || len(agents) != calls-ended {
			t.Errorf("%d outcomes unknown, of %d agents", len(unknown), len(agents))
		}
	})
}

func TestConcurrentCallsAreAllRecorded(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		j := journal(t, s)
		const callers, each = 16, 25
		var group sync.WaitGroup
		for caller := range callers {
			group.Go(func() {
				for range each {
					e := call()
					e.Agent = fmt.Sprint("agent-", caller)
					intent, err := j.Begin(t.Context(), e)
					if err != nil {
						t.Error(err)
						return
					}
					// Acknowledged is durable: a reader sees it at once.
					var phase string
					err = s.reader.QueryRowContext(t.Context(), "SELECT phase FROM audit_entry WHERE id = ?", intent.ID()).Scan(&phase)
					if err != nil || phase != "intent" {
						t.Errorf("acknowledged intent: phase %q, error %v", phase, err)
					}
					if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		position := map[string]int{}
		for i, e := range list(t, s, audit.Query{Limit: 1 << 20}) {
			position[e.ID] = i
			if e.Phase == audit.PhaseOutcome {
				if begun, ok := position[e.Intent]; !ok || begun >= i {
					t.Errorf("outcome %s stands before its intent", e.ID)
				}
			}
		}
		if len(position) != callers*each*2 {
			t.Errorf("%d entries, want %d", len(position), callers*each*2)
		}
	})
}

func TestFullDatabaseRefusesCalls(t *testing.T) {
	s := open(t, t.TempDir())
	j := journal(t, s)
	intent, err := j.Begin(t.Context(), call())
	if err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		if _, err := s.writer.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes it as: no more pages than there are
	acknowledged := 1
	for ; acknowledged < 1000; acknowledged++ {
		if _, err = j.Begin(t.Context(), call()); err != nil {
			break
		}
	}
	if !errors.Is(err, audit.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("error %v after %d calls", err, acknowledged)
	}
	if entries := list(t, s, audit.Query{Limit: 2000}); len(entries) != acknowledged {
		t.Errorf("%d entries, %d were acknowledged", len(entries), acknowledged)
	}
	limit(1 << 20)
	if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
		t.Errorf("after room was made: %v", err)
	}
}

// BenchmarkAuditedCall is what the audit of a call costs: two entries on disk, signed
// in the background. With limits it is counted, too.
func BenchmarkAuditedCall(b *testing.B) {
	enginesBench(b, func(b *testing.B, d database) {
		for _, bb := range []struct {
			callers int
			limits  bool
		}{{1, false}, {64, false}, {1, true}, {64, true}} {
			b.Run(fmt.Sprintf("callers=%d/limits=%v", bb.callers, bb.limits), func(b *testing.B) {
				s := d.open(b)
				j := journal(b, s)
				ctx, stop := context.WithCancel(b.Context())
				signed := make(chan error, 1)
				go func() { signed <- signEvery(ctx, s, 500*time.Millisecond) }() // as the server does
				defer func() {
					stop()
					if err := <-signed; err != nil {
						b.Error(err)
					}
				}()
				work := make(chan struct{})
				var group sync.WaitGroup
				for range bb.callers {
					group.Go(func() {
						for range work {
							e := call()
							if bb.limits {
								e = charged("desk", 1, 1<<40, 1<<40)
							}
							intent, err := j.Begin(b.Context(), e)
							if err == nil {
								err = intent.End(b.Context(), audit.Outcome{Status: audit.OK})
							}
							if err != nil {
								b.Error(err)
							}
						}
					})
				}
				for b.Loop() {
					work <- struct{}{}
				}
				close(work)
				group.Wait()
				b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "entries/s")
			})
		}
	})
}
