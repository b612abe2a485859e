package soql_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce/soql"
)

func TestParseSearch(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"find {Acme}", "FIND {Acme}"},
		{"FIND {a\\}b} in name fields returning Account", "FIND {a\\}b} IN NAME FIELDS RETURNING Account"},
		{"FIND {Joe Smith} RETURNING Lead(Id,Name where Status='x' order by Name limit 5 offset 2), Contact (Id using listview=Mine) LIMIT 20",
			"FIND {Joe Smith} RETURNING Lead(Id, Name WHERE Status = 'x' ORDER BY Name LIMIT 5 OFFSET 2), Contact(Id USING LISTVIEW=Mine) LIMIT 20"},
		{"FIND {x1} RETURNING Account(toLabel(Type)) with division = 'Global' with network in ('a','b') with snippet(target_length=120) with highlight update viewstat",
			"FIND {x1} RETURNING Account(toLabel(Type)) WITH DIVISION = 'Global' WITH NETWORK IN ('a', 'b') WITH SNIPPET(TARGET_LENGTH=120) WITH HIGHLIGHT UPDATE VIEWSTAT"},
	} {
		s, err := soql.ParseSearch(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := s.String(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestParseSearchRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"FIND 'x'", "No search term found. The search term must be enclosed in braces. at row 1, column 6"},
		{"FIND {x", "No search term found. The search term must be enclosed in braces. at row 1, column 6"},
		{"FIND {}", "unexpected end of the search term at row 1, column 7"},
		{"FIND {a AND}", "unexpected end of the search term at row 1, column 12"},
		{"FIND {a AND OR b}", "unexpected token: 'OR' at row 1, column 13"},
		{"FIND {a NOT b}", "unexpected token: 'NOT' at row 1, column 9"},
		{"FIND {(a OR b}", "parenthesis is not closed at row 1, column 14"},
		{"FIND {a)}", "unexpected token: ')' at row 1, column 8"},
		{`FIND {"a}`, "quoted phrase is not closed at row 1, column 9"},
		{"FIND {a} IN NOTES FIELDS", "unexpected token: 'NOTES' at row 1, column 13"},
		{"FIND {a} RETURNING Account((SELECT Id FROM Contacts))", "unexpected token: '(' at row 1, column 28"},
		{"SELECT Id FROM Account", "unexpected token: 'SELECT' at row 1, column 1"},
	} {
		_, err := soql.ParseSearch(c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestSearchTermStructure(t *testing.T) {
	word := func(s string) soql.Match { return &soql.Phrase{Text: s} }
	for _, c := range []struct {
		term string
		want soql.Match
	}{
		{"acme", word("acme")},
		{`"joe smith"`, &soql.Phrase{Text: "joe smith", Quoted: true}},
		{"a b", &soql.AllOf{Terms: []soql.Match{word("a"), word("b")}}},
		{"a or b AND c", &soql.AnyOf{Terms: []soql.Match{word("a"), &soql.AllOf{Terms: []soql.Match{word("b"), word("c")}}}}},
		{"(a OR b) AND NOT c*", &soql.Without{
			Keep: &soql.AnyOf{Terms: []soql.Match{word("a"), word("b")}}, Drop: word("c*")}},
		{`x\(y android`, &soql.AllOf{Terms: []soql.Match{word(`x\(y`), word("android")}}},
	} {
		s, err := soql.ParseSearch("FIND {" + c.term + "}")
		if err != nil {
			t.Errorf("%s: %v", c.term, err)
			continue
		}
		if diff := cmp.Diff(c.want, s.Term.Root); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.term, diff)
		}
	}
}
