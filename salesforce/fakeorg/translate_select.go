package fakeorg

import (
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// plan is a query ready to run: the SQL, and how its columns become records.
type plan struct {
	sql      string
	args     []any
	countAll bool     // SELECT COUNT(): the one column is the total
	shape    *shape   // of the records; nil for aggregate results
	results  []result // of aggregate results
	children []*plan  // the subqueries of the SELECT list, each run once for all records
	views    bool     // FOR VIEW or FOR REFERENCE: reading the records counts as viewing them
	reads    []string // SQL of the columns
	fields   int      // selected fields so far
}

// shape says what a record of the answer is made of.
type shape struct {
	of      *source
	id      int // column of the id; a null id makes the whole record null
	members []shapeMember
}

// shapeMember is one member of a record: a field, a parent, the branches of a TYPEOF, or a child relationship.
type shapeMember struct {
	key      string
	field    *Field
	column   int
	place    int  // of the field in the SELECT list
	format   bool // FORMAT()
	parts    map[string]int
	parent   *shape
	branches []*shape // of TYPEOF, each with its object
	child    *plan
}

// result is one member of an aggregate result.
type result struct {
	key    string
	field  *Field
	format bool
}

// selection collects the columns of one query.
type selection struct {
	*scope
	plan  *plan
	level int // of queries within queries, from 1
}

// add gives the number of the column with this SQL.
func (s *selection) add(sql string) int {
	if i := slices.Index(s.plan.reads, sql); i >= 0 {
		return i
	}
	s.plan.reads = append(s.plan.reads, sql)
	return len(s.plan.reads) - 1
}

// items translates a SELECT list without aggregates.
func (s *selection) items(q *soql.Query) error {
	s.plan.shape = &shape{of: s.root, id: s.add(s.root.id())}
	for _, item := range q.Items {
		var err error
		switch item := item.(type) {
		case *soql.FieldSet:
			err = s.fieldSet(item, q)
		case *soql.TypeOf:
			err = s.typeOf(item)
		case *soql.Child:
			err = s.child(item)
		case *soql.Column:
			err = s.field(item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// field adds one selected field.
func (s *selection) field(item *soql.Column) error {
	if item.Alias != nil {
		if _, isPath := item.Expr.(soql.Path); isPath {
			return s.refuse("MALFORMED_QUERY", *item.Alias, "only aggregate expressions use field aliasing")
		}
	}
	path, format, key := soql.Path(nil), false, ""
	switch e := item.Expr.(type) {
	case soql.Path:
		path = e
	case *soql.Call:
		if !oneOf(e.Func.Text, "FORMAT", "TOLABEL", "CONVERTCURRENCY") {
			return s.refuse("MALFORMED_QUERY", e, "%s is only for queries with GROUP BY", e.Func.Text)
		}
		var err error
		if path, format, err = s.unwrap(e); err != nil {
			return err
		}
		if item.Alias != nil {
			key = item.Alias.Text
		}
	}
	op, err := s.scope.column(path)
	if err != nil {
		return err
	}
	at := s.plan.shape
	if key == "" { // an alias stands in the record itself, whatever path it is for
		own, _ := s.own(path)
		at = s.parentShape(own[:len(own)-1])
	}
	return s.leaf(at, op, item, key, format)
}

// unwrap looks into FORMAT, toLabel and convertCurrency. The simulated org has one language and one currency, so that
// only FORMAT changes anything.
func (s *selection) unwrap(c *soql.Call) (path soql.Path, format bool, err error) {
	switch arg := c.Args[0].(type) {
	case soql.Path:
		return arg, oneOf(c.Func.Text, "FORMAT"), nil
	case *soql.Call:
		if oneOf(arg.Func.Text, "TOLABEL", "CONVERTCURRENCY") {
			path, _, err = s.unwrap(arg)
			return path, oneOf(c.Func.Text, "FORMAT"), err
		}
	}
	return nil, false, s.refuse("MALFORMED_QUERY", c, "%s does not take %s", c.Func.Text, c)
}

func oneOf(name string, names ...string) bool {
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// leaf adds a field to a record.
func (s *selection) leaf(at *shape, op operand, where soql.Node, key string, format bool) error {
	if key == "" {
		key = op.name
	}
	for _, m := range at.members {
		if strings.EqualFold(m.key, key) {
			return s.refuse("INVALID_FIELD", where, "duplicate field selected: %s", op.name)
		}
	}
	m := shapeMember{key: key, field: op.field, format: format, place: s.plan.fields}
	s.plan.fields++
	switch op.typ {
	case "address":
		m.parts = map[string]int{}
		for _, part := range []string{"City", "Country", "PostalCode", "State", "Street"} {
			name := op.field.Parts + part
			m.parts[name] = s.add(op.of.alias + "." + quoted(op.of.object.Field(name).Name))
		}
	case "base64": // the answer shows where the bytes are, not the bytes
		m.column = s.add("nullif(" + op.sql + " IS NOT NULL, 0)")
	default:
		m.column = s.add(op.sql)
	}
	at.members = append(at.members, m)
	return nil
}

// parentShape finds or makes the record of a parent path that has been followed already.
func (s *selection) parentShape(path soql.Path) *shape {
	at, t := s.plan.shape, s.root
	for _, name := range path {
		t = t.parents[strings.ToLower(name.Text)]
		at = at.parent(t, s.add(t.id()))
	}
	return at
}

func (p *shape) parent(t *source, id int) *shape {
	for _, m := range p.members {
		if m.parent != nil && m.parent.of == t {
			return m.parent
		}
	}
	next := &shape{of: t, id: id}
	p.members = append(p.members, shapeMember{key: t.via.Relationship, parent: next})
	return next
}

// fieldSet adds FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM).
func (s *selection) fieldSet(set *soql.FieldSet, q *soql.Query) error {
	if set.Kind != "STANDARD" && (q.Limit == nil || q.Limit.Value > 200) {
		return s.refuse("MALFORMED_QUERY", set, "The SOQL FIELDS function must have a LIMIT of at most 200")
	}
	for _, f := range s.root.object.Fields {
		if set.Kind == "STANDARD" && custom(f.Name) || set.Kind == "CUSTOM" && !custom(f.Name) {
			continue
		}
		op, err := s.fieldOf(s.root, soql.Name{Text: f.Name, At: set.At}, nil)
		if err != nil {
			return err
		}
		if err := s.leaf(s.plan.shape, op, set, "", false); err != nil {
			return err
		}
	}
	return nil
}

// typeOf adds a polymorphic parent that shows other fields for each type.
func (s *selection) typeOf(item *soql.TypeOf) error {
	path, _ := s.own(item.Field)
	if len(path) == 0 {
		return malformed("an alias is no relationship")
	}
	t, err := s.follow(path)
	if err != nil {
		return err
	}
	if t.object != nil {
		return s.refuse("INVALID_FIELD", item, "TYPEOF needs a reference to several objects, %s refers to %s", t.via.Relationship, t.object.Name)
	}
	member := shapeMember{key: t.via.Relationship}
	for _, when := range item.When {
		target := t.target(when.Object.Text)
		if target == nil {
			return s.refuse("INVALID_FIELD", when.Object, "%s does not refer to %s", t.via.Relationship, when.Object.Text)
		}
		branch, err := s.branch(target, when.Then)
		if err != nil {
			return err
		}
		member.branches = append(member.branches, branch)
	}
	for _, target := range t.targets { // ELSE, and without it nothing but the attributes
		branch := &shape{of: &source{alias: target.alias, object: target.object}, id: s.add(target.id())}
		for _, path := range item.Else {
			if len(path) > 1 {
				return s.refuse("INVALID_FIELD", path, "TYPEOF shows fields of the object itself, %s is a path", path)
			}
			op, err := s.fieldOf(t, path[0], path)
			if err == nil {
				err = s.leaf(branch, op, path, "", false)
			}
			if err != nil {
				return err
			}
		}
		member.branches = append(member.branches, branch)
	}
	s.plan.shape.members = append(s.plan.shape.members, member)
	return nil
}

func (t *source) target(object string) *source {
	for _, target := range t.targets {
		if strings.EqualFold(target.object.Name, object) {
			return target
		}
	}
	return nil
}

// branch is the record of one WHEN.
func (s *selection) branch(target *source, fields []soql.Path) (*shape, error) {
	branch := &shape{of: target, id: s.add(target.id())}
	for _, path := range fields {
		if len(path) > 1 {
			return nil, s.refuse("INVALID_FIELD", path, "TYPEOF shows fields of the object itself, %s is a path", path)
		}
		op, err := s.fieldOf(target, path[0], path)
		if err == nil {
			err = s.leaf(branch, op, path, "", false)
		}
		if err != nil {
			return nil, err
		}
	}
	return branch, nil
}

// child translates a subquery: one statement for the children of all records, with LIMIT and ORDER BY for each.
func (s *selection) child(item *soql.Child) error {
	q := item.Query
	path := q.From.Path
	if own, known := s.own(path); known && len(path) == 2 { // FROM Account.Contacts
		path = own
	}
	relationship := s.root.object.Child(path[0].Text)
	if relationship == nil || len(path) > 1 {
		return s.refuse("INVALID_TYPE", q.From, "Didn't understand relationship '%s' in FROM part of query call. If you are attempting to use a "+
			"custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call "+
			"for the appropriate names.", path[0].Text)
	}
	if s.level >= maxLevels {
		return s.refuse("MALFORMED_QUERY", item, "a query has at most %d levels of child relationships", maxLevels)
	}
	for _, m := range s.plan.shape.members {
		if m.child != nil && m.key == relationship.Name {
			return s.refuse("INVALID_FIELD", item, "duplicate field selected: %s", relationship.Name)
		}
	}
	t := &translation{schema: s.schema, text: s.text, now: s.now, user: s.user, deleted: s.deleted}
	p, err := t.childPlan(relationship, q, s.level+1)
	if err != nil {
		return err
	}
	s.plan.children = append(s.plan.children, p)
	s.plan.shape.members = append(s.plan.shape.members, shapeMember{key: relationship.Name, child: p})
	return nil
}

// childPlan makes the statement of a subquery. Its first parameter is the ids of the parents as a JSON array, its
// first column the parent's id.
func (t *translation) childPlan(relationship *Child, q *soql.Query, level int) (*plan, error) {
	parents := t.bind("")
	scope, err := t.newScope(relationship.Object, q)
	if err != nil {
		return nil, err
	}
	s := &selection{scope: scope, plan: &plan{}, level: level}
	parent := s.root.alias + "." + quoted(relationship.Field.Name)
	s.add(parent)
	if q.GroupBy != nil || aggregated(q) {
		return nil, t.refuse("MALFORMED_QUERY", q, "a child relationship is not aggregated")
	}
	if err := s.items(q); err != nil {
		return nil, err
	}
	condition, err := s.rows(q, false)
	if err != nil {
		return nil, err
	}
	order, err := s.order(q.OrderBy)
	if err != nil {
		return nil, err
	}
	most, skipped, err := t.limits(q)
	if err != nil {
		return nil, err
	}
	s.plan.sql = fmt.Sprintf(`SELECT * FROM (SELECT %s, row_number() OVER (PARTITION BY %s ORDER BY %s) AS place %s
WHERE %[2]s IN (SELECT value FROM json_each(%[5]s)) AND %s) WHERE place > %s AND place - %[7]s <= %[8]s ORDER BY 1, place`,
		s.columns(), parent, order, s.from.String(), parents, condition, t.bind(skipped), t.bind(most))
	s.plan.args = t.args
	return s.plan, nil
}

// columns writes the list of columns. Their names are only for SQLite.
func (s *selection) columns() string {
	list := make([]string, len(s.plan.reads))
	for i, sql := range s.plan.reads {
		list[i] = fmt.Sprintf("%s AS c%d", sql, i+1)
	}
	return strings.Join(list, ", ")
}
