package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

const undoneWithOthers = `{"body":[{"errorCode":"PROCESSING_HALTED","message":"The transaction was rolled back since another operation in the same transaction failed."}],` +
	`"httpHeaders":{},"httpStatusCode":400,"referenceId":"%s"}`

// sub writes a subrequest.
func sub(method, path, id, body string) string {
	if body != "" {
		body = `,"body":` + body
	}
	return fmt.Sprintf(`{"method":%q,"url":%q,"referenceId":%q%s}`, method, api+path, id, body)
}

// composite sends subrequests and returns their answers, as JSON, without the frame.
func (s *server) composite(allOrNone bool, subrequests ...string) string {
	s.t.Helper()
	r := s.do("POST", "/composite", fmt.Sprintf(`{"allOrNone":%t,"compositeRequest":[%s]}`, allOrNone, strings.Join(subrequests, ",")))
	body, isFramed := strings.CutPrefix(r.body, `{"compositeResponse":[`)
	if r.status != 200 || !isFramed {
		s.t.Fatalf("composite: %d %s", r.status, r.body)
	}
	return strings.TrimSuffix(body, "]}")
}

func TestComposite(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	account := s.create("Account", `{"Name": "One", "ExternalId__c": "x 1", "NumberOfEmployees": 7}`)
	contact := s.create("Contact", `{"LastName": "Two", "AccountId": "`+account+`"}`)
	url := api + "/sobjects/"
	for name, test := range map[string]struct{ sub, want string }{
		"a row": {sub("GET", "/sobjects/Contact/"+contact+"?fields=LastName", "r", ""),
			`{"body":{"attributes":{"type":"Contact","url":"` + url + `Contact/` + contact + `"},"LastName":"Two","Id":"` + contact + `"},` +
				`"httpHeaders":{"Last-Modified":"Mon, 01 Mar 2027 12:00:00 GMT"},"httpStatusCode":200,"referenceId":"r"}`},
		"no such object": {sub("GET", "/sobjects/Foo", "r", ""),
			`{"body":[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}],"httpHeaders":{},"httpStatusCode":404,"referenceId":"r"}`},
		"an update": {sub("PATCH", "/sobjects/Contact/"+contact, "r", `{"Title":"Owner"}`), `{"body":null,"httpHeaders":{},"httpStatusCode":204,"referenceId":"r"}`},
		"an update by POST": {sub("POST", "/sobjects/Contact/"+contact+"?_HttpMethod=PATCH", "r", `{"Title":"Owner"}`),
			`{"body":null,"httpHeaders":{},"httpStatusCode":204,"referenceId":"r"}`},
		"an upsert": {sub("PATCH", "/sobjects/Account/ExternalId__c/x%201", "r", `{"Name":"Uno"}`),
			`{"body":{"id":"` + account + `","success":true,"errors":[],"created":false},"httpHeaders":{},"httpStatusCode":200,"referenceId":"r"}`},
		"an update that says null": {sub("PATCH", "/sobjects/Contact/"+contact, "r", `{"Title":null}`), `{"body":null,"httpHeaders":{},"httpStatusCode":204,"referenceId":"r"}`},
		"a query with spaces": {sub("GET", "/query?q=SELECT Id FROM Account WHERE Name = 'Nobody'", "r", ""),
			`{"body":{"totalSize":0,"done":true,"records":[]},"httpHeaders":{},"httpStatusCode":200,"referenceId":"r"}`},
		"a malformed query": {sub("GET", "/query/?q=SELECT", "r", ""), `"errorCode":"MALFORMED_QUERY"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"r"}`},
		"a collection": {sub("POST", "/composite/sobjects", "r", `{"records":[{"attributes":{"type":"Contact"}}]}`),
			`{"body":[{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]}],` +
				`"httpHeaders":{},"httpStatusCode":200,"referenceId":"r"}`},
		"the fields of a collection": {sub("POST", "/composite/sobjects/Contact", "r", `{"ids":["`+contact+`"],"fields":["LastName"]}`), `"LastName":"Two"`},
		"a describe":                 {sub("GET", "/sobjects/Lead/describe", "r", ""), `"httpHeaders":{"ETag":"\"`},
		"a describe that is known": {`{"method":"GET","url":"` + url + `Lead/describe","referenceId":"r","httpHeaders":{"If-Modified-Since":"Mon, 12 Jan 2026 08:00:00 GMT"}}`,
			`{"body":null,"httpHeaders":{},"httpStatusCode":304,"referenceId":"r"}`},
		"a condition": {`{"method":"PATCH","url":"` + url + `Contact/` + contact + `","referenceId":"r","body":{"Title":"x"},"httpHeaders":{"If-Unmodified-Since":"Mon, 12 Jan 2026 08:00:00 GMT"}}`,
			`"httpStatusCode":412`},
		"limits":                   {sub("GET", "/limits/recordCount?sObjects=Lead", "r", ""), `{"sObjects":[{"count":24,"name":"Lead"}]}`},
		"a method it has not":      {sub("PUT", "/sobjects/Contact/"+contact, "r", ""), `"httpStatusCode":405`},
		"another version":          {`{"method":"GET","url":"/services/data/v50.0/sobjects/Contact/` + contact + `","referenceId":"r"}`, "/services/data/v50.0/"},
		"a version nobody has":     {`{"method":"GET","url":"/services/data/v99.0/sobjects/Contact/` + contact + `","referenceId":"r"}`, `"httpStatusCode":404`},
		"no version":               {`{"method":"GET","url":"/services/data","referenceId":"r"}`, `"httpStatusCode":404`},
		"an address without path":  {`{"method":"GET","url":"v62.0/limits","referenceId":"r"}`, `"httpStatusCode":404`},
		"another host":             {`{"method":"GET","url":"https://example.com` + api + `/limits","referenceId":"r"}`, `"httpStatusCode":404`},
		"the journal":              {`{"method":"DELETE","url":"/_requests","referenceId":"r"}`, `"httpStatusCode":404`},
		"a path that climbs":       {`{"method":"GET","url":"/services/data/v62.0/../../../_events","referenceId":"r"}`, `"httpStatusCode":404`},
		"a hidden one":             {`{"method":"GET","url":"/services/data/v62.0/%2e%2e/%2e%2e/%2e%2e/_events","referenceId":"r"}`, `"httpStatusCode":404`},
		"another API":              {`{"method":"POST","url":"/services/oauth2/token","referenceId":"r"}`, `"httpStatusCode":404`},
		"an address that is none":  {`{"method":"GET","url":"/services/data/v62.0/%zz","referenceId":"r"}`, `"httpStatusCode":404`},
		"a composite request":      {sub("POST", "/composite", "r", `{"compositeRequest":[]}`), `is not supported in a composite request."}],"httpHeaders":{},"httpStatusCode":400`},
		"a tree":                   {sub("POST", "/composite/tree/Account", "r", `{"records":[]}`), `is not supported in a composite request."}],"httpHeaders":{},"httpStatusCode":400`},
		"a file":                   {sub("GET", "/sobjects/ContentVersion/"+s.file()+"/VersionData", "r", ""), `is not supported in a composite request."}],"httpHeaders":{},"httpStatusCode":400`},
		"a job":                    {sub("POST", "/jobs/query", "r", `{"operation":"query","query":"SELECT Id FROM Account"}`), `is not supported in a composite request."}],"httpHeaders":{},"httpStatusCode":400`},
		"the address of the file":  {sub("GET", "/sobjects/ContentVersion/"+s.file()+"?fields=VersionData", "r", ""), `"httpStatusCode":200`},
		"a body that is no object": {sub("POST", "/sobjects/Contact", "r", `[]`), `JSON_PARSER_ERROR`},
		"no body":                  {sub("POST", "/sobjects/Contact", "r", ""), `JSON_PARSER_ERROR`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.composite(false, test.sub); !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	if n := len(s.Requests()); n < 30 {
		t.Errorf("the journal has %d entries: a subrequest has emptied it", n)
	}
	s.do("GET", "/composite", "").want(t, 200, `{"tree":"`+api+`/composite/tree","batch":"`+api+`/composite/batch","sobjects":"`+api+`/composite/sobjects","graph":"`+api+`/composite/graph"}`)
	if got := s.composite(false); got != "" {
		t.Errorf("no subrequests: %s", got)
	}
}

// file is the id of a file every org starts with.
func (s *server) file() string {
	s.t.Helper()
	r := s.do("GET", "/query?q=SELECT+Id+FROM+ContentVersion+LIMIT+1", "")
	var found struct{ Records []struct{ ID string } }
	if err := json.Unmarshal([]byte(r.body), &found); err != nil || len(found.Records) != 1 {
		s.t.Fatalf("no file: %s", r.body)
	}
	return found.Records[0].ID
}

// TestCompositeRefused: what is wrong with one subrequest, or with their number, keeps all from being performed.
func TestCompositeRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	fine := sub("POST", "/sobjects/Account", "fine", `{"Name":"x"}`)
	before := s.count()
	const old = "/services/data/v51.0/composite"
	for name, test := range map[string]struct{ path, body, want string }{
		"no JSON":          {"", `{`, "JSON_PARSER_ERROR"},
		"no subrequests":   {"", `{}`, `'compositeRequest' is a required field.`},
		"no method":        {"", `{"url":"/x","referenceId":"r"}`, `[{"message":"'method' is a required field.","errorCode":"JSON_PARSER_ERROR"}]`},
		"no url":           {"", `{"method":"GET","referenceId":"r"}`, `[{"message":"'url' is a required field.","errorCode":"JSON_PARSER_ERROR"}]`},
		"no reference id":  {"", `{"method":"GET","url":"/x"}`, `[{"message":"'referenceId' is a required field.","errorCode":"JSON_PARSER_ERROR"}]`},
		"a small method":   {"", sub("get", "/limits", "r", ""), "JSON_PARSER_ERROR"},
		"another method":   {"", sub("OPTIONS", "/limits", "r", ""), "JSON_PARSER_ERROR"},
		"a header":         {"", `{"method":"GET","url":"/x","referenceId":"r","httpHeaders":{"content-type":"text/plain"}}`, "JSON_PARSER_ERROR"},
		"a token":          {"", `{"method":"GET","url":"/x","referenceId":"r","httpHeaders":{"Authorization":"Bearer x"}}`, "JSON_PARSER_ERROR"},
		"twice":            {"", sub("GET", "/limits", "fine", ""), "Duplicate referenceId: fine."},
		"signs":            {"", sub("GET", "/limits", "ref[1]", ""), `[{"message":"Provided referenceId ('ref[1]') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_').","errorCode":"JSON_PARSER_ERROR"}]`},
		"twice, long ago":  {old, sub("GET", "/limits", "fine", ""), "Duplicate referenceId: fine."},
		"no url, long ago": {old, `{"method":"GET","referenceId":"r"}`, `'url' is a required field.`},
	} {
		t.Run(name, func(t *testing.T) {
			body := test.body
			if strings.Contains(body, "ethod") || strings.Contains(body, "url") {
				body = `{"compositeRequest":[` + fine + `,` + body + `]}`
			}
			if test.path == "" {
				test.path = "/composite"
			}
			s.do("POST", test.path, body).wants(t, 400, test.want)
		})
	}
	many := make([]string, 26)
	for i := range many {
		many[i] = sub("POST", "/sobjects/Account", fmt.Sprintf("r%d", i), `{"Name":"x"}`)
	}
	const tooMany = `{"body":[{"message":"The request can’t contain more than %s operations.","errorCode":"LIMIT_EXCEEDED"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":null}`
	if got, want := s.composite(false, many...), fmt.Sprintf(tooMany, "25"); got != want {
		t.Errorf("26 subrequests: %s", got)
	}
	var queries []string
	for i, path := range []string{"/query?q=x", "/query/01g", "/queryAll/?q=x", "/composite/sobjects", "/composite/sobjects/Account?ids=x", "/composite/sobjects/?ids=x"} {
		queries = append(queries, sub("GET", path, fmt.Sprintf("r%d", i), ""))
	}
	if got, want := s.composite(false, append(queries, fine)...), fmt.Sprintf(tooMany, "5 query or sObject Collections"); got != want {
		t.Errorf("6 queries: %s", got)
	}
	if after := s.count(); after != before {
		t.Errorf("records were created: %s", after)
	}
	if got := s.composite(false, append(many[:24:24], sub("GET", "/query?q=x", "q", ""))...); strings.Count(got, `"httpStatusCode":201`) != 24 {
		t.Errorf("25 subrequests: %s", got)
	}
}

func TestCompositeReferences(t *testing.T) {
	s := start(t, fakeorg.Options{})
	made := sub("POST", "/sobjects/Account", "made", `{"Name":"a/b & c?","NumberOfEmployees":12,"BillingCity":"Lyon"}`)
	row := sub("GET", "/sobjects/Account/@{made.id}", "row", "")
	found := sub("GET", "/query?q=SELECT+Id,+Name,+Phone+FROM+Account+WHERE+Id='@{made.id}'", "found", "")
	for name, test := range map[string]struct{ body, missing string }{
		"a text":                    {`"@{row.Name}"`, ""},
		"within a text":             {`"> @{row.Name} <"`, ""},
		"two":                       {`"@{made.id}@{row.Name}"`, ""},
		"of a compound field":       {`"@{row.BillingAddress.city}"`, ""},
		"of a list":                 {`"@{found.records[0].attributes.type}"`, ""},
		"a number":                  {`"@{row.NumberOfEmployees}"`, ""},
		"a boolean":                 {`"@{made.success}"`, ""},
		"an empty field of a row":   {`"@{row.Fax}"`, ""},
		"an empty field, in a text": {`"[@{row.Fax}]"`, ""},
		"another case":              {`"@{made.Id}"`, "made.Id"},
		"the case of the id":        {`"@{Made.id}"`, "Made.id"},
		"a list":                    {`"@{found.records}"`, "found.records"},
		"an object":                 {`"@{row.BillingAddress}"`, "row.BillingAddress"},
		"a whole answer":            {`"@{made}"`, "made"},
		"an empty field of a query": {`"@{found.records[0].Phone}"`, "found.records[0].Phone"},
		"behind the end of a list":  {`"@{found.records[1].Id}"`, "found.records[1].Id"},
		"before its start":          {`"@{found.records[-1].Id}"`, "found.records[-1].Id"},
		"no index":                  {`"@{found.records[x].Id}"`, "found.records[x].Id"},
		"a part of a text":          {`"@{made.id.x}"`, "made.id.x"},
		"an index of an object":     {`"@{made[0]}"`, "made[0]"},
		"to nobody":                 {`"@{nobody.id}"`, "nobody.id"},
		"to itself":                 {`"@{used.id}"`, "used.id"},
		"to nothing":                {`"@{}"`, ""},
		"no reference":              {`"@{made.id"`, ""},
		"the name of a member":      {`"x","@{made.id}":1`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			used := sub("POST", "/sobjects/Lead", "used", `{"LastName":"x","Company":"x","Street":`+test.body+`}`)
			got := s.composite(false, made, row, found, used)
			at := strings.LastIndex(got, `{"body"`)
			missing := test.missing
			if name == "to nothing" {
				missing = " "
			}
			switch {
			case name == "the name of a member":
				if !strings.Contains(got[at:], "No such column '@{made.id}' on sobject of type Lead") {
					t.Errorf("got %s", got[at:])
				}
			case missing == "":
				if !strings.Contains(got[at:], `"httpStatusCode":201`) {
					t.Errorf("got %s", got[at:])
				}
			default:
				id, _, _ := strings.Cut(strings.TrimSpace(missing), ".")
				id, _, _ = strings.Cut(id, "[")
				want := fmt.Sprintf(`{"body":[{"errorCode":"PROCESSING_HALTED","message":"Invalid reference specified. No value for %s found in %s. `+
					`Provided referenceId ('%[1]s') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."}],`+
					`"httpHeaders":{},"httpStatusCode":400,"referenceId":"used"}`, test.missing, id)
				if got[at:] != want {
					t.Errorf("got  %s\nwant %s", got[at:], want)
				}
			}
		})
	}
}

// TestCompositeReferenceValues shows what references become.
func TestCompositeReferenceValues(t *testing.T) {
	s := start(t, fakeorg.Options{})
	got := s.composite(false,
		sub("POST", "/sobjects/Account", "a", `{"Name":"50% / \"x\" & y","NumberOfEmployees":12,"ExternalId__c":"k/1?"}`),
		sub("GET", "/sobjects/Account/@{a.id}", "b", ""),
		sub("GET", "/sobjects/Account/ExternalId__c/@{b.ExternalId__c}?fields=Name,NumberOfEmployees,AnnualRevenue", "c", ""),
		sub("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+Name='@{b.Name}'", "d", ""),
		sub("POST", "/composite/sobjects", "e", `{"records":[{"attributes":{"type":"Account"},"Name":"<@{c.Name}>","Description":"@{c.NumberOfEmployees}",`+
			`"NumberOfEmployees":"@{c.NumberOfEmployees}","AnnualRevenue":"@{c.AnnualRevenue}","ParentId":"@{d.records[0].Id}"}]}`),
		sub("GET", "/sobjects/Account/@{e[0].id}?fields=Name,Description,NumberOfEmployees,AnnualRevenue,ParentId", "f", ""))
	if want := `"Name":"<50% / \"x\" & y>","Description":"12","NumberOfEmployees":12,"AnnualRevenue":null,"ParentId":"001Sm`; !strings.Contains(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestCompositeOldReferences: before v52.0 an empty field of a record is no value, and an id may have other characters
// but nobody can refer to it.
func TestCompositeOldReferences(t *testing.T) {
	s := start(t, fakeorg.Options{})
	body := `{"compositeRequest":[` + strings.Join([]string{
		sub("POST", "/sobjects/Account", "a[1]", `{"Name":"x"}`), sub("GET", "/sobjects/Account/"+s.create("Account", `{"Name":"y"}`), "b", ""),
		sub("POST", "/sobjects/Account", "c", `{"Name":"z","ParentId":"@{a[1].id}"}`), sub("PATCH", "/sobjects/Account/@{b.Id}", "d", `{"Fax":"@{b.Phone}"}`)}, ",") + `]}`
	r := s.do("POST", "/services/data/v51.0/composite", body)
	r.wants(t, 200, `No value for a[1].id found in a. `)
	r.wants(t, 200, `No value for b.Phone found in b. `)
}

// TestCompositeDependants: without allOrNone only those that refer to a failed subrequest are halted.
func TestCompositeDependants(t *testing.T) {
	s := start(t, fakeorg.Options{})
	got := s.composite(false,
		sub("POST", "/sobjects/Account", "bad", `{"Phone":"1"}`),
		sub("POST", "/sobjects/Contact", "child", `{"LastName":"x","AccountId":"@{bad.id}"}`),
		sub("POST", "/sobjects/Task", "grandchild", `{"Subject":"x","WhoId":"@{child.id}"}`),
		sub("POST", "/sobjects/Contact", "other", `{"LastName":"Unrelated"}`))
	for _, want := range []string{`"errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"]}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"bad"`,
		`No value for bad.id found in bad.`, `No value for child.id found in child.`, `"httpStatusCode":201,"referenceId":"other"`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

func TestCompositeAllOrNone(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	kept := s.create("Account", `{"Name":"Kept"}`)
	records, views := s.count(), s.do("GET", "/recent", "").body
	mixed := `{"records":[{"attributes":{"type":"Contact"},"LastName":"x"},{"attributes":{"type":"Contact"}}]}`
	steps := []string{
		sub("POST", "/sobjects/Account", "a", `{"Name":"x"}`),
		sub("PATCH", "/sobjects/Account/"+kept, "b", `{"Name":"Changed"}`),
		sub("GET", "/query?q=SELECT+Id+FROM+Account+WHERE+Name='Changed'+FOR+VIEW", "c", ""),
		sub("DELETE", "/sobjects/Account/"+kept, "d", ""),
	}
	for name, test := range map[string]struct{ last, want string }{
		"an error":          {sub("GET", "/sobjects/Account/"+kept, "last", ""), `{"body":[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}],"httpHeaders":{},"httpStatusCode":404,"referenceId":"last"}`},
		"a reference":       {sub("GET", "/sobjects/Account/@{a.Id}", "last", ""), `"httpStatusCode":400,"referenceId":"last"}`},
		"a collection":      {sub("POST", "/composite/sobjects", "last", mixed), `"success":true,"errors":[]},{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]}],"httpHeaders":{},"httpStatusCode":200,"referenceId":"last"}`},
		"all of collection": {sub("POST", "/composite/sobjects", "last", `{"allOrNone":true,`+mixed[1:]), `"statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK"`},
		"several matches":   {sub("PATCH", "/sobjects/Account/Legacy_Number__c/L-100", "last", `{"Name":"x"}`), `"httpStatusCode":300,"referenceId":"last"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.composite(true, append(steps[:4:4], test.last, sub("POST", "/sobjects/Account", "never", `{"Name":"x"}`))...)
			for _, id := range []string{"a", "b", "c", "d", "never"} {
				if want := fmt.Sprintf(undoneWithOthers, id); !strings.Contains(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if name := s.get("Account", kept, "Name"); name != "Kept" || s.count() != records {
				t.Errorf("the name is %v, there are %s", name, s.count())
			}
			if got := s.do("GET", "/recent", "").body; got != views {
				t.Errorf("the views changed: %s", got)
			}
		})
	}
	if got := s.composite(true, steps...); strings.Contains(got, "PROCESSING_HALTED") || s.count() != records {
		t.Errorf("when none fails: %s, %s", got, s.count())
	}
	if got := s.do("GET", "/recent", "").body; !strings.Contains(got, `"Name":"Changed"`) && got == views {
		t.Errorf("what was viewed: %s", got)
	}
}

// TestCompositeInJournal: one call for the daily limit and one request seen, together with what it performed.
func TestCompositeInJournal(t *testing.T) {
	s := start(t, fakeorg.Options{DailyCalls: 3})
	s.Inject(fakeorg.Fault{Method: "POST", Path: "/sobjects/Contact", Status: 503, ErrorCode: "SERVER_UNAVAILABLE", Message: "busy"},
		fakeorg.Fault{Path: "/sobjects/Lead", Cut: "before"})
	body := `{"allOrNone":true,"compositeRequest":[` + sub("POST", "/sobjects/Account", "a", `{"Name":"x"}`) + `,` +
		sub("POST", "/sobjects/Contact", "b", `{"LastName":"x"}`) + `]}`
	r := s.do("POST", "/composite", body)
	r.wants(t, 200, `{"body":[{"message":"busy","errorCode":"SERVER_UNAVAILABLE"}],"httpHeaders":{},"httpStatusCode":503,"referenceId":"b"}`)
	r.wants(t, 200, fmt.Sprintf(undoneWithOthers, "a"))
	s.do("POST", "/composite", body).wants(t, 200, `"httpStatusCode":201,"referenceId":"b"`)
	r = s.do("POST", "/composite", `{"compositeRequest":[`+sub("GET", "/sobjects/Lead", "l", "")+`]}`)
	r.wants(t, 200, `"httpStatusCode":200`) // nobody can cut the connection of a part
	if got := r.header.Get("Sforce-Limit-Info"); got != "api-usage=3/3" {
		t.Errorf("used: %s", got)
	}
	s.do("POST", "/composite", body).wants(t, 403, "REQUEST_LIMIT_EXCEEDED")
	seen := s.Requests()
	if len(seen) != 4 || len(seen[0].Subrequests) != 2 || seen[3].Subrequests != nil {
		t.Fatalf("seen: %+v", seen)
	}
	if got := seen[0].Subrequests[1]; got.Method != "POST" || got.Path != api+"/sobjects/Contact" || got.Status != 503 || got.User != fakeorg.IntegrationUser {
		t.Errorf("seen: %+v", got)
	}
	if got := seen[0].Subrequests[0]; got.Status != 201 {
		t.Errorf("seen: %+v", got)
	}
}
