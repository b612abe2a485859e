package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
)

const runsURL = "/workspaces/demo/returns"

// TestRunStory: a return is told with its steps, who waits for what, and what the audit
// trail has; an admin takes one back that waits, and nobody else does.
func TestRunStory(t *testing.T) {
	s := newShop(t)
	done, waits := s.process("Drill came with a cracked housing"), s.process("Laser level is off by two degrees")
	admin, approver, auditor := s.as("admin"), s.as("approver"), s.as("auditor")
	list := auditor.get(runsURL)
	list.shows(t, "the list", 200, "Return 0000", "Those that wait, or want a person", runsURL+"/"+done, runsURL+"/"+waits, "A person has to decide until", `hx-trigger="every 10s"`)
	if strings.Index(list.body, waits) > strings.Index(list.body, done) {
		t.Error("the one that waits is not the first")
	}
	auditor.get(runsURL+"?show=done").shows(t, "those done", 200, done, "!"+waits)
	auditor.get(runsURL+"?show=person").shows(t, "those that want a person", 200, waits, "!"+done)
	auditor.get(runsURL+"?show=nonsense").shows(t, "an unknown filter", 404)
	part := auditor.send(http.MethodGet, runsURL, nil, "HX-Request", "true")
	part.shows(t, "a part", 200, `<div id="runs"`, "!<nav")
	if again := auditor.send(http.MethodGet, runsURL+"?seen="+between(part.body, "seen=", `"`), nil, "HX-Request", "true"); again.status != http.StatusNoContent {
		t.Errorf("a list that the browser has: %d", again.status)
	}
	auditor.get(runsURL+"/"+done).shows(t, "a return that is done", 200, "made, or none was needed", "gw-refund-", "ret/demo/", "<del>Working</del>", "The customer says &lt;b&gt;", "POST /services/data/", "149", "/audit/runs/"+done, "!<b>it is", "!What you can do")
	auditor.get(runsURL+"/"+waits).shows(t, "one that waits", 200, "It waits for a decision.", approvalsURL+"/"+s.waiting(waits).ID, "!What you can do")
	approver.get(runsURL+"/"+done).shows(t, "for an approver", 200, "gw-refund-", "!/audit/runs/")
	auditor.get(runsURL+"/none").shows(t, "one that is not there", 404)
	s.as("neighbour").get(runsURL+"/"+done).shows(t, "a neighbour's look", 404, "!gw-refund")
	admin.get("/workspaces/other/returns/"+done).shows(t, "one of another workspace", 404)
	admin.get(runsURL+"/"+waits).shows(t, "one that waits, for an admin", 200, "Cancel this return", "!Try again</button>")
	for who, b := range map[string]*browser{"approver": approver, "auditor": auditor} {
		for _, move := range []string{"cancel", "retry", "settle"} {
			b.post(runsURL+"/"+waits+"/"+move, url.Values{"made": {"no"}, "note": {"x"}}).shows(t, who+" "+move, 404)
		}
	}
	admin.post(runsURL+"/"+waits+"/retry", nil).shows(t, "a retry of what waits for an answer", 409, "Nothing was changed")
	admin.post(runsURL+"/"+waits+"/settle", url.Values{"made": {"no"}, "note": {"x"}}).shows(t, "doubt about what was not tried", 409, "known not to be made")
	admin.post(runsURL+"/"+waits+"/cancel", url.Values{"note": {strings.Repeat("x", 2001)}}).shows(t, "a long note", 422, "at most 2000 bytes")
	if a := admin.post(runsURL+"/"+waits+"/cancel", url.Values{"note": {"the customer keeps it"}}); a.status != http.StatusSeeOther || a.to() != runsURL+"/"+waits {
		t.Fatalf("%d %s", a.status, excerpt(a.body))
	}
	s.work()
	if r := s.run(waits); r.Status != returns.Cancelled {
		t.Errorf("%+v", r)
	}
	admin.get(runsURL+"/"+waits).shows(t, "the one that was cancelled", 200, "the customer keeps it", "admin@acme.example", "Cancelled", "!What you can do")
	admin.post(runsURL+"/"+waits+"/cancel", nil).shows(t, "once more", 409, "the run has ended")
	if n := len(s.org.PaidBack()); n != 1 {
		t.Errorf("%d were paid back", n)
	}
}

// TestRetryInApp: a parked return says what is wrong, and is tried again when an admin
// wants that.
func TestRetryInApp(t *testing.T) {
	s := newShop(t)
	org, _ := s.Connect(t.Context(), agentOf, nil)
	sure := 0.9
	started, err := s.loop.Start(t.Context(), org, agentOf, loop.Ask{CaseID: s.rows("SELECT Id FROM Case WHERE Subject = 'Drill came with a cracked housing'")[0]["Id"].(string), Confidence: &sure})
	if err != nil {
		t.Fatal(err)
	}
	right := s.loop.Settings
	s.loop.Settings = func(string) (loop.Settings, bool) { return loop.Settings{}, false }
	s.work()
	admin := s.as("admin")
	path := runsURL + "/" + started.RunID
	admin.get(path).shows(t, "a parked return", 200, "It is parked", "has no settings for returns", "Try again</button>", "Wants a person")
	s.loop.Settings = right
	if a := admin.post(path+"/retry", url.Values{"note": {"mended"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, excerpt(a.body))
	}
	s.work()
	admin.get(path).shows(t, "the return after it", 200, "mended", "made, or none was needed")
}

// TestSettleInApp: an admin ends the doubt about a refund whose gateway cannot tell, with
// a fresh proof, a reference and a comment; nothing is sent by it.
func TestSettleInApp(t *testing.T) {
	s := newShop(t)
	doubt := func(subject string) string {
		s.org.Inject(fakeorg.Fault{Path: "/commerce/payments", Gateway: "Indeterminate"})
		run := s.process(subject)
		for r := s.run(run); !r.Escalated; r = s.run(run) {
			s.work()
		}
		return run
	}
	run := doubt("Drill came with a cracked housing")
	path, admin := runsURL+"/"+run, s.as("admin")
	sent := len(s.org.PaidBack())
	key := returns.Key(s.run(run), "refund")
	admin.get(path).shows(t, "a return in doubt", 200, "Nobody can tell whether the refund was made", key, path+"/settle", "perhaps made", "It cannot be cancelled now", "!Cancel this return")
	s.as("auditor").get(path).shows(t, "for an auditor", 200, key, "!"+path+"/settle")
	admin.get(path+"/settle").shows(t, "the form", 200, key, "No money is sent by this", `name="reference"`)
	for _, c := range []struct {
		form url.Values
		want string
	}{
		{url.Values{"note": {"x"}}, "Say whether it was made."},
		{url.Values{"made": {"yes"}, "note": {"x"}}, "A refund that was made has a reference."},
		{url.Values{"made": {"no"}, "reference": {"re_1"}, "note": {"x"}}, "A refund that was not made has no reference."},
		{url.Values{"made": {"no"}}, "Say how you know that."},
		{url.Values{"made": {"yes"}, "reference": {strings.Repeat("r", 256)}, "note": {"kept"}}, "255 characters"},
	} {
		admin.post(path+"/settle", c.form).shows(t, c.want, 422, c.want, c.form.Get("note"))
	}
	admin.post("/test/age", nil)
	for name, a := range map[string]answer{"form": admin.get(path + "/settle"), "word": admin.post(path+"/settle", url.Values{"made": {"yes"}, "reference": {"gw-1"}, "note": {"x"}})} {
		if !strings.HasPrefix(a.to(), "/confirm") {
			t.Errorf("%s with an old proof: %d %s", name, a.status, a.to())
		}
	}
	if r := s.run(run); len(r.Answer) != 0 {
		t.Fatalf("%s", r.Answer)
	}
	admin.post("/confirm", url.Values{"password": {goodPassword}})
	if a := admin.post(path+"/settle", url.Values{"made": {"yes"}, "reference": {"gw-4711"}, "note": {"seen in the gateway's pages"}}); a.status != http.StatusSeeOther || a.to() != path {
		t.Fatalf("%d %s", a.status, excerpt(a.body))
	}
	admin.post(path+"/settle", url.Values{"made": {"no"}, "note": {"x"}}).shows(t, "once more", 409, "said already")
	s.untilDone(run)
	admin.get(path).shows(t, "the return after it", 200, "gw-4711", "admin@acme.example", "seen in the gateway&#39;s pages", "Done")
	if r := s.run(run); r.Status != returns.Done || len(s.org.PaidBack()) != sent || len(s.rows("SELECT Id FROM Refund WHERE GatewayRefNumber = 'gw-4711'")) != 1 {
		t.Errorf("%+v, paid back %v", r, s.org.PaidBack())
	}
	run = doubt("Two of four bit sets are not needed")
	sent = len(s.org.PaidBack())
	if a := admin.post(runsURL+"/"+run+"/settle", url.Values{"made": {"no"}, "note": {"not in the gateway's pages"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, excerpt(a.body))
	}
	s.untilDone(run)
	if r := s.run(run); r.Status != returns.Failed || len(s.org.PaidBack()) != sent {
		t.Errorf("%+v, paid back %v", r, s.org.PaidBack())
	}
	if locked := s.rows("SELECT Id FROM Case WHERE Subject = 'Two of four bit sets are not needed' AND Status = 'New'"); len(locked) != 1 {
		t.Error("the case has not got its status back")
	}
	for _, e := range s.entries(testWorkspace) {
		if e.Action == "settle" && e.Phase == audit.PhaseIntent && (e.By != "admin@acme.example" || e.Surface != "app") {
			t.Errorf("recorded as %+v", e)
		}
	}
}

// untilDone drives a run to its end.
func (s *shop) untilDone(run string) {
	s.t.Helper()
	for r := s.run(run); !returns.Ended(r.Status); r = s.run(run) {
		s.work()
	}
}
