package tools_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// hostile are texts that mean something in a path, in SOQL, in a header, or to the
// eye.
var hostile = []string{"../Opportunity", "..", ".", "Account/describe", "Account%2fdescribe", "Account?fields=Name", "Account#", "Account;x", "Account\\..", "Account\r\nHost: evil", "Account\x00",
	"Id, (SELECT Id FROM Opportunities)", "Id FROM Opportunity --", "Name) FROM Opportunity WHERE (Id", "Id' OR '1'='1", "Name/**/FROM/**/User", "Name\u00a0FROM\u00a0User", "%", "_%", "Name\\'",
	"Аccount", "Ｎame", "Na\u200bme", "@{a.Name}", "*", "Account.", ".Name", "a.b.c.d.e.f.g.h", strings.Repeat("x", 200)}

// TestNamesStayNames (attacks 22 and 23): what becomes part of a path or of SOQL is
// a name or an ID of the known form, whatever a caller writes.
func TestNamesStayNames(t *testing.T) {
	const id = "0015g00000AbCdEAAV"
	for _, text := range hostile {
		for _, tt := range []struct {
			instruction string
			args        map[string]any
		}{
			{"getRecord", map[string]any{"sObjectName": text, "recordId": id}},
			{"getRecord", map[string]any{"sObjectName": "Account", "recordId": text}},
			{"getRecord", map[string]any{"sObjectName": "Account", "recordId": id, "fields": text}},
			{"getRecord", map[string]any{"sObjectName": "Account", "recordId": id, "fields": []any{"Name", text}}},
			{"getRecordField", map[string]any{"sObjectName": "Account", "recordId": id, "fieldName": text}},
			{"deleteRecord", map[string]any{"sObjectName": "Account", "recordId": id + text}},
			{"upsertRecord", map[string]any{"sObjectName": "Account", "externalIdField": text, "externalIdValue": "1", "body": map[string]any{"Name": "x"}}},
			{"getRecordsCollection", map[string]any{"sObjectName": "Account", "ids": id, "fields": text}},
			{"getRecordsCollection", map[string]any{"sObjectName": "Account", "ids": []any{id, text}}},
			{"deleteRecords", map[string]any{"ids": text}},
			{"createRecords", map[string]any{"records": []any{map[string]any{"attributes": map[string]any{"type": text}, "Name": "x"}}}},
			{"getRecordCount", map[string]any{"sObjects": text}},
			{"describeSObject", map[string]any{"sObjectName": text}},
			{"createIngestJob", map[string]any{"object": text, "operation": "insert"}},
			{"getQueryJob", map[string]any{"jobId": text}},
			{"getQueryNext", map[string]any{"queryLocator": text}},
			{"describeQuickAction", map[string]any{"actionName": text}},
			{"runReport", map[string]any{"reportId": text}},
		} {
			refused(t, tt.instruction, tt.args)
		}
	}
	// The value of an external ID may be any text: it stays one segment of the path.
	var paths []string
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.EscapedPath())
		answer(w, "204")
	})
	for _, value := range hostile {
		paths = nil
		_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Surface: "mcp", Tool: "upsertRecord",
			Args: map[string]any{"sObjectName": "Account", "externalIdField": "ExternalId__c", "externalIdValue": value, "body": map[string]any{"Name": "x"}}})
		if err != nil && len(paths) == 0 {
			continue // it was refused
		}
		rest, ok := strings.CutPrefix(paths[0], "/services/data/v62.0/sobjects/Account/ExternalId__c/")
		plain, err := url.PathUnescape(rest)
		if !ok || strings.Contains(rest, "/") || err != nil || plain != value {
			t.Errorf("%q became %q", value, paths[0])
		}
	}
}
