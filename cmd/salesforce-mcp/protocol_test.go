package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestEras: both eras of the protocol are served on one URL.
func TestEras(t *testing.T) {
	w := newWorld(t)
	for _, version := range []string{"2025-03-26", "2025-06-18", "2025-11-25"} {
		_, answer := w.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":%q,"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, version))
		if !strings.Contains(answer, fmt.Sprintf(`"protocolVersion":%q`, version)) {
			t.Errorf("%s: %s", version, answer)
		}
	}
	if status, answer := w.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); status != http.StatusAccepted || answer != "" {
		t.Errorf("a notification: %d %q, want 202 and nothing", status, answer)
	}
	modern := func(method, meta string, headers ...string) (int, string) {
		r := w.request(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"_meta":{%s}}}`, method, meta))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return w.do(r)
	}
	meta := `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}`
	for _, tt := range []struct {
		name, method, meta string
		headers            []string
		status             int
		contains           string
	}{
		{"list", "tools/list", meta, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list"}, 200, `"cacheScope":"private"`},
		{"discover", "server/discover", meta, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "server/discover"}, 200, "Each takes an action"},
		{"no header", "tools/list", meta, nil, 400, "-32020"},
		{"other method in the header", "tools/list", meta, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call"}, 400, "-32020"},
		{"no meta", "tools/list", "", []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list"}, 400, "-32602"},
		{"unknown version", "tools/list", strings.Replace(meta, "2026-07-28", "2099-01-01", 1), []string{"Mcp-Protocol-Version", "2099-01-01", "Mcp-Method", "tools/list"}, 400, "-32022"},
		{"removed method", "initialize", meta, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "initialize"}, 404, "-32601"},
	} {
		if status, answer := modern(tt.method, tt.meta, tt.headers...); status != tt.status || !strings.Contains(answer, tt.contains) {
			t.Errorf("%s: %d %.300s, want %d and %s", tt.name, status, answer, tt.status, tt.contains)
		}
	}
	r := w.request(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	r.Header.Set("Mcp-Protocol-Version", "1999-01-01")
	if status, answer := w.do(r); status != http.StatusBadRequest {
		t.Errorf("a version that never was: %d %s", status, answer)
	}
}

// TestHTTPRules: wrong method, content type and path.
func TestHTTPRules(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		change func(*http.Request)
		status int
	}{
		{func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		{func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusUnsupportedMediaType},
		{func(r *http.Request) { r.Header.Set("Accept", "text/html") }, http.StatusNotAcceptable},
		{func(r *http.Request) { r.Method = http.MethodDelete }, http.StatusMethodNotAllowed},
		{func(r *http.Request) { r.Method = http.MethodPut }, http.StatusMethodNotAllowed},
		{func(r *http.Request) { r.URL.Path = "/w/a/mcp/x" }, http.StatusNotFound},
		{func(r *http.Request) { r.URL.Path = "/" }, http.StatusNotFound},
		{func(r *http.Request) { r.URL.Path, r.Method = "/healthz", http.MethodGet }, http.StatusOK},
		{func(r *http.Request) { r.URL.Path, r.Method, r.Host = "/readyz", http.MethodGet, "10.0.0.7" }, http.StatusOK},
		{func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }, http.StatusOK},
	} {
		r := w.request(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		tt.change(r)
		if status, answer := w.do(r); status != tt.status {
			t.Errorf("%s %s %v: %d %s, want %d", r.Method, r.URL.Path, r.Header, status, answer, tt.status)
		}
	}
}
