package fakeorg

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// queryPlan is a way the platform could find the rows of a query.
type queryPlan struct {
	operation   string // Index, Other or TableScan
	fields      []string
	cardinality int
	cost        float64
}

// explain is GET /query?explain=: how a query would be performed, the best way first, without performing it. Rows are
// counted, which the platform estimates.
func (c *call) explain(text string) (*answer, error) {
	if looksLikeID(text) {
		return nil, refuse(http.StatusBadRequest, "INVALID_ID", "%s is no report or list view", text)
	}
	if _, err := c.plan(text, false); err != nil {
		return nil, err
	}
	q, err := soql.Parse(text)
	if err != nil {
		return nil, asMalformed(err, "MALFORMED_QUERY")
	}
	e := &explanation{call: c, query: q, text: text, object: c.schema().Object(q.From.Path[0].Text), notes: []object{}}
	if err := e.findPlans(); err != nil {
		return nil, err
	}
	plans := []object{}
	for _, p := range e.plans {
		plans = append(plans, object{{"cardinality", p.cardinality}, {"fields", append([]string{}, p.fields...)},
			{"leadingOperationType", p.operation}, {"notes", e.notes}, {"relativeCost", double(p.cost)}, {"sobjectCardinality", e.total},
			{"sobjectType", e.object.Name}})
	}
	return ok(object{{"plans", plans}, {"sourceQuery", text}})
}

// explanation is what explain finds out about a query.
type explanation struct {
	*call
	query  *soql.Query
	text   string
	object *Object
	total  int // rows of the object
	notes  []object
	plans  []queryPlan
}

// findPlans finds the ways to perform the query. The costs follow recorded plans: with an index the rows found per threshold
// of the query optimizer, else 0.65 of that and a fifth of the table, which is right for tables of 13 and 1,001 rows
// and a thousandth too much for one of 2,549. A limit without conditions is worth a way of its own.
func (e *explanation) findPlans() (err error) {
	if e.total, err = e.count(nil); err != nil {
		return err
	}
	found, most := e.total, threshold(e.total, false)
	e.note("IsDeleted")
	if e.query.Where != nil {
		if found, err = e.count(e.query.Where.Cond); err != nil {
			return err
		}
		for _, cond := range conjuncts(e.query.Where.Cond) {
			if err := e.consider(cond); err != nil {
				return err
			}
		}
	} else if limit := e.query.Limit; limit != nil && limit.Value < e.total {
		e.plans = append(e.plans, queryPlan{operation: "Other", cardinality: limit.Value, cost: float64(limit.Value) / most})
	}
	scan := (0.65*float64(found) + math.Round(0.2*float64(e.total))) / most
	e.plans = append(e.plans, queryPlan{operation: "TableScan", cardinality: found, cost: scan})
	slices.SortStableFunc(e.plans, func(a, b queryPlan) int { return cmp.Compare(a.cost, b.cost) })
	return nil
}

// threshold is how many rows the optimizer takes an index for: of a standard index 30 per cent of the first million
// rows and 15 of the others, at most a million; of a custom one a third of that ("Query optimizer" in the guide to
// large data volumes).
func threshold(rows int, custom bool) float64 {
	const million = 1_000_000
	first, others, most := 30, 15, million
	if custom {
		first, others, most = 10, 5, million/3
	}
	return float64(max(1, min((first*min(rows, million)+others*max(0, rows-million))/100, most)))
}

// conjuncts are the conditions that all rows of a query fulfil.
func conjuncts(cond soql.Cond) []soql.Cond {
	if all, isLogic := cond.(*soql.Logic); isLogic && all.Op == "AND" {
		var parts []soql.Cond
		for _, term := range all.Terms {
			parts = append(parts, conjuncts(term)...)
		}
		return parts
	}
	return []soql.Cond{cond}
}

// consider adds the plan that starts with an index for a condition, or notes that there is none.
func (e *explanation) consider(cond soql.Cond) error {
	fields, unindexed := e.indexed(cond)
	if len(unindexed) > 0 {
		e.note(unindexed...)
		return nil
	}
	found, err := e.count(cond)
	if err != nil {
		return err
	}
	isCustom := slices.ContainsFunc(fields, custom)
	e.plans = append(e.plans, queryPlan{operation: "Index", fields: fields, cardinality: found, cost: float64(found) / threshold(e.total, isCustom)})
	return nil
}

// indexed names the fields of a condition: those whose indexes find its rows, or those that have none.
func (e *explanation) indexed(cond soql.Cond) (fields, unindexed []string) {
	switch cond := cond.(type) {
	case *soql.Logic:
		for _, term := range cond.Terms {
			some, none := e.indexed(term)
			if cond.Op == "AND" && len(none) == 0 {
				return some, nil // one index is enough
			}
			fields, unindexed = append(fields, some...), append(unindexed, none...)
		}
	case *soql.Not:
		some, none := e.indexed(cond.Cond)
		unindexed = append(some, none...)
	case *soql.Comparison:
		name := e.pathOf(cond.Left)
		if f := e.object.Field(name); f != nil && indexed(f) && selective(cond) {
			return []string{f.Name}, nil
		}
		unindexed = []string{name}
	}
	return fields, unindexed
}

// pathOf is the path a condition looks at, without the alias or the object in front of it.
func (e *explanation) pathOf(left soql.Expr) string {
	path := soql.Paths(left)[0]
	alias := e.query.From.Alias
	if len(path) == 2 && (alias != nil && strings.EqualFold(path[0].Text, alias.Text) ||
		strings.EqualFold(path[0].Text, e.object.Name) && e.object.Parent(path[0].Text) == nil) {
		path = path[1:]
	}
	return path.String()
}

// indexed reports whether the platform has an index on a field.
func indexed(f *Field) bool {
	return f.Type == "reference" || f.NameField || f.ExternalID || f.Unique || f.IDLookup || f.Name == "CreatedDate" || f.Name == "SystemModstamp"
}

// selective reports whether an index can find the rows of a comparison: it cannot for those that are different, empty
// or end in some way, nor for the result of a function.
func selective(c *soql.Comparison) bool {
	if _, isPath := c.Left.(soql.Path); !isPath || slices.Contains([]string{"!=", "NOT IN", "INCLUDES", "EXCLUDES"}, c.Op) {
		return false
	}
	literal, isLiteral := c.Right.(*soql.Literal)
	return !isLiteral || literal.Kind != soql.Null && literal.Text != "" && (c.Op != "LIKE" || !strings.ContainsAny(literal.Text[:1], "%_"))
}

// note adds why a condition is not looked up in an index.
func (e *explanation) note(fields ...string) {
	e.notes = append(e.notes, object{{"description", "Not considering filter for optimization because unindexed"}, {"fields", fields},
		{"tableEnumOrId", e.object.Name}})
}

// count counts the rows for which a condition is true, or all rows.
func (e *explanation) count(cond soql.Cond) (int, error) {
	q := &soql.Query{At: e.query.At, From: e.query.From, Joins: e.query.Joins,
		Items: []soql.Item{&soql.Column{Expr: &soql.Call{Func: soql.Name{Text: "COUNT", At: e.query.At}}}}}
	if cond != nil {
		q.Where = &soql.Filter{At: cond.Pos(), Cond: cond}
	}
	t := &translation{schema: e.schema(), text: e.text, now: e.org.now(), user: e.user.id}
	p, err := t.translate(q)
	if err != nil {
		return 0, err
	}
	total, _, err := e.run(p)
	return total, err
}
