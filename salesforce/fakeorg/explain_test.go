package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestExplain: plans and costs come from the rows there are and the fields that have an index.
func TestExplain(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	s.create("Account", `{"Name":"New"}`)
	s.create("Account", `{"Name":"New"}`)
	s.do("DELETE", "/sobjects/Account/"+s.create("Account", `{"Name":"Gone"}`), "")
	// The 66 accounts are worth an index for 19 rows (30 per cent), with a custom one for 6 (10 per cent).
	const scan = "TableScan [] 66 2.9421 "
	for soql, want := range map[string]string{
		"SELECT Id FROM Account":                                                             scan,
		"SELECT COUNT() FROM Account":                                                        scan,
		"SELECT Rating, COUNT(Id) FROM Account GROUP BY Rating":                              scan,
		"SELECT Id FROM Account LIMIT 10":                                                    "Other [] 10 0.5263 | " + scan,
		"SELECT Id FROM Account LIMIT 100":                                                   scan,
		"SELECT Id FROM Account WHERE Name = 'New'":                                          "Index [Name] 2 0.1053 | TableScan [] 2 0.7526 ",
		"SELECT Id FROM Account a WHERE a.Name LIKE 'new%'":                                  "Index [Name] 2 0.1053 | TableScan [] 2 0.7526 ",
		"SELECT Id FROM Account WHERE Account.CreatedDate = TODAY AND Industry = 'Retail'":   "Index [CreatedDate] 2 0.1053 | TableScan [] 0 0.6842 Industry",
		"SELECT Id FROM Account WHERE ExternalId__c IN ('ERP-1000', 'ERP-1001', 'x')":        "Index [ExternalId__c] 2 0.3333 | TableScan [] 2 0.7526 ",
		"SELECT Id FROM Account WHERE Legacy_Number__c = ''":                                 "TableScan [] 2 0.7526 Legacy_Number__c",
		"SELECT Id FROM Account WHERE CreatedDate < TODAY":                                   "TableScan [] 64 2.8737 | Index [CreatedDate] 64 3.3684 ",
		"SELECT Id FROM Account WHERE Name = 'New' OR ExternalId__c = 'ERP-1000'":            "Index [Name ExternalId__c] 3 0.5000 | TableScan [] 3 0.7868 ",
		"SELECT Id FROM Account WHERE Name = 'New' OR Phone = 'x'":                           "TableScan [] 2 0.7526 Phone",
		"SELECT Id FROM Account WHERE Phone = 'x' OR (Name = 'New' AND Fax = null)":          "TableScan [] 2 0.7526 Phone",
		"SELECT Id FROM Account WHERE Rating = 'Hot' AND (Phone = 'x' OR Id != null)":        "TableScan [] 22 1.4368 Rating Phone Id",
		"SELECT Id FROM Account WHERE NOT Name = 'New'":                                      "TableScan [] 64 2.8737 Name",
		"SELECT Id FROM Account WHERE Name LIKE '%w' AND CALENDAR_YEAR(CreatedDate) = 2027":  "TableScan [] 2 0.7526 Name CreatedDate",
		"SELECT Id FROM Contact WHERE Account.Name = 'New'":                                  "TableScan [] 0 0.6842 Account.Name",
		"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)":                 "TableScan [] 64 2.8737 | Index [Id] 64 3.3684 ",
		"SELECT Id FROM Account WHERE Name = 'New' AND OwnerId = '005Sm0000000001IAA'":       "Index [Name] 2 0.1053 | Index [OwnerId] 2 0.1053 | TableScan [] 2 0.7526 ",
		"SELECT Id FROM Warranty_Claim__c WHERE Claim_Key__c = 'nobody' AND Case__c != null": "Index [Claim_Key__c] 0 0.0000 | TableScan [] 0 0.6667 Case__c",
	} {
		t.Run(soql, func(t *testing.T) {
			r := s.do("GET", "/query/?explain="+url.QueryEscape(soql), "")
			var answer struct {
				Plans []struct {
					Cardinality          int
					Fields               []string
					LeadingOperationType string
					Notes                []struct {
						Description, TableEnumOrID string
						Fields                     []string
					}
					RelativeCost float64
					SobjectType  string
				}
				SourceQuery string
			}
			if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != 200 || len(answer.Plans) == 0 {
				t.Fatalf("%d %s", r.status, r.body)
			}
			var plans, notes []string
			for _, p := range answer.Plans {
				plans = append(plans, fmt.Sprintf("%s %v %d %.4f ", p.LeadingOperationType, p.Fields, p.Cardinality, p.RelativeCost))
			}
			for _, n := range answer.Plans[0].Notes {
				if n.Description != "Not considering filter for optimization because unindexed" || n.TableEnumOrID != answer.Plans[0].SobjectType {
					t.Errorf("note %+v", n)
				}
				notes = append(notes, n.Fields...)
			}
			got := strings.Join(plans, "| ") + strings.Join(notes[1:], " ")
			if notes[0] != "IsDeleted" || got != want || answer.SourceQuery != soql {
				t.Errorf("got  %s %s\nwant %s", got, notes[0], want)
			}
		})
	}
	s.do("GET", "/query?explain=SELECT+Id+FROM+Contact+WHERE+LastName='x'", "").want(t, 200, `{"plans":[{"cardinality":0,"fields":[],"leadingOperationType":"TableScan",`+
		`"notes":[{"description":"Not considering filter for optimization because unindexed","fields":["IsDeleted"],"tableEnumOrId":"Contact"},`+
		`{"description":"Not considering filter for optimization because unindexed","fields":["LastName"],"tableEnumOrId":"Contact"}],`+
		`"relativeCost":0.6842105263157895,"sobjectCardinality":128,"sobjectType":"Contact"}],"sourceQuery":"SELECT Id FROM Contact WHERE LastName='x'"}`)
	s.do("GET", "/query?explain=SELECT+Id", "").wants(t, 400, "MALFORMED_QUERY")
	s.do("GET", "/query?explain=SELECT+Nothing+FROM+Account", "").wants(t, 400, "INVALID_FIELD")
	s.do("GET", "/query?explain=00OSm0000000001MAA", "").wants(t, 400, "INVALID_ID")
}
