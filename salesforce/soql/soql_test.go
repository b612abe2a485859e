package soql_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"salesforce-mcp/salesforce/soql"
)

// ignorePositions compares trees by what they say, not by where it stands.
var ignorePositions = cmp.Options{
	cmp.FilterPath(func(p cmp.Path) bool {
		field, ok := p.Last().(cmp.StructField)
		return ok && (field.Name() == "At" || field.Name() == "OpAt")
	}, cmp.Ignore()),
	cmpopts.EquateEmpty(),
}

type corpusCase struct {
	SOQL  string
	Valid bool
	From  string
}

func corpus(t testing.TB) []corpusCase {
	t.Helper()
	file, err := os.ReadFile("../../testdata/soql-corpus.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []corpusCase
	if err := json.Unmarshal(file, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestParseAgreesWithTheCorpus(t *testing.T) {
	cases := corpus(t)
	if len(cases) < 130 {
		t.Fatalf("corpus has %d cases, want all of them", len(cases))
	}
	for _, c := range cases {
		_, err := soql.Parse(c.SOQL)
		if (err == nil) != c.Valid {
			t.Errorf("%s (%s): error %v, want valid %t", c.SOQL, c.From, err, c.Valid)
		}
	}
}

func TestParseTakes(t *testing.T) {
	for _, s := range []string{
		"SELECT Id FROM Group",
		"SELECT Group.Name FROM GroupMember",
		"select id from account where createddate = last_n_days:30",
		"SELECT Id FROM Account WHERE Name = 'it\\'s \\\\ \\\"x\\\" \\u00e9 \\ud83d\\ude00'",
		"SELECT Id FROM Account WHERE Name LIKE '50\\%\\_%'",
		"SELECT COUNT() FROM Contact c, c.Account a WHERE a.Name = 'x'",
		"SELECT Id FROM Account WHERE Amount__c = -0.5 OR Amount__c = +3 OR Amount__c = .25",
		"SELECT Id FROM Account WHERE toLabel(Type) = 'x' AND CALENDAR_YEAR(CreatedDate) = 2027",
		"SELECT Id FROM Account WHERE Regions__c INCLUDES ('EMEA;APAC', 'AMER')",
		"SELECT Id FROM Account ORDER BY Name, CreatedDate DESC NULLS LAST LIMIT 1 OFFSET 2 FOR VIEW",
		"SELECT Id FROM Account LIMIT 1 FOR UPDATE",
		"SELECT Id FROM Account ALL ROWS",
		"SELECT Id FROM Account WHERE CreatedDate = N_DAYS_AGO:3 AND CloseDate < NEXT_N_FISCAL_YEARS:1",
		"SELECT Type, COUNT(Id) FROM Account GROUP BY CUBE(Type, Industry) HAVING COUNT(Id) > 1",
		"SELECT Id, (SELECT Id FROM Contacts ORDER BY Name LIMIT 5) FROM Account",
		"SELECT\n\tId\r\nFROM\fAccount",
	} {
		if _, err := soql.Parse(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// The places and words are the platform's where a recorded message or its
// documentation shows them.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "unexpected token: '<EOF>' at row 1, column 1"},
		{"SELECT FROM Account", "unexpected token: 'FROM' at row 1, column 8"},
		{"SELECT * FROM Account", "unexpected token: '*' at row 1, column 8"},
		{"SELECT Id\nFROM Account\nWHERE", "unexpected token: '<EOF>' at row 3, column 6"},
		{"SELECT Id FROM Account WHERE A = 'é' AND B = 2 OR C = 3", "unexpected token: 'OR' at row 1, column 48"},
		{"SELECT Id FROM Account WHERE A = 1 AND NOT (B = 2)", "unexpected token: 'NOT' at row 1, column 40"},
		{"SELECT Id FROM Account WHERE NOT A = 1 AND B = 2", "unexpected token: 'AND' at row 1, column 40"},
		{"SELECT Id FROM Account WHERE Id = :id", "Bind variables only allowed in Apex code at row 1, column 35"},
		{"SELECT Id FROM Account WHERE Id IN :ids", "Bind variables only allowed in Apex code at row 1, column 36"},
		{"SELECT Id FROM Account WHERE Id IN ()", "unexpected token: ')' at row 1, column 37"},
		{"SELECT Id FROM Account WHERE Name = 'x", "string literal is not closed: expecting ''' at row 1, column 37"},
		{"SELECT Id FROM Account WHERE Name = 'a\\sb'", "illegal character sequence '\\s' in string literal at row 1, column 37"},
		{"SELECT Id FROM Account WHERE Name = 'a\\%b'", "illegal character sequence '\\%' in string literal at row 1, column 37"},
		{"SELECT Id FROM Account WHERE Name = '\\ud800'", "illegal character sequence '\\ud800' in string literal at row 1, column 37"},
		{"SELECT Id FROM Account WHERE Name LIKE 5", "unexpected token: '5' at row 1, column 40"},
		{"SELECT Id FROM Account WHERE Name = “x”", "no viable alternative at character '“' at row 1, column 37"},
		{"SELECT UPPER(Name) FROM Account", "unexpected token: '(' at row 1, column 13"},
		{"SELECT SUM(Amount, Id) FROM Opportunity", "SUM takes 1 argument, not 2 at row 1, column 22"},
		{"SELECT Id FROM Account WHERE CreatedDate = 2027-13-01", "unexpected token: '2027-13-01' at row 1, column 44"},
		{"SELECT Id FROM Account WHERE CreatedDate > LAST_N_DAYS", "unexpected token: '<EOF>' at row 1, column 55"},
		{"SELECT Id FROM Account LIMIT -1", "unexpected token: '-1' at row 1, column 30"},
		{"SELECT Id FROM Account OFFSET 1 LIMIT 1", "unexpected token: 'LIMIT' at row 1, column 33"},
		{"SELECT Id FROM Account; DELETE FROM Account", "no viable alternative at character ';' at row 1, column 23"},
		{"SELECT Id FROM Account WHERE Name = '\xff'", "statement is not valid UTF-8 at row 1, column 1"},
		{"SELECT Id FROM Account WHERE " + strings.Repeat("(", 101) + "A = 1" + strings.Repeat(")", 101),
			"statement is nested more than 100 levels deep at row 1, column 131"},
		{strings.Repeat(" ", soql.MaxLength) + "S", "statement has 100001 characters, the limit is 100000 at row 1, column 1"},
	} {
		_, err := soql.Parse(c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.80s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestErrorContextHasThePlatformsForm(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"SELECT FROM Account", "\nSELECT FROM Account\n       ^\nERROR at Row:1:Column:8\nunexpected token: 'FROM'"},
		{"SELECT Id, Name, BillingCity, BillingCountry, Phone FROM Account WHERE Name = 'x' AND AND Id = null LIMIT 10",
			"\nFROM Account WHERE Name = 'x' AND AND Id = null LIMIT 10\n                                  ^\n" +
				"ERROR at Row:1:Column:87\nunexpected token: 'AND'"},
		{"SELECT Id\nFROM Account\nWHERE é = ", "\nSELECT Id\nFROM Account\nWHERE é = \n      ^\nERROR at Row:3:Column:7\n" +
			"no viable alternative at character 'é'"},
	} {
		_, err := soql.Parse(c.text)
		var e *soql.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: %v is no *soql.Error", c.text, err)
		}
		if diff := cmp.Diff(c.want, e.Context()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
	// The recorded message amp-018: what the platform shows of a longer query.
	query := "SELECT Id,Name,BillingCity,IsDeleted FROM Accout"
	got := soql.Context(query, strings.Index(query, "Accout"), "sObject type 'Accout' is not supported.")
	want := "\nName,BillingCity,IsDeleted FROM Accout\n                                ^\nERROR at Row:1:Column:43\n" +
		"sObject type 'Accout' is not supported."
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStringIsCanonical(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"select  Id , Name n from Account a where ( (A=1) ) and (B='x' or C<>null)",
			"SELECT Id, Name n FROM Account a WHERE A = 1 AND (B = 'x' OR C != NULL)"},
		{"SELECT Id FROM A WHERE not(not x like 'a\\_\\'%') order by toLabel(x) asc nulls last limit 03",
			"SELECT Id FROM A WHERE NOT (NOT x LIKE 'a\\_\\'%') ORDER BY toLabel(x) NULLS LAST LIMIT 3"},
		{"SELECT Id FROM A WHERE d = last_n_days : 7 and e > 2027-03-01t09:15:00z AND f = usd5.10",
			"SELECT Id FROM A WHERE d = LAST_N_DAYS:7 AND e > 2027-03-01T09:15:00Z AND f = usd5.10"},
		{"SELECT Id FROM A with data category g at x and h below (y,z)",
			"SELECT Id FROM A WITH DATA CATEGORY g AT (x) AND h BELOW (y, z)"},
	} {
		q, err := soql.Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := q.String(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// Every path the walk finds must be where its position says.
func TestPathsHavePositions(t *testing.T) {
	text := `SELECT Id, Account.Owner.Name, COUNT(Id) c, TYPEOF What WHEN Account THEN Phone ELSE Name END,
		(SELECT LastName FROM Contacts WHERE Email != null ORDER BY Title) FROM Case k, k.Account b
		WHERE k.Status = 'x' AND (AccountId IN (SELECT AccountId FROM Opportunity WHERE Amount > 1) OR (NOT CALENDAR_YEAR(CreatedDate) = 2027))
		GROUP BY Origin HAVING MAX(Priority) > 1 ORDER BY Reason`
	q, err := soql.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range soql.Paths(q) {
		got = append(got, p.String())
		if !strings.HasPrefix(text[p.Pos():], p.String()) {
			t.Errorf("%s: position %d shows %.20q", p, p.Pos(), text[p.Pos():])
		}
	}
	want := strings.Fields("Id Account.Owner.Name Id What Phone Name LastName Contacts Email Title Case k.Account k.Status AccountId " +
		"AccountId Opportunity Amount CreatedDate Origin Priority Reason")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if row, column := soql.Locate(text, q.OrderBy.Pos()); row != 4 || column != 44 {
		t.Errorf("ORDER BY is at %d:%d, want 4:44", row, column)
	}
}

// A visitor that keeps a stack must see as many ends as beginnings.
func TestWalkEndsWhatItBegins(t *testing.T) {
	for _, c := range corpus(t) {
		q, err := soql.Parse(c.SOQL)
		if err != nil {
			continue
		}
		open := 0
		soql.Walk(q, func(n soql.Node) bool {
			if n == nil {
				open--
				return false
			}
			if n.Pos() < 0 || n.Pos() >= len(c.SOQL) {
				t.Errorf("%s: %T is at %d, outside the statement", c.SOQL, n, n.Pos())
			}
			open++
			return true
		})
		if open != 0 {
			t.Errorf("%s: %d nodes were not closed", c.SOQL, open)
		}
	}
}
