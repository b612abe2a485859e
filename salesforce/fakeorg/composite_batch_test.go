package fakeorg_test

import (
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

func TestBatch(t *testing.T) {
	s := start(t, fakeorg.Options{})
	id := s.create("Account", `{"Name":"One"}`)
	const notFound = `{"statusCode":404,"result":[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]}`
	const halted = `{"statusCode":412,"result":[{"message":"Batch processing halted per request","errorCode":"BATCH_PROCESSING_HALTED"}]}`
	for name, test := range map[string]struct{ body, want string }{
		"as documented": {`{"batchRequests":[{"method":"PATCH","url":"v62.0/sobjects/account/` + id + `","richInput":{"Name":"NewName"}},` +
			`{"method":"GET","url":"v62.0/sobjects/account/` + id + `?fields=Name,BillingPostalCode"}]}`,
			`{"hasErrors":false,"results":[{"statusCode":204,"result":null},{"statusCode":200,"result":{"attributes":{"type":"Account","url":"` + api +
				`/sobjects/Account/` + id + `"},"Name":"NewName","BillingPostalCode":null,"Id":"` + id + `"}}]}`},
		"one fails": {`{"batchRequests":[{"method":"GET","url":"v62.0/sobjects/Foo"},{"method":"PATCH","url":"v62.0/sobjects/account/` + id + `","richInput":{"Name":"x"}}]}`,
			`{"hasErrors":true,"results":[` + notFound + `,{"statusCode":204,"result":null}]}`},
		"and halts": {`{"haltOnError":true,"batchRequests":[{"method":"PATCH","url":"v62.0/sobjects/account/` + id + `","richInput":{"Name":"Stays"}},` +
			`{"method":"GET","url":"v62.0/sobjects/Foo"},{"method":"DELETE","url":"v62.0/sobjects/account/` + id + `"}]}`,
			`{"hasErrors":true,"results":[{"statusCode":204,"result":null},` + notFound + `,` + halted + `]}`},
		"nothing fails":   {`{"haltOnError":true,"batchRequests":[{"method":"GET","url":"v62.0/limits/recordCount?sObjects=Lead"}]}`, `{"hasErrors":false,"results":[{"statusCode":200,"result":{"sObjects":[{"count":24,"name":"Lead"}]}}]}`},
		"a slash":         {`{"batchRequests":[{"method":"GET","url":"/v62.0/limits/recordCount?sObjects=Lead"}]}`, `{"hasErrors":false,`},
		"the whole path":  {`{"batchRequests":[{"method":"Get","url":"/services/data/v62.0/limits/recordCount?sObjects=Lead"}]}`, `{"hasErrors":false,`},
		"an old version":  {`{"batchRequests":[{"method":"GET","url":"v34.0/limits"}]}`, `{"hasErrors":false,`},
		"an empty batch":  {`{"batchRequests":[]}`, `{"hasErrors":false,"results":[]}`},
		"a composite one": {`{"batchRequests":[{"method":"POST","url":"v62.0/composite","richInput":{}}]}`, `{"hasErrors":true,"results":[{"statusCode":400,"result":[{"errorCode":"PROCESSING_HALTED"`},
		"no references":   {`{"batchRequests":[{"method":"PATCH","url":"v62.0/sobjects/Account/` + id + `","richInput":{"Name":"@{a.id}"}}]}`, `{"hasErrors":false,"results":[{"statusCode":204,`},
		"a failed row":    {`{"haltOnError":true,"batchRequests":[{"method":"POST","url":"v62.0/composite/sobjects","richInput":{"records":[{"attributes":{"type":"Contact"}}]}}]}`, `{"hasErrors":false,`},
	} {
		t.Run(name, func(t *testing.T) {
			if r := s.do("POST", "/composite/batch", test.body); r.status != 200 || !strings.HasPrefix(r.body, test.want) {
				t.Errorf("got  %d %s\nwant %s", r.status, r.body, test.want)
			}
		})
	}
	s.get("Account", id, "Name") // was not deleted
}

// TestBatchRefused: a method or an address that cannot be keeps all from being performed.
func TestBatchRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	before := s.count()
	const fine = `{"method":"POST","url":"v62.0/sobjects/Account","richInput":{"Name":"x"}}`
	for name, test := range map[string]struct{ bad, want string }{
		"no method":         {`{"url":"v62.0/limits"}`, `'method' is a required field.`},
		"no url":            {`{"method":"GET"}`, `'url' is a required field.`},
		"another method":    {`{"method":"FETCH","url":"v62.0/limits"}`, `Invalid method: FETCH.`},
		"no version":        {`{"method":"GET","url":"/sobjects/Account"}`, `Invalid url: /sobjects/Account.`},
		"another host":      {`{"method":"GET","url":"https://example.com/v62.0/limits"}`, `Invalid url`},
		"too old a version": {`{"method":"GET","url":"v33.0/limits"}`, `Invalid url`},
		"too new a version": {`{"method":"GET","url":"v63.0/limits"}`, `Invalid url`},
		"a text":            {`"x"`, `JSON_PARSER_ERROR`},
		"too many":          {strings.Repeat(fine+",", 24) + fine, "LIMIT_EXCEEDED"},
	} {
		t.Run(name, func(t *testing.T) {
			s.do("POST", "/composite/batch", `{"batchRequests":[`+fine+`,`+test.bad+`]}`).wants(t, 400, test.want)
		})
	}
	s.do("POST", "/composite/batch", `{}`).wants(t, 400, `'batchRequests' is a required field.`)
	if after := s.count(); after != before {
		t.Errorf("records were created: %s", after)
	}
}

// TestBatchCounts: each subrequest is a call. Those beyond the daily limit are refused, those before it stay.
func TestBatchCounts(t *testing.T) {
	s := start(t, fakeorg.Options{DailyCalls: 5})
	before := s.count()
	const one = `{"method":"POST","url":"v62.0/sobjects/Account","richInput":{"Name":"x"}}`
	r := s.do("POST", "/composite/batch", `{"batchRequests":[`+strings.Repeat(one+",", 5)+one+`]}`)
	if got := r.header.Get("Sforce-Limit-Info"); got != "api-usage=5/5" {
		t.Errorf("used: %s", got)
	}
	// count has used one call
	if n := strings.Count(r.body, `{"statusCode":201,`); n != 4 || strings.Count(r.body, `{"statusCode":403,"result":[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]}`) != 2 {
		t.Errorf("%s %d %s", before, n, r.body)
	}
	if seen := s.Requests()[1]; len(seen.Subrequests) != 4 || seen.Subrequests[0].Path != api+"/sobjects/Account" {
		t.Errorf("seen: %+v", seen)
	}
}
