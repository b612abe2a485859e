package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// auditWorld is a world with a second place and an audit file, and the
// configuration file with which commands find its trail.
type auditWorld struct {
	*world
	file, kept, lines string
}

func newAuditWorld(t *testing.T, change ...func(*config.Config)) *auditWorld {
	dir := t.TempDir()
	a := &auditWorld{file: filepath.Join(dir, "config.yaml"), kept: filepath.Join(dir, "checkpoints"), lines: filepath.Join(dir, "audit.jsonl")}
	a.world = newWorld(t, append(change, func(c *config.Config) {
		c.Audit = config.Audit{Checkpoints: a.kept, File: a.lines}
	})...)
	c := a.app.config
	text := fmt.Sprintf("data: %s\nsecrets: {keyFile: %s}\naudit: {checkpoints: %s}\nworkspaces:\n", c.Data, c.Secrets.KeyFile, a.kept)
	for _, name := range []string{"a", "b"} {
		text += fmt.Sprintf("  - {name: %s, profiles: [{name: local, local: true, agent: [\"static:x\"]}], rules: [{agent: x, preset: read}]}\n", name)
	}
	if err := os.WriteFile(a.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// run runs a command of the program and returns what it prints.
func (a *auditWorld) run(args ...string) (string, error) {
	var out, log bytes.Buffer
	err := run(a.t.Context(), args, func(string) string { return "" }, strings.NewReader(""), &out, &log)
	if log.Len() > 0 {
		a.t.Errorf("%v logged %s", args, log.String())
	}
	return out.String(), err
}

// must is run for a command that succeeds.
func (a *auditWorld) must(args ...string) string {
	a.t.Helper()
	out, err := a.run(args...)
	if err != nil {
		a.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// create makes a Lead and returns its ID.
func (a *auditWorld) create(name string) string {
	a.t.Helper()
	_, answer := a.post(call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": name, "Company": "Acme"}}))
	id := regexp.MustCompile(`00Q\w{15}`).FindString(answer)
	if id == "" {
		a.t.Fatal(answer)
	}
	return id
}

// signed waits until all entries of workspace a are signed.
func (a *auditWorld) signed() {
	a.t.Helper()
	eventually(a.t.(*testing.T), "a signature of all entries", func() bool {
		out, err := a.run("audit", "verify", "--config", a.file, "--workspace", "a")
		return err == nil && strings.Contains(out, "not signed yet 0,")
	})
}

// write writes a file into a folder of the test.
func (a *auditWorld) write(text string) string {
	a.t.Helper()
	file := filepath.Join(a.t.(*testing.T).TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// TestAuditCommands: the trail of a server is shown, exported, proven and
// verified while that runs.
func TestAuditCommands(t *testing.T) {
	a := newAuditWorld(t)
	if _, err := a.run("audit", "key", "--config", a.file); err == nil || !strings.Contains(err.Error(), "no signing key yet") {
		t.Errorf("before the first entry: %v", err)
	}
	lead, other := a.create("Abitbol"), a.create("Other")
	a.post(query(1, 1))
	a.post(call(2, "records", map[string]any{"action": "delete", "sObjectName": "Lead", "recordId": "00Q000000000009AAA"})) // which is not there
	a.signed()

	all := a.must("audit", "verify", "--config", a.file)
	if !strings.Contains(all, "workspace a: verified: entries 8 of 8,") || strings.Contains(all, "second place 0") {
		t.Errorf("verified: %s", all)
	}
	for _, c := range []struct {
		args string
		want int // lines beside the head
	}{
		{"", 4}, {"--outcome error", 1}, {"--outcome refused", 0}, {"--tool query", 1}, {"--tool records.create", 2},
		{"--agent demo-agent", 4}, {"--agent nobody", 0}, {"--workspace b", 0}, {"--workspace a", 4}, {"--record " + lead, 1}, {"--record " + lead[:15], 1},
		{"--since 1h", 4}, {"--since 2099-01-01", 0}, {"--until 1h", 0}, {"--until 2099-01-01T00:00:00Z", 4}, {"--limit 3", 3}, {"--user %", 0},
	} {
		out := a.must(append([]string{"audit", "show", "--config", a.file}, strings.Fields(c.args)...)...)
		if n := strings.Count(out, "\n") - 1; n != c.want {
			t.Errorf("show %s: %d calls, want %d:\n%s", c.args, n, c.want, out)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(a.must("audit", "show", "--config", a.file, "--json")), "\n") {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Version != audit.Version {
			t.Errorf("%s: %v", line, err)
		}
	}

	key := strings.TrimSpace(a.must("audit", "key", "--config", a.file))
	export := a.must("audit", "export", "--config", a.file, "--workspace", "a")
	file := a.write(export)
	if out := a.must("audit", "verify", "--export", file, "--key", key, "--checkpoint", a.kept); !strings.Contains(out, "8 of 8") {
		t.Errorf("the export: %s", out)
	}
	changed := a.write(strings.Replace(export, "Abitbol", "Nobody", 1))
	out, err := a.run("audit", "verify", "--export", changed, "--key", key)
	if err == nil || !strings.Contains(out, "entry 0 (0") || !strings.Contains(out, "line 1: changed") {
		t.Errorf("a changed export: %v\n%s", err, out)
	}
	out, err = a.run("audit", "verify", "--export", changed, "--key", key, "--json")
	var report struct {
		OK   bool
		Logs []struct{ Problems []struct{ Leaf, Line int } }
	}
	if json.Unmarshal([]byte(out), &report) != nil || err == nil || report.OK || report.Logs[0].Problems[0].Line != 1 {
		t.Errorf("as JSON: %v\n%s", err, out)
	}

	bundle := a.must("audit", "prove", "--config", a.file, "--workspace", "a", "--record", lead)
	if strings.Count(bundle, "\n") != 3 || !strings.Contains(bundle, "Abitbol") || strings.Contains(bundle, other) {
		t.Errorf("bundle %s", bundle)
	}
	file = a.write(bundle)
	if out := a.must("audit", "verify", "--bundle", file, "--key", key); !strings.Contains(out, "verified: entries 2 of 8") {
		t.Errorf("the bundle: %s", out)
	}
	if out, err := a.run("audit", "verify", "--bundle", a.write(strings.Replace(bundle, lead, other, 1)), "--key", key); err == nil {
		t.Errorf("a changed bundle: %s", out)
	}
	id := regexp.MustCompile(`"intent":"([^"]+)"`).FindStringSubmatch(bundle)[1]
	if one := a.must("audit", "prove", "--config", a.file, "--workspace", "a", "--entry", id); one != bundle && strings.Count(one, "\n") != 3 {
		t.Errorf("an intent and what belongs to it: %s", one)
	}
	if n := strings.Count(readFile(t, a.lines), "\n"); n != 8 {
		t.Errorf("the audit file has %d lines", n)
	}
}

// TestAuditKeyRotated: the signing key is replaced while the server runs; what was
// signed before is verified, and with which key.
func TestAuditKeyRotated(t *testing.T) {
	a := newAuditWorld(t)
	a.create("Abitbol")
	a.signed()
	old := strings.TrimSpace(a.must("audit", "key", "--config", a.file))
	before := a.write(a.must("audit", "export", "--config", a.file, "--workspace", "a"))
	keys := strings.Fields(a.must("audit", "key", "--config", a.file, "--rotate"))
	if len(keys) != 2 || keys[1] != old || strings.Join(keys, "\n")+"\n" != a.must("audit", "key", "--config", a.file) {
		t.Errorf("keys %v after %s", keys, old)
	}
	a.create("Second")
	a.signed()
	out := a.must("audit", "verify", "--config", a.file, "--workspace", "a")
	if n := strings.Count(out, " are signed with "); n != 3 || !strings.Contains(out, "verified: entries 6 of 6") {
		t.Errorf("verified: %s", out)
	}
	after := a.write(a.must("audit", "export", "--config", a.file, "--workspace", "a"))
	for _, c := range []struct{ file, key, want string }{
		{before, old, "verified: entries 2 of 2"},
		{before, keys[0], "is not signed with the key"},
		{before, keys[0] + " " + old, "a former key, and not with"},
		{after, old, "is not signed with the key"},
		{after, keys[0], "verified: entries 6 of 6"},
		{after, keys[0] + " " + old, "verified: entries 6 of 6"},
	} {
		out, err := a.run("audit", "verify", "--export", c.file, "--key", c.key)
		if !strings.Contains(out, c.want) || (err == nil) != strings.HasPrefix(c.want, "verified") {
			t.Errorf("%v, want %s: %s", err, c.want, out)
		}
	}
	if out := a.must("audit", "verify", "--export", after, "--key", strings.Join(keys, " "), "--checkpoint", a.kept); !strings.Contains(out, "signed with "+strings.Join(strings.SplitN(keys[0], "+", 3)[:2], "+")+" and ") {
		t.Errorf("with the second place: %s", out)
	}
	if out := a.must("audit", "show", "--config", a.file, "--tool", "audit.rotateKey", "--json"); !strings.Contains(out, `"publicKeys":["`+keys[0]+`","`+old+`"]`) {
		t.Errorf("the entry: %s", out)
	}
	if log := a.log.String(); strings.Contains(log, "cannot sign") {
		t.Errorf("log %s", log)
	}
}

// TestAuditTampered (attack 39): the database that was changed, put back or replaced while the
// server was down is seen.
func TestAuditTampered(t *testing.T) {
	a := newAuditWorld(t)
	a.create("Abitbol")
	a.signed()
	path := filepath.Join(a.app.config.Data, "salesforce-mcp.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)") // the server writes too
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := db.ExecContext(t.Context(), `VACUUM INTO ?`, backup); err != nil {
		t.Fatal(err)
	}
	a.create("Second")
	a.signed()
	exec := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	verify := func(want string) {
		t.Helper()
		if out, err := a.run("audit", "verify", "--config", a.file); err == nil || !strings.Contains(out, want) {
			t.Errorf("verified, %v, want %q:\n%s", err, want, out)
		}
	}
	exec(`DROP TRIGGER audit_entry_no_update`, `UPDATE audit_entry SET entry = replace(entry, 'Abitbol', 'Nobody') WHERE leaf = 0`)
	verify("entry 0 (")
	exec(`UPDATE audit_entry SET entry = replace(entry, 'Nobody', 'Abitbol') WHERE leaf = 0`)
	a.signed()

	// The backup put back in the place of the database.
	text := strings.ReplaceAll(readFile(t, a.file), a.app.config.Data, filepath.Dir(backup))
	if err := os.Rename(backup, filepath.Join(filepath.Dir(backup), "salesforce-mcp.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, []byte(strings.Replace(text, filepath.Dir(backup)+"/master.key", a.app.config.Secrets.KeyFile, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	verify("or this is an older state of it")
	emptied, err := sql.Open("sqlite", filepath.Join(filepath.Dir(backup), "salesforce-mcp.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer emptied.Close()
	for _, s := range []string{`DROP TRIGGER audit_entry_no_delete`, `DROP TRIGGER audit_log_no_delete`, `DELETE FROM audit_entry`, `DELETE FROM audit_log`} {
		if _, err := emptied.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	verify("workspace a: NOT as signed: entries 0 of 0")
	if err := os.Truncate(a.kept, 0); err != nil {
		t.Fatal(err)
	}
	verify("has none")
	if err := os.Remove(a.kept); err != nil {
		t.Fatal(err)
	}
	verify("is not there")
}

// TestAuditWithoutServer: what was recorded last is signed when the server stops,
// and what a server that was killed has not signed when the next one starts.
func TestAuditWithoutServer(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("workspaces: [{name: a, profiles: [{name: l, local: true, agent: [\"static:x\"]}], rules: [{agent: x, preset: read}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &auditWorld{world: &world{t: t}, file: file}
	for n := 1; n <= 2; n++ {
		var out, log bytes.Buffer
		if err := run(context.Background(), []string{"stdio", "--config", file}, func(string) string { return "" }, strings.NewReader(query(1, 1)+"\n"), &out, &log); err != nil {
			t.Fatal(err)
		}
		if out := w.must("audit", "verify", "--config", file); !strings.Contains(out, fmt.Sprintf("verified: entries %d of %[1]d,", 2*n)) || !strings.Contains(out, "not signed yet 0,") {
			t.Errorf("after run %d: %s", n, out)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
