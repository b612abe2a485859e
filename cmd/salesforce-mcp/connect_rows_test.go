package main

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce/fakeorg"
)

// database opens the server's database beside it, as an intruder would who has the
// files.
func (w *world) database(t *testing.T) *sql.DB {
	t.Helper()
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(filepath.Join(w.app.config.Data, "salesforce-mcp.db")), RawQuery: "_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustRead(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A sealedRow is one sealed secret.
type sealedRow struct {
	workspace, name string
	version         int64
	sealed          []byte
}

func sealedRows(t *testing.T, db *sql.DB) (all []sealedRow) {
	t.Helper()
	found, err := db.Query(`SELECT workspace, name, version, sealed FROM secret ORDER BY rowid`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		var r sealedRow
		if err := found.Scan(&r.workspace, &r.name, &r.version, &r.sealed); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// put replaces all rows.
func put(t *testing.T, db *sql.DB, all []sealedRow) {
	t.Helper()
	if _, err := db.Exec(`DELETE FROM secret`); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if _, err := db.Exec(`INSERT INTO secret (workspace, name, version, sealed) VALUES (?, ?, ?, ?)`, r.workspace, r.name, r.version, r.sealed); err != nil {
			t.Fatal(err)
		}
	}
}

// people3 connects three people, each as another Salesforce user: ann and bob of
// workspace a, and ann of workspace b, who has the same name in the database as the
// first.
func people3(t *testing.T, w *world) (db *sql.DB, ann, bob, annB sealedRow) {
	t.Helper()
	for _, p := range []struct{ workspace, user, is string }{{"a", "ann", fakeorg.ServiceUser}, {"a", "bob", fakeorg.IntegrationUser}, {"b", "ann", "lena.vogt@alderridge.example"}} {
		links, err := w.app.people.Links(t.Context(), allowlist.Caller{Workspace: p.workspace, Host: "agent-factory", Agent: demoAgent, User: p.user})
		if err != nil {
			t.Fatal(err)
		}
		newBrowser(t).open(links.ConnectURL).salesforce(p.is).shows(200, "now work as "+p.is)
	}
	db = w.database(t)
	all := sealedRows(t, db)
	if len(all) != 3 || all[0].name != all[2].name {
		t.Fatalf("rows %+v", all)
	}
	return db, all[0], all[1], all[2]
}

// TestAttackRows (attack 37): whoever writes the database, and has no key, makes nobody
// work with another person's token. Calls fail and say so; who connects again, or
// disconnects, is rid of it.
func TestAttackRows(t *testing.T) {
	w := connectWorld(t)
	db, ann, bob, annB := people3(t, w)
	good := []sealedRow{ann, bob, annB}
	flipped := func(at int) sealedRow {
		r := ann
		r.sealed = slices.Clone(r.sealed)
		r.sealed[at] ^= 1
		return r
	}
	as := func(r sealedRow, from sealedRow) sealedRow {
		return sealedRow{r.workspace, r.name, from.version, from.sealed}
	}
	for _, tt := range []struct {
		what string
		rows []sealedRow
	}{
		{"ciphertexts of two people swapped", []sealedRow{{ann.workspace, ann.name, ann.version, bob.sealed}, {bob.workspace, bob.name, bob.version, ann.sealed}, annB}},
		{"with their versions", []sealedRow{as(ann, bob), as(bob, ann), annB}},
		{"rows of two workspaces swapped", []sealedRow{as(ann, annB), bob, as(annB, ann)}},
		{"their ciphertexts alone", []sealedRow{{ann.workspace, ann.name, ann.version, annB.sealed}, bob, {annB.workspace, annB.name, annB.version, ann.sealed}}},
		{"another version", []sealedRow{{ann.workspace, ann.name, ann.version + 1, ann.sealed}, bob, annB}},
		{"the first bit flipped", []sealedRow{flipped(0), bob, annB}},
		{"a bit flipped", []sealedRow{flipped(len(ann.sealed) / 2), bob, annB}},
		{"the last bit flipped", []sealedRow{flipped(len(ann.sealed) - 1), bob, annB}},
		{"a part", []sealedRow{{ann.workspace, ann.name, ann.version, ann.sealed[:20]}, bob, annB}},
		{"nothing", []sealedRow{{ann.workspace, ann.name, ann.version, []byte{}}, bob, annB}},
	} {
		put(t, db, tt.rows)
		before := w.sent()
		r := w.as("ann", "query", nil)
		if !r.IsError || !strings.Contains(r.Content[0].Text, "the server's secret store is not available") || w.sent() != before {
			t.Errorf("%s: %d requests, %+v", tt.what, w.sent()-before, r)
		}
		var status struct {
			Connected bool
			Error     struct{ Code, Message string }
		}
		if code := w.host(http.MethodGet, "oauth/status?user_id=ann", &status); code < 400 || status.Connected {
			t.Errorf("%s: status %d %+v", tt.what, code, status)
		}
		put(t, db, good)
		if r := w.as("ann", "query", nil); r.IsError {
			t.Fatalf("%s, mended: %+v", tt.what, r)
		}
	}
	put(t, db, []sealedRow{bob, annB})
	if r := w.as("ann", "query", nil); !r.IsError || r.StructuredContent.ConnectURL == "" {
		t.Errorf("the row removed: %+v", r)
	}

	for _, mend := range []string{"connect", "disconnect"} {
		put(t, db, []sealedRow{flipped(40), bob, annB})
		var links struct {
			Connect    string `json:"connect_url"`
			Disconnect string `json:"disconnect_url"`
		}
		w.host(http.MethodPost, "oauth/connect?user_id=ann", &links)
		b := newBrowser(t)
		if mend == "disconnect" {
			b.send(http.MethodPost, links.Disconnect, nil).shows(200, "is disconnected")
			w.nobody("ann")
			continue
		}
		b.open(links.Connect).salesforce(fakeorg.ServiceUser).shows(200, "now work as")
		if r := w.as("ann", "query", nil); r.IsError {
			t.Errorf("connected again: %+v", r)
		}
	}
	if log := w.log.String(); !strings.Contains(log, "cannot be opened: the database was changed") {
		t.Errorf("the log does not tell the operator: %s", log)
	}
}

// TestAttackRollback (attack 37): a row that is brought back is at most the same
// person's, and does not bring a connection back that has ended.
func TestAttackRollback(t *testing.T) {
	w := connectWorld(t)
	db, ann, bob, annB := people3(t, w)
	w.revoke()
	if r := w.as("ann", "query", nil); r.IsError { // with the second refresh token
		t.Fatalf("%+v", r)
	}
	put(t, db, []sealedRow{ann, bob, annB})
	w.revoke()
	if r := w.as("ann", "query", nil); !r.IsError { // the access token that came back is tried first
		t.Errorf("with an access token that has ended: %+v", r)
	}
	if r := w.as("ann", "query", nil); !r.IsError || r.StructuredContent.ConnectURL == "" {
		t.Errorf("with a refresh token that was replaced: %+v", r)
	}
	newBrowser(t).open(w.link("ann")).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	var kept sealedRow
	for _, r := range sealedRows(t, db) {
		if r.workspace == ann.workspace && r.name == ann.name {
			kept = r
		}
	}
	var done struct{ Disconnected bool }
	if w.host(http.MethodPost, "oauth/disconnect?user_id=ann", &done); !done.Disconnected {
		t.Fatal("not disconnected")
	}
	put(t, db, []sealedRow{kept, bob, annB})
	if r := w.as("ann", "query", nil); !r.IsError {
		t.Errorf("after disconnecting: %+v", r)
	}
	w.nobody("ann")
}

// TestAttackDataKeys (attack 37): keys of workspaces that were swapped or changed open
// nothing.
func TestAttackDataKeys(t *testing.T) {
	w := connectWorld(t)
	db, _, _, _ := people3(t, w)
	ask := func() error { // a server that was just started
		st, err := store.Join(t.Context(), w.app.config.Data)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = st.Close() }()
		kept, _, err := openSecrets(t.Context(), w.app.config, st, w.app.log)
		if err != nil {
			t.Fatal(err)
		}
		var opened int
		var last error
		for _, r := range sealedRows(t, db) {
			if _, _, err := kept.Get(t.Context(), r.workspace, r.name); err == nil {
				opened++
			} else {
				last = err
			}
		}
		if last != nil && opened > 0 {
			return fmt.Errorf("%d opened all the same: %w", opened, last)
		}
		return last
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	write := func(keys []secrets.DataKey) {
		if _, err := db.Exec(`DELETE FROM data_key`); err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if _, err := db.Exec(`INSERT INTO data_key (workspace, key_id, sealed) VALUES (?, ?, ?)`, k.Workspace, k.KeyID, k.Sealed); err != nil {
				t.Fatal(err)
			}
		}
	}
	good, err := w.app.store.DataKeys(t.Context())
	if err != nil || len(good) != 2 {
		t.Fatalf("%d keys, %v", len(good), err)
	}
	for what, change := range map[string]func(mine *secrets.DataKey, other secrets.DataKey){
		"swapped":   func(mine *secrets.DataKey, other secrets.DataKey) { mine.Sealed = other.Sealed },
		"changed":   func(mine *secrets.DataKey, _ secrets.DataKey) { mine.Sealed[30] ^= 1 },
		"of others": func(mine *secrets.DataKey, _ secrets.DataKey) { mine.KeyID = "0011223344556677" },
		"removed":   nil,
	} {
		var bad []secrets.DataKey
		for i, k := range good {
			if k.Sealed = slices.Clone(k.Sealed); change != nil {
				change(&k, good[1-i])
				bad = append(bad, k)
			}
		}
		write(bad)
		if err := ask(); err == nil || strings.Contains(err.Error(), "opened all the same") {
			t.Errorf("%s: %v", what, err)
		}
	}
	write(good)
	if err := ask(); err != nil {
		t.Errorf("mended: %v", err)
	}
}
