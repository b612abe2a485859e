package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
)

// narrow gives an agent of workspace a another rule. No call is under way then.
func (e *escapes) narrow(agent string, change func(*allowlist.Rule)) {
	e.t.Helper()
	w, ok := e.app.gate.Workspace("a")
	i := slices.IndexFunc(w.Rules, func(r allowlist.Rule) bool { return r.Agent == agent })
	if !ok || i < 0 {
		e.t.Fatalf("there is no rule of %s", agent)
	}
	change(&w.Rules[i])
}

// begin makes a call that gives a handle, and returns it.
func (e *escapes) begin(agent, tool, args, member string) string {
	e.t.Helper()
	_, body := e.send(agent, tool, args)
	m := regexp.MustCompile(`"` + member + `":"([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		e.t.Fatalf("%s %s: %.400s", tool, args, body)
	}
	return m[1]
}

// TestPolicyUploads: the columns of rows that are given to a job are fields that
// it writes.
func TestPolicyUploads(t *testing.T) {
	e := newEscapes(t)
	job := e.begin("deny", "bulkIngest", `{"action": "create", "object": "Contact", "operation": "insert", "outputFormat": "structured"}`, "id")
	task := e.begin("deny", "bulkIngest", `{"action": "create", "object": "Task", "operation": "insert", "outputFormat": "structured"}`, "id")
	for _, tt := range []struct {
		job, header string
		refused     bool
	}{
		{job, "LastName,Description", true},
		{job, "LastName,\"description\"", true},
		{job, "\ufeffMobilePhone,LastName", true},
		{job, "\n\nMobilePhone,LastName", true},
		{job, "LastName;Description", true},
		{job, "LastName\tDescription", true},
		{job, "LastName|Description", true},
		{job, "LastName^Description", true},
		{job, "LastName`Description", true},
		{job, "LastName\rDescription", true},
		{job, "\"Last\nName\",Description", true},
		{job, "LastName,Account.Legacy_Number__c", true},
		{job, "LastName,Account:Account.Legacy_Number__c", true},
		{job, "LastName,Opportunities.Name", true},
		{job, "LastName,Descriptıon", true},
		{job, "LastName,MailingStreet", true},
		{job, strings.Repeat("x", 70_000) + ",Description", true},
		{task, "Subject,What.Name", true},
		{task, "Subject,Warranty_Claim__c:What.Claim_Key__c", true},
		{task, "Subject,Account:What.ExternalId__c", false},
		{job, "LastName,Account.ExternalId__c", false},
	} {
		mark := len(e.org.org.Requests())
		args, err := json.Marshal(map[string]any{"action": "uploadData", "jobId": tt.job, "rawBody": tt.header + "\na,b\n"})
		if err != nil {
			t.Fatal(err)
		}
		_, inline := e.send("deny", "bulkIngest", string(args))
		if got := strings.Contains(inline, "This agent is not authorized"); got != tt.refused {
			t.Errorf("%q: refused %t: %.400s", tt.header, got, inline)
		}
		if !tt.refused {
			continue
		}
		streamed := e.world.send("deny", http.MethodPost, "instructions/uploadIngestData?jobId="+tt.job, "text/csv", strings.NewReader(tt.header+"\na,b\n"))
		if !strings.Contains(streamed.body, "This agent is not authorized") {
			t.Errorf("%q, streamed: %.400s", tt.header, streamed.body)
		}
		for _, r := range e.org.org.Requests()[mark:] {
			if r.Method != http.MethodGet {
				t.Errorf("%q: %s %s was sent", tt.header, r.Method, r.Path)
			}
		}
	}
	// The rows of a job that removes or changes name records of its object.
	for _, tt := range []struct {
		rows    string
		refused bool
	}{
		{"Id\n<contact>\n<opportunity>\n", true},
		{"iD\r\n\"<opportunity>\"\r\n", true},
		{"Id\n\n<opportunity>", true},
		{"LastName;Id\nx;<opportunity>\n", true},
		{"Id,LastName\n<contact>,a\"b\n<opportunity>,c\"d\n", true},
		{"Id,LastName\n<contact>,a\r<opportunity>\n", true},
		{"LastName,Id\n\"a\n<opportunity>\",<opportunity>\n", true},
		{"Id\n" + strings.Repeat("<contact>\n", 9000) + "<opportunity>\n", true},
		{strings.Repeat("LastName,", 8000) + "Description\n", true},
		{"\ufeffId,LastName\r\n\r\n<contact>,\"Se\nen\"\r\n", false},
	} {
		rows := e.fill.Replace(tt.rows)
		for _, streamed := range []bool{false, true} {
			job := e.begin("deny", "bulkIngest", `{"action": "create", "object": "Contact", "operation": "update", "outputFormat": "structured"}`, "id")
			var body string
			if streamed {
				body = e.world.send("deny", http.MethodPost, "instructions/uploadIngestData?jobId="+job, "text/csv", strings.NewReader(rows)).body
			} else {
				args, err := json.Marshal(map[string]any{"action": "uploadData", "jobId": job, "rawBody": rows})
				if err != nil {
					t.Fatal(err)
				}
				_, body = e.send("deny", "bulkIngest", string(args))
			}
			if got := strings.Contains(body, "This agent is not authorized"); got != tt.refused {
				t.Errorf("%.60q, streamed %t: refused %t: %.300s", rows, streamed, got, body)
			}
			if !tt.refused || !streamed {
				continue
			}
			e.begin("deny", "bulkIngest", fmt.Sprintf(`{"action": "update", "jobId": %q, "state": "UploadComplete", "outputFormat": "structured"}`, job), "id")
			eventually(t, "the end of a job", func() bool {
				_, body = e.send("deny", "bulkIngest", fmt.Sprintf(`{"action": "get", "jobId": %q, "outputFormat": "structured"}`, job))
				return strings.Contains(body, `"state":"JobComplete"`) || strings.Contains(body, `"state":"Failed"`)
			})
			if !strings.Contains(body, `"numberRecordsProcessed":0`) {
				t.Errorf("%.60q: rows arrived: %.600s", rows, body)
			}
		}
	}
	// What is streamed is whole although its header was read.
	job = e.begin("deny", "bulkIngest", `{"action": "create", "object": "Contact", "operation": "insert", "outputFormat": "structured"}`, "id")
	if r := e.world.send("deny", http.MethodPost, "instructions/uploadIngestData?jobId="+job, "text/csv", strings.NewReader("LastName,MailingCity\nStreamed,Rome\n")); r.status >= 300 {
		t.Fatal(r.status, r.body)
	}
	e.begin("deny", "bulkIngest", fmt.Sprintf(`{"action": "update", "jobId": %q, "state": "UploadComplete", "outputFormat": "structured"}`, job), "id")
	eventually(t, "the record of a job", func() bool {
		_, body := e.send("deny", "query", `{"action": "soql", "q": "SELECT MailingCity FROM Contact WHERE LastName = 'Streamed'"}`)
		return strings.Contains(body, "Rome")
	})
}

// TestPolicyHandles: who goes on with what was begun is gated against what that
// touched, by the rule of now.
func TestPolicyHandles(t *testing.T) {
	e := newEscapes(t)
	for i := range 11 { // more rows than one page of the simulated org has
		records := make([]map[string]any, 200)
		for j := range records {
			records[j] = map[string]any{"LastName": fmt.Sprint("L", i, "-", j), "Description": "SECRET"}
		}
		args, err := json.Marshal(map[string]any{"action": "createManyForType", "sObjectName": "Contact", "records": records})
		if err != nil {
			t.Fatal(err)
		}
		e.send(demoAgent, "compositeRecords", string(args))
	}
	const pages = `{"action": "soql", "outputFormat": "structured", "q": "SELECT Id, LastName FROM Contact"}`
	const rows = `{"action": "create", "operation": "query", "query": "SELECT LastName FROM Contact", "outputFormat": "structured"}`
	next := func(agent, page string) string {
		_, body := e.send(agent, "query", fmt.Sprintf(`{"action": "next", "queryLocator": %q}`, page))
		return body
	}
	results := func(agent, job string) string {
		_, body := e.send(agent, "bulkQuery", fmt.Sprintf(`{"action": "getResults", "jobId": %q}`, job))
		return body
	}
	refused := func(body string) bool { return strings.Contains(body, "This agent is not authorized") }

	page, job := e.begin("deny", "query", pages, "nextRecordsUrl"), e.begin("deny", "bulkQuery", rows, "id")
	unlimited, before := e.begin(demoAgent, "query", pages, "nextRecordsUrl"), e.begin(demoAgent, "bulkQuery", rows, "id")
	batched := e.begin("deny", "composite", `{"action": "batch", "outputFormat": "structured", "batchRequests": [{"method": "GET", "url": "v62.0/query?q=SELECT+Id,LastName+FROM+Contact"}]}`, "nextRecordsUrl")
	locator := func(page string) string { return page[strings.LastIndexByte(page, '/')+1:] }
	inside := func(agent, page string) string {
		_, body := e.send(agent, "composite", fmt.Sprintf(`{"action": "batch", "batchRequests": [{"method": "GET", "url": "v62.0/query/%s"}]}`, locator(page)))
		return body
	}
	for name, body := range map[string]string{"page": next("deny", page), "job": results("deny", job), "batch": next("deny", batched), "inside": inside("deny", page),
		"unlimited": next(demoAgent, unlimited), "unlimited job": results(demoAgent, before)} {
		if refused(body) || strings.Contains(body, "SECRET") {
			t.Errorf("%s: %.400s", name, body)
		}
	}
	narrower := func(r *allowlist.Rule) { r.Fields.Deny = append(slices.Clone(r.Fields.Deny), "Contact.LastName") }
	e.narrow("deny", narrower)
	e.narrow(demoAgent, narrower)
	mark := len(e.org.org.Requests())
	for name, body := range map[string]string{"page": next("deny", page), "job": results("deny", job), "batch": next("deny", batched), "inside": inside("deny", page),
		"begun before the rule had lists": next(demoAgent, unlimited), "job begun before the rule had lists": results(demoAgent, before), "inside, begun before": inside(demoAgent, unlimited)} {
		if !refused(body) {
			t.Errorf("%s: not refused: %.400s", name, body)
		}
	}
	if sent := e.org.org.Requests()[mark:]; len(sent) > 0 {
		t.Errorf("%v were sent", sent)
	}
}

// TestPolicyGuesses: an agent that guesses names of objects is stopped after some, and
// what the org has it may go on with later; another is not held up by it.
func TestPolicyGuesses(t *testing.T) {
	e := newEscapes(t)
	mark := len(e.org.org.Requests())
	var last string
	for i := range 40 {
		_, last = e.send("deny", "query", fmt.Sprintf(`{"action": "soql", "q": "SELECT Id FROM Guess%d__c"}`, i))
	}
	if sent := len(e.org.org.Requests()[mark:]); sent > 21 || !strings.Contains(last, "rate_limited") {
		t.Errorf("%d requests for 40 guesses, and the last is told %s", sent, last)
	}
	if failed, body := e.send("nocase", "query", `{"action": "soql", "q": "SELECT Name FROM Contact LIMIT 1"}`); failed {
		t.Errorf("another agent: %s", body)
	}
}

// TestPolicyRaw: answers of the instruction API are as Salesforce gave them, but
// for what the rule keeps from the agent; the audit trail has what the gate asked.
func TestPolicyRaw(t *testing.T) {
	e := newEscapes(t)
	for name, args := range map[string]string{
		"getRecord":            `{"sObjectName": "Contact", "recordId": "<contact>"}`,
		"getRecordField":       `{"sObjectName": "Case", "recordId": "<case>", "fieldName": "Contact"}`,
		"runQuery":             `{"q": "SELECT FIELDS(ALL) FROM Contact LIMIT 200"}`,
		"getRecordsCollection": `{"sObjectName": "Contact", "ids": "<contact>", "fields": "Id,LastName"}`,
		"runCompositeBatch":    `{"batchRequests": [{"method": "GET", "url": "v62.0/sobjects/Contact/<contact>"}]}`,
	} {
		r := e.world.send("deny", http.MethodPost, "instructions/"+name, "application/json", strings.NewReader(e.fill.Replace(args)))
		if r.status != http.StatusOK || strings.Contains(r.body, "SECRET") || !strings.Contains(r.body, "Seen") {
			t.Errorf("%s: %d %.600s", name, r.status, r.body)
		}
	}
	described := e.world.send("deny", http.MethodPost, "instructions/describeSObject", "application/json", strings.NewReader(`{"sObjectName": "Account"}`))
	for _, word := range []string{"Legacy_Number__c", `"childSObject":"Opportunity"`, "Warranty_Claims__r"} {
		if strings.Contains(described.body, word) {
			t.Errorf("the description of Account has %s", word)
		}
	}
	for instruction, args := range map[string]string{"createIngestJob": `{"object": "Opportunity", "operation": "insert"}`, "createQueryJob": `{"operation": "query", "query": "SELECT Id FROM Opportunity"}`} {
		if made := e.instruction(instruction, args); made.status != http.StatusOK && made.status != http.StatusCreated {
			t.Fatalf("%s: %+v", instruction, made)
		}
	}
	for name, kept := range map[string]string{"describeGlobal": `"name":"Opportunity"`, "getRecordCount": `"name":"Opportunity"`, "listApprovals": `"Opportunity":`, "getRecentItems": `"type":"Opportunity"`,
		"listIngestJobs": `"object":"Opportunity"`, "listQueryJobs": `"object":"Opportunity"`} {
		all, seen := e.instruction(name, "{}"), e.world.send("deny", http.MethodPost, "instructions/"+name, "application/json", strings.NewReader("{}"))
		if !strings.Contains(all.body, kept) || seen.status != http.StatusOK || strings.Contains(seen.body, kept) {
			t.Errorf("%s: %s is in the answer for all: %t, and for the agent: %t", name, kept, strings.Contains(all.body, kept), strings.Contains(seen.body, kept))
		}
	}
	for agent, has := range map[string]bool{"named": true, "deny": false} {
		r := e.request(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
		r.Header.Set("Agent-Id", agent)
		if _, list := e.do(r); strings.Contains(list, "executeAnonymous") != has || strings.Contains(list, "runReport") || strings.Contains(list, "convertLead") || !strings.Contains(list, "soql") {
			t.Errorf("tools/list of %s does not follow the rule: %.300s", agent, list)
		}
	}
	refusal := e.world.send("deny", http.MethodPost, "instructions/runQuery", "application/json", strings.NewReader(`{"q": "SELECT ReportsTo.Description FROM Contact"}`))
	if refusal.status != http.StatusForbidden {
		t.Errorf("%d %s", refusal.status, refusal.body)
	}
	entries := e.entries("a")
	if !slices.ContainsFunc(entries, func(e audit.Entry) bool {
		return e.Phase == audit.PhaseIntent && len(e.Exchanges) > 0 && strings.HasSuffix(e.Exchanges[0].Path, "/describe")
	}) {
		t.Error("no intent has what the gate asked")
	}
	last := slices.IndexFunc(entries, func(e audit.Entry) bool { return strings.Contains(e.Message, "read Contact.Description") })
	if last < 0 || entries[last].Decision != audit.DecisionRefused || entries[last].Rule == "" || entries[last].Phase != audit.PhaseRefusal {
		t.Errorf("no entry of the refusal: %d", last)
	}
}
