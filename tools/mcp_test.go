package tools_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// TestMain finds goroutines that tests leave behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent is an identity whose list follows the gate, as the real one's does.
type agent struct {
	caller
	gate tools.Gate
}

func (a agent) Visible(t tools.Table) (tools.Table, error) {
	return t.Only(func(op allowlist.Operation) bool {
		_, err := a.gate.Allow(a.Caller, op)
		return err == nil
	}), nil
}

// post sends one message to an MCP endpoint for an agent of workspace w.
func post(t *testing.T, server *tools.Server, name, body string) (int, []byte) {
	t.Helper()
	endpoint := tools.NewMCP(server, "salesforce-mcp", "test")
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	endpoint.ServeHTTP(w, r, agent{caller{allowlist.Caller{Workspace: "w", Agent: name}}, server.Gate})
	return w.Code, w.Body.Bytes()
}

// TestList: each agent sees its own tools, in few bytes: they are sent with
// every request of every model, for ever.
func TestList(t *testing.T) {
	server := newTestServer(t, nil)
	for name, most := range map[string]int{"admin": 22_600, "reader": 7_300, "stranger": 100} {
		_, body := post(t, server, name, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
		if len(body) > most {
			t.Errorf("the list of %s has %d bytes, more than %d", name, len(body), most)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, body, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, "../testdata/golden/tools-"+name+".json", pretty.Bytes())
	}
	for name, most := range map[string]int{"asker": 22_600, "careful": 7_600} { // with the tool approvals
		_, body := post(t, server, name, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
		if len(body) > most || !bytes.Contains(body, []byte(`"name":"approvals"`)) {
			t.Errorf("the list of %s has %d bytes, more than %d, or no approvals", name, len(body), most)
		}
	}
}

// TestHintsAreTrue: the hints of a list say what its caller may do.
func TestHintsAreTrue(t *testing.T) {
	server := newTestServer(t, nil)
	for name, want := range map[string]struct{ readOnly, destructive bool }{"admin": {false, true}, "reader": {true, false}, "adder": {false, false}} {
		_, body := post(t, server, name, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
		var list struct {
			Result struct {
				Tools []struct {
					Name        string
					Annotations struct{ ReadOnlyHint, DestructiveHint bool }
				}
			}
		}
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
		for _, tool := range list.Result.Tools {
			if tool.Name == "records" && (tool.Annotations.ReadOnlyHint != want.readOnly || tool.Annotations.DestructiveHint != want.destructive) {
				t.Errorf("%s: records has %+v, want %+v", name, tool.Annotations, want)
			}
		}
	}
}

// TestOutputFormats: verbose is text alone, structured is JSON (repeated as text
// for hosts that know nothing else), both has the same facts twice.
func TestOutputFormats(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "200\n"+`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account"},"Name":"Acme"}]}`)
	})
	for format, want := range map[string]struct {
		text       string
		structured string
	}{
		"":           {"totalSize: 1\ndone: true\nAccount (1):\nName\nAcme", ""},
		"verbose":    {"totalSize: 1\ndone: true\nAccount (1):\nName\nAcme", ""},
		"structured": {`{"totalSize":1,"done":true,"records":[{"Name":"Acme"}]}`, `{"totalSize":1,"done":true,"records":[{"Name":"Acme"}]}`},
		"both":       {"totalSize: 1\ndone: true\nAccount (1):\nName\nAcme", `{"totalSize":1,"done":true,"records":[{"Name":"Acme"}]}`},
	} {
		_, body := post(t, server, "admin", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"SELECT Name FROM Account","outputFormat":"`+format+`"}}}`)
		var got struct {
			Result struct {
				Content           []struct{ Text string }
				StructuredContent json.RawMessage
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Result.Content) != 1 || got.Result.Content[0].Text != want.text || string(got.Result.StructuredContent) != want.structured {
			t.Errorf("%q: %s", format, body)
		}
	}
}

// TestFileResult: a file goes with the result as an embedded resource.
func TestFileResult(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, "200 application/pdf\n%PDF\x00") })
	_, body := post(t, server, "admin", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"records","arguments":{"action":"getField","sObjectName":"ContentVersion","recordId":"0685g00000LmNoPAAV","fieldName":"VersionData"}}}`)
	if !bytes.Contains(body, []byte(`{"type":"resource","resource":{"uri":"salesforce://sobjects/ContentVersion/0685g00000LmNoPAAV/VersionData","mimeType":"application/pdf","blob":"JVBERgA="}}`)) {
		t.Errorf("%s", body)
	}
}

// TestUnknownTool is an error of the protocol, as MCP wants it, and names what
// there is.
func TestUnknownTool(t *testing.T) {
	_, body := post(t, newTestServer(t, nil), "reader", `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"recrods"}}`)
	if want := `{"jsonrpc":"2.0","id":"x","error":{"code":-32602,"message":"there is no tool \"recrods\" for this agent (did you mean records?); there are records, query, compositeRecords, versions, sobjects, bulkIngest, bulkQuery, tooling, process, quickActions, analytics, metadata, events, agentforce, returns"}}`; string(body) != want {
		t.Errorf("%s, want %s", body, want)
	}
}

// TestStdio: one message a line, strictly read; what is under way when stdin
// ends is finished.
func TestStdio(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(50 * time.Millisecond)
		answer(w, "200\n{}")
	})
	endpoint := tools.NewMCP(server, "salesforce-mcp", "test")
	in := strings.Join([]string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		``,
		`not json`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"versions","name":"records"}}`,
		`{"jsonrpc":"2.0","id":3,"method":"ping","params":{"x":"` + strings.Repeat("x", tools.MaxMessage) + `"}}`,
		`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"versions","arguments":{"action":"getLimits"}}}`,
		`{"jsonrpc":"2.0","id":5,"method":"ping"}`,
	}, "\n")
	var out bytes.Buffer
	if err := endpoint.ServeLines(t.Context(), strings.NewReader(in), &out, agent{caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, server.Gate}); err != nil {
		t.Fatal(err)
	}
	var failures int
	ids := map[string]bool{}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var m struct {
			ID     json.RawMessage
			Error  json.RawMessage
			Result json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if m.Error != nil {
			failures++
			continue
		}
		ids[string(m.ID)] = true
	}
	if failures != 3 || len(ids) != 3 || !ids["1"] || !ids["4"] || !ids["5"] {
		t.Errorf("%d failures and answers to %v", failures, ids)
	}
}

// TestStdioCancel: the one client of stdio may cancel its own request.
func TestStdioCancel(t *testing.T) {
	began := make(chan struct{})
	server := newTestServer(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	endpoint := tools.NewMCP(server, "salesforce-mcp", "test")
	in, stdin := io.Pipe()
	served := make(chan error, 1)
	var out bytes.Buffer
	go func() {
		served <- endpoint.ServeLines(t.Context(), in, &out, agent{caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, server.Gate})
	}()
	for _, line := range []string{
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"versions","arguments":{"action":"getLimits"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`,
	} {
		if _, err := io.WriteString(stdin, line+"\n"); err != nil {
			t.Fatal(err)
		}
		<-began
	}
	_ = stdin.Close()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the request was not cancelled")
	}
}

// TestLongValue: a text that does not fit is given in parts.
func TestLongValue(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, "200\n\""+strings.Repeat("ü", 12_000)+"\"") })
	for skip, want := range map[string]string{
		"0":     `It goes on after byte 20000. For the rest: action getField, sObjectName Case, recordId 5005g00000AbCdEAAV, fieldName Description, skip 20000.`,
		"20000": "value: " + strings.Repeat("ü", 2_000),
	} {
		got, _ := rpc(t, server, "admin", "tools/call", `{"name":"records","arguments":{"action":"getField","sObjectName":"Case","recordId":"5005g00000AbCdEAAV","fieldName":"Description","skip":`+skip+`}}`)
		if text := got.Content[0].Text; len(text) > 21_000 || !strings.HasSuffix(text, want) {
			t.Errorf("skip %s: %d bytes, … %s", skip, len(text), text[max(0, len(text)-200):])
		}
	}
}

// TestLongPageInside: a page of a query inside a composite request is cut like
// any other, and then goes on at the first record that is not shown.
func TestLongPageInside(t *testing.T) {
	var rows []string
	for n := range 2000 {
		rows = append(rows, fmt.Sprintf(`{"attributes":{"type":"Lead","url":"/x"},"Id":"00Q%015d"}`, n))
	}
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, `200
{"compositeResponse":[{"body":{"totalSize":5000,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g5g00000AbCdE-2000","records":[`+
			strings.Join(rows, ",")+`]},"httpHeaders":{},"httpStatusCode":200,"referenceId":"q"}]}`)
	})
	got, _ := rpc(t, server, "admin", "tools/call", `{"name":"composite","arguments":{"action":"request","body":{"compositeRequest":[{"method":"GET","url":"/services/data/v62.0/query?q=x","referenceId":"q"}]}}}`)
	text := got.Content[0].Text
	shown := strings.Count(text, `"Id":"00Q`)
	if len(text) > 21_000 || shown < 500 || !strings.Contains(text, fmt.Sprintf(`"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g5g00000AbCdE-%d"`, shown)) ||
		!strings.Contains(text, fmt.Sprintf("body is cut after %d of 2000; for the rest give its nextRecordsUrl to tool query, action next.", shown)) {
		t.Errorf("%d bytes, %d rows: %.200s … %s", len(text), shown, text, text[len(text)-300:])
	}
}

// TestLongResult: a result beyond the budget is cut at a record and names the
// very call that fetches the rest.
func TestLongResult(t *testing.T) {
	rows := func(n int) string {
		row := `{"attributes":{"type":"Account"},"Name":"` + strings.Repeat("n", 90) + `"}`
		return strings.Repeat(row+",", n-1) + row
	}
	for name, tt := range map[string]struct {
		response, call string
		want           func(shown int) string
	}{
		"a page with a locator": {`{"totalSize":5000,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g5g00000AbCdE-2000","records":[` + rows(2000) + `]}`,
			`"action":"soql","q":"SELECT Name FROM Account"`, func(n int) string { return fmt.Sprintf(`action next, queryLocator "01g5g00000AbCdE-%d".`, n) }},
		"the last page": {`{"totalSize":5000,"done":true,"records":[` + rows(1000) + `]}`,
			`"action":"next","queryLocator":"01g5g00000AbCdE-4000"`, func(n int) string { return fmt.Sprintf(`action next, queryLocator "01g5g00000AbCdE-%d".`, 4000+n) }},
		"the only page": {`{"totalSize":1000,"done":true,"records":[` + rows(1000) + `]}`,
			`"action":"soqlAll","q":"SELECT Name FROM Account ORDER BY Name LIMIT 1000 OFFSET 10"`,
			func(n int) string {
				return fmt.Sprintf(`action soqlAll, q "SELECT Name FROM Account ORDER BY Name LIMIT %d OFFSET %d".`, 1000-n, 10+n)
			}},
	} {
		server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, "200\n"+tt.response) })
		_, body := post(t, server, "admin", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{`+tt.call+`}}}`)
		var got struct {
			Result struct{ Content []struct{ Text string } }
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		text := got.Result.Content[0].Text
		shown := strings.Count(text, "nnnn\n")
		if shown < 150 || !strings.Contains(text, "For the rest: "+tt.want(shown)) {
			t.Errorf("%s: %d rows, it ends in %q, want %s", name, shown, text[max(0, len(text)-200):], tt.want(shown))
		}
		if !strings.Contains(text, "\ndone: false\n") || strings.Contains(text, "AbCdE-2000") {
			t.Errorf("%s: it begins with %q, which leads past what was cut", name, text[:120])
		}
		if len(text) > 21_000 {
			t.Errorf("%s: %d characters", name, len(text))
		}
	}
}

// TestManyChildren: the children of one record do not fill a result.
func TestManyChildren(t *testing.T) {
	child := `{"attributes":{"type":"Contact"},"LastName":"` + strings.Repeat("n", 90) + `"}`
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "200\n"+`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account"},"Name":"A","Contacts":{"totalSize":600,"done":true,"records":[`+strings.Repeat(child+",", 599)+child+`]}}]}`)
	})
	_, body := post(t, server, "admin", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"SELECT Name, (SELECT LastName FROM Contacts) FROM Account","outputFormat":"both"}}}`)
	if n := bytes.Count(body, []byte("nnnn\"}")); len(body) > 45_000 || !bytes.Contains(body, []byte(fmt.Sprintf("Contacts is cut after %d of 600; for the rest query that object.", n))) {
		t.Errorf("%d children, %d bytes", n, len(body))
	}
}

// TestAllFailed: a collection of which nothing was written is an error.
func TestAllFailed(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "200\n"+`[{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"m","fields":[]}]}]`)
	})
	_, body := post(t, server, "admin", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"compositeRecords","arguments":{"action":"createMany","records":[{"attributes":{"type":"Account"}}]}}}`)
	if !bytes.Contains(body, []byte(`"isError":true`)) {
		t.Errorf("%s", body)
	}
}
