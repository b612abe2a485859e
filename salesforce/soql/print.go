package soql

import (
	"fmt"
	"strconv"
	"strings"
)

// String writes the query in canonical form: keywords in upper case, single
// spaces, parentheses only where they matter. It parses to the same tree.
func (q *Query) String() string {
	var w printer
	w.query(q)
	return w.String()
}

// String writes the search in canonical form; it parses to the same tree.
func (s *Search) String() string {
	var w printer
	w.search(s)
	return w.String()
}

// String writes the path with dots.
func (p Path) String() string {
	parts := make([]string, len(p))
	for i, name := range p {
		parts[i] = name.Text
	}
	return strings.Join(parts, ".")
}

// String writes the call with its arguments.
func (c *Call) String() string {
	var w printer
	w.expr(c)
	return w.String()
}

// String writes the literal so that it can stand in a statement.
func (l *Literal) String() string {
	switch {
	case l.Kind == String:
		return Quote(l.Text)
	case l.Kind == Pattern:
		return "'" + patternEscapes.Replace(l.Text) + "'"
	case l.Kind == DateLiteral && dateLiterals[l.Text]:
		return l.Text + ":" + strconv.Itoa(l.N)
	}
	return l.Text
}

type printer struct{ strings.Builder }

// join writes every item with a comma between them.
func join[T any](w *printer, items []T, write func(T)) {
	for i, item := range items {
		if i > 0 {
			w.WriteString(", ")
		}
		write(item)
	}
}

func (w *printer) put(parts ...string) {
	for _, part := range parts {
		w.WriteString(part)
	}
}

func (w *printer) query(q *Query) {
	w.put("SELECT ")
	join(w, q.Items, w.item)
	w.put(" FROM ")
	join(w, append([]Source{q.From}, q.Joins...), w.source)
	if q.Scope != nil {
		w.put(" USING SCOPE ", q.Scope.Text)
	}
	w.filter(" WHERE ", q.Where)
	for _, with := range q.With {
		w.with(with)
	}
	if g := q.GroupBy; g != nil {
		w.groupBy(g)
	}
	w.filter(" HAVING ", q.Having)
	w.orderBy(q.OrderBy)
	w.count(" LIMIT ", q.Limit)
	w.count(" OFFSET ", q.Offset)
	for _, name := range q.For {
		w.put(" FOR ", name.Text)
	}
	w.names(" UPDATE ", q.Update)
	if q.AllRows {
		w.put(" ALL ROWS")
	}
}

func (w *printer) search(s *Search) {
	w.put("FIND {", s.Term.Text, "}")
	if s.In != nil {
		w.put(" IN ", s.In.Text, " FIELDS")
	}
	if len(s.Returning) > 0 {
		w.put(" RETURNING ")
		join(w, s.Returning, w.returning)
	}
	for _, with := range s.With {
		w.with(with)
	}
	w.count(" LIMIT ", s.Limit)
	w.names(" UPDATE ", s.Update)
}

func (w *printer) returning(r *Returning) {
	w.put(r.Object.Text)
	if len(r.Items) == 0 {
		return
	}
	w.put("(")
	join(w, r.Items, w.item)
	if r.ListView != nil {
		w.put(" USING LISTVIEW=", r.ListView.Text)
	}
	w.filter(" WHERE ", r.Where)
	w.orderBy(r.OrderBy)
	w.count(" LIMIT ", r.Limit)
	w.count(" OFFSET ", r.Offset)
	w.put(")")
}

func (w *printer) source(s Source) {
	w.put(s.Path.String())
	w.alias(s.Alias)
}

func (w *printer) alias(alias *Name) {
	if alias != nil {
		w.put(" ", alias.Text)
	}
}

func (w *printer) item(item Item) {
	switch item := item.(type) {
	case *Column:
		w.expr(item.Expr)
		w.alias(item.Alias)
	case *Child:
		w.put("(")
		w.query(item.Query)
		w.put(")")
	case *FieldSet:
		w.put("FIELDS(", item.Kind, ")")
	case *TypeOf:
		w.put("TYPEOF ", item.Field.String())
		for _, when := range item.When {
			w.put(" WHEN ", when.Object.Text, " THEN ")
			join(w, when.Then, func(p Path) { w.put(p.String()) })
		}
		if len(item.Else) > 0 {
			w.put(" ELSE ")
			join(w, item.Else, func(p Path) { w.put(p.String()) })
		}
		w.put(" END")
	}
}

func (w *printer) expr(e Expr) {
	switch e := e.(type) {
	case Path:
		w.put(e.String())
	case *Literal:
		w.put(e.String())
	case *Call:
		w.put(e.Func.Text, "(")
		join(w, e.Args, w.expr)
		w.put(")")
	}
}

func (w *printer) filter(keyword string, f *Filter) {
	if f != nil {
		w.put(keyword)
		w.cond(f.Cond)
	}
}

func (w *printer) cond(c Cond) {
	switch c := c.(type) {
	case *Logic:
		for i, term := range c.Terms {
			if i > 0 {
				w.put(" ", c.Op, " ")
			}
			w.term(term)
		}
	case *Not:
		w.put("NOT ")
		w.term(c.Cond)
	case *Comparison:
		w.expr(c.Left)
		w.put(" ", c.Op, " ")
		w.value(c.Right)
	}
}

// term writes a condition inside another one: anything but a comparison needs parentheses.
func (w *printer) term(c Cond) {
	if _, plain := c.(*Comparison); plain {
		w.cond(c)
		return
	}
	w.put("(")
	w.cond(c)
	w.put(")")
}

func (w *printer) value(v Value) {
	switch v := v.(type) {
	case *Literal:
		w.put(v.String())
	case *List:
		w.list(v.Values)
	case *SemiJoin:
		w.put("(")
		w.query(v.Query)
		w.put(")")
	}
}

func (w *printer) list(values []*Literal) {
	w.put("(")
	join(w, values, func(l *Literal) { w.put(l.String()) })
	w.put(")")
}

func (w *printer) with(with *With) {
	w.put(" WITH ", with.Kind)
	for i, c := range with.Categories {
		if i > 0 {
			w.put(" AND")
		}
		w.put(" ", c.Group.Text, " ", c.Op, " (")
		join(w, c.Names, func(n Name) { w.put(n.Text) })
		w.put(")")
	}
	switch with.Op {
	case "TARGET_LENGTH":
		w.put("(TARGET_LENGTH=", with.Values[0].String(), ")")
	case "=":
		w.put(" = ", with.Values[0].String())
	case "IN":
		w.put(" IN ")
		w.list(with.Values)
	}
}

func (w *printer) groupBy(g *GroupBy) {
	w.put(" GROUP BY ")
	if g.Kind != "" {
		w.put(g.Kind, "(")
	}
	join(w, g.Exprs, w.expr)
	if g.Kind != "" {
		w.put(")")
	}
}

func (w *printer) orderBy(o *OrderBy) {
	if o == nil {
		return
	}
	w.put(" ORDER BY ")
	join(w, o.Keys, func(key *Order) {
		w.expr(key.Expr)
		if key.Desc {
			w.put(" DESC")
		}
		if key.Nulls != "" {
			w.put(" NULLS ", key.Nulls)
		}
	})
}

func (w *printer) count(keyword string, n *Number) {
	if n != nil {
		fmt.Fprint(w, keyword, n.Value)
	}
}

func (w *printer) names(keyword string, names []Name) {
	if len(names) > 0 {
		w.put(keyword)
		join(w, names, func(n Name) { w.put(n.Text) })
	}
}
