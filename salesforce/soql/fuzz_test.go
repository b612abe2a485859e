package soql_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"salesforce-mcp/salesforce/soql"
)

// FuzzParse: what parses prints to text that parses to the same tree, and what
// does not is refused at a place inside the statement.
func FuzzParse(f *testing.F) {
	for _, c := range corpus(f) {
		f.Add(c.SOQL)
	}
	f.Add("SELECT Id FROM A WHERE n LIKE 'a\\\\%\\_\\u0041' AND x INCLUDES ('a;b') ALL ROWS")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := soql.Parse(text)
		if err != nil {
			refusedInside(t, text, err)
			return
		}
		again, err := soql.Parse(q.String())
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, q, err)
		}
		if diff := cmp.Diff(q, again, ignorePositions); diff != "" {
			t.Fatalf("%q printed as %q (-want +got):\n%s", text, q, diff)
		}
	})
}

// FuzzParseSearch has the same law for SOSL.
func FuzzParseSearch(f *testing.F) {
	f.Add("FIND {a\\} AND \"b c\" OR (d AND NOT e*)} IN NAME FIELDS RETURNING A(x WHERE y=1 ORDER BY z LIMIT 1 OFFSET 2), B LIMIT 3")
	f.Add("FIND {Map*} RETURNING Account(Id USING LISTVIEW=Mine) WITH NETWORK IN ('a') UPDATE TRACKING, VIEWSTAT")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := soql.ParseSearch(text)
		if err != nil {
			refusedInside(t, text, err)
			return
		}
		again, err := soql.ParseSearch(s.String())
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, s, err)
		}
		if diff := cmp.Diff(s, again, ignorePositions); diff != "" {
			t.Fatalf("%q printed as %q (-want +got):\n%s", text, s, diff)
		}
	})
}

func refusedInside(t *testing.T, text string, err error) {
	t.Helper()
	var e *soql.Error
	if !errors.As(err, &e) {
		t.Fatalf("%q: %T is no *soql.Error", text, err)
	}
	if e.Pos < 0 || e.Pos > len(text) {
		t.Fatalf("%q: refused at %d, outside the statement", text, e.Pos)
	}
	_ = e.Context() // must not panic
}

// Any text, quoted, is one literal with that text; escaped for LIKE or FIND it
// has no wildcard left.
func TestQuotingKeepsAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		q, err := soql.Parse("SELECT Id FROM A WHERE n = " + soql.Quote(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := q.Where.Cond.(*soql.Comparison).Right.(*soql.Literal).Text; got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
		q, err = soql.Parse("SELECT Id FROM A WHERE n LIKE '" + soql.QuoteLike(text) + "'")
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := unprotected(q.Where.Cond.(*soql.Comparison).Right.(*soql.Literal).Text, "%_"); got != text {
			t.Fatalf("LIKE: got %q, want %q", got, text)
		}
		s, err := soql.ParseSearch(`FIND {"` + soql.EscapeSearch(text) + `"}`)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := unprotected(s.Term.Root.(*soql.Phrase).Text, "*?"); got != text {
			t.Fatalf("FIND: got %q, want %q", got, text)
		}
	})
}

// unprotected takes the backslashes off; a wildcard without one becomes a mark
// that no test text contains.
func unprotected(pattern, wild string) string {
	var out []rune
	protected := false
	for _, r := range pattern {
		switch {
		case r == '\\' && !protected:
			protected = true
			continue
		case !protected && len(wild) > 0 && (string(r) == wild[:1] || string(r) == wild[1:]):
			r = utf8.MaxRune
		}
		out = append(out, r)
		protected = false
	}
	return string(out)
}
