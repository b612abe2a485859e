package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// described is what a client can know of a field.
type described struct {
	Name, Type                                string
	Filterable, Sortable, Groupable, Nillable bool
	RelationshipName                          string
	ReferenceTo                               []string
	PicklistValues                            []struct{ Value string }
}

func (c *client) describe(object string) []described {
	c.Helper()
	status, body := c.ask("GET", "/services/data/v62.0/sobjects/"+object+"/describe", "")
	var d struct{ Fields []described }
	if err := json.Unmarshal([]byte(body), &d); err != nil || status != 200 {
		c.Fatalf("describe %s: %d %.200s", object, status, body)
	}
	return d.Fields
}

// queryable lists the objects that can be queried.
func (c *client) queryable() []string {
	c.Helper()
	_, body := c.ask("GET", "/services/data/v62.0/sobjects", "")
	var d struct {
		SObjects []struct {
			Name      string
			Queryable bool
		}
	}
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		c.Fatal(err)
	}
	var names []string
	for _, o := range d.SObjects {
		if o.Queryable {
			names = append(names, o.Name)
		}
	}
	return names
}

// What describe says of a field, a query does.
func TestQueryAgreesWithDescribe(t *testing.T) {
	c := newClient(t)
	objects := c.queryable()
	if len(objects) < 15 {
		t.Fatalf("only %v can be queried", objects)
	}
	for _, object := range objects {
		for _, f := range c.describe(object) {
			for _, q := range []struct {
				soql string
				want bool
			}{
				{"SELECT " + f.Name + " FROM " + object + " LIMIT 1", true},
				{"SELECT Id FROM " + object + " WHERE " + f.Name + " = null", f.Filterable},
				{"SELECT Id FROM " + object + " ORDER BY " + f.Name + " LIMIT 1", f.Sortable},
				{"SELECT " + f.Name + ", COUNT(Id) FROM " + object + " GROUP BY " + f.Name, f.Groupable},
			} {
				status, body := c.ask("GET", queryPath+url.QueryEscape(q.soql), "")
				if (status == 200) != q.want || status >= 500 {
					t.Errorf("%s: %d %.200s, describe says %t", q.soql, status, body, q.want)
				}
			}
		}
	}
}

// Conditions have two values: what meets one and what meets its NOT are all rows, and COUNT() counts what is selected.
// Nothing a client can write makes the org fail.
func TestQueryLaws(t *testing.T) {
	c := newClient(t)
	objects := []string{"Account", "Contact", "Case", "Order", "Task", "Opportunity", "Warranty_Claim__c"}
	fields := map[string][]described{}
	for _, object := range objects {
		fields[object] = c.describe(object)
	}
	rapid.Check(t, func(r *rapid.T) {
		object := rapid.SampledFrom(objects).Draw(r, "object")
		count := func(where string) int {
			soql := "SELECT COUNT() FROM " + object + where
			status, body := c.ask("GET", queryPath+url.QueryEscape(soql), "")
			var answer struct{ TotalSize int }
			if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
				r.Fatalf("%s: %d %s", soql, status, body)
			}
			return answer.TotalSize
		}
		condition := drawCondition(r, fields, object, 0)
		with, without, all := count(" WHERE "+condition), count(" WHERE NOT ("+condition+")"), count("")
		if with+without != all {
			r.Fatalf("%s WHERE %s: %d rows and %d with NOT, of %d", object, condition, with, without, all)
		}
		status, body := c.ask("GET", queryPath+url.QueryEscape("SELECT Id FROM "+object+" WHERE "+condition+" ORDER BY Id DESC"), "")
		if status != 200 || !strings.HasPrefix(body, fmt.Sprintf(`{"totalSize":%d,`, with)) {
			r.Fatalf("%s: %d %.100s, COUNT() is %d", condition, status, body, with)
		}
	})
}

func drawCondition(r *rapid.T, fields map[string][]described, object string, depth int) string {
	if depth < 3 && rapid.IntRange(0, 2).Draw(r, "nest") == 0 {
		op := rapid.SampledFrom([]string{" AND ", " OR "}).Draw(r, "op")
		var terms []string
		for range rapid.IntRange(2, 3).Draw(r, "terms") {
			term := "(" + drawCondition(r, fields, object, depth+1) + ")"
			if rapid.Bool().Draw(r, "not") {
				term = "(NOT " + term + ")"
			}
			terms = append(terms, term)
		}
		return strings.Join(terms, op)
	}
	f := rapid.SampledFrom(fields[object]).Filter(func(f described) bool { return f.Filterable }).Draw(r, "field")
	prefix := ""
	if f.Type == "reference" && len(f.ReferenceTo) == 1 && fields[f.ReferenceTo[0]] != nil {
		prefix = f.RelationshipName + "."
		f = rapid.SampledFrom(fields[f.ReferenceTo[0]]).Filter(func(f described) bool { return f.Filterable }).Draw(r, "parent field")
	}
	return drawComparison(r, prefix+f.Name, f)
}

func drawComparison(r *rapid.T, path string, f described) string {
	values := map[string][]string{
		"boolean":  {"TRUE", "FALSE"},
		"int":      {"0", "10", "-1", "30"},
		"double":   {"0", "1.5", "2"},
		"currency": {"0", "100", "99.5", "USD1000"},
		"percent":  {"10", "50", "90.0"},
		"date":     {"TODAY", "LAST_N_DAYS:90", "THIS_YEAR", "2027-01-01", "NEXT_N_YEARS:9999"},
		"datetime": {"TODAY", "LAST_MONTH", "2027-03-01T00:00:00Z", "LAST_N_QUARTERS:3"},
		"id":       {"'001000000000001'", "'001Sm0000000001'", "'001Sm0000000001IAA'"},
	}[f.Type]
	if f.Type == "reference" {
		values = []string{"'001Sm0000000001'", "'005Sm0000000001'", "''"}
	}
	text := values == nil
	if text {
		values = []string{"'a'", "''", "'Harbor & Pine Hardware'", "'x\\'y\\\\'"}
		for _, v := range f.PicklistValues {
			values = append(values, "'"+strings.ReplaceAll(v.Value, "'", "\\'")+"'")
		}
	}
	values = append(values, "null")
	value := rapid.SampledFrom(values)
	ops := []string{"=", "!=", "IN", "NOT IN"}
	switch {
	case f.Type == "multipicklist":
		ops = []string{"=", "!=", "INCLUDES", "EXCLUDES"}
		value = rapid.SampledFrom([]string{"'EMEA'", "'EMEA;APAC'", "'AMER'", "'Battery'"})
	case f.Type != "boolean":
		ops = append(ops, "<", "<=", ">", ">=")
	}
	if text && f.Type != "multipicklist" {
		ops = append(ops, "LIKE")
	}
	switch op := rapid.SampledFrom(ops).Draw(r, "operator"); op {
	case "LIKE":
		return path + " LIKE '" + rapid.SampledFrom([]string{"a%", "%e%", "_a%", "%\\%%", "%"}).Draw(r, "pattern") + "'"
	case "IN", "NOT IN", "INCLUDES", "EXCLUDES":
		list := rapid.SliceOfN(value, 1, 3).Draw(r, "values")
		return path + " " + op + " (" + strings.Join(list, ", ") + ")"
	default:
		return path + " " + op + " " + value.Draw(r, "value")
	}
}

// Any clauses together are answered or refused, never a failure of the org: the pieces all parse, few fit together.
func TestQueryPiecesNeverFail(t *testing.T) {
	c := newClient(t)
	items := []string{"Id", "Name", "Owner.Name", "Account.Owner.Username", "Amount", "CloseDate", "CreatedDate", "StageName", "What.Name", "WhoId", "BillingAddress",
		"COUNT(Id)", "COUNT(Name) n", "SUM(Amount)", "AVG(Amount) x", "MIN(CreatedDate)", "MAX(CloseDate) y", "COUNT_DISTINCT(OwnerId)", "COUNT()", "GROUPING(StageName)",
		"CALENDAR_YEAR(CreatedDate)", "DAY_ONLY(CreatedDate) d", "HOUR_IN_DAY(convertTimezone(CreatedDate))", "FORMAT(Amount) f", "FORMAT(MIN(CloseDate))",
		"toLabel(StageName)", "convertCurrency(Amount)", "FIELDS(ALL)", "FIELDS(STANDARD)", "FIELDS(CUSTOM)",
		"TYPEOF What WHEN Account THEN Name WHEN Case THEN Subject ELSE Name END", "(SELECT Id FROM Contacts)", "(SELECT LastName, Account.Name FROM Contacts ORDER BY Owner.Name LIMIT 1)",
		"(SELECT Id, (SELECT Subject FROM Tasks) FROM Cases WHERE IsClosed = FALSE)", "(SELECT FIELDS(ALL) FROM Opportunities LIMIT 2)", "a.Name", "Account.Name"}
	exprs := []string{"Id", "Name", "StageName", "Owner.Name", "Account.Name", "CALENDAR_YEAR(CreatedDate)", "DAY_ONLY(CreatedDate)", "Amount", "What.Name", "OwnerId", "n", "x",
		"COUNT(Id)", "SUM(Amount)", "GROUPING(StageName)", "toLabel(StageName)", "Description"}
	conditions := []string{"Name LIKE 'a%'", "Amount > 10", "COUNT(Id) > 1", "SUM(Amount) != null", "StageName IN ('Closed Won', null)", "(NOT (Owner.Name = 'x')) AND Name != null",
		"AccountId IN (SELECT Id FROM Account WHERE Industry = 'Media')", "Id NOT IN (SELECT AccountId FROM Contact)", "CreatedDate = LAST_N_MONTHS:2", "What.Type = 'Account'",
		"CALENDAR_YEAR(CreatedDate) = 2026", "n > 1", "MAX(CloseDate) = THIS_YEAR", "OwnerId = '005Sm0000000001'"}
	rapid.Check(t, func(r *rapid.T) {
		some := func(label string, of []string, most int) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(of), 1, most).Draw(r, label), ", ")
		}
		maybe := func(keyword string, rest func() string) string {
			if rapid.Bool().Draw(r, keyword) {
				return ""
			}
			return keyword + rest()
		}
		soql := "SELECT " + some("items", items, 4) + " FROM " + rapid.SampledFrom([]string{"Account", "Account a", "Opportunity", "Opportunity", "Opportunity", "Task", "Contact c, c.Account a", "Case"}).Draw(r, "from")
		soql += maybe(" WHERE ", func() string { return rapid.SampledFrom(conditions).Draw(r, "where") })
		soql += maybe(" GROUP BY ", func() string {
			by := some("group", exprs, 3)
			switch rapid.IntRange(0, 3).Draw(r, "kind") {
			case 0:
				by = "ROLLUP(" + by + ")"
			case 1:
				by = "CUBE(" + by + ")"
			}
			return by + maybe(" HAVING ", func() string { return rapid.SampledFrom(conditions).Draw(r, "having") })
		})
		soql += maybe(" ORDER BY ", func() string { return some("order", exprs, 3) + " DESC NULLS LAST" })
		soql += maybe(" LIMIT ", func() string { return "3" })
		status, body := c.ask("GET", queryPath+url.QueryEscape(soql), "")
		if status != 200 && (status != 400 || strings.Contains(body, "SQL logic")) {
			r.Fatalf("%s: %d %s", soql, status, body)
		}
	})
}
