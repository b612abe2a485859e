package main

import (
	"database/sql"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
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
