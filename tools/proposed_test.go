package tools_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// TestProposed: what a call would change is read as it is now, by its own caller and
// recorded with who wants to see it; of calls that can do anything nothing is guessed.
func TestProposed(t *testing.T) {
	const id = "0015g00000AbCdEAAV"
	var requests []string
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests = append(requests, r.Method+" "+r.URL.Path)
		switch {
		case strings.Contains(string(body), "0015g00000GoNeAAAA"):
			answer(w, "200\n[null]")
		case strings.HasSuffix(r.URL.Path, "/composite/sobjects/Account"):
			answer(w, `200
[{"attributes":{"type":"Account"},"Id":"`+id+`","Name":"Before","Phone":null}]`)
		case strings.HasSuffix(r.URL.Path, "/query"):
			answer(w, `200
{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account"},"Id":"`+id+`","Name":"Gone"}]}`)
		default:
			answer(w, "404\n[]")
		}
	})
	kept := confirming(t, server, false, "set")
	for _, tt := range []struct {
		instruction, arguments string
		known                  bool
		missing                int
		want                   string
	}{
		{"updateRecord", `{"sObjectName":"Account","recordId":"` + id + `","body":{"Name":"After","Phone":"1"}}`, true, 0,
			id + ` Account.Name "Before" "After";` + id + ` Account.Phone null "1"`},
		{"updateRecord", `{"sObjectName":"Account","recordId":"0015g00000GoNeAAAA","body":{"Name":"After"}}`, true, 1, ""},
		{"deleteRecord", `{"sObjectName":"Account","recordId":"` + id + `"}`, true, 0, id + ` Account.Id "` + id + `" ;` + id + ` Account.Name "Gone" `},
		{"createRecord", `{"sObjectName":"Account","body":{"Name":"New"}}`, true, 0, ` Account.Name  "New"`},
		{"createRecords", `{"records":[{"attributes":{"type":"Account"},"Name":"New"}]}`, true, 0, ` Account.Name  "New"`},
		{"compositeRequest", `{"compositeRequest":[{"method":"DELETE","url":"/services/data/v62.0/sobjects/Account/` + id + `","referenceId":"r"}]}`, false, 0, ""},
		{"executeAnonymous", `{"anonymousBody":"delete [SELECT Id FROM Account];"}`, false, 0, ""},
		{"updateRecord", `{"sObjectName":"Account"}`, false, 0, ""},
		{"updateRecord", `no JSON`, false, 0, ""},
		{"processReturn", `{"run":"r"}`, false, 0, ""},
	} {
		before := len(requests)
		a := tools.Approval{ID: "approval-1", AskedCall: tools.AskedCall{Workspace: "w", Host: "h", Agent: "a", Instruction: tt.instruction, Digest: "d"}, Arguments: json.RawMessage(tt.arguments)}
		p, err := server.Proposed(t.Context(), a, "maria")
		var got []string
		for _, c := range p.Changes {
			got = append(got, fmt.Sprintf("%s %s.%s %s %s", c.Record, c.Object, c.Field, c.Before, c.After))
		}
		if err != nil || p.Known != tt.known || p.Missing != tt.missing || strings.Join(got, ";") != tt.want {
			t.Errorf("%s: %v %+v\n%s", tt.instruction, err, p, strings.Join(got, ";"))
		}
		if read := len(requests) > before; read != (tt.known && !strings.HasPrefix(tt.instruction, "create")) {
			t.Errorf("%s sent %v", tt.instruction, requests[before:])
		}
	}
	for _, r := range requests {
		if !strings.HasPrefix(r, "GET ") && !strings.HasSuffix(r, "/composite/sobjects/Account") {
			t.Errorf("it sent %s", r)
		}
	}
	told := 0
	for _, e := range kept.entries {
		if e.Action == "preview" && e.By == "maria" && e.Agent == "a" && e.Approval == "approval-1" && e.Phase == audit.PhaseOutcome && len(e.Exchanges) == 1 {
			told++
		}
	}
	if told != 3 {
		t.Errorf("%d readings are in the audit trail", told)
	}
}

// TestNamesOfWhoDecides: whoever goes by the name of the call's user does not decide,
// whichever of their names that is.
func TestNamesOfWhoDecides(t *testing.T) {
	server := newTestServer(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	kept := confirming(t, server, false, "set")
	now := time.Now()
	if _, err := kept.AskApproval(t.Context(), tools.Approval{ID: "approval-1", State: tools.Waiting, Requested: now, Expires: now.Add(time.Hour),
		AskedCall: tools.AskedCall{Workspace: "w", Host: "h", Agent: "a", User: "Dora@Example.com", Instruction: "updateRecord", Digest: "d"}}); err != nil {
		t.Fatal(err)
	}
	for _, v := range []tools.Verdict{{By: "dora@example.com"}, {By: "u-1", Names: []string{"Dora", "dora@example.com"}}} {
		v.Approve = true
		if _, err := tools.Decide(t.Context(), server.Journal, kept, "w", "approval-1", v); tools.AsError(err).Code != tools.FourEyes {
			t.Errorf("%+v: %v", v, err)
		}
	}
	if a, err := tools.Decide(t.Context(), server.Journal, kept, "w", "approval-1", tools.Verdict{By: "u-2", Names: []string{"", "lou"}, Approve: true}); err != nil || a.State != tools.Approved {
		t.Errorf("%+v %v", a, err)
	}
}
