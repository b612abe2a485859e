package tools_test

import (
	"errors"
	"net/http"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools"
)

// refused makes a call that must be refused for its arguments, before anything
// is sent.
func refused(t *testing.T, instruction string, args map[string]any) {
	t.Helper()
	sent := 0
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "200\n{}") })
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Surface: "mcp", Tool: instruction, Args: args})
	var e *tools.Error
	if !errors.As(err, &e) || e.Code != tools.InvalidArgument || sent != 0 {
		t.Errorf("%s %v: %v, %d sent", instruction, args, err, sent)
	}
}

// TestSubrequestsStayInTheAPI (attack 25): no spelling of a path leads out of the
// REST API, to an org's Apex services or another host.
func TestSubrequestsStayInTheAPI(t *testing.T) {
	for _, path := range []string{"../../apexrest/x", "%2e%2e/%2E./apexrest/x", "..%2f..%2Fapexrest/x", "sobjects/..;/..;a=b/apexrest/x", `..\..\apexrest\x`,
		"..%5C..%5capexrest", "%2e%2e%3b/x", "sobjects/%zz", "sobjects\r\nHost: evil.example", "sobjects/./x"} {
		request := map[string]any{"method": "GET", "url": "/services/data/v62.0/" + path, "referenceId": "a"}
		refused(t, "runComposite", map[string]any{"compositeRequest": []any{request}})
		refused(t, "runCompositeGraph", map[string]any{"graphs": []any{map[string]any{"graphId": "1", "compositeRequest": []any{request}}}})
		refused(t, "runCompositeBatch", map[string]any{"batchRequests": []any{map[string]any{"method": "GET", "url": "v62.0/" + path}}})
	}
	for _, url := range []string{"https://evil.example/services/data/v62.0/x", "//evil.example/services/data/v62.0/x", "/services/apexrest/x", "/services/data/v62.0", "@evil.example/services/data/v62.0/x", "/services/async/62.0/job"} {
		refused(t, "runComposite", map[string]any{"compositeRequest": []any{map[string]any{"method": "GET", "url": url, "referenceId": "a"}}})
		refused(t, "runCompositeBatch", map[string]any{"batchRequests": []any{map[string]any{"method": "GET", "url": url}}})
	}
}
