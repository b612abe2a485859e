package soql

import (
	"errors"
	"fmt"
	"strings"
)

// A Use is what a statement reads a field for. An aggregate or another function
// counts as what it stands in: SUM(Amount) in HAVING counts as Filtered.
type Use int

// The uses of a field.
const (
	Selected Use = iota + 1 // its value is in the answer
	Filtered                // it decides which rows are in the answer (WHERE, HAVING, semi-joins, FIND, the way over a relationship)
	Sorted                  // it decides their order
	Grouped                 // it decides which rows are counted together
)

func (u Use) String() string {
	switch u {
	case Selected:
		return "select"
	case Filtered:
		return "filter"
	case Sorted:
		return "sort"
	case Grouped:
		return "group"
	}
	return fmt.Sprintf("Use(%d)", int(u))
}

// Any stands in a Read for every sObject there is (FIND without RETURNING) or
// for every field of one (FIELDS(ALL), or a filter that names no field).
const Any = "*"

// A Read is one field that a statement reads. Names are spelled as the org
// spells them.
type Read struct {
	// SObject has the field, or is Any.
	SObject string
	// Field is a name, Any, or "" when the statement only learns which rows
	// there are.
	Field string
	// Compound names the field that Field is a part of, "" when there is none:
	// MailingAddress for MailingCity, Name for FirstName. A rule about the
	// whole is one about its parts. A statement that reads the whole reads all
	// its parts: they are listed after it.
	Compound string
	Use      Use
	// At is the byte offset of the name or the clause that reads it.
	At int
}

// An SObject is what an org's describe says of one of its objects, as far as
// Reads asks: the answer to GET /sobjects/{name}/describe decodes into it.
type SObject struct {
	Name               string
	Fields             []Field
	ChildRelationships []ChildRelationship
}

// A Field is a field of a described SObject.
type Field struct {
	Name              string
	Type              string
	RelationshipName  string   // of the path over a reference, "" without one
	ReferenceTo       []string // sObjects, several for a polymorphic reference
	NameField         bool
	NamePointing      bool // a path over the reference shows fields of the object Name
	CompoundFieldName string
}

// A ChildRelationship is a reference of another SObject to the described one.
type ChildRelationship struct {
	ChildSObject, Field string
	RelationshipName    string // "" when no subquery can follow it
}

// A Describe tells what the org says of an sObject whose name may be in any
// case. The error is one of [ErrNoSObject] when the org has none of this name, or does
// not show it to the user. It is asked once for each name in a statement.
type Describe func(sObject string) (*SObject, error)

// ErrNoSObject is for a Describe to say that there is no such sObject.
var ErrNoSObject = errors.New("no such sObject")

// A NameError says which name of a statement leads nowhere. What the statement
// reads is then not known. [Context] shows the place in the text.
type NameError struct {
	Name string
	At   int // byte offset of the name
	Msg  string
}

func (e *NameError) Error() string { return e.Msg }

// Reads lists what a query reads, each field once for each use, in the order
// of first mention. It never lists less than the org reads, as far as the text
// and the describes tell; where a name has several meanings (an alias that is
// also a relationship, a reference to several sObjects) it lists all of them.
//
//   - Every row source is listed with the Field "": FROM, each parent a path
//     leads to (all targets of a polymorphic one), each child query.
//   - A path reads the references it goes over: Account.Name of a Contact is a
//     Filtered Contact.AccountId, and of the use of the path when the path ends in
//     Id, or in the Type of a polymorphic reference.
//   - A path over a polymorphic reference reads the field of every target that
//     has it, Name being whichever field names the target. A target that cannot
//     be described is read in all fields.
//   - What a semi-join selects counts as Filtered.
//   - A condition that names no field (WITH DATA CATEGORY, a scope other than
//     everything and mine) counts as Filtered on Any field.
//   - FORMAT and convertCurrency of a currency field show its CurrencyIsoCode.
//
// A formula or roll-up field shows what it is computed from, and no describe
// tells reliably what that is: it is listed as itself. FOR VIEW, FOR REFERENCE
// and UPDATE write: they are not listed here.
//
// The error is a *NameError for a name that leads nowhere, or comes from
// describe.
func (q *Query) Reads(describe Describe) ([]Read, error) {
	r := newReader(describe)
	if len(q.From.Path) > 1 {
		return nil, r.unknown(q.From.Path[0], "FROM names an sObject, %s is a path", q.From.Path)
	}
	object, err := r.sObject(q.From.Path[0])
	if err != nil {
		return nil, err
	}
	if err := r.query(q, object, nil, Selected); err != nil {
		return nil, err
	}
	return r.reads, nil
}

// Reads lists what a search reads, as [Query.Reads] does. The text of FIND is
// Filtered in Any field of each sObject in RETURNING, IN EMAIL FIELDS and
// IN PHONE FIELDS on the fields of these types; without RETURNING on Any sObject.
// (Which fields NAME and SIDEBAR search differs between objects: they count as
// ALL.) A list view filters by fields nobody can see here, WITH SNIPPET shows text of
// any field. Whether a real org finds records by the names of their parents, as its
// own search page does for some objects, was not found in a source.
func (s *Search) Reads(describe Describe) ([]Read, error) {
	r := newReader(describe)
	if len(s.Returning) == 0 {
		r.add(Read{SObject: Any, Use: Selected, At: s.At}, Read{SObject: Any, Field: Any, Use: Filtered, At: s.Term.At})
		r.with(Any, s.With)
		return r.reads, nil
	}
	for _, returning := range s.Returning {
		object, err := r.sObject(returning.Object)
		if err != nil {
			return nil, err
		}
		r.searched(object, s)
		r.with(object.Name, s.With)
		if returning.ListView != nil {
			r.add(Read{SObject: object.Name, Field: Any, Use: Filtered, At: returning.ListView.At})
		}
		q := &Query{At: returning.Object.At, Items: returning.Items, From: Source{Path: Path{returning.Object}}, Where: returning.Where, OrderBy: returning.OrderBy}
		if err := r.query(q, object, nil, Selected); err != nil {
			return nil, err
		}
	}
	return r.reads, nil
}

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
		return s.unknown(path[0], "FROM of a subquery names a child relationship of %s, %s is a path", s.object.Name, path)
	}
	relationship := s.object.children[lower(path[0].Text)]
	if relationship == nil {
		return s.unknown(path[0], "%s has no child relationship %s", s.object.Name, path[0].Text)
	}
	object, err := s.sObject(Name{Text: relationship.ChildSObject, At: path[0].At})
	if err != nil {
		return err
	}
	if err := s.back(object, relationship.Field, path[0]); err != nil {
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
		reads := append(end.reads, end.shown(show)...)
		for _, when := range item.When {
			target, err := s.sObject(when.Object)
			if err != nil {
				return nil, err
			}
			if !end.leadsTo(target.Name) {
				return nil, s.unknown(when.Object, "%s does not lead to %s", item.Field, target.Name)
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
			return s.unknown(from[0], "FROM of a semi-join names an sObject, %s is a path", from)
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
	err := s.expr(e, use, money) // a field of this name may be meant
	if unknown := (*NameError)(nil); errors.As(err, &unknown) {
		return nil
	}
	return err
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

// with reads what WITH filters by or shows.
func (r *reader) with(object string, clauses []*With) {
	for _, with := range clauses {
		switch with.Kind {
		case "SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE", "HIGHLIGHT", "SPELL_CORRECTION", "METADATA":
		case "SNIPPET": // shows text around what was found
			r.add(Read{SObject: object, Field: Any, Use: Selected, At: with.At})
		default:
			r.add(Read{SObject: object, Field: Any, Use: Filtered, At: with.At})
		}
	}
}
