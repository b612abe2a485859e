package app

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

const approvalsURL = "/workspaces/demo/approvals"

// TestApprovalOfReturn: who decides about a return sees facts, rules, the agent's words as
// such, and what would be written; who may not decide sees no form; and the return goes on
// with the decision, of which the audit trail and the queue say whose it was.
func TestApprovalOfReturn(t *testing.T) {
	s := newShop(t)
	run := s.process("Laser level is off by two degrees")
	asked := s.waiting(run)
	path := approvalsURL + "/" + asked.ID
	approver, auditor := s.as("approver"), s.as("auditor")
	queue := approver.get(approvalsURL)
	queue.shows(t, "the queue", 200, "1 waits for a decision.", "Return 0000", "259.00 USD are paid back", path, `hx-get="/workspaces/demo/approvals?seen=`, `data-item=""`)
	approver.get("/workspaces/demo").shows(t, "the overview", 200, `href="`+approvalsURL+`">Approvals</a> <span class="badge warn">1 waits</span>`)
	seen := approver.send(http.MethodGet, approvalsURL+"?"+strings.ReplaceAll(between(queue.body, `hx-get="/workspaces/demo/approvals?`, `"`), "&amp;", "&"), nil, "HX-Request", "true")
	if seen.status != http.StatusNoContent {
		t.Errorf("a queue that the browser has is sent again: %d", seen.status)
	}
	part := approver.send(http.MethodGet, approvalsURL+"?seen=old", nil, "HX-Request", "true")
	part.shows(t, "a part", 200, `<div id="queue"`, path, "!<html", "!<nav")

	page := approver.get(path)
	page.shows(t, "the approval", 200,
		"Why a person decides", "limits.amount", "order.daysSinceDelivery", "computed: days from Order.Delivered", "What would be written", "<del>Working</del>", "<ins>Closed</ins>",
		"The agent&#39;s own words", "The customer says &lt;b&gt;it is broken&lt;/b&gt;", "0.91 of 1", "259.00 USD", `formaction="`+path+`/approve"`, `id="deny"`,
		"!<b>it is broken", "!Approving this asks for a fresh proof", "!(nothing)</td><td><del>")
	auditor.get(path).shows(t, "the approval for an auditor", 200, "259.00 USD", "!Your decision", "!<textarea")
	auditor.post(path+"/approve", nil).shows(t, "an auditor's decision", 404, "!259.00")
	s.as("neighbour").get(path).shows(t, "a neighbour's look", 404, "!259.00")
	if got := s.waiting(run); got.State != tools.Waiting {
		t.Fatalf("decided by nobody: %+v", got)
	}

	// Over the limit of the workspace (200.00 USD) an old proof is not enough; to deny it is.
	approver.post("/test/age", nil)
	approver.get(path).shows(t, "with an old proof", 200, "Approving this asks for a fresh proof", path+"?prove=1#approve", "!formaction")
	for name, a := range map[string]answer{"approve": approver.post(path+"/approve", nil), "prove": approver.get(path + "?prove=1")} {
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/confirm?next=") {
			t.Errorf("%s with an old proof: %d %s", name, a.status, a.to())
		}
	}
	if got := s.waiting(run); got.State != tools.Waiting {
		t.Fatalf("decided with an old proof: %+v", got)
	}
	approver.post("/confirm", url.Values{"password": {goodPassword}, "next": {path}})
	approver.post(path+"/approve", url.Values{"note": {strings.Repeat("x", 2001)}}).shows(t, "a long comment", 422, "at most 2000 bytes", "Comment: ", strings.Repeat("x", 2001))
	done := approver.post(path+"/approve", url.Values{"note": {"known customer"}})
	if done.status != http.StatusSeeOther || done.to() != approvalsURL {
		t.Fatalf("%d %s\n%s", done.status, done.to(), excerpt(done.body))
	}
	approver.get(approvalsURL).shows(t, "the queue after it", 200, "Approved: Return 0000", "0 wait for a decision.", "Decided by", "approver@acme.example")
	s.work()
	if r := s.run(run); r.Status != returns.Done || len(s.org.PaidBack()) != 1 {
		t.Errorf("%+v, paid back %v", r, s.org.PaidBack())
	}
	admin := s.as("admin")
	admin.post(path+"/deny", url.Values{"note": {"no"}}).shows(t, "a decision that comes too late", 409, "approver@acme.example has approved this", "known customer", "Nothing was decided by you")
	for _, e := range s.entries(testWorkspace) {
		if e.Tool == "approvals" && e.Action == "approve" && e.Phase == audit.PhaseIntent && (e.By != "approver@acme.example" || e.Surface != "app" || e.Approval != asked.ID || !strings.Contains(string(e.Arguments), "known customer")) {
			t.Errorf("recorded as %+v", e)
		}
	}
	admin.get(approvalsURL+"?state=nonsense").shows(t, "an unknown state", 404)
	admin.get(approvalsURL+"?state=approved").shows(t, "those approved", 200, path)
	admin.get(approvalsURL+"?state=denied").shows(t, "those denied", 200, "There are none.", "!"+path)
	admin.get(approvalsURL+"/none").shows(t, "an approval that is not there", 404)
	admin.header.Set("Accept-Language", "fr")
	admin.get(path).shows(t, "in French", 200, "Ce que dit l’agent", "Avant", "a approuvé ceci")
}

// between is the part of a text between two others.
func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return found
}

// TestApprovalOfCall: who decides about a call sees each field as it is now and as it
// would be, and all arguments; of calls that can do anything nothing is guessed. What
// removes or acts asks for a fresh proof, and nobody decides about what was asked for them.
func TestApprovalOfCall(t *testing.T) {
	s := newShop(t)
	lead := s.rows("SELECT Id, LastName, Company FROM Lead LIMIT 1")[0]
	id, company := lead["Id"].(string), lead["Company"].(string)
	approver := s.as("approver")
	update := s.park("updateRecord", "update", "set", "dora", `{"sObjectName":"Lead","recordId":"`+id+`","body":{"Company":"<i>New</i> Ltd"}}`)
	path := approvalsURL + "/" + update.ID
	approver.post("/test/age", nil) // changes need no fresh proof
	approver.get(path).shows(t, "an update", 200, "<del>"+html.EscapeString(company)+"</del>", "<ins>&lt;i&gt;New&lt;/i&gt; Ltd</ins>", "Lead "+id, "updateRecord", "&lt;script&gt;", "!<script>alert", "!fresh proof", "sObjectName", `formaction="`+path+`/approve"`, "!cut")
	s.as("auditor").get(path).shows(t, "an update for an auditor", 200, "!<del>", "sObjectName")
	if a := approver.post(path+"/approve", nil); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, excerpt(a.body))
	}
	turned := s.park("updateRecord", "update", "set", "dora\u202e", `{"sObjectName":"Lead","recordId":"`+id+`","body":{"Company":"pays \u202e001\u200b EUR"}}`)
	approver.get(approvalsURL+"/"+turned.ID).shows(t, "text that is read in another direction", 200, `<ins>pays \u202e001\u200b EUR</ins>`, `dora\u202e`, "!\u202e", "!\u200b")
	approver.post(approvalsURL+"/"+turned.ID+"/deny", nil)
	remove := s.park("deleteRecord", "delete", "remove", "Approver@acme.example", `{"sObjectName":"Lead","recordId":"`+id+`"}`)
	path = approvalsURL + "/" + remove.ID
	approver.get(path).shows(t, "what was asked for them", 200, "so somebody else has to decide", "!<textarea")
	approver.post("/confirm", url.Values{"password": {goodPassword}})
	approver.post(path+"/approve", nil).shows(t, "a decision about it", 403, "somebody else has to decide")
	approver.post(path+"/deny", nil).shows(t, "a denial of it", 403, "somebody else has to decide")
	for _, user := range []string{"ID-APPROVER", "Approver"} { // by whichever name the host knows them
		a := s.park("updateRecord", "update", "set", user, `{"user":"`+user+`"}`)
		approver.post(approvalsURL+"/"+a.ID+"/approve", nil).shows(t, "a decision about what was asked for "+user, 403, "somebody else has to decide")
	}
	admin := s.as("admin")
	admin.post("/test/age", nil)
	admin.get(path).shows(t, "a removal", 200, "<del>"+html.EscapeString(company)+"</del>", "(removed)", "fresh proof", "!formaction")
	if a := admin.post(path+"/approve", nil); !strings.HasPrefix(a.to(), "/confirm") {
		t.Errorf("a removal with an old proof: %d %s", a.status, a.to())
	}
	if a := admin.post(path+"/deny", url.Values{"note": {"keep it"}}); a.status != http.StatusSeeOther {
		t.Errorf("a denial with an old proof: %d\n%s", a.status, excerpt(a.body))
	}
	admin.get(path).shows(t, "after the denial", 200, "admin@acme.example has denied this", "keep it", "!Your decision")
	act := s.park("executeAnonymous", "executeAnonymous", "act", "dora", `{"anonymousBody":"delete [SELECT Id FROM Lead];"}`)
	admin.get(approvalsURL+"/"+act.ID).shows(t, "anything", 200, "Nobody can tell before the call is made", "delete [SELECT Id FROM Lead];", "fresh proof")
	gone := s.park("updateRecord", "update", "set", "dora", `{"sObjectName":"Lead","recordId":"00QSm0000000zzzAAA","body":{"Company":"x"}}`)
	admin.get(approvalsURL+"/"+gone.ID).shows(t, "a record that is gone", 200, "1 record of the call is not there", "Nothing changes.")
	previews := 0
	for _, e := range s.entries(testWorkspace) {
		if e.Action == "preview" && e.Phase == audit.PhaseOutcome && e.By != "" {
			previews++
		}
	}
	if previews != 4 { // of auditors none, of what can do anything neither
		t.Errorf("%d readings of the org are recorded", previews)
	}
}

// TestTwoApprovers: of many who decide at once one has their way, and all others are
// shown who that was.
func TestTwoApprovers(t *testing.T) {
	s := newShop(t)
	a := s.park("updateRecord", "update", "set", "dora", `{"sObjectName":"Lead","recordId":"00QSm0000000zzzAAA","body":{"Company":"x"}}`)
	path := approvalsURL + "/" + a.ID
	var wait sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]answer{}
	for who, action := range map[string]string{"approver": "approve", "admin": "deny", "owner": "approve"} {
		b := s.as(who)
		wait.Go(func() {
			got := b.post(path+"/"+action, nil)
			mu.Lock()
			defer mu.Unlock()
			answers[who] = got
		})
	}
	wait.Wait()
	kept, _, err := s.store.Approval(t.Context(), testWorkspace, a.ID)
	if err != nil || kept.By == "" {
		t.Fatalf("%+v %v", kept, err)
	}
	won := 0
	for who, got := range answers {
		if got.status == http.StatusSeeOther {
			won++
			if kept.By != who+"@acme.example" {
				t.Errorf("%s is told that it counts, and %s has decided", who, kept.By)
			}
			continue
		}
		got.shows(t, who, 409, kept.By+" has", "Nothing was decided by you")
	}
	if won != 1 {
		t.Errorf("%d have decided", won)
	}
}

// TestQueueIsPaged: all approvals are on some page, once.
func TestQueueIsPaged(t *testing.T) {
	s := newShop(t)
	owner := s.as("owner")
	const all = approvalsOnPage + 3
	for i := range all {
		if i == tools.MaxWaiting { // no more may wait at a time
			s.decideAll(owner)
		}
		s.park("updateRecord", "update", "set", "dora", `{"n":`+strings.Repeat("1", i+1)+`}`)
	}
	s.decideAll(owner)
	s.park("updateRecord", "update", "set", "dora", `{"waits":1}`)
	s.park("updateRecord", "update", "set", "dora", `{"waits":2}`)
	found := map[string]int{}
	for path, pages := approvalsURL, 0; path != "" && pages < 5; pages++ {
		a := owner.get(path)
		for _, piece := range strings.Split(a.body, `id="approval-`)[1:] {
			id, _, _ := strings.Cut(piece, `"`)
			found[id]++
		}
		path = ""
		if strings.Contains(a.body, "before=") && strings.Contains(a.body, "Older ones") {
			path = approvalsURL + "?before=" + between(a.body, `<p><a href="`+approvalsURL+`?before=`, `"`)
		}
	}
	if len(found) != all+2 {
		t.Errorf("%d of %d are shown", len(found), all)
	}
	for id, n := range found {
		if n != 1 {
			t.Errorf("%s is shown %d times", id, n)
		}
	}
}

// decideAll denies whatever waits.
func (s *shop) decideAll(b *browser) {
	s.t.Helper()
	list, err := s.store.ListApprovals(s.t.Context(), tools.ApprovalQuery{Workspace: testWorkspace, State: tools.Waiting, Limit: 100})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range list {
		if got := b.post(approvalsURL+"/"+a.ID+"/deny", nil); got.status != http.StatusSeeOther {
			s.t.Fatalf("%d %s", got.status, excerpt(got.body))
		}
	}
}
