package sqltrace_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/salesforce/fakeorg/sqltrace"
)

func TestColumns(t *testing.T) {
	r, err := sqltrace.New(fakeorg.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	token := r.Org().MintToken(fakeorg.IntegrationUser)
	for _, c := range []struct{ soql, want string }{
		{"SELECT Phone FROM Account WHERE Industry = 'x'", "Account.Id Account.Industry Account.IsDeleted Account.Phone"},
		{"SELECT COUNT() FROM Account", "Account.IsDeleted"},
		{"SELECT COUNT() FROM Case WHERE Contact.Name = 'x'", "Case.ContactId Case.IsDeleted Contact.Id Contact.Name"},
		{"SELECT (SELECT Subject FROM Cases) FROM Account", "Account.Id Account.IsDeleted Case.AccountId Case.Id Case.IsDeleted Case.Subject"},
		{"SELECT Comments FROM ProcessInstanceHistory", "ProcessInstanceHistory.Comments ProcessInstanceHistory.Id ProcessInstanceHistory.IsDeleted"},
	} {
		request := httptest.NewRequest(http.MethodGet, "/services/data/v62.0/query?q="+url.QueryEscape(c.soql), nil)
		request.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		r.Org().Handler().ServeHTTP(w, request)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", c.soql, w.Code, w.Body)
		}
		got, err := r.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, column := range got {
			names = append(names, column.Table+"."+column.Name)
		}
		if diff := cmp.Diff(strings.Fields(c.want), names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.soql, diff)
		}
	}
}
