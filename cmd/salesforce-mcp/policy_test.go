package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// The agents of the escape corpus. What a rule keeps from them is in the org as
// values with the word SECRET in them.
var policyRules = []allowlist.Rule{
	{Agent: "deny", Preset: "all",
		SObjects: allowlist.Lists{Deny: []string{"Opportunity", "Warranty_Claim__c", "payment"}},
		Fields:   allowlist.Lists{Deny: []string{"Contact.Description", "contact.mobilephone", "Contact.MailingStreet", "*.Legacy_Number__c"}}},
	{Agent: "allow", Preset: "all",
		SObjects: allowlist.Lists{Allow: []string{"Account", "Contact", "Case"}},
		Fields:   allowlist.Lists{Allow: []string{"Account.Name", "Account.Industry", "Contact.LastName", "Contact.Email", "Contact.AccountId", "Case.Subject"}}},
	{Agent: "bits", Actions: []string{"composite", "records.get", "records.create", "records.update", "query.soql", "bulkIngest.create"}},
	{Agent: "nocase", Preset: "all", SObjects: allowlist.Lists{Deny: []string{"Case"}}},
	{Agent: "plain", Preset: "read+add"},
	{Agent: "adder", Preset: "read+add", SObjects: allowlist.Lists{Deny: []string{"Opportunity"}}},
	{Agent: "named", Preset: "all", Actions: []string{"records", "query", "composite", "tooling.executeAnonymous"}, Fields: allowlist.Lists{Deny: []string{"Contact.Description"}}},
}

// escapes is a world with the agents of the corpus and things that they must not
// get at.
type escapes struct {
	*world
	fill *strings.Replacer // puts IDs in the place of their names
}

func newEscapes(t *testing.T) *escapes {
	w := newWorld(t, func(c *config.Config) {
		for i := range c.Workspaces {
			c.Workspaces[i].Rules = append(c.Workspaces[i].Rules, policyRules...)
		}
	})
	e := &escapes{world: w, fill: strings.NewReplacer()}
	var ids []string
	for _, plant := range []struct{ name, object, values string }{
		{"<account>", "Account", `{"Name": "Visible Inc", "ExternalId__c": "EXT-1", "Legacy_Number__c": "SECRET-legacy"}`},
		{"<contact>", "Contact", `{"LastName": "Seen", "AccountId": "<account>", "Email": "seen@visible.test", "Description": "SECRET-note", "MobilePhone": "SECRET-mobile", "MailingStreet": "SECRET-street", "MailingCity": "Paris"}`},
		{"<opportunity>", "Opportunity", `{"Name": "SECRET-deal", "AccountId": "<account>", "StageName": "Prospecting", "CloseDate": "2027-01-31"}`},
		{"<case>", "Case", `{"Subject": "Visible case", "ContactId": "<contact>", "AccountId": "<account>"}`},
		{"<task>", "Task", `{"Subject": "Visible task", "WhatId": "<opportunity>", "WhoId": "<contact>"}`},
		{"<claim>", "Warranty_Claim__c", `{}`},
	} {
		_, body := e.send(demoAgent, "createRecord", fmt.Sprintf(`{"sObjectName": %q, "body": %s, "outputFormat": "structured"}`, plant.object, plant.values))
		id := regexp.MustCompile(`"id":"(\w{18})"`).FindStringSubmatch(body)
		if id == nil {
			t.Fatalf("%s: %s", plant.object, body)
		}
		ids = append(ids, plant.name, id[1])
		e.fill = strings.NewReplacer(ids...)
	}
	viewed, err := http.NewRequest(http.MethodGet, w.org.ready.Org+"/services/data/v62.0/query?q=SELECT+Id+FROM+Opportunity+WHERE+Name='SECRET-deal'+FOR+VIEW", nil)
	if err != nil {
		t.Fatal(err)
	}
	viewed.Header.Set("Authorization", "Bearer "+w.org.ready.OrgToken)
	if status, body := w.do(viewed); status != http.StatusOK {
		t.Fatal(body)
	}
	return e
}

// send makes a call and returns whether it is an error, and the answer.
func (e *escapes) send(agent, tool, args string) (failed bool, body string) {
	e.t.Helper()
	var arguments map[string]any
	if err := json.Unmarshal([]byte(e.fill.Replace(args)), &arguments); err != nil {
		e.t.Fatalf("%s: %v", args, err)
	}
	r := e.request(call(1, tool, arguments))
	r.Header.Set("Agent-Id", agent)
	_, body = e.do(r)
	var answer struct {
		Error  any
		Result struct{ IsError bool }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		e.t.Fatalf("%s: %v", body, err)
	}
	return answer.Error != nil || answer.Result.IsError, body
}

// describing matches what the gate itself may ask.
var describing = regexp.MustCompile(`^/services/data/v\d+\.0(/tooling)?/sobjects(/\w+/describe)?$`)

// caseNumber matches the number of a case, which is the name of its record.
var caseNumber = regexp.MustCompile(`\b0000\d{4}\b`)

// TestPolicyEscapes: whatever a call is wrapped in, it does not get at what a rule
// keeps from its agent. It is refused (or invalid, whoever asks) before anything
// but descriptions is asked of Salesforce; or it is inside of the rule and its
// answer holds nothing of it; or it is harmless: Salesforce answers with an error.
func TestPolicyEscapes(t *testing.T) {
	e := newEscapes(t)
	before := e.state()
	counts := map[string]int{}
	for _, tt := range escapeCorpus {
		name := tt.agent + " " + tt.tool + " " + tt.args
		mark := len(e.org.org.Requests())
		failed, body := e.send(tt.agent, tt.tool, tt.args)
		refused := strings.Contains(body, "This agent is not authorized to use this connector")
		if strings.Contains(body, "SECRET") || tt.agent == "nocase" && caseNumber.MatchString(body) {
			t.Errorf("%s: the answer tells of what is kept from the agent: %s", name, body)
		}
		if refused && strings.Contains(body, "Salesforce says") {
			t.Errorf("%s: a refusal of ours speaks for Salesforce: %s", name, body)
		}
		switch {
		case tt.verdict == "refused" && !refused:
			t.Errorf("%s: not refused: %.400s", name, body)
		case tt.verdict != "refused" && refused:
			t.Errorf("%s: refused: %.600s", name, body)
		case tt.verdict == "inside" && failed:
			t.Errorf("%s: %.600s", name, body)
		case tt.verdict == "invalid" && !failed:
			t.Errorf("%s: let through: %.400s", name, body)
		}
		counts[tt.verdict]++
		if tt.verdict == "inside" || tt.verdict == "harmless" {
			continue
		}
		for _, r := range e.org.org.Requests()[mark:] {
			path, _, _ := strings.Cut(r.Path, "?")
			if strings.HasPrefix(path, "/services/data/") && (r.Method != http.MethodGet || !describing.MatchString(path)) {
				t.Errorf("%s: %s %s was sent", name, r.Method, r.Path)
			}
		}
	}
	if after := e.state(); after != before {
		t.Errorf("what is kept from the agents was changed:\n%s\nwas\n%s", after, before)
	}
	t.Logf("%d attempts: %v", len(escapeCorpus), counts)
	if len(escapeCorpus) < 120 {
		t.Errorf("the corpus has %d attempts", len(escapeCorpus))
	}
}

// state is everything that is kept from the agents, as an agent that may do all
// sees it.
func (e *escapes) state() string {
	var all []string
	for _, q := range []string{
		"SELECT Id, Name, LastModifiedDate FROM Opportunity ORDER BY Id",
		"SELECT Id, Description, MobilePhone, MailingStreet FROM Contact WHERE Id = '<contact>'",
		"SELECT COUNT(Id) n FROM Warranty_Claim__c",
		"SELECT Id, Legacy_Number__c FROM Account WHERE Legacy_Number__c != null ORDER BY Id",
	} {
		_, body := e.send(demoAgent, "query", fmt.Sprintf(`{"action": "soql", "outputFormat": "structured", "q": %q}`, q))
		all = append(all, body)
	}
	return strings.Join(all, "\n")
}
