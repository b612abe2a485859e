package fakeorg_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce/fakeorg"
)

// at is the time in the orgs of these tests: a Wednesday.
var at = time.Date(2027, 3, 10, 9, 15, 0, 0, time.UTC)

// client asks a simulated org over HTTP, as the user whose token it has.
type client struct {
	*testing.T
	org        *fakeorg.Org
	url, token string
	now        *time.Time
}

// newClient starts an org for a test, which runs beside others from here on. The org's clock stands still at [at]
// until the test moves it.
func newClient(t *testing.T) *client {
	t.Helper()
	t.Parallel()
	c := &client{T: t, now: new(time.Time)}
	*c.now = at
	org, err := fakeorg.New(fakeorg.Options{Clock: func() time.Time { return *c.now }, DailyCalls: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	c.org, c.url, c.token = org, server.URL, org.MintToken(fakeorg.IntegrationUser)
	return c
}

// ask sends a request and gives status and body.
func (c *client) ask(method, path, body string, header ...string) (int, string) {
	c.Helper()
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// create makes a record and gives its id.
func (c *client) create(object string, fields map[string]any) string {
	c.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		c.Fatal(err)
	}
	status, answer := c.ask("POST", "/services/data/v62.0/sobjects/"+object, string(body))
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != 201 {
		c.Fatalf("create %s: %d %s", object, status, answer)
	}
	return made.ID
}

func (c *client) remove(object, id string) {
	c.Helper()
	if status, answer := c.ask("DELETE", "/services/data/v62.0/sobjects/"+object+"/"+id, ""); status != 204 {
		c.Fatalf("delete %s: %d %s", id, status, answer)
	}
}

// query gives the answer to a query, which has to be 200.
func (c *client) query(soql string, header ...string) string {
	c.Helper()
	status, body := c.ask("GET", "/services/data/v62.0/query?q="+url.QueryEscape(soql), "", header...)
	if status != 200 {
		c.Fatalf("%s\n%d %s", soql, status, body)
	}
	return body
}

// names gives the values of the only field of the records, joined.
func (c *client) names(soql string) string {
	c.Helper()
	return values(c.T, c.query(soql), "records")
}

func values(t *testing.T, body, key string) string {
	t.Helper()
	var answer map[string]json.RawMessage
	var records []map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer[key], &records); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range records {
		delete(r, "attributes")
		for _, v := range r {
			list = append(list, fmt.Sprint(v))
		}
	}
	return strings.Join(list, " ")
}

// refused gives code and message of the error a query has to end with.
func (c *client) refused(path string) (code, message string) {
	c.Helper()
	status, body := c.ask("GET", path, "")
	var errors []struct{ ErrorCode, Message string }
	if err := json.Unmarshal([]byte(body), &errors); err != nil || len(errors) != 1 || status != 400 {
		c.Fatalf("%s: %d %s", path, status, body)
	}
	return errors[0].ErrorCode, errors[0].Message
}

// company is what the tests of this file ask for: three accounts of the site "q", one of them deleted afterwards.
type company struct {
	*client
	acme, bolt, gone, ann, bob string
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{client: newClient(t)}
	c.acme = c.create("Account", map[string]any{"Name": "Acme", "Site": "q", "Industry": "Media", "AnnualRevenue": 1500000, "NumberOfEmployees": 30,
		"Sales_Regions__c": "EMEA;APAC", "BillingCity": "Lyon"})
	c.bolt = c.create("Account", map[string]any{"Name": "bolt 50%_\\", "Site": "q", "AnnualRevenue": 300, "NumberOfEmployees": 12, "Sales_Regions__c": "AMER",
		"ParentId": c.acme})
	c.gone = c.create("Account", map[string]any{"Name": "Gone", "Site": "q"})
	c.remove("Account", c.gone)
	c.ann = c.create("Contact", map[string]any{"FirstName": "Ann", "LastName": "Zeta", "AccountId": c.acme, "Email": "ann@q.example", "Department": "q", "Birthdate": "1990-03-01"})
	c.bob = c.create("Contact", map[string]any{"LastName": "Yota", "AccountId": c.acme, "Department": "q"})
	return c
}

func TestQueryAnswersRecords(t *testing.T) {
	c := newCompany(t)
	got := c.query("select id, NAME, annualrevenue, numberofemployees, isdeleted, createddate, industry, parent.name, parent.owner.username, " +
		"(SELECT LastName, Birthdate FROM Contacts ORDER BY LastName), (SELECT Id FROM Cases) from Account where Site = 'Q' order by Name")
	url := "/services/data/v62.0/sobjects/"
	record := func(object, id string) map[string]any {
		return map[string]any{"type": object, "url": url + object + "/" + id}
	}
	want := map[string]any{"totalSize": 2, "done": true, "records": []any{
		map[string]any{"attributes": record("Account", c.acme), "Id": c.acme, "Name": "Acme", "AnnualRevenue": 1500000, "NumberOfEmployees": 30,
			"IsDeleted": false, "CreatedDate": "2027-03-10T09:15:00.000+0000", "Industry": "Media", "Parent": nil, "Cases": nil,
			"Contacts": map[string]any{"totalSize": 2, "done": true, "records": []any{
				map[string]any{"attributes": record("Contact", c.bob), "LastName": "Yota", "Birthdate": nil},
				map[string]any{"attributes": record("Contact", c.ann), "LastName": "Zeta", "Birthdate": "1990-03-01"},
			}}},
		map[string]any{"attributes": record("Account", c.bolt), "Id": c.bolt, "Name": "bolt 50%_\\", "AnnualRevenue": 300, "NumberOfEmployees": 12,
			"IsDeleted": false, "CreatedDate": "2027-03-10T09:15:00.000+0000", "Industry": nil, "Cases": nil, "Contacts": nil,
			"Parent": map[string]any{"attributes": record("Account", c.acme), "Name": "Acme",
				"Owner": map[string]any{"attributes": record("User", c.userID()), "Username": fakeorg.IntegrationUser}}},
	}}
	if diff := cmp.Diff(generic(t, want), decode(t, got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(got, `"AnnualRevenue":1500000.0,"NumberOfEmployees":30,`) {
		t.Errorf("currency is a number with a fraction, int without: %s", got)
	}
	if !strings.HasPrefix(got, `{"totalSize":2,"done":true,"records":[{"attributes":`) {
		t.Errorf("members are in the platform's order: %.80s", got)
	}
}

func (c *client) userID() string {
	c.Helper()
	return c.names("SELECT Id FROM User WHERE Username = '" + fakeorg.IntegrationUser + "'")
}

func decode(t *testing.T, body string) any {
	t.Helper()
	var v any
	if err := json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func generic(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, string(b))
}

func TestQueryFilters(t *testing.T) {
	c := newCompany(t)
	for _, q := range []struct{ where, want string }{
		{"Name = 'ACME'", "Acme"},
		{"Name != 'acme'", "bolt 50%_\\"},
		{"Industry != 'Media'", "bolt 50%_\\"}, // null is different
		{"Industry = null", "bolt 50%_\\"},
		{"Industry = ''", "bolt 50%_\\"},
		{"Industry != null", "Acme"},
		{"Industry <> NULL AND AnnualRevenue >= 1500000", "Acme"},
		{"NOT Industry = 'Media'", "bolt 50%_\\"},
		{"(NOT (Industry LIKE 'm%')) AND Name LIKE 'B%'", "bolt 50%_\\"},
		{"Name LIKE 'bolt 50\\%\\_\\\\'", "bolt 50%_\\"},
		{"Name LIKE 'bolt%\\u005c'", "bolt 50%_\\"}, // a backslash however it is written
		{"Name LIKE '_cme'", "Acme"},
		{"Name LIKE '\\_cme'", ""},
		{"Name IN ('acme', 'none')", "Acme"},
		{"Industry IN ('none', null)", "bolt 50%_\\"},
		{"Industry IN (null, 'none')", "bolt 50%_\\"},
		{"Industry NOT IN ('Media')", "bolt 50%_\\"},
		{"Industry NOT IN ('x', null)", "Acme"},
		{"Sales_Regions__c INCLUDES ('EMEA;APAC', 'LATAM')", "Acme"},
		{"Sales_Regions__c INCLUDES ('EMEA;AMER')", ""},
		{"Sales_Regions__c EXCLUDES ('EMEA')", "bolt 50%_\\"},
		{"Sales_Regions__c = 'AMER'", "bolt 50%_\\"},
		{"AnnualRevenue > USD300 AND NumberOfEmployees < 31", "Acme"},
		{"Parent.Name = 'Acme'", "bolt 50%_\\"},
		{"Parent.Name = null", "Acme"},
		{"Id IN (SELECT AccountId FROM Contact WHERE Email != null)", "Acme"},
		{"Id NOT IN (SELECT AccountId FROM Contact)", "bolt 50%_\\"},
		{"CreatedDate = TODAY AND Name = 'Acme'", "Acme"},
		{"CreatedDate < TODAY", ""},
		{"CreatedDate > YESTERDAY AND CreatedDate <= THIS_WEEK AND Name = 'Acme'", "Acme"},
		{"CreatedDate IN (LAST_WEEK, TODAY) AND Name = 'Acme'", "Acme"},
		{"CreatedDate = 2027-03-10T10:15:00+01:00 AND Name = 'Acme'", "Acme"},
		{"CreatedDate != LAST_N_DAYS:1", ""},
		{"CALENDAR_YEAR(CreatedDate) = 2027 AND WEEK_IN_YEAR(CreatedDate) = 10 AND DAY_IN_WEEK(CreatedDate) = 4 AND Name = 'Acme'", "Acme"},
		{"IsDeleted = FALSE AND Name = 'Acme'", "Acme"},
		{"IsDeleted = null AND Name = 'Acme'", "Acme"}, // "null matches FALSE values"
		{"IsDeleted != null", ""},
		{"Account.Name = 'Acme'", "Acme"},
	} {
		if got := c.names("SELECT Name FROM Account WHERE Site = 'q' AND (" + q.where + ") ORDER BY Name"); got != q.want {
			t.Errorf("%s: got %q, want %q", q.where, got, q.want)
		}
	}
	if got := c.names("SELECT a.Name FROM Account a WHERE a.Id = '" + c.acme[:15] + "'"); got != "Acme" {
		t.Errorf("an id of 15 characters finds %q", got)
	}
	if got := c.names("SELECT c.LastName FROM Contact c, c.Account a WHERE a.Site = 'q' AND c.FirstName = null"); got != "Yota" {
		t.Errorf("an alias of FROM finds %q", got)
	}
}

func TestQueryDateLiterals(t *testing.T) {
	c := newClient(t)
	for _, day := range []string{"2026-02-28", "2026-12-31", "2027-01-15", "2027-02-28", "2027-03-07", "2027-03-10", "2027-03-13", "2027-03-14", "2027-04-01", "2027-07-01", "2028-01-01"} {
		c.create("Opportunity", map[string]any{"Name": day, "StageName": "Prospecting", "CloseDate": day, "NextStep": "q"})
	}
	for _, q := range []struct{ where, want string }{
		{"= TODAY", "2027-03-10"},
		{"= THIS_WEEK", "2027-03-07 2027-03-10 2027-03-13"}, // Sunday to Saturday
		{"= LAST_WEEK", "2027-02-28"},
		{"= NEXT_WEEK", "2027-03-14"},
		{"= LAST_MONTH", "2027-02-28"},
		{"= NEXT_MONTH", "2027-04-01"},
		{"= THIS_QUARTER", "2027-01-15 2027-02-28 2027-03-07 2027-03-10 2027-03-13 2027-03-14"},
		{"= NEXT_QUARTER", "2027-04-01"},
		{"= LAST_FISCAL_QUARTER", "2026-12-31"},
		{"= LAST_YEAR", "2026-02-28 2026-12-31"},
		{"> THIS_YEAR", "2028-01-01"},
		{"= LAST_N_DAYS:3", "2027-03-07 2027-03-10"}, // with today
		{"= NEXT_N_DAYS:3", "2027-03-13"},            // without
		{"= N_DAYS_AGO:3", "2027-03-07"},
		{"= LAST_N_MONTHS:2", "2027-01-15 2027-02-28"},
		{"= NEXT_N_QUARTERS:2", "2027-04-01 2027-07-01"},
		{"= N_WEEKS_AGO:1", "2027-02-28"},
		{"= N_YEARS_AGO:1", "2026-02-28 2026-12-31"},
		{"< LAST_90_DAYS", "2026-02-28"},
		{"= NEXT_90_DAYS", "2027-03-13 2027-03-14 2027-04-01"},
		{"= 2028-01-01", "2028-01-01"},
	} {
		if got := c.names("SELECT Name FROM Opportunity WHERE NextStep = 'q' AND CloseDate " + q.where + " ORDER BY CloseDate"); got != q.want {
			t.Errorf("CloseDate %s:\n got %s\nwant %s", q.where, got, q.want)
		}
	}
}

func TestQueryOrdersNullsFirst(t *testing.T) {
	c := newClient(t)
	for _, phone := range []any{"b", nil, "A", "c"} {
		c.create("Account", map[string]any{"Name": fmt.Sprint(phone), "Site": "q", "Phone": phone})
	}
	for _, q := range []struct{ order, want string }{
		{"Phone", "<nil> A b c"},
		{"Phone ASC NULLS LAST", "A b c <nil>"},
		{"Phone DESC", "<nil> c b A"},
		{"Phone DESC NULLS LAST", "c b A <nil>"},
		{"Phone NULLS LAST LIMIT 2 OFFSET 1", "b c"},
	} {
		if got := c.names("SELECT Name FROM Account WHERE Site = 'q' ORDER BY " + q.order); got != q.want {
			t.Errorf("ORDER BY %s: got %s, want %s", q.order, got, q.want)
		}
	}
}
