package fakeorg_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

const searchPath = "/services/data/v62.0/search?q="

func (c *client) search(sosl string) string {
	c.Helper()
	status, body := c.ask("GET", searchPath+url.QueryEscape(sosl), "")
	if status != 200 {
		c.Fatalf("%s\n%d %s", sosl, status, body)
	}
	return body
}

func newFindable(t *testing.T) *client {
	t.Helper()
	c := newClient(t)
	c.create("Account", map[string]any{"Name": "Quixote Windmills", "Phone": "+33 4 72 555 999", "Description": "Grinds corn, 100% local"})
	c.create("Account", map[string]any{"Name": "Quixotic-Mills AG", "Website": "https://quixote.example"})
	c.create("Contact", map[string]any{"FirstName": "Sancho", "LastName": "Panza", "Email": "sancho@quixote.example", "Title": "Windmills (inspector)"})
	return c
}

func TestSearchFinds(t *testing.T) {
	c := newFindable(t)
	for _, s := range []struct{ sosl, want string }{
		{"FIND {quixote} IN NAME FIELDS RETURNING Account(Name)", "Quixote Windmills"},
		{"FIND {quixot*} IN NAME FIELDS RETURNING Account(Name ORDER BY Name DESC)", "Quixotic-Mills AG Quixote Windmills"},
		{"FIND {quixot?} IN NAME FIELDS RETURNING Account(Name)", "Quixote Windmills"},
		{"FIND {quixote} RETURNING Account(Name ORDER BY Name)", "Quixote Windmills Quixotic-Mills AG"},
		{"FIND {windmills quixote} RETURNING Account(Name)", "Quixote Windmills"},
		{"FIND {mills OR windmills} RETURNING Account(Name ORDER BY Name), Contact(LastName)", "Quixote Windmills Quixotic-Mills AG Panza"},
		{"FIND {quixote AND NOT windmills} RETURNING Account(Name)", "Quixotic-Mills AG"},
		{`FIND {"Windmills Quixote"} RETURNING Account(Name)`, ""},
		{`FIND {"Quixote Windmills"} RETURNING Account(Name)`, "Quixote Windmills"},
		{`FIND {"--"} RETURNING Account(Name)`, ""}, // nothing but what stands between words
		{`FIND {100%} RETURNING Account(Name)`, "Quixote Windmills"},
		{`FIND {windmills \(inspector\)} RETURNING Contact(LastName)`, "Panza"},
		{"FIND {sancho} IN EMAIL FIELDS RETURNING Contact(LastName)", "Panza"},
		{"FIND {sancho} IN PHONE FIELDS RETURNING Contact(LastName)", ""},
		{"FIND {72 555} IN PHONE FIELDS RETURNING Account(Name)", "Quixote Windmills"},
		{"FIND {quixot*} RETURNING Account(Name WHERE Website != null)", "Quixotic-Mills AG"},
		{"FIND {quixot*} RETURNING Account(Name ORDER BY Name LIMIT 1 OFFSET 1)", "Quixotic-Mills AG"},
		{"FIND {quixot*} RETURNING Account(Name ORDER BY Name), Contact(LastName) LIMIT 1", "Quixote Windmills"},
	} {
		if got := values(t, c.search(s.sosl), "searchRecords"); got != s.want {
			t.Errorf("%s: got %q, want %q", s.sosl, got, s.want)
		}
	}
	// Without RETURNING every object is looked at, and ids come back.
	got := c.search("FIND {sancho}")
	if strings.Count(got, `"attributes"`) != 1 || !strings.Contains(got, `{"searchRecords":[{"attributes":{"type":"Contact","url":"/services/data/v62.0/sobjects/Contact/003`) ||
		!strings.Contains(got, `"Id":"003`) {
		t.Errorf("FIND alone: %s", got)
	}
	status, got := c.ask("GET", "/services/data/v36.0/search/?q="+url.QueryEscape("FIND {sancho} RETURNING Contact"), "")
	if status != 200 || !strings.HasPrefix(got, `[{"attributes":`) {
		t.Errorf("before v37 the answer is an array: %d %s", status, got)
	}
}

func TestSearchRefuses(t *testing.T) {
	c := newClient(t)
	for _, s := range []struct{ sosl, code, message string }{
		{"FIND acme", "MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces."},
		{"FIND {a}", "INVALID_SEARCH", "search term must be longer than one character: a"},
		{"FIND {" + strings.Repeat("acme ", 101) + "}", "INVALID_SEARCH", "the search term has 101 words, the limit is 100"},
		{"FIND {(acme} RETURNING Account", "MALFORMED_SEARCH", "parenthesis is not closed"},
		{"FIND {acme} RETURNING Nope", "INVALID_TYPE", "sObject type 'Nope' is not supported."},
		{"FIND {acme} RETURNING Account(Nope)", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'."},
	} {
		code, message := c.refused(searchPath + url.QueryEscape(s.sosl))
		if code != s.code || !strings.Contains(message, s.message) {
			t.Errorf("%s: got %s %q, want %s %q", s.sosl, code, message, s.code, s.message)
		}
	}
}

func TestParameterizedSearch(t *testing.T) {
	c := newFindable(t)
	const path = "/services/data/v62.0/parameterizedSearch"
	for _, s := range []struct{ get, post, want string }{
		{"q=quixote&sobject=Account&Account.fields=Name&Account.orderBy=Name", `{"q":"quixote","sobjects":[{"name":"Account","fields":["Name"],"orderBy":"Name"}]}`,
			"Quixote Windmills Quixotic-Mills AG"},
		{"q=quixote&sobject=Account&sobject=Contact&fields=Name&overallLimit=5&defaultLimit=1&Account.where=Website=null",
			`{"q":"quixote","fields":["Name"],"sobjects":[{"name":"Account","where":"Website=null"},{"name":"Contact"}],"overallLimit":5,"defaultLimit":1}`,
			"Quixote Windmills Sancho Panza"},
		{"q=quixot*&sobject=Account&Account.fields=Name", `{"q":"quixot*","sobjects":[{"name":"Account","fields":["Name"]}]}`, ""}, // plain text
		{"q=sancho&in=email&sobject=Contact&Contact.fields=LastName&Contact.limit=3",
			`{"q":"sancho","in":"EMAIL","sobjects":[{"name":"Contact","fields":["LastName"],"limit":3}]}`, "Panza"},
		{"q=(panza&sobject=Contact&fields=LastName", `{"q":"(panza","fields":["LastName"],"sobjects":[{"name":"Contact"}]}`, "Panza"},
	} {
		status, body := c.ask("GET", path+"?"+s.get, "")
		if status != 200 || values(t, body, "searchRecords") != s.want {
			t.Errorf("GET %s: %d %s, want %q", s.get, status, body, s.want)
		}
		status, body = c.ask("POST", path, s.post)
		if status != 200 || values(t, body, "searchRecords") != s.want {
			t.Errorf("POST %s: %d %s, want %q", s.post, status, body, s.want)
		}
	}
	for _, s := range []struct{ post, code string }{
		{`{}`, "MALFORMED_SEARCH"},
		{`{"q":"acme","fields":["Name"]}`, "MALFORMED_SEARCH"},
		{`{"q":"acme","in":"NOTES"}`, "MALFORMED_SEARCH"},
		{`{"q":"acme","sobjects":[{"name":"Account","where":"Name ="}]}`, "MALFORMED_SEARCH"},
		{`{"q":`, "JSON_PARSER_ERROR"},
	} {
		status, body := c.ask("POST", path, s.post)
		var errors []struct{ ErrorCode string }
		if err := json.Unmarshal([]byte(body), &errors); err != nil || status != 400 || errors[0].ErrorCode != s.code {
			t.Errorf("%s: %d %s, want %s", s.post, status, body, s.code)
		}
	}
}
