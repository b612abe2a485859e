package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce/fakeorg"
)

const queryPath = "/services/data/v62.0/query?q="

func TestQueryAggregates(t *testing.T) {
	c := newClient(t)
	for i, o := range []struct {
		stage  string
		amount any
		source any
	}{{"Prospecting", 100.5, "Web"}, {"Prospecting", 200, "Web"}, {"Closed Won", 1000, nil}, {"Closed Won", nil, "Other"}} {
		c.create("Opportunity", map[string]any{"Name": fmt.Sprint("o", i), "StageName": o.stage, "Amount": o.amount, "LeadSource": o.source, "NextStep": "q",
			"CloseDate": fmt.Sprintf("2027-0%d-01", i+1)})
	}
	for _, q := range []struct{ soql, want string }{
		{"SELECT COUNT() FROM Opportunity WHERE NextStep = 'q'", `{"totalSize":4,"done":true,"records":[]}`},
		{"SELECT COUNT() FROM Opportunity WHERE NextStep = 'q' LIMIT 3", `{"totalSize":3,"done":true,"records":[]}`},
		{"SELECT COUNT(Id), count(Amount) n, COUNT_DISTINCT(LeadSource), SUM(Amount), AVG(Amount), MIN(CloseDate), MAX(StageName) FROM Opportunity WHERE NextStep = 'q'",
			`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"expr0":4,"n":3,"expr1":2,"expr2":1300.5,"expr3":433.5,"expr4":"2027-01-01","expr5":"Prospecting"}]}`},
		{"SELECT SUM(Amount) FROM Opportunity WHERE NextStep = 'nobody'",
			`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"expr0":null}]}`},
		{"SELECT stagename, COUNT(Id) FROM Opportunity WHERE NextStep = 'q' GROUP BY StageName HAVING SUM(Amount) > 500 AND StageName != 'x' ORDER BY COUNT(Id) DESC",
			`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"StageName":"Closed Won","expr0":2}]}`},
		{"SELECT LeadSource s, COUNT(Id) n FROM Opportunity WHERE NextStep = 'q' GROUP BY LeadSource ORDER BY LeadSource DESC NULLS LAST LIMIT 2",
			`{"totalSize":2,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"s":"Web","n":2},{"attributes":{"type":"AggregateResult"},"s":"Other","n":1}]}`},
		{"SELECT Owner.Username, CALENDAR_QUARTER(CloseDate) q, COUNT(Id) FROM Opportunity WHERE NextStep = 'q' GROUP BY Owner.Username, CALENDAR_QUARTER(CloseDate) ORDER BY CALENDAR_QUARTER(CloseDate)",
			`{"totalSize":2,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"Username":"` + fakeorg.IntegrationUser + `","q":1,"expr0":3},` +
				`{"attributes":{"type":"AggregateResult"},"Username":"` + fakeorg.IntegrationUser + `","q":2,"expr0":1}]}`},
		{"SELECT StageName, LeadSource, GROUPING(LeadSource) g, COUNT(Id) n FROM Opportunity WHERE NextStep = 'q' GROUP BY ROLLUP(StageName, LeadSource) ORDER BY StageName NULLS LAST, GROUPING(LeadSource), LeadSource",
			`{"totalSize":6,"done":true,"records":[` + aggregates(
				`"StageName":"Closed Won","LeadSource":null,"g":0,"n":1`, `"StageName":"Closed Won","LeadSource":"Other","g":0,"n":1`,
				`"StageName":"Closed Won","LeadSource":null,"g":1,"n":2`, `"StageName":"Prospecting","LeadSource":"Web","g":0,"n":2`,
				`"StageName":"Prospecting","LeadSource":null,"g":1,"n":2`, `"StageName":null,"LeadSource":null,"g":1,"n":4`) + `]}`},
		{"SELECT FORMAT(MAX(Amount)) m, FORMAT(MIN(CloseDate)) d FROM Opportunity WHERE NextStep = 'q'",
			`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"m":"$1,000.00","d":"1/1/2027"}]}`},
	} {
		if diff := cmp.Diff(q.want, c.query(q.soql)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q.soql, diff)
		}
	}
	// CUBE has one grouping more than ROLLUP for two fields.
	cube := c.query("SELECT StageName, LeadSource, COUNT(Id) FROM Opportunity WHERE NextStep = 'q' GROUP BY CUBE(StageName, LeadSource)")
	if !strings.HasPrefix(cube, `{"totalSize":9,`) {
		t.Errorf("CUBE: %s", cube)
	}
}

func aggregates(members ...string) string {
	const start = `{"attributes":{"type":"AggregateResult"},`
	return start + strings.Join(members, "},"+start) + "}"
}

func TestQueryPolymorphicParents(t *testing.T) {
	c := newCompany(t)
	lead := c.create("Lead", map[string]any{"LastName": "Lee", "Company": "Lee Ltd"})
	for _, task := range []map[string]any{{"Subject": "1 call", "WhoId": c.ann, "WhatId": c.acme}, {"Subject": "2 mail", "WhoId": lead}, {"Subject": "3 none"}} {
		task["Description"], task["Status"], task["Priority"] = "q", "Deferred", "Low"
		c.create("Task", task)
	}
	url := "/services/data/v62.0/sobjects/"
	got := c.query("SELECT Who.Name, What.Type FROM Task WHERE Status = 'Deferred' AND Subject IN ('1 call', '2 mail', '3 none') ORDER BY Subject")
	task := func(rest string) string { return rest }
	want := []string{
		task(`"Who":{"attributes":{"type":"Name","url":"` + url + `Contact/` + c.ann + `"},"Name":"Ann Zeta"},"What":{"attributes":{"type":"Name","url":"` + url + `Account/` + c.acme + `"},"Type":"Account"}}`),
		task(`"Who":{"attributes":{"type":"Name","url":"` + url + `Lead/` + lead + `"},"Name":"Lee"},"What":null}`),
		task(`"Who":null,"What":null}`),
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("no %s\nin %s", w, got)
		}
	}
	got = c.query("SELECT TYPEOF Who WHEN Contact THEN LastName, Email ELSE Name END, TYPEOF What WHEN Opportunity THEN Amount END FROM Task WHERE Subject IN ('1 call', '2 mail', '3 none') AND Status = 'Deferred' ORDER BY Subject")
	want = []string{
		`"Who":{"attributes":{"type":"Contact","url":"` + url + `Contact/` + c.ann + `"},"LastName":"Zeta","Email":"ann@q.example"},"What":{"attributes":{"type":"Account","url":"` + url + `Account/` + c.acme + `"}}}`,
		`"Who":{"attributes":{"type":"Lead","url":"` + url + `Lead/` + lead + `"},"Name":"Lee"},"What":null}`,
		`"Who":null,"What":null}`,
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("no %s\nin %s", w, got)
		}
	}
	for where, want := range map[string]string{"Who.Type = 'Lead'": "2 mail", "What.Name = 'ACME'": "1 call", "Who.LastName LIKE 'Ze%'": "1 call", "WhoId = null": "3 none"} {
		if got := c.names("SELECT Subject FROM Task WHERE Status = 'Deferred' AND Subject IN ('1 call', '2 mail', '3 none') AND " + where); got != want {
			t.Errorf("%s finds %q, want %q", where, got, want)
		}
	}
}

func TestQueryChildrenHaveTheirOwnClauses(t *testing.T) {
	c := newCompany(t)
	got := c.query("SELECT Name, (SELECT LastName, Account.Name, (SELECT Subject FROM Tasks) FROM Account.Contacts WHERE Department = 'q' ORDER BY LastName LIMIT 1 OFFSET 1) FROM Account WHERE Site = 'q' ORDER BY Name LIMIT 1")
	contact := `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Contact","url":"/services/data/v62.0/sobjects/Contact/` + c.ann + `"},"LastName":"Zeta",` +
		`"Account":{"attributes":{"type":"Account","url":"/services/data/v62.0/sobjects/Account/` + c.acme + `"},"Name":"Acme"},"Tasks":null}]}`
	if !strings.Contains(got, contact) {
		t.Errorf("no %s\nin %s", contact, got)
	}
	c.create("Contact", map[string]any{"LastName": "Xi", "AccountId": c.bolt})
	got = c.query("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName LIMIT 1) FROM Account WHERE Site = 'q'")
	if !strings.Contains(got, `"LastName":"Xi"`) || !strings.Contains(got, `"LastName":"Yota"`) || strings.Contains(got, `"LastName":"Zeta"`) {
		t.Errorf("LIMIT is for the children of each record: %s", got)
	}
}

func TestQueryFieldSets(t *testing.T) {
	c := newCompany(t)
	keys := func(soql string) map[string]any {
		t.Helper()
		var answer struct{ Records []map[string]any }
		if err := json.Unmarshal([]byte(c.query(soql)), &answer); err != nil || len(answer.Records) != 1 {
			t.Fatal(err, answer)
		}
		return answer.Records[0]
	}
	all := keys("SELECT FIELDS(ALL) FROM Account WHERE Site = 'q' AND Name = 'Acme' LIMIT 200")
	standard := keys("SELECT FIELDS(STANDARD), Parent.Name FROM Account WHERE Site = 'q' AND Name = 'Acme'")
	mine := keys("SELECT FIELDS(CUSTOM), Id FROM Account WHERE Site = 'q' AND Name = 'Acme' LIMIT 1")
	address := map[string]any{"city": "Lyon", "country": nil, "geocodeAccuracy": nil, "latitude": nil, "longitude": nil, "postalCode": nil, "state": nil, "street": nil}
	if diff := cmp.Diff(address, all["BillingAddress"]); diff != "" {
		t.Errorf("address (-want +got):\n%s", diff)
	}
	if len(all)+3 != len(standard)+len(mine) { // attributes and Id are in both, Parent is no field
		t.Errorf("%d fields, of which %d standard and %d custom", len(all), len(standard), len(mine))
	}
	if _, there := mine["Name"]; there || mine["Sales_Regions__c"] != "EMEA;APAC" {
		t.Errorf("custom fields: %v", mine)
	}
}

func TestQueryAllShowsDeleted(t *testing.T) {
	c := newCompany(t)
	if got := c.query("SELECT COUNT() FROM Account WHERE Site = 'q'"); !strings.Contains(got, `"totalSize":2`) {
		t.Errorf("query: %s", got)
	}
	status, got := c.ask("GET", "/services/data/v62.0/queryAll/?q="+url.QueryEscape("SELECT Name FROM Account WHERE Site = 'q' AND IsDeleted = TRUE"), "")
	if status != 200 || values(t, got, "records") != "Gone" {
		t.Errorf("queryAll: %d %s", status, got)
	}
}

func TestQueryPages(t *testing.T) {
	c := newClient(t)
	const rows = 450
	for i := 0; i < rows; i += 150 {
		var records []map[string]any
		for j := i; j < i+150; j++ {
			records = append(records, map[string]any{"attributes": map[string]any{"type": "Account"}, "Name": fmt.Sprintf("p%03d", j), "Site": "pages"})
		}
		body, err := json.Marshal(map[string]any{"records": records})
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := c.ask("POST", "/services/data/v62.0/composite/sobjects", string(body)); status != 200 {
			t.Fatal(status, answer)
		}
	}
	type page struct {
		TotalSize      int
		Done           bool
		NextRecordsURL string
		Records        []map[string]any
	}
	read := func(path string, header ...string) (p page) {
		t.Helper()
		status, body := c.ask("GET", path, "", header...)
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		return p
	}
	path := queryPath + url.QueryEscape("SELECT Name FROM Account WHERE Site = 'pages' ORDER BY Name")
	if p := read(path); !p.Done || len(p.Records) != rows || p.NextRecordsURL != "" {
		t.Errorf("without a batch size all %d rows fit, got %d", rows, len(p.Records))
	}
	first := read(path, "Sforce-Query-Options", "batchSize=7") // the least is 200
	if first.TotalSize != rows || first.Done || len(first.Records) != 200 || !strings.HasSuffix(first.NextRecordsURL, "-200") ||
		!strings.HasPrefix(first.NextRecordsURL, "/services/data/v62.0/query/01g") {
		t.Fatalf("first page: %d rows of %d, next %q", len(first.Records), first.TotalSize, first.NextRecordsURL)
	}
	second := read(first.NextRecordsURL)
	last := read(second.NextRecordsURL)
	if len(second.Records) != 200 || !last.Done || len(last.Records) != 50 || last.NextRecordsURL != "" || last.Records[49]["Name"] != "p449" {
		t.Errorf("pages: %d, %d, %d rows", len(first.Records), len(second.Records), len(last.Records))
	}
	if again := read(first.NextRecordsURL); again.Records[0]["Name"] != "p200" {
		t.Errorf("a page can be read again: %v", again.Records[0])
	}
	refused := func(why, path string) {
		t.Helper()
		if code, _ := c.refused(path); code != "INVALID_QUERY_LOCATOR" {
			t.Errorf("%s: %s", why, code)
		}
	}
	refused("past the end", strings.TrimSuffix(first.NextRecordsURL, "200")+"450")
	refused("no offset", strings.TrimSuffix(first.NextRecordsURL, "-200"))
	refused("unknown", "/services/data/v62.0/query/01g000000000000AAA-200")
	owner := c.token
	c.token = c.org.MintToken(fakeorg.ServiceUser)
	refused("of another user", first.NextRecordsURL)
	c.token = owner
	for range 10 { // ten newer cursors push the first one out
		read(path, "Sforce-Query-Options", "batchSize=200")
	}
	refused("eleventh", first.NextRecordsURL)
	newest := read(path, "Sforce-Query-Options", "batchSize=200").NextRecordsURL
	*c.now = c.now.Add(49 * time.Hour)
	c.token = c.org.MintToken(fakeorg.IntegrationUser)
	refused("two days old", newest)
}

func TestQueryRefuses(t *testing.T) {
	c := newClient(t)
	long := "SELECT Id FROM Account WHERE Name = '" + strings.Repeat("x", 16400) + "'"
	if status, body := c.ask("GET", queryPath+url.QueryEscape(long), ""); status != 414 {
		t.Errorf("a long address: %d %s", status, body)
	}
	noColumn := "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. " +
		"Please reference your WSDL or the describe call for the appropriate names."
	for _, q := range []struct{ soql, code, message string }{
		{"SELECT FROM Account", "MALFORMED_QUERY", "\nSELECT FROM Account\n       ^\nERROR at Row:1:Column:8\nunexpected token: 'FROM'"},
		{"", "MALFORMED_QUERY", "\n\n^\nERROR at Row:1:Column:1\nunexpected token: '<EOF>'"},
		{"SELECT Nope FROM Account", "INVALID_FIELD", "\nSELECT Nope FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Nope' on entity 'Account'. " + noColumn},
		{"SELECT Id FROM Accout", "INVALID_TYPE", "\nSELECT Id FROM Accout\n               ^\nERROR at Row:1:Column:16\nsObject type 'Accout' is not supported. " +
			"If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."},
		{"SELECT Id FROM Return_Completed__e", "INVALID_TYPE", "*"},
		{"SELECT Who.Nope FROM Task", "INVALID_FIELD", "\nSELECT Who.Nope FROM Task\n       ^\nERROR at Row:1:Column:8\nNo such column 'Nope' on entity 'Name'. " + noColumn},
		{"SELECT Nope.Name FROM Account", "INVALID_FIELD", "*Didn't understand relationship 'Nope' in field path. "},
		{"SELECT (SELECT Id FROM Contact) FROM Account", "INVALID_TYPE", "*Didn't understand relationship 'Contact' in FROM part of query call. "},
		{"SELECT Id, Name, id FROM Account", "INVALID_FIELD", "*duplicate field selected: Id"},
		{"SELECT Name n FROM Account", "MALFORMED_QUERY", "*only aggregate expressions use field aliasing"},
		{"SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "*invalid ID field: x"},
		{"SELECT Id FROM Account WHERE IsDeleted = 'true'", "INVALID_FIELD", "*value of filter criterion for field 'IsDeleted' must be of type boolean and should not be enclosed in quotes"},
		{"SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "*value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes"},
		{"SELECT Id FROM Account WHERE CreatedDate > 2027-01-01", "INVALID_FIELD", "*value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes"},
		{"SELECT Id FROM Account WHERE AnnualRevenue LIKE '5%'", "INVALID_QUERY_FILTER_OPERATOR", "*invalid operator on currency field"},
		{"SELECT Id FROM Account WHERE Name INCLUDES ('a')", "INVALID_QUERY_FILTER_OPERATOR", "*includes or excludes operator only valid on multipicklist field"},
		{"SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "*field 'Description' can not be filtered in a query call"},
		{"SELECT Id FROM Account ORDER BY Description", "MALFORMED_QUERY", "*field 'Description' can not be sorted in a query call"},
		{"SELECT COUNT(Id) FROM Account GROUP BY Description", "MALFORMED_QUERY", "*field 'Description' can not be grouped in a query call"},
		{"SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "*Field must be grouped or aggregated: Name"},
		{"SELECT Id FROM Account WHERE COUNT(Id) > 1", "MALFORMED_QUERY", "*"},
		{"SELECT COUNT(Id) n FROM Account GROUP BY Type ORDER BY n", "INVALID_FIELD", "*No such column 'n' on entity 'Account'."},
		{"SELECT SUM(Name) FROM Account", "MALFORMED_QUERY", "*field Name does not support aggregate operator SUM"},
		{"SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "*The SOQL FIELDS function must have a LIMIT of at most 200"},
		{"SELECT FIELDS(CUSTOM) FROM Account LIMIT 201", "MALFORMED_QUERY", "*The SOQL FIELDS function must have a LIMIT of at most 200"},
		{"SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"},
		{"SELECT Id FROM Account WHERE Name = 'a' OR Id IN (SELECT AccountId FROM Contact)", "MALFORMED_QUERY", "*Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions"},
		{"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT ContactId FROM Case))", "MALFORMED_QUERY", "*Nesting of semi join sub-selects is not supported"},
		{"SELECT Id FROM Account WHERE Id IN (SELECT ParentId FROM Account)", "MALFORMED_QUERY", "*The inner and outer selects should not be on the same object type"},
		{"SELECT Id FROM Account WHERE Id IN (SELECT OwnerId FROM Contact)", "MALFORMED_QUERY", "*should point to the same object type"},
		{"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND Id IN (SELECT AccountId FROM Case) AND Id IN (SELECT AccountId FROM Order)", "MALFORMED_QUERY", "*Maximum 2 semi join sub-selects are allowed"},
		{"SELECT COUNT(Id) FROM Account GROUP BY CUBE(Type, Industry, Rating, Site)", "MALFORMED_QUERY", "*GROUP BY CUBE takes at most 3 fields"},
		{"SELECT Id FROM Account ORDER BY Name" + strings.Repeat(", Id", 32), "MALFORMED_QUERY", "ORDER BY takes at most 32 fields"},
		{"SELECT " + strings.Repeat("MAX(Id), ", 1000) + "MIN(Id) FROM Account", "QUERY_TOO_COMPLICATED", "*more than 1000 fields"},
		{"SELECT Id FROM Account WHERE Parent.Parent.Parent.Parent.Parent.Parent.Name = 'x'", "INVALID_FIELD", "*at most 5 relationships"},
		{"SELECT Id FROM Contact c, c.Account a, c.Owner A", "MALFORMED_QUERY", "*duplicate alias: A"},
		{"SELECT Id FROM Contact c, c.Account c", "MALFORMED_QUERY", "*duplicate alias: c"},
		{"SELECT (SELECT Id FROM x.Contacts) FROM Account a", "INVALID_TYPE", "*Didn't understand relationship 'x' in FROM part of query call. "},
		{"SELECT TYPEOF What WHEN Account THEN Name ELSE Owner.Name END FROM Task", "INVALID_FIELD", "*TYPEOF shows fields of the object itself, Owner.Name is a path"},
		{"SELECT TYPEOF What WHEN Account THEN Name END FROM Task What", "MALFORMED_QUERY", "an alias is no relationship"},
		{"SELECT Id FROM Account ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"},
		{"SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY", "*unexpected token: 'OR'"},
	} {
		code, message := c.refused(queryPath + url.QueryEscape(q.soql))
		wild := strings.HasPrefix(q.message, "*")
		if code != q.code || !wild && message != q.message || wild && !strings.Contains(message, q.message[1:]) {
			t.Errorf("%s:\n got %s %q\nwant %s %q", q.soql, code, message, q.code, q.message)
		}
	}
}

// Whatever a text holds, it finds what it was written as and nothing else.
func TestQueryTextIsNeverSQL(t *testing.T) {
	c := newClient(t)
	for _, name := range []string{`x' OR 1=1 --`, `"; DROP TABLE Account; --`, `?1 :a @b $c`, `100%`, `a\'b`, "t0.\"Name\"", "é😀"} {
		id := c.create("Account", map[string]any{"Name": name, "Site": "q"})
		text := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name)
		if got := c.names("SELECT Id FROM Account WHERE Site = 'q' AND Name = '" + text + "'"); got != id {
			t.Errorf("%q finds %q, want %q", name, got, id)
		}
	}
}

func TestQueryClausesOfTheUser(t *testing.T) {
	c := newCompany(t)
	mine := "SELECT Name FROM Account USING SCOPE mine WHERE Site = 'q' WITH SECURITY_ENFORCED ORDER BY Name LIMIT 1"
	if got := c.names(mine); got != "Acme" {
		t.Errorf("own records: %q", got)
	}
	if got := c.names("SELECT Name FROM RecentlyViewed WHERE Id = '" + c.ann + "'"); got != "" {
		t.Errorf("before FOR VIEW: %q", got)
	}
	c.query("SELECT Email FROM Contact WHERE Id = '" + c.ann + "' FOR VIEW")
	if got := c.names("SELECT Name FROM RecentlyViewed WHERE Id = '" + c.ann + "'"); got != "Ann Zeta" {
		t.Errorf("after FOR VIEW: %q", got)
	}
	c.token = c.org.MintToken(fakeorg.ServiceUser)
	if got := c.names(mine); got != "" {
		t.Errorf("records of another user: %q", got)
	}
	if got := c.names("SELECT Name FROM RecentlyViewed WHERE Id = '" + c.ann + "'"); got != "" {
		t.Errorf("viewed by another user: %q", got)
	}
}
