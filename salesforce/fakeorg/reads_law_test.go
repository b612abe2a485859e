package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/salesforce/fakeorg/sqltrace"
	"salesforce-mcp/salesforce/soql"
)

// readsWorld is an org whose SQL is recorded, and what a client can know of its schema.
type readsWorld struct {
	*sqltrace.Recorder
	token   string
	root    string                   // of the API
	objects map[string]*soql.SObject // by name in lower case
	names   []string                 // of the objects that can be queried
}

func newReadsWorld(t testing.TB) *readsWorld {
	t.Helper()
	r, err := sqltrace.New(fakeorg.Options{Clock: func() time.Time { return at }, DailyCalls: 1 << 40}, func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/query") || strings.HasSuffix(r.URL.Path, "/search")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return (&readsWorld{Recorder: r, token: r.Org().MintToken(fakeorg.IntegrationUser)}).under(t, "/services/data/v62.0")
}

// under is the same org as another API of it shows it.
func (w *readsWorld) under(t testing.TB, root string) *readsWorld {
	t.Helper()
	w = &readsWorld{Recorder: w.Recorder, token: w.token, root: root, objects: map[string]*soql.SObject{}}
	_, body := w.ask("/sobjects")
	var global struct {
		SObjects []struct {
			Name      string
			Queryable bool
		}
	}
	if err := json.Unmarshal(body, &global); err != nil {
		t.Fatal(err)
	}
	for _, o := range global.SObjects {
		status, body := w.ask("/sobjects/" + o.Name + "/describe")
		described := &soql.SObject{}
		if err := json.Unmarshal(body, described); err != nil || status != 200 {
			t.Fatalf("describe %s: %d %v", o.Name, status, err)
		}
		w.objects[strings.ToLower(o.Name)] = described
		if o.Queryable {
			w.names = append(w.names, o.Name)
		}
	}
	return w
}

func (w *readsWorld) ask(path string) (status int, body []byte) {
	r := httptest.NewRequest(http.MethodGet, w.root+path, nil)
	r.Header.Set("Authorization", "Bearer "+w.token)
	answer := httptest.NewRecorder()
	w.Org().Handler().ServeHTTP(answer, r)
	return answer.Code, answer.Body.Bytes()
}

func (w *readsWorld) describe(name string) (*soql.SObject, error) {
	if o := w.objects[strings.ToLower(name)]; o != nil {
		return o, nil
	}
	return nil, fmt.Errorf("%s: %w", name, soql.ErrNoSObject)
}

// check runs a statement, and reports whether the org took it. What SQL read then is what Reads said: every table, and
// every column but those that are read of any row.
func (w *readsWorld) check(t rapid.TB, path, statement string) bool {
	t.Helper()
	w.Statements()
	status, body := w.ask("/" + path + "?q=" + url.QueryEscape(statement))
	if status != 200 {
		if status >= 500 {
			t.Fatalf("%s: %d %s", statement, status, body)
		}
		return false
	}
	columns, err := w.Columns()
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	reads, err := w.reads(path, statement)
	if err != nil {
		t.Fatalf("%s: the org answers it, Reads says %v", statement, err)
	}
	said := map[sqltrace.Column]bool{}
	for _, r := range reads {
		said[sqltrace.Column{Table: r.SObject}] = true
		said[sqltrace.Column{Table: r.SObject, Name: r.Field}] = true
	}
	for _, c := range columns {
		if said[sqltrace.Column{Table: soql.Any, Name: soql.Any}] {
			continue
		}
		name := c.Name
		if sqltrace.Always[name] != "" {
			name = ""
		}
		if !said[sqltrace.Column{Table: c.Table, Name: name}] && (name == "" || !said[sqltrace.Column{Table: c.Table, Name: soql.Any}]) {
			t.Fatalf("%s: SQL read %s.%s, Reads said %v", statement, c.Table, c.Name, reads)
		}
	}
	return true
}

func (w *readsWorld) reads(path, statement string) ([]soql.Read, error) {
	if path == "search" {
		s, err := soql.ParseSearch(statement)
		if err != nil {
			return nil, err
		}
		return s.Reads(w.describe)
	}
	q, err := soql.Parse(statement)
	if err != nil {
		return nil, err
	}
	return q.Reads(w.describe)
}

// readsSeeds are statements the org takes, with everything that reads something.
var readsSeeds = []string{
	"SELECT Id, Owner.Name, (SELECT LastName, (SELECT Subject FROM Tasks) FROM Contacts ORDER BY Name LIMIT 2 OFFSET 1) FROM Account a WHERE a.Name LIKE '%a%' ORDER BY Parent.Name DESC NULLS LAST LIMIT 5 OFFSET 1 FOR VIEW",
	"SELECT FIELDS(ALL) FROM Order USING SCOPE mine WHERE TotalAmount > 10 AND (NOT Status IN ('Draft', null)) LIMIT 200",
	"SELECT StageName s, CALENDAR_YEAR(CloseDate), SUM(Amount), GROUPING(StageName) FROM Opportunity GROUP BY CUBE(StageName, CALENDAR_YEAR(CloseDate)) HAVING COUNT(Id) > 1 ORDER BY SUM(Amount)",
	"SELECT TYPEOF What WHEN Account THEN Phone, BillingAddress ELSE Name END, Who.Email FROM Task WHERE Who.Type = 'Lead' OR What.Name != null",
	"SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Case WHERE CreatedDate = LAST_N_DAYS:3 AND Contact.Email != null) AND Sales_Regions__c EXCLUDES ('EMEA;APAC')",
	"SELECT COUNT() FROM Contact c, c.Account b WHERE b.Industry = 'Media' LIMIT 3",
	"SELECT FORMAT(MAX(Amount)) m, MIN(Account.Name) FROM Opportunity WHERE Amount != 1.5 AND CreatedDate < 2027-01-01T00:00:00Z",
	"SELECT toLabel(Status), FORMAT(convertCurrency(AnnualRevenue)) x, Address FROM Lead WITH SECURITY_ENFORCED",
	"SELECT Account.Name, a.Phone, c.Owner.Username FROM Contact c, c.Account a, a.Parent p WHERE p.Name = null AND Contact.Email != 'x'",
	"SELECT Contact.Name FROM Contact Account WHERE Account.Email != null ORDER BY Owner.Name",
	"SELECT Id, (SELECT Id, What.Name FROM Account.Tasks WHERE Who.Type = 'Contact') FROM Account",
	"SELECT HOUR_IN_DAY(convertTimezone(CreatedDate)), COUNT_DISTINCT(Owner.Email) FROM Case GROUP BY HOUR_IN_DAY(convertTimezone(CreatedDate))",
	"SELECT LastModifiedBy.CreatedBy.CreatedBy.CreatedBy.Manager.Profile.CreatedDate, p.Owner.CreatedBy.Name FROM Account LastModifiedBy, Account.Parent.Parent p",
	"SELECT Id FROM ProcessInstance WHERE TargetObject.Name LIKE 'a%'",
	"SELECT CALENDAR_YEAR(ConvertTimeZone(CreAtedDAte)),SUM(Amount)FROM OpportunitY GROUP BY CALENDAR_YEAR(ConvertTimeZone(CreAtedDAte))",
}

// readsTraps are statements that the org answered once where it should have refused, or where Reads did not know what it
// does; and what a statement might hide a name with.
var readsTraps = []string{
	"SELECT Id FROM Contact c, c.Account a, c.Owner A WHERE a.Name = null",
	"SELECT TYPEOF What WHEN Account THEN Name ELSE Owner.Name END FROM Task What",
	"SELECT (SELECT Id FROM x.Contacts WHERE a.Name = null) FROM Account a",
	"SELECT What.Email, Who.Username FROM Task",
	"SELECT Name, (SELECT Name.Name FROM Contacts Name) FROM Account Name, Name.Parent Owner WHERE OWNER.Owner.Name = null",
	"SELECT COUNT(Id) Owner FROM Case Owner GROUP BY Owner.Subject HAVING MAX(owner.Owner.Name) = null ORDER BY Owner.Owner.Name",
	"SELECT\u00a0Id FROM Account /* x */ -- y\n",
}

var searchSeeds = []string{
	`FIND {harb* AND NOT ("pine x" OR y?)} IN NAME FIELDS RETURNING Account(Name, Owner.Name WHERE Industry != null ORDER BY Name LIMIT 2), Contact LIMIT 3`,
	"FIND {example} IN EMAIL FIELDS RETURNING Contact(FirstName, Account.Phone ORDER BY Account.Name), Lead, User(Username)",
	"FIND {5550100} IN PHONE FIELDS RETURNING Account(FIELDS(STANDARD)), Task(TYPEOF What WHEN Account THEN Name END)",
	"FIND {harbor}",
	"FIND {harbor} IN SIDEBAR FIELDS RETURNING Task(What.Name WHERE Who.Name != null)",
}

// drawnSeeds are statements of testdata/reads.txt, one a line: drawn by the law below, taken, and each of another shape.
func drawnSeeds(t testing.TB) []string {
	t.Helper()
	file, err := os.ReadFile("testdata/reads.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(file)), "\n")
}

// The seeds are taken, or they would show nothing.
func TestReadsSeeds(t *testing.T) {
	w := newReadsWorld(t)
	for _, s := range slices.Concat(readsSeeds, searchSeeds) {
		path := "query"
		if strings.HasPrefix(strings.ToUpper(s), "FIND") {
			path = "search"
		}
		if !w.check(t, path, s) {
			_, body := w.ask("/" + path + "?q=" + url.QueryEscape(s))
			t.Errorf("%s: %s", s, body)
		}
	}
}

func corpusStatements(t testing.TB) []string {
	t.Helper()
	file, err := os.ReadFile("../../testdata/soql-corpus.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ SOQL string }
	if err := json.Unmarshal(file, &cases); err != nil {
		t.Fatal(err)
	}
	var statements []string
	for _, c := range cases {
		statements = append(statements, c.SOQL)
	}
	return statements
}

// FuzzReads: what SQL reads for a statement that the org takes is what Reads said.
func FuzzReads(f *testing.F) {
	w := newReadsWorld(f)
	for _, s := range slices.Concat(corpusStatements(f), drawnSeeds(f), readsSeeds, searchSeeds, readsTraps) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, statement string) {
		if len(statement) > 8000 {
			return // longer than a URL may be
		}
		w.check(t, "query", statement)
		w.check(t, "search", statement)
	})
}
