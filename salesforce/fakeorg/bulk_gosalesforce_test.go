package fakeorg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	salesforce "github.com/k-capehart/go-salesforce/v3"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestGoSalesforceBulk drives jobs with a client that was not written for the org. It asks every half a second.
func TestGoSalesforceBulk(t *testing.T) {
	t.Parallel()
	s := start(t, fakeorg.Options{Pace: time.Millisecond})
	client, err := salesforce.Init(salesforce.Creds{Domain: s.url, AccessToken: s.token}, salesforce.WithAPIVersion("v62.0"), salesforce.WithCompressionHeaders(true))
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Three jobs, of which the client waits for the one that is first.
	jobs, err := client.InsertBulk("Account", []account{{Name: "One, \"1\"", ExternalID: "GOB-1"}, {Name: "Two", ExternalID: "GOB-2"}, {ExternalID: "GOB-3"}}, 1, true)
	must(err)
	if len(jobs) != 3 {
		t.Fatalf("%d jobs", len(jobs))
	}
	refused, err := client.GetJobResults(jobs[2])
	must(err)
	if refused.State != "JobComplete" || refused.NumberRecordsFailed != 1 || len(refused.FailedRecords) != 1 ||
		refused.FailedRecords[0]["sf__Error"] != "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --" {
		t.Errorf("%+v", refused)
	}
	jobs, err = client.UpsertBulk("Account", "ExternalId__c", []account{{Name: "Uno", ExternalID: "GOB-1"}, {Name: "Four", ExternalID: "GOB-4"}}, 1000, true)
	must(err)
	upserted, err := client.GetJobResults(jobs[0])
	must(err)
	if len(upserted.SuccessfulRecords) != 2 || upserted.SuccessfulRecords[0]["sf__Created"] != "false" || upserted.SuccessfulRecords[1]["sf__Created"] != "true" {
		t.Fatalf("%+v", upserted)
	}
	file := filepath.Join(t.TempDir(), "accounts.csv")
	must(client.QueryBulkExport("SELECT Name, ExternalId__c FROM Account WHERE ExternalId__c LIKE 'GOB-%' ORDER BY ExternalId__c", file))
	if exported, err := os.ReadFile(file); err != nil || string(exported) != "Name,ExternalId__c\nUno,GOB-1\nTwo,GOB-2\nFour,GOB-4\n" {
		t.Errorf("%s, %v", exported, err)
	}
	_, err = client.DeleteBulk("Account", []account{{ID: upserted.SuccessfulRecords[0]["sf__Id"].(string)}}, 1000, true)
	must(err)
	s.do("GET", "/sobjects/Account/ExternalId__c/GOB-1", "").wants(t, 404, "NOT_FOUND")
	_, err = client.InsertBulk("Account", []map[string]any{{"Nope": 1}}, 1000, true)
	if err == nil || !strings.Contains(err.Error(), "InvalidBatch : Field name not found : Nope") {
		t.Errorf("the client tells %v", err)
	}
}
