package tools_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Words of generated statements, by object, the most permitted first. Some are kept
// from the agents, most in some way.
var (
	lawPaths = map[string][]string{
		"Account":     {"Name", "Id", "CreatedDate", "ParentId", "Parent.Name", "Industry", "Description", "Owner.Name", "Parent.Description", "Parent.Parent.Name"},
		"Contact":     {"Name", "AccountId", "Account.Name", "CreatedDate", "Id", "Email", "LastName", "Account.Description", "ReportsTo.Email", "CreatedBy.Name", "Account.Owner.Name"},
		"Case":        {"Subject", "Id", "CreatedDate", "Contact.Name", "Contact.Account.Name", "Account.Name", "Contact.Email", "Description", "Owner.Name", "Parent.Subject"},
		"Opportunity": {"Name", "Account.Name", "Amount"},
		"Task":        {"Subject", "Id", "What.Name", "What.Type", "Who.Email", "Description"},
	}
	lawChildren = map[string][][2]string{"Account": {{"Contacts", "Contact"}, {"Cases", "Case"}, {"Opportunities", "Opportunity"}, {"Tasks", "Task"}}, "Contact": {{"Cases", "Case"}}}
	lawJoins    = map[string][2]string{"Contact": {"AccountId", "SELECT Id FROM Account WHERE %s != null"}, "Account": {"Id", "SELECT AccountId FROM Contact WHERE %s != null"}}
)

// statement draws SOQL over an object, or over a relationship that leads to it.
func statement(t *rapid.T, object, from string, depth int) string {
	word := rapid.Custom(func(t *rapid.T) string {
		paths := lawPaths[object]
		at := min(rapid.IntRange(0, len(paths)-1).Draw(t, "a"), rapid.IntRange(0, len(paths)-1).Draw(t, "b"))
		return rapid.SampledFrom([]func(string) string{strings.ToLower, func(s string) string { return s }, func(s string) string { return object + "." + s }}).Draw(t, "as")(paths[at])
	})
	items := rapid.SliceOfN(word, 1, 2).Draw(t, "items")
	grouped := depth == 0 && rapid.IntRange(0, 5).Draw(t, "grouped") == 0
	if children := lawChildren[object]; grouped {
		items = []string{items[0], "COUNT(Id)", fmt.Sprintf("MAX(%s) Id2", word.Draw(t, "max"))}
	} else if depth == 0 && children != nil && rapid.Bool().Draw(t, "nested") {
		child := rapid.SampledFrom(children).Draw(t, "child")
		items = append(items, "("+statement(t, child[1], child[0], 1)+")")
	}
	text := "SELECT " + strings.Join(items, ", ") + " FROM " + from
	switch join, joins := lawJoins[object]; rapid.IntRange(0, 4).Draw(t, "where") {
	case 0:
		text += " WHERE " + word.Draw(t, "filter") + " != null"
	case 1:
		text += " WHERE NOT " + word.Draw(t, "filter") + " = null"
	case 2:
		if depth == 0 && joins {
			text += " WHERE " + join[0] + " IN (" + fmt.Sprintf(join[1], rapid.SampledFrom([]string{"Name", "CreatedDate", "Description"}).Draw(t, "joined")) + ")"
		}
	}
	if grouped {
		return text + " GROUP BY " + items[0]
	}
	if rapid.IntRange(0, 2).Draw(t, "sorted") == 0 {
		text += " ORDER BY " + word.Draw(t, "sort")
	}
	return text + " LIMIT 5"
}

// TestTouchesLaw: statements of every kind make the org read nothing but what the
// rule lets through. Enough of them are let through for that to say something.
func TestTouchesLaw(t *testing.T) {
	g := newGatedOrg(t)
	passed, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		object := rapid.SampledFrom([]string{"Contact", "Account", "Case", "Task", "Opportunity"}).Draw(rt, "object")
		q := statement(rt, object, object, 0)
		for _, rule := range g.rules[:2] {
			g.check(t, rule, "runQuery", map[string]any{"q": q}, q)
			if text, err := g.ask(t, rule.Agent, "runQuery", map[string]any{"q": q}); err != nil && !strings.Contains(text, "not authorized") {
				continue // Salesforce does not take it
			} else if err != nil {
				refused++
			} else {
				passed++
			}
		}
	})
	if passed < 5 || refused < 5 {
		t.Errorf("%d were let through, %d refused", passed, refused)
	}
	t.Logf("%d were let through, %d refused", passed, refused)
}
