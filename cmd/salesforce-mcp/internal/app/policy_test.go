package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	returnpolicy "salesforce-mcp/tools/returns/policy"
)

const policyURL = "/workspaces/demo/policy"

// strictPolicy has everything decided by a person.
const strictPolicy = "rules:\n  - name: look\n    when: order.paid >= 0\n    verdict: review\n    reason: A person looks at <all> of them.\n"

// TestPolicyChecks: what the compiler says about a text is shown with its line, what it
// reads, and what would fit; with htmx as a part, and without as the page, with what was
// typed.
func TestPolicyChecks(t *testing.T) {
	s := newShop(t)
	admin := s.as("admin")
	admin.get(policyURL).shows(t, "the editor", 200, "within-14-days", "This policy can be used.", `hx-post="`+policyURL+`/check"`, "Save as a new version", "order.daysSinceDelivery", "whole days from the delivery")
	for _, who := range []string{"auditor", "approver", "platform-admin"} {
		s.as(who).get(policyURL).shows(t, "the policy for "+who, 200, "within-14-days", "readonly", "!Save as a new version", "!hx-post")
	}
	s.as("neighbour").get(policyURL).shows(t, "a neighbour's look", 404, "!within-14-days")
	wrong := "rules:\n  - name: late\n    when: order.daysSinceDelivry > 30\n    verdict: deny\n    reason: <b>late</b>\n  - name: Big\n    when: case.reason > 3\n    verdict: deny\n    reason: x\n"
	said := []string{"3 problems", "line 3: at 1:6", "did you mean &#39;order.daysSinceDelivery&#39;?", "<pre>3      when: order.daysSinceDelivry &gt; 30</pre>", "line 6: name: must be lower case", "<code>case.reason</code>: string, reason of the case"}
	part := admin.send(http.MethodPost, policyURL+"/check", url.Values{"policy": {wrong}}, "HX-Request", "true")
	part.shows(t, "checks as somebody types", 200, append(said, "!<html", "!<form")...)
	admin.post(policyURL+"/check", url.Values{"policy": {wrong}}).shows(t, "checks with a button", 200, append(said, "&lt;b&gt;late&lt;/b&gt;", "<form", "!<b>late")...)
	admin.send(http.MethodPost, policyURL+"/check", url.Values{"policy": {"limits: {amunt: {USD: 1}}\nrules: []\n"}}, "HX-Request", "true").shows(t, "a field that is not there", 200, "line 1: there is no field amunt here, but amount, confidence (did you mean amount?)")
	admin.post(policyURL, url.Values{"policy": {wrong}}).shows(t, "saving what is wrong", 422, append(said, "Nothing was saved")...)
	if w := s.returns(testWorkspace); w.PolicyText != "" {
		t.Errorf("it was saved: %s", w.PolicyText)
	}
	admin.post(policyURL+"/check", url.Values{"policy": {strings.Repeat("#", 1<<20)}}).shows(t, "too much", 413)
}

// TestPolicyVersions: a policy is saved as one revision more and decides from then on;
// every version is kept, with its difference, and can be restored; who edits a text that
// somebody else has replaced is told so.
func TestPolicyVersions(t *testing.T) {
	s := newShop(t)
	admin := s.as("admin")
	base := between(admin.get(policyURL).body, `name="base" value="`, `"`)
	if a := admin.post(policyURL, url.Values{"policy": {strings.ReplaceAll(strictPolicy, "\n", "\r\n")}, "base": {base}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, excerpt(a.body))
	}
	w, err := s.settings.Workspace(t.Context(), testWorkspace)
	if err != nil || w.Returns.PolicyText != strictPolicy || w.Revision != 2 || w.By != "admin@acme.example" {
		t.Fatalf("%v: %+v %q", err, w.Revision, w.Returns.PolicyText)
	}
	run := s.process("Drill came with a cracked housing") // the policy that ships approves it
	if a := s.waiting(run); !strings.Contains(a.Rule, "look") {
		t.Errorf("the new policy does not decide: %+v", a)
	}
	admin.post("/test/age", nil)
	admin.post(policyURL, url.Values{"policy": {"# typed\n" + strictPolicy}, "base": {base}}).shows(t, "with an old proof", 403, "Nothing was saved", "# typed", "/confirm?next=")
	if a := admin.post(policyURL+"/versions/1/restore", nil); !strings.HasPrefix(a.to(), "/confirm") || s.returns(testWorkspace).PolicyText != strictPolicy {
		t.Errorf("restored with an old proof: %d %s", a.status, a.to())
	}
	admin.post("/confirm", url.Values{"password": {goodPassword}})
	another := strings.Replace(strictPolicy, "look", "watch", 1)
	admin.post(policyURL, url.Values{"policy": {another}, "base": {base}}).shows(t, "an old text", 409, "somebody has changed the policy meanwhile", "<del>-   - name: look</del>", "<ins>+   - name: watch</ins>", "name: watch")
	base = between(admin.get(policyURL).body, `name="base" value="`, `"`)
	if a := admin.post(policyURL, url.Values{"policy": {another}, "base": {base}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, excerpt(a.body))
	}
	if err := s.settings.Change(t.Context(), testWorkspace, settings.Author{Name: "admin"}, func(w *config.Workspace) error { w.Returns.Company = "Acme"; return nil }); err != nil {
		t.Fatal(err)
	}
	admin.post(policyURL, url.Values{"policy": {strictPolicy}}).shows(t, "a form that does not say what it is of", 409, "meanwhile")
	for _, who := range []string{"auditor", "approver"} {
		b := s.as(who)
		b.post(policyURL, url.Values{"policy": {strictPolicy}}).shows(t, who+" saves", 404)
		b.post(policyURL+"/versions/1/restore", nil).shows(t, who+" restores", 404)
		b.get(policyURL+"/versions").shows(t, "versions for "+who, 200, "!Revision 4", "Revision 3", "Revision 2", "Revision 1") // the fourth is about something else
		b.get(policyURL+"/versions/2").shows(t, "a version for "+who, 200, "&lt;all&gt;", "!Restore this version", "!<all>")
	}
	admin.get(policyURL+"/versions/3").shows(t, "the one in force", 200, "This version is in force.", "<del>-   - name: look</del>", "!Restore")
	admin.get(policyURL+"/versions/1").shows(t, "the first", 200, "within-14-days", "Restore this version")
	for _, none := range []string{"9", "x", "0"} {
		admin.get(policyURL+"/versions/"+none).shows(t, "a version that is not there", 404)
	}
	if a := admin.post(policyURL+"/versions/1/restore", nil); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, excerpt(a.body))
	}
	if got := s.returns(testWorkspace).PolicyText; got != string(returnpolicy.Default()) {
		t.Errorf("restored: %q", got)
	}
	if got := s.returns(testWorkspace).Company; got != "Acme" {
		t.Errorf("the company is %q after it", got)
	}
	admin.get(policyURL+"/versions").shows(t, "after the restoration", 200, "Revision 5")

	// The workspace of the file is shown and tried, not changed.
	s.as("owner").get("/workspaces/other/policy").shows(t, "the file's", 200, "stands in the configuration file", "within-14-days", "!Save as a new version")
	s.as("owner").post("/workspaces/other/policy", url.Values{"policy": {strictPolicy}}).shows(t, "saving the file's", 409, "configuration file")
	s.as("owner").get("/workspaces/other/policy/versions").shows(t, "versions of the file's", 409)
}

// TestPolicyTry: a text is tried on real cases beside the policy in force, changes
// nothing, and what was read is in the audit trail.
func TestPolicyTry(t *testing.T) {
	s := newShop(t)
	admin := s.as("admin")
	drill := s.rows("SELECT Id, Status FROM Case WHERE Subject = 'Drill came with a cracked housing'")[0]
	form := url.Values{"policy": {strictPolicy}, "case": {drill["Id"].(string)}, "outcome": {"refund"}, "confidence": {"0.95"}}
	admin.post(policyURL+"/try", form).shows(t, "one case", 200, "1 case would be decided in another way than now.", "149.00 USD", ">approve</span>", ">a person decides</span>", "A person looks at &lt;all&gt; of them.", "order.daysSinceDelivery", `name="confidence" value="0.95"`, "name: look")
	form.Del("case")
	all := admin.post(policyURL+"/try", form)
	all.shows(t, "all open cases", 200, "would be decided in another way", "Because")
	if n := strings.Count(all.body, `<th scope="row">0000`); n != mostTried {
		t.Errorf("%d cases", n)
	}
	for _, c := range []struct{ name, value, want string }{
		{"case", "nonsense", "15 or 18 letters"}, {"confidence", "1.5", "a number from 0 to 1"}, {"confidence", "NaN", "a number from 0 to 1"}, {"policy", "rules: []", "has problems"},
	} {
		bad := url.Values{"policy": {strictPolicy}, "case": {drill["Id"].(string)}}
		bad.Set(c.name, c.value)
		admin.post(policyURL+"/try", bad).shows(t, c.name, 422, c.want)
	}
	admin.post(policyURL+"/try", url.Values{"policy": {strictPolicy}, "case": {"500000000000999AAA"}}).shows(t, "a case that is not there", 502, "It could not be tried")
	s.as("approver").post(policyURL+"/try", form).shows(t, "an approver's try", 404)
	if now := s.rows("SELECT Status FROM Case WHERE Id = '" + drill["Id"].(string) + "'")[0]["Status"]; now != drill["Status"] || len(s.org.PaidBack()) != 0 || s.returns(testWorkspace).PolicyText != "" {
		t.Errorf("it had an effect: the case is %v", now)
	}
	told := 0
	for _, e := range s.entries(testWorkspace) {
		if e.Action == "try" && e.Phase == audit.PhaseOutcome && e.By == "admin@acme.example" && len(e.Exchanges) > 0 {
			told++
			for _, x := range e.Exchanges {
				if x.Method != "GET" && !strings.Contains(x.Path, "/composite") {
					t.Errorf("it sent %s %s", x.Method, x.Path)
				}
			}
		}
	}
	if told != 3 {
		t.Errorf("%d tries are recorded", told)
	}
}
