package fakeorg_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	salesforce "github.com/k-capehart/go-salesforce/v3"

	"salesforce-mcp/salesforce/fakeorg"
)

// account is a record as users of go-salesforce write it.
type account struct {
	ID         string `json:"Id"            salesforce:"Id,omitempty"`
	Name       string `json:"Name"          salesforce:"Name,omitempty"`
	ExternalID string `json:"ExternalId__c" salesforce:"ExternalId__c,omitempty"`
}

// TestGoSalesforce drives the org with a client that was not written for it.
func TestGoSalesforce(t *testing.T) {
	key := newKey(t)
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{{Key: "app", Secret: "s3", RunAs: fakeorg.IntegrationUser, PublicKey: &key.PublicKey}}})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	for name, login := range map[string]salesforce.Creds{
		"client credentials": {Domain: s.url, ConsumerKey: "app", ConsumerSecret: "s3"},
		"JWT":                {Domain: s.url, ConsumerKey: "app", Username: fakeorg.AdminUser, ConsumerRSAPem: string(keyPEM)},
		"token":              {Domain: s.url, AccessToken: s.token},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := salesforce.Init(login, salesforce.WithAPIVersion("v62.0"))
			if err != nil {
				t.Fatal(err)
			}
			useGoSalesforce(t, client)
		})
	}
}

func useGoSalesforce(t *testing.T, client *salesforce.Salesforce) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := client.InsertOne("Account", account{Name: "One"})
	must(err)
	must(client.UpdateOne("Account", account{ID: made.Id, Name: "Uno"}))
	upserted, err := client.UpsertOne("Account", "ExternalId__c", account{Name: "Ext", ExternalID: "GO-1"})
	must(err)
	many, err := client.InsertCollection("Account", []account{{Name: "Two"}, {}}, 200)
	must(err)
	if len(many.Results) != 2 || !many.Results[0].Success || many.Results[1].Success || many.Results[1].Errors[0].StatusCode != "REQUIRED_FIELD_MISSING" {
		t.Fatalf("%+v", many)
	}
	_, err = client.UpdateCollection("Account", []account{{ID: made.Id, Name: "One again"}}, 200)
	must(err)
	again, err := client.UpsertCollection("Account", "ExternalId__c", []account{{Name: "Ext 2", ExternalID: "GO-1"}}, 200)
	must(err)
	if again.HasSalesforceErrors {
		t.Errorf("%+v", again)
	}

	useCompositesOfGoSalesforce(t, client)

	var found []account
	must(client.Query("SELECT Id, Name, ExternalId__c FROM Account WHERE Id IN ('"+made.Id+"', '"+upserted.Id+"') ORDER BY Name", &found))
	if len(found) != 2 || found[0].Name != "Ext 2" || found[0].ExternalID != "GO-1" || found[1].Name != "One again" {
		t.Fatalf("%+v", found)
	}
	must(client.DeleteOne("Account", account{ID: made.Id}))
	_, err = client.DeleteCollection("Account", []account{{ID: upserted.Id}, {ID: many.Results[0].Id}}, 200)
	must(err)
	found = nil
	must(client.Query("SELECT Id FROM Account WHERE Id IN ('"+made.Id+"', '"+upserted.Id+"')", &found))
	if len(found) != 0 {
		t.Fatalf("after the deletion: %+v", found)
	}
	if err := client.UpdateOne("Account", account{ID: made.Id, Name: "x"}); err == nil {
		t.Error("a deleted record could be updated")
	}
}

// useCompositesOfGoSalesforce makes composite requests: each is one request with a collection for every two records.
func useCompositesOfGoSalesforce(t *testing.T, client *salesforce.Salesforce) {
	t.Helper()
	named := func(names ...string) (all []account) {
		for _, name := range names {
			all = append(all, account{Name: name})
		}
		return all
	}
	var ids []account
	for _, step := range []struct {
		name      string
		do        func() (salesforce.SalesforceResults, error)
		succeeded string // a letter for each record: y, n
		live      int    // accounts of these tests afterwards
	}{
		{"insert", func() (salesforce.SalesforceResults, error) {
			return client.InsertComposite("Account", named("C1", "C2", "C3"), 2, true)
		}, "yyy", 3},
		{"insert, all or none", func() (salesforce.SalesforceResults, error) {
			return client.InsertComposite("Account", named("C4", "C5", "C6", ""), 2, true)
		}, "nnn", 3},
		{"insert some", func() (salesforce.SalesforceResults, error) {
			return client.InsertComposite("Account", named("C4", ""), 1, false)
		}, "yn", 4},
		{"update", func() (salesforce.SalesforceResults, error) {
			return client.UpdateComposite("Account", ids[:3], 2, true)
		}, "yyy", 4},
		{"upsert", func() (salesforce.SalesforceResults, error) {
			return client.UpsertComposite("Account", "ExternalId__c", []account{{Name: "C7", ExternalID: "GC-1"}, {Name: "C8", ExternalID: "GC-2"}}, 1, true)
		}, "yy", 6},
		{"delete", func() (salesforce.SalesforceResults, error) { return client.DeleteComposite("Account", ids, 4, true) }, "yyyyyy", 0},
		{"delete again", func() (salesforce.SalesforceResults, error) {
			return client.DeleteComposite("Account", ids[:1], 2, false)
		}, "n", 0},
	} {
		got, err := step.do()
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		succeeded := ""
		for _, r := range got.Results {
			if r.Success {
				succeeded += "y"
			} else {
				succeeded += "n"
			}
			if r.Success && r.Id != "" && (strings.HasPrefix(step.name, "insert") || step.name == "upsert") {
				ids = append(ids, account{ID: r.Id, Name: "C"})
			}
		}
		var live []account
		if err := client.Query("SELECT Id FROM Account WHERE Name LIKE 'C' OR Name LIKE 'C_'", &live); err != nil {
			t.Fatal(err)
		}
		if succeeded != step.succeeded || len(live) != step.live || got.HasSalesforceErrors != strings.Contains(succeeded, "n") {
			t.Errorf("%s: %s, %d accounts: %+v", step.name, succeeded, len(live), got)
		}
	}
}
