package settings

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

var ann = Author{ID: "ann@example.com", Name: "Ann"}

// A replica is one server of a database.
type replica struct {
	*Settings
	t   *testing.T
	mu  sync.Mutex
	now *config.Config // in force
}

func (r *replica) names() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.now.Workspaces {
		if w.Suspended {
			w.Name += " suspended"
		}
		names = append(names, w.Name)
	}
	return names
}

// start starts a server over a store.
func start(t *testing.T, st *store.Store, file *config.Config) *replica {
	t.Helper()
	journal := audit.NewJournal(st)
	t.Cleanup(journal.Close)
	r := &replica{t: t}
	sealed := secrets.NewSealed(st, secrets.FileKeys(filepath.Join(t.TempDir(), "master.key"), func(string) {}))
	r.Settings = &Settings{Store: st, Journal: journal, Secrets: sealed, Log: zerolog.Nop(), Apply: func(c *config.Config) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now = c
		return nil
	}}
	if err := r.Take(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	return r
}

// engines runs a test with two servers of one database, on each engine; on SQLite they
// share the store.
func engines(t *testing.T, file *config.Config, test func(*testing.T, *replica, *replica)) {
	t.Run("sqlite", func(t *testing.T) {
		st, err := store.Open(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		test(t, start(t, st, file), start(t, st, file))
	})
	t.Run("postgres", func(t *testing.T) {
		url := salesforce.Secret(pgtest.URL(t))
		var both [2]*replica
		for i := range both {
			st, err := store.OpenPostgres(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { st.Close() })
			both[i] = start(t, st, file)
		}
		test(t, both[0], both[1])
	})
}

func fileWith(names ...string) *config.Config {
	c := &config.Config{}
	for _, name := range names {
		c.Workspaces = append(c.Workspaces, named(name))
	}
	return c
}

func named(name string) (w config.Workspace) {
	w.Name = name
	return w
}

func allow(agent string) func(*config.Workspace) error {
	return func(w *config.Workspace) error {
		w.Rules = append(w.Rules, allowlist.Rule{Agent: agent, Preset: "read"})
		return nil
	}
}

// TestLife: a workspace of the database from its creation to its end, seen by two
// servers.
func TestLife(t *testing.T) {
	engines(t, fileWith("declared"), func(t *testing.T, a, b *replica) {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		sees := func(r *replica, want string) {
			t.Helper()
			must(r.Follow(ctx))
			if got := strings.Join(r.names(), ", "); got != want {
				t.Errorf("in force: %s, want %s", got, want)
			}
		}
		must(a.Create(ctx, ann, named("sales")))
		if got := strings.Join(a.names(), ", "); got != "declared, sales" {
			t.Errorf("at once: %s", got)
		}
		sees(b, "declared, sales")
		must(b.Change(ctx, "sales", Author{ID: "bob", Name: "Bob"}, allow("desk")))
		w, err := a.Workspace(ctx, "sales")
		must(err)
		if w.Revision != 2 || w.By != "Bob" || w.Rules[0].Agent != "desk" || w.Declared || w.At.IsZero() || w.APIVersion == "" {
			t.Errorf("%+v", w)
		}
		before := len(b.names())
		must(b.Change(ctx, "sales", ann, func(*config.Workspace) error { return nil })) // nothing changes
		history, err := a.History(ctx, "sales")
		must(err)
		if len(history) != 2 || history[0].What != "rules" || history[1].What != "created" || history[0].By.ID != "bob" || len(b.names()) != before {
			t.Errorf("%+v", history)
		}

		must(a.Restore(ctx, "sales", ann, 1))
		w, err = b.Workspace(ctx, "sales")
		must(err)
		if w.Revision != 3 || len(w.Rules) != 0 {
			t.Errorf("restored: %+v", w)
		}
		at, err := b.At(ctx, "sales", 2)
		must(err)
		if len(at.Rules) != 1 || at.APIVersion != "" {
			t.Errorf("at 2: %+v", at)
		}

		if err := a.Delete(ctx, ann, "sales"); !errors.Is(err, ErrNotSuspended) {
			t.Error(err)
		}
		must(a.Suspend(ctx, ann, "sales"))
		sees(b, "declared, sales suspended")
		must(b.Resume(ctx, ann, "sales"))
		sees(a, "declared, sales")
		must(a.SetSecret(ctx, "sales", "clientSecret", ann, "hush-hush"))
		info, ok, err := b.SecretInfo(ctx, "sales", "clientSecret")
		if err != nil || !ok || info.By != "Ann" || info.At.IsZero() {
			t.Errorf("%+v %v %v", info, ok, err)
		}
		must(a.Suspend(ctx, ann, "sales"))
		must(a.Delete(ctx, ann, "sales"))
		sees(b, "declared")
		if _, err := a.Workspace(ctx, "sales"); !errors.Is(err, ErrNone) {
			t.Error(err)
		}
		if _, err := a.Revision(ctx, "sales", 1); !errors.Is(err, ErrNone) {
			t.Error(err)
		}
		if _, _, err := a.Secrets.Get(ctx, "sales", "clientSecret"); !errors.Is(err, secrets.ErrNone) {
			t.Error(err)
		}
		var wrong *Invalid
		if err := b.Create(ctx, ann, named("sales")); !errors.As(err, &wrong) || wrong.Problems[0].Field != "name" {
			t.Errorf("the name again: %v", err)
		}

		entries, err := a.Store.List(ctx, audit.Query{Workspace: "sales", Calls: true})
		must(err)
		var did []string
		for _, e := range entries {
			did = append(did, e.Action+" by "+e.User+" "+string(e.Outcome))
			if strings.Contains(string(e.Line()), "hush") {
				t.Errorf("a secret in %s", e.Line())
			}
		}
		want := "create by ann@example.com ok, change by bob ok, restore revision 1 by ann@example.com ok, suspend by ann@example.com ok, resume by ann@example.com ok, " +
			"set secret by ann@example.com ok, suspend by ann@example.com ok, delete by ann@example.com ok"
		if got := strings.Join(did, ", "); got != want {
			t.Errorf("audit trail:\n%s\nwant\n%s", got, want)
		}
	})
}

// TestTogether: changes that are made at once on two servers all are made.
func TestTogether(t *testing.T) {
	engines(t, fileWith(), func(t *testing.T, a, b *replica) {
		if err := a.Create(t.Context(), ann, named("sales")); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i, r := range []*replica{a, b, a, b} {
			group.Go(func() {
				if err := r.Change(t.Context(), "sales", ann, allow(fmt.Sprint("agent-", i))); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		w, err := a.Workspace(t.Context(), "sales")
		if err != nil || len(w.Rules) != 4 || w.Revision != 5 {
			t.Errorf("%d rules, revision %d, %v", len(w.Rules), w.Revision, err)
		}
	})
}

// TestRefused: what is not valid, or not the app's to change, changes nothing.
func TestRefused(t *testing.T) {
	st, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r := start(t, st, fileWith("declared"))
	ctx := t.Context()
	for name, err := range map[string]error{
		"change":  r.Change(ctx, "declared", ann, allow("x")),
		"suspend": r.Suspend(ctx, ann, "declared"),
		"delete":  r.Delete(ctx, ann, "declared"),
		"secret":  r.SetSecret(ctx, "declared", "clientSecret", ann, "x"),
		"restore": r.Restore(ctx, "declared", ann, 1),
	} {
		if !errors.Is(err, ErrDeclared) && !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{"declared": "name", "UPPER": "name", "": "name"} {
		var wrong *Invalid
		if err := r.Create(ctx, ann, named(name)); !errors.As(err, &wrong) || wrong.Problems[0].Field != want {
			t.Errorf("create %q: %v", name, err)
		}
	}
	if err := r.Create(ctx, ann, named("sales")); err != nil {
		t.Fatal(err)
	}
	mistake := errors.New("a mistake")
	changes := map[string]struct {
		change func(*config.Workspace) error
		want   string
	}{
		"its own error": {func(*config.Workspace) error { return mistake }, "a mistake"},
		"a name":        {func(w *config.Workspace) error { w.Name = "other"; return nil }, "keeps its name"},
		"a file":        {func(w *config.Workspace) error { w.Auth = &config.Auth{PrivateKeyFile: "/etc/shadow"}; return nil }, "auth.privateKeyFile: can be set in the configuration file only"},
		"a secret":      {func(w *config.Workspace) error { w.Auth = &config.Auth{ClientSecret: "hush"}; return nil }, "auth.clientSecret"},
		"a rule twice":  {func(w *config.Workspace) error { _ = allow("x")(w); return allow("x")(w) }, "has two rules"},
	}
	for name, c := range changes {
		if err := r.Change(ctx, "sales", ann, c.change); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, value := range map[string]salesforce.Secret{"privateKey": "no key", "clientSecret": "two words", "accessToken": "", "server/sealingKey": "x", "grant/x": "x", "nonsense": "x"} {
		if err := r.SetSecret(ctx, "sales", name, ann, value); err == nil || value != "x" && value != "" && strings.Contains(err.Error(), value.Reveal()) {
			t.Errorf("secret %s: %v", name, err)
		}
	}
	if err := r.SetSecret(ctx, "sales", "app/hostToken", ann, "token"); err != nil {
		t.Error(err)
	}
	if w, err := r.Workspace(ctx, "sales"); err != nil || w.Revision != 1 {
		t.Errorf("%+v, %v", w, err)
	}
	if err := r.Change(ctx, "none", ann, allow("x")); !errors.Is(err, ErrNone) {
		t.Error(err)
	}

	// The audit trail away: nothing is changed.
	r.Journal.Close()
	if err := r.Change(ctx, "sales", ann, allow("x")); !errors.Is(err, audit.ErrUnavailable) {
		t.Error(err)
	}
	if w, err := r.Workspace(ctx, "sales"); err != nil || w.Revision != 1 {
		t.Errorf("without an audit trail: %+v, %v", w, err)
	}
}

// TestMerge: the file's workspace counts where both have one; a document that is not
// valid any more is left out, and said why of.
func TestMerge(t *testing.T) {
	st, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	ctx := t.Context()
	r := start(t, st, fileWith())
	for _, name := range []string{"both", "kept"} {
		if err := r.Create(ctx, ann, named(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, broken := range []store.Revision{{Workspace: "older", Document: []byte("name: older\nnonsense: 1\n")}, {Workspace: "sly", Document: []byte("name: kept\n")},
		{Workspace: "file", Document: []byte("name: file\nreturns: {gateway: record, policy: /etc/passwd}\n")}} {
		if _, err := st.PutWorkspace(ctx, broken); err != nil {
			t.Fatal(err)
		}
	}
	file := fileWith("both", "declared")
	if err := r.Take(ctx, file); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.names(), ", "); got != "both, declared, kept" {
		t.Errorf("in force: %s", got)
	}
	all, err := r.Workspaces(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, w := range all {
		said = append(said, fmt.Sprint(w.Name, " ", w.Declared, w.Hidden, w.Problem != ""))
	}
	if got, want := strings.Join(said, ", "), "both true true false, declared true false false, file false false true, kept false false false, older false false true, sly false false true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	_, _, aside, err := Merge(ctx, st, file)
	if text := fmt.Sprint(aside); err != nil || !strings.Contains(text, "{both true a workspace of this name is in the configuration file and in the database; the file's counts}") ||
		!strings.Contains(text, "there is no field nonsense here") || len(aside) != 4 {
		t.Errorf("%v, %v", aside, err)
	}
	if len(file.Workspaces) != 2 {
		t.Error("the file's configuration was changed")
	}
}

// TestDiff: each text can be read out of a difference, which is empty for equal ones.
func TestDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "\n"}), 0, 9).Draw(t, "lines"), "")
		})
		before, after := text.Draw(t, "before"), text.Draw(t, "after")
		var a, b strings.Builder
		changed := 0
		for _, l := range Diff(before, after) {
			if l.Sign != Added {
				a.WriteString(l.Text + "\n")
			}
			if l.Sign != Removed {
				b.WriteString(l.Text + "\n")
			}
			if l.Sign != Same {
				changed++
			}
		}
		if a.String() != before || b.String() != after || (changed == 0) != (before == after) {
			t.Fatalf("%q -> %q: %v", before, after, Diff(before, after))
		}
	})
}
