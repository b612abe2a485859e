package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// TestPostgresJournalIsAppendOnly: the same as on SQLite, in Postgres' words, also
// for the owner of the tables.
func TestPostgresJournalIsAppendOnly(t *testing.T) {
	s := onPostgres(t).open(t)
	j := journal(t, s)
	record(t, j, "demo", 1)
	if _, err := j.Refuse(t.Context(), call()); err != nil {
		t.Fatal(err)
	}
	signLog(t, s)
	before := list(t, s, audit.Query{})
	const columns = `audit_entry (id, at, phase, intent, workspace, agent, tool, outcome, entry, leaf)`
	row := func(leaf string) string {
		return `INSERT INTO ` + columns + ` SELECT 'new', at, 'refusal', NULL, workspace, agent, tool, 'refused', '{}', ` + leaf + ` FROM audit_entry LIMIT 1`
	}
	for name, c := range map[string][2]string{
		"update":             {`UPDATE audit_entry SET agent = 'nobody'`, "never changed"},
		"delete":             {`DELETE FROM audit_entry`, "never removed"},
		"truncate":           {`TRUNCATE audit_entry CASCADE`, "never removed"},
		"upsert":             {`INSERT INTO ` + columns + ` SELECT id, at, phase, intent, workspace, agent, tool, outcome, entry, 3 FROM audit_entry ORDER BY leaf LIMIT 1 ON CONFLICT (id) DO UPDATE SET agent = 'nobody'`, "never changed"},
		"second outcome":     {`INSERT INTO ` + columns + ` SELECT 'new', at, phase, intent, workspace, agent, tool, 'ok', '{}', 3 FROM audit_entry WHERE phase = 'outcome'`, "unique"},
		"outcome of nothing": {`INSERT INTO ` + columns + ` SELECT 'new', at, 'outcome', NULL, workspace, agent, tool, 'ok', '{}', 3 FROM audit_entry LIMIT 1`, "check constraint"},
		"a gap":              {row("4"), "without gaps"},
		"a number twice":     {row("1"), "without gaps"},
		"no number":          {row("NULL"), "without gaps"},
		"older checkpoint":   {`UPDATE audit_log SET size = size - 1`, "only advance"},
		"same size":          {`UPDATE audit_log SET checkpoint = ''`, "only advance"},
		"no checkpoint":      {`DELETE FROM audit_log`, "never removed"},
		"no checkpoints":     {`TRUNCATE audit_log`, "never removed"},
	} {
		if _, err := s.writer.ExecContext(t.Context(), c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %s", name, err, c[1])
		}
	}
	if _, err := s.reader.ExecContext(t.Context(), `DELETE FROM audit_open`); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("the reader can write: %v", err)
	}
	if after := list(t, s, audit.Query{}); len(before) != 3 || len(after) != 3 {
		t.Errorf("%d entries, then %d", len(before), len(after))
	}
}

// TestPostgresTampered: who owns the database can change it; verification says
// where.
func TestPostgresTampered(t *testing.T) {
	s := onPostgres(t).open(t)
	j := journal(t, s)
	for _, c := range []struct {
		name, statement string
		leaf            int64
		what            string
	}{
		{"text", `UPDATE audit_entry SET entry = replace(entry, '"desk"', '"lab"') WHERE leaf = 3 AND workspace = '%s'`, 3, "changed"},
		{"column", `UPDATE audit_entry SET agent = 'lab' WHERE leaf = 3 AND workspace = '%s'`, 3, "filed as something else"},
		{"hashes", `UPDATE audit_tile SET hashes = decode(repeat('00', 320), 'hex') WHERE workspace = '%s'`, 0, "not the entry"},
		{"removed", `DELETE FROM audit_entry WHERE leaf >= 8 AND workspace = '%s'`, 8, "missing"},
	} {
		record(t, j, c.name, 5)
		signLog(t, s)
		tx, err := s.writer.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{`SET LOCAL session_replication_role = replica`, fmt.Sprintf(c.statement, c.name)} { // no trigger, no constraint
			if _, err := tx.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if r := check(t, s, c.name); !slices.ContainsFunc(r.Problems, func(p proof.Problem) bool { return p.Leaf == c.leaf && strings.Contains(p.What, c.what) }) {
			t.Errorf("%s: problems %v, want entry %d: %s", c.name, r.Problems, c.leaf, c.what)
		}
	}
}

// TestPostgresStartsAtOnce: processes that start together on an empty database
// migrate it once, and all of them run.
func TestPostgresStartsAtOnce(t *testing.T) {
	d := database{url: pgtest.URL(t)}
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			s, err := d.start(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			j := audit.NewJournal(s)
			defer j.Close()
			record(t, j, fmt.Sprint("w", i%2), 20)
		})
	}
	group.Wait()
	s := d.open(t)
	signLog(t, s)
	for name, want := range map[string]int64{"w0": 80, "w1": 40} {
		if r := check(t, s, name); !r.OK() || r.Entries != want {
			t.Errorf("workspace %s: %+v", name, r)
		}
	}
}

// TestPostgresDeadProcess: what a dead process left open is closed once, by one of
// the others, while their own calls run. If the process was only still, its outcome
// comes too late, and harms no other's.
func TestPostgresDeadProcess(t *testing.T) {
	d := onPostgres(t)
	still, a, b := d.open(t), d.open(t), d.open(t)
	js, ja, jb := journal(t, still), journal(t, a), journal(t, b)
	begin := func(j *audit.Journal, scope string) *audit.Intent {
		t.Helper()
		intent, err := j.Begin(t.Context(), claiming(scope))
		if err != nil {
			t.Fatal(err)
		}
		return intent
	}
	inTime, late := begin(js, "in time"), begin(js, "late")
	running := begin(ja, "running")
	if n, m := unended(t, a), unended(t, b); n+m != 0 {
		t.Fatalf("%d and %d calls of processes that live are to be closed", n, m)
	}
	if err := inTime.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
		t.Error(err)
	}
	// It says nothing for longer than its life.
	if _, err := a.writer.ExecContext(t.Context(), `UPDATE process SET expires = 0 WHERE id = ?`, still.process.current()); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Begin(t.Context(), call()); !errors.Is(err, audit.ErrUnavailable) || !strings.Contains(err.Error(), "take it for dead") {
		t.Errorf("it began a call: %v", err)
	}
	var group sync.WaitGroup
	var closed [2]int
	for i, recover := range []func() (int, error){func() (int, error) { return ja.Recover(t.Context(), a) }, func() (int, error) { return jb.Recover(t.Context(), b) }} {
		group.Go(func() {
			n, err := recover()
			if err != nil {
				t.Error(err)
			}
			closed[i] = n
		})
	}
	group.Wait()
	if closed[0]+closed[1] != 1 {
		t.Errorf("closed %v, want one by one of them", closed)
	}
	if c, ok, err := b.Claim(t.Context(), "late"); !ok || c.Live || c.Outcome != nil || err != nil {
		t.Errorf("the claim of a dead process: %+v %v %v", c, ok, err)
	}
	// It wakes up.
	before := still.process.current()
	if err := still.live(t.Context()); err != nil || still.process.current() == before {
		t.Errorf("it goes on as the process that was taken for dead, %v", err)
	}
	var others [8]error
	var lost error
	group.Go(func() { lost = late.End(t.Context(), audit.Outcome{Status: audit.OK, Keep: []byte("late")}) })
	for i := range others {
		group.Go(func() { _, others[i] = js.Begin(t.Context(), call()) })
	}
	group.Wait()
	if !errors.Is(lost, audit.ErrEnded) || errors.Join(others[:]...) != nil {
		t.Errorf("the late outcome: %v; calls beside it: %v", lost, others)
	}
	if c, _, err := b.Claim(t.Context(), "late"); c.Outcome != nil || err != nil {
		t.Errorf("the late outcome was kept: %+v %v", c, err)
	}
	if err := running.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
		t.Error(err)
	}
	outcomes := map[string]audit.Status{}
	for _, e := range list(t, a, audit.Query{}) {
		if e.Phase != audit.PhaseOutcome {
			continue
		}
		if _, twice := outcomes[e.Intent]; twice {
			t.Errorf("two outcomes of %s", e.Intent)
		}
		outcomes[e.Intent] = e.Outcome
	}
	if outcomes[inTime.ID()] != audit.OK || outcomes[late.ID()] != audit.Unknown || outcomes[running.ID()] != audit.OK {
		t.Errorf("outcomes %v", outcomes)
	}
}

// TestPostgresClaimsOfProcesses: of all callers of one key, in three processes, one
// has the claim.
func TestPostgresClaimsOfProcesses(t *testing.T) {
	d := onPostgres(t)
	var journals []*audit.Journal
	for range 3 {
		journals = append(journals, journal(t, d.open(t)))
	}
	const rounds, callers = 20, 99
	for round := range rounds {
		var group sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range callers {
			group.Go(func() {
				e := claiming(fmt.Sprint("key ", round))
				e.Workspace = fmt.Sprint("w", round%2)
				switch _, err := journals[i%3].Begin(t.Context(), e); {
				case err == nil:
					mu.Lock()
					won++
					mu.Unlock()
				case !errors.Is(err, audit.ErrClaimed):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won != 1 {
			t.Fatalf("round %d: %d have the claim", round, won)
		}
	}
}

// TestPostgresIsStill: a process that is stopped in the middle of a commit does not
// keep the others from recording.
func TestPostgresIsStill(t *testing.T) {
	d := onPostgres(t)
	stopped, other := d.open(t), d.open(t)
	tx, err := stopped.writer.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.alone(t.Context(), "log demo"); err != nil {
		t.Fatal(err)
	}
	var still string
	if err := tx.QueryRowContext(t.Context(), `SHOW idle_in_transaction_session_timeout`).Scan(&still); err != nil || still != "5s" {
		t.Errorf("it may be still for %s, %v", still, err)
	}
	if _, err := tx.ExecContext(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 200`); err != nil { // that is enough here
		t.Fatal(err)
	}
	started := time.Now()
	if _, err := journal(t, other).Refuse(t.Context(), call()); err != nil {
		t.Errorf("after %v: %v", time.Since(started), err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("the stopped transaction was committed")
	}
}

// TestPostgresIsAway: calls are refused while the server is away or may not be
// written to, and recorded again when it is back, by the same process.
func TestPostgresIsAway(t *testing.T) {
	server := pgtest.New(t)
	s, err := OpenPostgres(t.Context(), salesforce.Secret(server.URL()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	j := journal(t, s)
	refused := func(why string) {
		t.Helper()
		if _, err := j.Begin(t.Context(), call()); !errors.Is(err, audit.ErrUnavailable) {
			t.Errorf("%s: %v", why, err)
		} else if strings.Contains(err.Error(), "password-of-tests") {
			t.Errorf("%s: the error has the password: %v", why, err)
		}
	}
	recorded := func() {
		t.Helper()
		if err := s.live(t.Context()); err != nil {
			t.Fatal(err)
		}
		record(t, j, "demo", 1)
	}
	recorded()
	server.Exec(t, `ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`)
	for { // until the sessions have noticed
		if _, err := j.Begin(t.Context(), call()); err != nil {
			break
		}
	}
	refused("read only")
	server.Exec(t, `SET default_transaction_read_only = off`, `ALTER SYSTEM RESET default_transaction_read_only`, `SELECT pg_reload_conf()`)
	for s.live(t.Context()) != nil { // until they have noticed that too
		continue
	}
	recorded()
	server.Stop(t)
	refused("away")
	server.Start(t)
	recorded()
	signLog(t, s)
	if r := check(t, s, "demo"); !r.OK() || r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
}

// TestParsePostgres: what is no address is said without showing it, and a server
// elsewhere must prove who it is, unless the address says otherwise.
func TestParsePostgres(t *testing.T) {
	for address, protected := range map[string]bool{
		"postgres://u:p@db.example.com/x":                      true,
		"postgresql://u:p@10.0.0.1:6543/x":                     true,
		"postgres://u:p@db.example.com/x?sslmode=disable":      false,
		"postgres://u:p@localhost/x":                           false,
		"postgres://u:p@127.0.0.1:5433/x":                      false,
		"postgres:///x?host=/var/run/postgresql&user=somebody": false,
	} {
		c, err := ParsePostgres(salesforce.Secret(address))
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if must := c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify && len(c.Fallbacks) == 0; must != protected {
			t.Errorf("%s: must be verified: %v, want %v", address, must, protected)
		}
	}
	if _, err := ParsePostgres("postgres://u:hunter2@h/x?sslmode=verify-full&sslrootcert=/no/such.pem"); err == nil || !strings.Contains(err.Error(), "/no/such.pem") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a certificate that is not there: %v", err)
	}
	for _, address := range []string{"", "x", "mysql://u:hunter2@h/x", "postgres://u:hunter2@h", "postgres://u:hunter2@h/", "postgres://u:hunter2@h:port/x", "postgres://u:hunter2 @h/x?sslmode=no", "host=h password=hunter2", "postgres://u:hunter2@h/x?sslmode=maybe"} {
		if _, err := ParsePostgres(salesforce.Secret(address)); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "write postgres://") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestPostgresMustKeepWhatItSays: a database that forgets what it acknowledged, or
// cannot keep every character, is refused.
func TestPostgresMustKeepWhatItSays(t *testing.T) {
	url := pgtest.URL(t)
	name := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	pgtest.Exec(t, `ALTER DATABASE `+name+` SET synchronous_commit = off`, `CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'`)
	if _, err := (database{url: url}).start(t.Context()); err == nil || !strings.Contains(err.Error(), "synchronous_commit off") {
		t.Errorf("synchronous_commit: %v", err)
	}
	if _, err := (database{url: strings.Replace(url, "/"+name+"?", "/latin?", 1)}).start(t.Context()); err == nil || !strings.Contains(err.Error(), "encoding LATIN1") {
		t.Errorf("encoding: %v", err)
	}
}

// TestChangeDataKeysTakesTurns: nobody else changes data keys meanwhile, in any
// process.
func TestChangeDataKeysTakesTurns(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		stores := []*Store{d.open(t), d.join(t)}
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				err := stores[i%2].ChangeDataKeys(t.Context(), func(all []secrets.DataKey) ([]secrets.DataKey, error) {
					n := 0
					if len(all) == 1 {
						if _, err := fmt.Sscan(string(all[0].Sealed), &n); err != nil {
							return nil, err
						}
					}
					return []secrets.DataKey{{Workspace: "w", KeyID: "k", Sealed: []byte(fmt.Sprint(n + 1))}}, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if k, err := stores[0].DataKey(t.Context(), "w"); string(k.Sealed) != "40" || err != nil {
			t.Errorf("changed %s times of 40, %v", k.Sealed, err)
		}
	})
}
