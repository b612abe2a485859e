package fakeorg_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// FuzzQuery: no statement makes the org fail; it answers, or refuses in the platform's way.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"SELECT Id, Owner.Name, (SELECT LastName, (SELECT Subject FROM Tasks) FROM Contacts ORDER BY Name LIMIT 2 OFFSET 1) FROM Account a WHERE a.Name LIKE '%a%' ORDER BY Parent.Name DESC NULLS LAST LIMIT 5 OFFSET 1 FOR VIEW",
		"SELECT FIELDS(ALL) FROM Order USING SCOPE mine WHERE TotalAmount > 10 AND (NOT Status IN ('Draft', null)) LIMIT 200",
		"SELECT StageName s, CALENDAR_YEAR(CloseDate), SUM(Amount), GROUPING(StageName) FROM Opportunity GROUP BY CUBE(StageName, CALENDAR_YEAR(CloseDate)) HAVING COUNT(Id) > 1 ORDER BY SUM(Amount)",
		"SELECT TYPEOF What WHEN Account THEN Phone, BillingAddress ELSE Name END, Who.Email FROM Task WHERE Who.Type = 'Lead' OR What.Name != null",
		"SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Case WHERE CreatedDate = LAST_N_DAYS:3) AND Sales_Regions__c EXCLUDES ('EMEA;APAC')",
		"SELECT COUNT() FROM Contact c, c.Account b WHERE b.Industry = 'Media' LIMIT 3",
		"SELECT FORMAT(MAX(Amount)) m FROM Opportunity WHERE Amount != 1.5 AND CreatedDate < 2027-01-01T00:00:00Z",
		"SELECT toLabel(Status), FORMAT(convertCurrency(Amount__c)) x, VersionData FROM ContentVersion WITH SECURITY_ENFORCED",
		`FIND {harb* AND NOT ("pine x" OR y?)} IN NAME FIELDS RETURNING Account(Name, Owner.Name WHERE Industry != null ORDER BY Name LIMIT 2), Contact LIMIT 3`,
	} {
		f.Add(s)
	}
	org, err := fakeorg.New(fakeorg.Options{Clock: func() time.Time { return at }, DailyCalls: 1 << 40})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := org.Close(); err != nil {
			f.Error(err)
		}
	})
	token := org.MintToken(fakeorg.IntegrationUser)
	f.Fuzz(func(t *testing.T, statement string) {
		for _, path := range []string{"query", "search"} {
			r := httptest.NewRequest(http.MethodGet, "/services/data/v62.0/"+path+"?q="+url.QueryEscape(statement), nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			org.Handler().ServeHTTP(w, r)
			if w.Code != 200 && w.Code != 400 && w.Code != 414 {
				t.Fatalf("%s %q: %d %s", path, statement, w.Code, w.Body)
			}
		}
	})
}
