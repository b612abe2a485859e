package fakeorg

import (
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// reportRowLimit is how many detail rows a result has.
const reportRowLimit = 2000

// reportRun is one run of a report: the statement over its rows and what was read of them.
type reportRun struct {
	call         *call
	scope        *scope
	typ          *reportType
	metadata     *reportMetadata
	down, across []groupColumn
	aggregates   []aggregate
	operands     map[string]operand // by the name of the column
	where        string

	downTree, acrossTree groupTree
	facts                map[string][]any // by the groups down and across: the aggregates and, last, the count of rows
}

// groupColumn is a column the rows are grouped by: the SQL of what makes a group, and of its name.
type groupColumn struct {
	reportGrouping
	column     *reportColumn
	period     *granularity // nil unless it groups dates
	key, label string
}

// runReport runs a report and gives the members of the answer that tell the result. The definition is checked and
// completed. Rows are those a user sees; without details there are none.
func (c *call) runReport(t *reportType, m *reportMetadata, details bool, user string) (object, error) {
	m.HasDetailRows = details
	if err := m.check(t); err != nil {
		return nil, err
	}
	r := &reportRun{call: c, typ: t, metadata: m, facts: map[string][]any{}}
	if err := r.prepare(user); err != nil {
		return nil, err
	}
	if err := r.summarise(); err != nil {
		return nil, err
	}
	var rows map[string][]object
	if details {
		var err error
		if rows, err = r.details(); err != nil {
			return nil, err
		}
	}
	count, _ := r.facts["!"][len(r.aggregates)].(int64)
	return object{{"allData", count <= reportRowLimit}, {"factMap", r.factMap(rows)},
		{"groupingsAcross", object{{"groupings", r.acrossTree.shown(r.across)}}}, {"groupingsDown", object{{"groupings", r.downTree.shown(r.down)}}},
		{"hasDetailRows", details}, {"hasExceededTabularRowLimit", m.ReportFormat == "TABULAR" && count > reportRowLimit},
		{"reportExtendedMetadata", extendedMetadata(t, m)}, {"reportMetadata", m}}, nil
}

// prepare translates the condition and every column of the report.
func (r *reportRun) prepare(user string) error {
	condition, err := r.metadata.condition(r.typ, user, r.call.now())
	if err != nil {
		return err
	}
	text := "SELECT Id FROM " + r.typ.Object
	if condition != "" {
		text += " WHERE " + condition
	}
	q, err := soql.Parse(text)
	if err != nil {
		return asMalformed(err, "BAD_REQUEST")
	}
	t := &translation{schema: r.call.org.schema, text: text, now: r.call.now(), user: user}
	if r.scope, err = t.newScope(r.typ.object, q); err != nil {
		return err
	}
	if err := r.columns(); err != nil {
		return err
	}
	if r.where, err = r.scope.rows(q, false); err != nil {
		return err
	}
	if top := r.metadata.TopRows; top != nil {
		id := r.scope.root.id()
		r.where += fmt.Sprintf(" AND %s IN (SELECT %[1]s %s WHERE %s ORDER BY %s LIMIT %d)", id, r.scope.from.String(), r.where, r.order(), top.RowLimit)
	}
	return nil
}

// columns translates the columns the report shows, groups by and summarises.
func (r *reportRun) columns() error {
	names := slices.Clone(r.metadata.DetailColumns)
	for _, name := range r.metadata.Aggregates {
		a, err := aggregateOf(r.typ, name)
		if err != nil {
			return err
		}
		if r.aggregates = append(r.aggregates, a); a.column != nil {
			names = append(names, a.column.Name)
		}
	}
	for _, g := range slices.Concat(r.metadata.GroupingsDown, r.metadata.GroupingsAcross) {
		names = append(names, g.Name)
	}
	r.operands = map[string]operand{}
	for _, name := range names {
		var path soql.Path
		for part := range strings.SplitSeq(r.typ.columns[name].Path, ".") {
			path = append(path, soql.Name{Text: part})
		}
		op, err := r.scope.column(path)
		if err != nil {
			return err
		}
		r.operands[name] = op
	}
	for _, g := range r.metadata.GroupingsDown {
		r.down = append(r.down, r.groupBy(g))
	}
	for _, g := range r.metadata.GroupingsAcross {
		r.across = append(r.across, r.groupBy(g))
	}
	return nil
}

// groupBy makes the SQL of a grouping. Records are told apart by their ids, not by their names.
func (r *reportRun) groupBy(g reportGrouping) groupColumn {
	op := r.operands[g.Name]
	by := groupColumn{reportGrouping: g, column: r.typ.columns[g.Name], key: op.sql, label: op.sql}
	if by.period = granularityOf(g.DateGranularity); by.period != nil {
		by.key = strings.ReplaceAll(by.period.sql, "@", op.sql)
		by.label = by.key
	} else if by.column.field.NameField {
		by.key = op.of.id()
	}
	return by
}

// order is the SQL of the order of detail rows.
func (r *reportRun) order() string {
	order := ""
	for _, s := range r.metadata.SortBy {
		order += r.operands[s.SortColumn].sql + " " + s.SortOrder + " NULLS FIRST, "
	}
	return order + r.scope.root.id()
}

// summarise reads the aggregates of all rows and of the groups of each level.
func (r *reportRun) summarise() error {
	for d := 0; d <= len(r.down); d++ {
		for a := 0; a <= len(r.across); a++ {
			keys := slices.Concat(r.down[:d], r.across[:a])
			rows, err := r.call.rows(r.groupStatement(keys), r.scope.args)
			if err != nil {
				return err
			}
			for _, row := range rows {
				down, across := groupID(row[:2*d]), groupID(row[2*d:2*(d+a)])
				r.facts[down+"!"+across] = row[2*(d+a):]
				if a == 0 && d > 0 {
					r.downTree.add(groupID(row[:2*(d-1)]), down, row[2*d-2], row[2*d-1])
				}
				if d == 0 && a > 0 {
					r.acrossTree.add(groupID(row[:2*(a-1)]), across, row[2*a-2], row[2*a-1])
				}
			}
		}
	}
	r.downTree.sort(r.down, r.sortValue(func(id string) string { return id + "!" }))
	r.acrossTree.sort(r.across, r.sortValue(func(id string) string { return "!" + id }))
	return nil
}

// groupStatement selects key and label of each grouping, the aggregates and the count of rows.
func (r *reportRun) groupStatement(keys []groupColumn) string {
	var columns, by []string
	for _, k := range keys {
		columns, by = append(columns, k.key, k.label), append(by, k.key)
	}
	for _, a := range r.aggregates {
		if a.column != nil {
			columns = append(columns, a.sql(r.operands[a.column.Name].sql))
		} else {
			columns = append(columns, a.sql(""))
		}
	}
	columns = append(columns, "count(*)")
	statement := fmt.Sprintf("SELECT %s %s WHERE %s", strings.Join(columns, ", "), r.scope.from.String(), r.where)
	if len(by) > 0 {
		statement += " GROUP BY " + strings.Join(by, ", ")
	}
	return statement
}

// sortValue gives the aggregate that groups are sorted by.
func (r *reportRun) sortValue(fact func(id string) string) func(id, aggregate string) any {
	return func(id, aggregate string) any {
		return r.facts[fact(id)][slices.Index(r.metadata.Aggregates, aggregate)]
	}
}

// details reads the rows, by the groups they are in. Beyond the limit there are none: first all rows of the first
// group, then those of the next.
func (r *reportRun) details() (map[string][]object, error) {
	keys := slices.Concat(r.down, r.across)
	var columns []string
	for _, k := range keys {
		columns = append(columns, k.key, k.label)
	}
	for _, name := range r.metadata.DetailColumns {
		op, id := r.operands[name], "NULL"
		if r.typ.columns[name].names() {
			id = op.of.id()
		}
		columns = append(columns, op.sql, id)
	}
	columns = append(columns, r.scope.root.id())
	statement := fmt.Sprintf("SELECT %s %s WHERE %s ORDER BY %s", strings.Join(columns, ", "), r.scope.from.String(), r.where, r.order())
	if len(keys) == 0 {
		statement += fmt.Sprintf(" LIMIT %d", reportRowLimit)
	}
	read, err := r.call.rows(statement, r.scope.args)
	if err != nil {
		return nil, err
	}
	rows := map[string][]object{}
	for _, row := range read {
		fact := groupID(row[:2*len(r.down)]) + "!" + groupID(row[2*len(r.down):2*len(keys)])
		row = row[2*len(keys):]
		cells := []object{}
		for i, name := range r.metadata.DetailColumns {
			cells = append(cells, r.typ.columns[name].cell(row[2*i], row[2*i+1]))
		}
		rows[fact] = append(rows[fact], object{{"dataCells", cells}})
	}
	return rows, nil
}

// factMap puts the facts under their keys: T!T, 0!T, 0_1!2 and so on. A group down and a group across that have no row
// in common are a fact too.
func (r *reportRun) factMap(rows map[string][]object) object {
	facts, left := object{}, reportRowLimit
	r.downTree.walk(func(down *groupNode) {
		r.acrossTree.walk(func(across *groupNode) {
			fact := down.id + "!" + across.id
			values, found := r.facts[fact]
			if !found {
				values = r.nothing()
			}
			aggregates := []object{}
			for i, a := range r.aggregates {
				aggregates = append(aggregates, a.shown(values[i]))
			}
			shown := object{{"aggregates", aggregates}}
			if rows != nil {
				some := append([]object{}, rows[fact][:min(left, len(rows[fact]))]...)
				left -= len(some)
				shown = append(shown, member{"rows", some})
			}
			facts = append(facts, member{down.key + "!" + across.key, shown})
		})
	})
	return facts
}

// nothing are the aggregates of no rows.
func (r *reportRun) nothing() []any {
	var values []any
	for _, a := range r.aggregates {
		var value any
		if a.column == nil || a.function == "s" || a.function == "u" {
			value = int64(0)
		}
		values = append(values, value)
	}
	return values
}
