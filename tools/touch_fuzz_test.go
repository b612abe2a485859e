package tools_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/salesforce/fakeorg/sqltrace"
	"salesforce-mcp/tools"
)

// gatedOrg is a server over a simulated org whose SQL is recorded, but for what the
// gate itself asks.
type gatedOrg struct {
	*tools.Server
	recorder *sqltrace.Recorder
	rules    []allowlist.Rule
}

// gateAsks matches what the gate asks. What the whole org is asked and the answer is
// then rid of is no reading of the caller's either.
var gateAsks = regexp.MustCompile(`/sobjects(/\w+/describe)?$`)

func newGatedOrg(tb testing.TB) *gatedOrg {
	tb.Helper()
	recorder, err := sqltrace.New(fakeorg.Options{DailyCalls: 1 << 40}, func(r *http.Request) bool { return !gateAsks.MatchString(r.URL.Path) })
	if err != nil {
		tb.Fatal(err)
	}
	org := httptest.NewServer(recorder.Org().Handler())
	g := &gatedOrg{recorder: recorder, rules: []allowlist.Rule{
		{Agent: "deny", Preset: "all", SObjects: allowlist.Lists{Deny: []string{"Opportunity", "User", "Order"}}, Fields: allowlist.Lists{Deny: []string{"Contact.Email", "*.Description", "Account.Industry", "Lead.FirstName"}}},
		{Agent: "allow", Preset: "all", SObjects: allowlist.Lists{Allow: []string{"Account", "Contact", "Case"}},
			Fields: allowlist.Lists{Allow: []string{"Account.Name", "Account.ParentId", "Contact.Name", "Contact.AccountId", "Case.Subject", "*.CreatedDate"}}},
		{Agent: "admin", Preset: "all"},
	}}
	gate, err := allowlist.NewGate(&allowlist.Workspace{Name: "w", Rules: g.rules})
	if err != nil {
		tb.Fatal(err)
	}
	journal := audit.NewJournal(new(memory))
	tb.Cleanup(func() {
		journal.Close()
		org.Close()
		if err := recorder.Close(); err != nil {
			tb.Error(err)
		}
	})
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}, RetryBudget: -1})
	token := salesforce.Token{AccessToken: salesforce.Secret(recorder.Org().MintToken(fakeorg.IntegrationUser)), InstanceURL: org.URL}
	g.Server = &tools.Server{Table: tools.All, Gate: gate, Journal: journal, Schemas: new(tools.Schemas), Log: zerolog.Nop(), Orgs: connected{client, token}}
	for object, record := range map[string]map[string]any{
		"Opportunity": {"Name": "SECRET deal", "StageName": "Prospecting", "CloseDate": "2027-01-31"},
		"Contact":     {"LastName": "Seen", "Email": "SECRET@visible.test", "Description": "SECRET note"},
		"Account":     {"Name": "Visible", "Description": "SECRET note"},
	} {
		if _, err := g.ask(tb, "admin", "createRecord", map[string]any{"sObjectName": object, "body": record}); err != nil {
			tb.Fatal(err)
		}
	}
	return g
}

// ask makes a call and returns its answer as text.
func (g *gatedOrg) ask(tb testing.TB, agent, instruction string, args map[string]any) (string, error) {
	res, err := g.Call(tb.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: agent}}, Surface: "mcp", Instruction: instruction, Args: args})
	if err != nil {
		return err.Error(), err
	}
	return res.Text + string(res.Structured), nil
}

// check makes a call whose statement reads nothing but what the rule permits: SQLite
// says what it reads, and not our parser.
func (g *gatedOrg) check(t *testing.T, rule allowlist.Rule, instruction string, args map[string]any, statement string) {
	t.Helper()
	g.recorder.Statements()
	text, _ := g.ask(t, rule.Agent, instruction, args)
	if strings.Contains(text, "SECRET") && !strings.Contains(statement, "SECRET") {
		t.Fatalf("%s of %q: %s", rule.Agent, statement, text)
	}
	columns, err := g.recorder.Columns()
	if err != nil {
		t.Fatalf("%q: %v", statement, err)
	}
	all := strings.Contains(strings.ToUpper(statement), "FIELDS") // of which the answer is rid
	for _, c := range columns {
		if sqltrace.Always[c.Name] != "" {
			c.Name = ""
		}
		if !rule.PermitsSObject(c.Table) || c.Name != "" && !all && !rule.PermitsField(c.Table, c.Name) {
			t.Fatalf("%s of %q: SQL read %s.%s, which the rule keeps from the agent", rule.Agent, statement, c.Table, c.Name)
		}
	}
}

// FuzzTouches: what a statement makes the org read, alone or in a request inside a
// request, is what the rule lets through.
func FuzzTouches(f *testing.F) {
	g := newGatedOrg(f)
	file, err := os.ReadFile("../testdata/soql-corpus.json")
	if err != nil {
		f.Fatal(err)
	}
	var corpus []struct{ SOQL string }
	if err := json.Unmarshal(file, &corpus); err != nil {
		f.Fatal(err)
	}
	for _, c := range corpus {
		f.Add(c.SOQL)
	}
	for _, s := range []string{
		"SELECT Name, (SELECT Name FROM Contacts) FROM Account WHERE ParentId = null",
		"SELECT Account.Name, CreatedDate FROM Contact WHERE Account.Parent.Name != null ORDER BY Account.Name",
		"SELECT COUNT(Id), Subject FROM Case GROUP BY Subject HAVING COUNT(Id) > 1",
		"SELECT Id, What.Type FROM Task", "SELECT FIELDS(ALL) FROM Contact LIMIT 200",
		"FIND {visible} IN EMAIL FIELDS RETURNING Contact(Id, Name)",
		"FIND {visible} RETURNING Account(Id, Name)",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, statement string) {
		if len(statement) > 4000 {
			return // longer than a URL may be
		}
		for _, rule := range g.rules[:2] {
			for _, instruction := range []string{"runQuery", "runSearch", "explainQuery"} {
				g.check(t, rule, instruction, map[string]any{"q": statement}, statement)
			}
			for _, escaped := range []string{url.QueryEscape(statement), url.PathEscape(statement)} {
				g.check(t, rule, "runCompositeBatch", map[string]any{"batchRequests": []any{map[string]any{"method": "GET", "url": "v62.0/query?q=" + escaped}}}, statement)
			}
		}
	})
}

// FuzzInside: whatever path a request inside a request has, nothing comes back that
// the rule keeps from the agent, and nothing of it is changed.
func FuzzInside(f *testing.F) {
	g := newGatedOrg(f)
	list, _ := g.ask(f, "admin", "runQuery", map[string]any{"q": "SELECT Id, Name FROM Opportunity", "outputFormat": "structured"})
	id := regexp.MustCompile(`006\w{15}`).FindString(list)
	for _, s := range []string{"sobjects/Contact", "sobjects/Opportunity/" + id, "sobjects/%4fpportunity/" + id, "sobjects/Contact/../Opportunity/" + id, "/sobjects//Opportunity/" + id,
		"sobjects/Contact%2f..%2fOpportunity/" + id, "sobjects/Contact;/" + id, "query?q=SELECT+Name+FROM+Opportunity", "query/?q=SELECT%20Email%20FROM%20Contact", "sobjects/Account/" + id + "?fields=Name",
		"composite/sobjects?ids=" + id, "recent", "search?q=FIND+%7BSECRET%7D", "parameterizedSearch?q=SECRET", "sobjects/Opportunity/" + id + "?_HttpMethod=DELETE", "sobjects/Account/Name/x"} {
		for method := range 4 {
			f.Add(method, s)
		}
	}
	f.Fuzz(func(t *testing.T, method int, path string) {
		request := map[string]any{"method": []string{"GET", "DELETE", "PATCH", "POST"}[method&3], "url": "/services/data/v62.0/" + path, "referenceId": "r"}
		if method&2 != 0 {
			request["body"] = map[string]any{"Name": "changed"}
		}
		for _, rule := range g.rules[:2] {
			text, _ := g.ask(t, rule.Agent, "runComposite", map[string]any{"compositeRequest": []any{request}})
			if strings.Contains(text, "SECRET") && !strings.Contains(path, "SECRET") {
				t.Fatalf("%s %q: %s", rule.Agent, path, text)
			}
		}
		if now, _ := g.ask(t, "admin", "runQuery", map[string]any{"q": "SELECT Id, Name FROM Opportunity", "outputFormat": "structured"}); now != list {
			t.Fatalf("%q changed what is kept from the agents: %s", path, now)
		}
	})
}
