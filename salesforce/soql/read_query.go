package soql

import (
	"fmt"
	"strings"
)

// searched reads the fields a search looks at.
func (r *reader) searched(object *sObject, s *Search) {
	group := ""
	if s.In != nil {
		group = s.In.Text
	}
	if group != "EMAIL" && group != "PHONE" {
		r.add(Read{SObject: object.Name, Field: Any, Use: Filtered, At: s.Term.At})
		return
	}
	for _, f := range object.Fields {
		if strings.EqualFold(f.Type, group) {
			r.add(object.read(&f, Filtered, s.Term.At)...)
		}
	}
}

// query reads one SELECT statement over an sObject. What it selects is read for
// show: a semi-join shows nothing, it filters.
func (r *reader) query(q *Query, object *sObject, outer *scope, show Use) error {
	s := &scope{reader: r, object: object, outer: outer, aliases: map[string][]Path{}, results: map[string]Expr{}}
	r.add(Read{SObject: object.Name, Use: show, At: q.From.Pos()})
	if err := r.mirrored(object, q.From.Pos()); err != nil {
		return err
	}
	if err := s.from(q, show); err != nil {
		return err
	}
	for _, item := range q.Items {
		if err := s.item(item, show); err != nil {
			return err
		}
	}
	for _, item := range q.Items {
		if column, ok := item.(*Column); ok && column.Alias != nil {
			s.results[lower(column.Alias.Text)] = column.Expr
		}
	}
	s.using(q.Scope)
	r.with(object.Name, q.With)
	for _, filter := range []*Filter{q.Where, q.Having} {
		if filter == nil {
			continue
		}
		if err := s.cond(filter.Cond); err != nil {
			return err
		}
	}
	if q.GroupBy != nil {
		for _, e := range q.GroupBy.Exprs {
			if err := s.key(e, Grouped, false); err != nil {
				return err
			}
		}
	}
	if q.OrderBy != nil {
		for _, key := range q.OrderBy.Keys {
			if err := s.key(key.Expr, Sorted, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scope) item(item Item, show Use) error {
	switch item := item.(type) {
	case *Column:
		return s.expr(item.Expr, show, false)
	case *FieldSet:
		s.add(Read{SObject: s.object.Name, Field: Any, Use: show, At: item.At})
		return nil
	case *TypeOf:
		return s.typeOf(item, show)
	case *Child:
		return s.child(item.Query, show)
	}
	return fmt.Errorf("what a %T reads is not known", item)
}

// child reads a query over a child relationship, and the reference that leads back.
func (s *scope) child(q *Query, show Use) error {
	path := q.From.Path
	if len(path) == 2 && s.isOwn(path[0].Text) { // FROM Account.Contacts
		path = path[1:]
	}
	if len(path) > 1 {
		return refuse(path[0], "FROM of a subquery names a child relationship of %s, %s is a path", s.object.Name, path)
	}
	relationship := s.object.children[lower(path[0].Text)]
	if relationship == nil {
		return refuse(path[0], "%s has no child relationship %s", s.object.Name, path[0].Text)
	}
	object, err := s.sObject(Name{Text: relationship.ChildSObject, At: path[0].At})
	if err != nil {
		return err
	}
	if err := s.back(object, relationship.Field, show, path[0]); err != nil {
		return err
	}
	return s.query(q, object, s, show)
}

// typeOf reads the branches of a TYPEOF: those of WHEN on their sObject, ELSE on every target.
func (s *scope) typeOf(item *TypeOf, show Use) error {
	return s.each(item.Field, func(from *sObject, path Path) ([]Read, error) {
		end, err := s.follow(from, path, show)
		if err != nil {
			return nil, err
		}
		reads := end.reads
		for _, when := range item.When {
			target, err := s.sObject(when.Object)
			if err != nil {
				return nil, err
			}
			if !end.leadsTo(target.Name) {
				return nil, nowhere(when.Object, "%s does not lead to %s", item.Field, target.Name)
			}
			for _, then := range when.Then {
				more, err := s.column(start(target), then, show, false)
				if err != nil {
					return nil, err
				}
				reads = append(reads, more...)
			}
		}
		for _, path := range item.Else {
			more, err := s.column(end, path, show, false)
			if err != nil {
				return nil, err
			}
			reads = append(reads, more...)
		}
		return reads, nil
	})
}

// cond reads a condition.
func (s *scope) cond(c Cond) error {
	switch c := c.(type) {
	case *Not:
		return s.cond(c.Cond)
	case *Logic:
		for _, term := range c.Terms {
			if err := s.cond(term); err != nil {
				return err
			}
		}
		return nil
	case *Comparison:
		if err := s.key(c.Left, Filtered, comparesMoney(c.Right)); err != nil {
			return err
		}
		join, ok := c.Right.(*SemiJoin)
		if !ok {
			return nil
		}
		from := join.Query.From.Path
		if len(from) > 1 {
			return refuse(from[0], "FROM of a semi-join names an sObject, %s is a path", from)
		}
		object, err := s.sObject(from[0])
		if err != nil {
			return err
		}
		return s.query(join.Query, object, s, Filtered)
	}
	return fmt.Errorf("what a %T reads is not known", c)
}

// comparesMoney reports whether a value has a currency, USD5000: then the currency of the row counts too.
func comparesMoney(v Value) bool {
	money := false
	Walk(v, func(n Node) bool {
		literal, ok := n.(*Literal)
		money = money || ok && literal.Kind == Currency
		_, query := n.(*Query)
		return !query
	})
	return money
}

// key reads what stands in WHERE, HAVING, GROUP BY or ORDER BY: an expression, or a result of the SELECT list by its alias.
func (s *scope) key(e Expr, use Use, money bool) error {
	path, ok := e.(Path)
	if !ok || len(path) > 1 {
		return s.expr(e, use, money)
	}
	result, ok := s.results[lower(path[0].Text)]
	if !ok {
		return s.expr(e, use, money)
	}
	if err := s.expr(result, use, money); err != nil {
		return err
	}
	if err := s.expr(e, use, money); !leadsNowhere(err) { // a field of this name may be meant
		return err
	}
	return nil
}

// expr reads every path of an expression. With money the currency of an amount is read too.
func (s *scope) expr(e Expr, use Use, money bool) error {
	switch e := e.(type) {
	case Path:
		return s.each(e, func(from *sObject, path Path) ([]Read, error) {
			return s.column(start(from), path, use, money)
		})
	case *Call:
		money = money || strings.EqualFold(e.Func.Text, "FORMAT") || strings.EqualFold(e.Func.Text, "CONVERTCURRENCY")
		for _, arg := range e.Args {
			if err := s.expr(arg, use, money); err != nil {
				return err
			}
		}
		return nil
	case *Literal:
		return nil
	}
	return fmt.Errorf("what a %T reads is not known", e)
}

// using reads what USING SCOPE filters by. Mine is the owner; what the others look at depends on territories, teams and rules.
func (s *scope) using(name *Name) {
	if name == nil || strings.EqualFold(name.Text, "everything") {
		return
	}
	owner := s.object.fields["ownerid"]
	if owner == nil || !strings.EqualFold(name.Text, "mine") {
		s.add(Read{SObject: s.object.Name, Field: Any, Use: Filtered, At: name.At})
		return
	}
	s.add(s.object.read(owner, Filtered, name.At)...)
}

// with reads what WITH filters by. SNIPPET does not: it shows text around what was found, whichever field that is in.
func (r *reader) with(object string, clauses []*With) {
	for _, with := range clauses {
		switch with.Kind {
		case "SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE", "HIGHLIGHT", "SPELL_CORRECTION", "METADATA":
		default:
			r.add(Read{SObject: object, Field: Any, Use: Filtered, At: with.At})
		}
	}
}
