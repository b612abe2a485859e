package fakeorg

import (
	"fmt"
	"strings"
	"time"

	"salesforce-mcp/salesforce/soql"
)

// translation turns one SOQL query into one SQL statement. The SQL consists of words of this package and of names
// from the schema; everything a user wrote is a bound parameter. Parameters are numbered, so that the parts of the
// statement can be put together in any order.
type translation struct {
	schema  *Schema
	text    string // the SOQL, for the place of an error
	now     time.Time
	user    string // id of who asks
	deleted bool   // soft-deleted rows too (queryAll)
	args    []any
	tables  int
	joins   int // semi-joins so far
}

// Limits of one query. Those of tables, items and parameters are SQLite's, a little below what it takes (64 tables,
// 2,000 columns, 32,766 parameters; the platform allows 55 parent relationships); the others are the platform's.
const (
	maxTables     = 60
	maxItems      = 1000
	maxParameters = 30_000
	maxSemiJoins  = 2
	maxLevels     = 5 // of parent relationships in a path, and of queries within queries
	maxKeys       = 32
	maxRollup     = 3 // fields of ROLLUP and CUBE
)

// bind makes a parameter of a value.
func (t *translation) bind(value any) string {
	t.args = append(t.args, value)
	return fmt.Sprintf("?%d", len(t.args))
}

// refuse makes an error in the platform's form, with the place in the query.
func (t *translation) refuse(code string, at soql.Node, format string, args ...any) *fault {
	return refuse(400, code, "%s", soql.Context(t.text, at.Pos(), fmt.Sprintf(format, args...)))
}

// malformed makes an error about the query as a whole.
func malformed(format string, args ...any) *fault {
	return refuse(400, "MALFORMED_QUERY", format, args...)
}

// scope is the table a query reads and the parents its paths have led to.
type scope struct {
	*translation
	root  *source
	names map[string]soql.Path // aliases of FROM, in lower case; the object's own has an empty path
	from  strings.Builder      // FROM with its joins
	extra string               // a further condition on the rows, "" for none
}

// source is one row source of a statement: the object itself, or a parent joined to it.
type source struct {
	alias   string
	object  *Object   // nil when the reference may point to several objects
	via     *Field    // the reference that led here, nil at the root
	key     string    // SQL of the id the reference holds
	targets []*source // one for each object the reference may point to
	parents map[string]*source
}

// id is the SQL of the row's id.
func (t *source) id() string {
	if t.object == nil {
		return t.key
	}
	return t.alias + `."Id"`
}

// newScope opens the object of FROM.
func (t *translation) newScope(object *Object, q *soql.Query) (*scope, error) {
	s := &scope{translation: t, names: map[string]soql.Path{}}
	s.root = &source{alias: t.nextAlias(), object: object}
	fmt.Fprintf(&s.from, "FROM %s AS %s", quoted(object.Name), s.root.alias)
	if q.From.Alias != nil {
		s.names[strings.ToLower(q.From.Alias.Text)] = nil
	}
	for _, join := range q.Joins {
		path, known := s.own(join.Path)
		if !known {
			return nil, t.unknownRelationship(join.Path, join.Path[0].Text)
		}
		if _, err := s.follow(path); err != nil {
			return nil, err
		}
		if join.Alias == nil {
			continue
		}
		alias := strings.ToLower(join.Alias.Text)
		if _, taken := s.names[alias]; taken {
			return nil, t.refuse("MALFORMED_QUERY", *join.Alias, "duplicate alias: %s", join.Alias.Text)
		}
		s.names[alias] = path
	}
	return s, nil
}

func (t *translation) nextAlias() string {
	t.tables++
	return fmt.Sprintf("t%d", t.tables)
}

// quoted makes an SQL name of a name from the schema.
func quoted(name string) string { return `"` + name + `"` }

// object finds the object of FROM.
func (t *translation) object(name soql.Name) (*Object, error) {
	if o := t.schema.Object(name.Text); o != nil && !o.Event {
		return o, nil
	}
	return nil, t.refuse("INVALID_TYPE", name, "sObject type '%s' is not supported. If you are attempting to use a custom object, "+
		"be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.", name.Text)
}

// own takes the alias or the name of the object off the front of a path, and puts the path of a joined alias in its
// place. It reports whether there was one.
func (s *scope) own(path soql.Path) (soql.Path, bool) {
	first := path[0].Text
	if prefix, ok := s.names[strings.ToLower(first)]; ok {
		return append(append(soql.Path{}, prefix...), path[1:]...), true
	}
	if len(path) > 1 && strings.EqualFold(first, s.root.object.Name) && s.root.object.Parent(first) == nil {
		return path[1:], true
	}
	return path, false
}

// follow joins the parents of a path of relationships, the last name included, and returns the last one.
func (s *scope) follow(path soql.Path) (*source, error) {
	at := s.root
	if len(path) > maxLevels {
		return nil, s.refuse("INVALID_FIELD", path, "a path follows at most %d relationships, %s has %d", maxLevels, path, len(path))
	}
	for _, name := range path {
		next, err := s.parent(at, name, path)
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// parent joins one parent, once.
func (s *scope) parent(at *source, name soql.Name, path soql.Path) (*source, error) {
	key := strings.ToLower(name.Text)
	if known := at.parents[key]; known != nil {
		return known, nil
	}
	if at.object == nil || at.object.Parent(key) == nil {
		return nil, s.unknownRelationship(path, name.Text)
	}
	via := at.object.Parent(key)
	joined := &source{via: via, key: at.alias + "." + quoted(via.Name)}
	for _, target := range via.To {
		if s.tables >= maxTables {
			return nil, refuse(400, "QUERY_TOO_COMPLICATED", "the query follows too many relationships")
		}
		one := &source{alias: s.nextAlias(), object: s.schema.Object(target), via: via, key: joined.key}
		fmt.Fprintf(&s.from, ` LEFT JOIN %s AS %s ON %[2]s."Id" = %s`, quoted(one.object.Name), one.alias, joined.key)
		joined.targets = append(joined.targets, one)
	}
	if len(joined.targets) == 1 {
		joined = joined.targets[0]
	}
	if at.parents == nil {
		at.parents = map[string]*source{}
	}
	at.parents[key] = joined
	return joined, nil
}

// operand is a value of a row: its SQL, and what a comparison, an answer or an error has to know of it.
type operand struct {
	sql   string
	typ   string  // describe type
	field *Field  // nil for the result of a function
	of    *source // where the field is
	name  string  // for errors
}

// column finds the field of a path.
func (s *scope) column(path soql.Path) (operand, error) {
	path, _ = s.own(path)
	if len(path) == 0 { // the alias of FROM alone
		return operand{}, malformed("an alias is no field")
	}
	of, err := s.follow(path[:len(path)-1])
	if err != nil {
		return operand{}, err
	}
	return s.fieldOf(of, path[len(path)-1], path)
}

func (s *scope) fieldOf(of *source, name soql.Name, path soql.Path) (operand, error) {
	if of.object == nil {
		return s.nameField(of, name, path)
	}
	f := of.object.Field(name.Text)
	if f == nil {
		return operand{}, s.unknownField(path, name.Text, of.object.Name)
	}
	op := operand{typ: f.Type, field: f, of: of, name: f.Name}
	if f.Stored() {
		op.sql = of.alias + "." + quoted(f.Name)
	}
	return op, nil
}

// nameFields are the fields of the entity Name, which stands for the record a reference to several objects points to.
var nameFields = map[string]string{"alias": "Alias", "email": "Email", "firstname": "FirstName", "id": "Id", "isactive": "IsActive",
	"lastname": "LastName", "name": "Name", "phone": "Phone", "title": "Title", "type": "Type", "username": "Username"}

// nameField reads a field of the entity Name from whichever object the reference points to.
func (s *scope) nameField(of *source, name soql.Name, path soql.Path) (operand, error) {
	known, ok := nameFields[strings.ToLower(name.Text)]
	if !ok {
		return operand{}, s.unknownField(path, name.Text, "Name")
	}
	op := operand{typ: "string", of: of, name: known, field: &Field{Name: known, Type: "string"}}
	var values []string
	for _, target := range of.targets {
		f := target.object.Field(known)
		if known == "Name" {
			f = target.object.NameField()
		}
		switch {
		case known == "Type":
			values = append(values, fmt.Sprintf(`CASE WHEN %s IS NOT NULL THEN '%s' END`, target.id(), target.object.Name))
		case f != nil:
			values = append(values, target.alias+"."+quoted(f.Name))
			op.typ, op.field = f.Type, &Field{Name: known, Type: f.Type}
		}
	}
	switch {
	case known == "Id":
		op.sql, op.typ, op.field = of.key, "id", &Field{Name: "Id", Type: "id"}
	case len(values) == 0:
		op.sql = "NULL"
	default:
		op.sql = "(coalesce(" + strings.Join(values, ", ") + ", NULL) COLLATE NOCASE)"
	}
	return op, nil
}

func (t *translation) unknownField(at soql.Node, field, entity string) *fault {
	return t.refuse("INVALID_FIELD", at, "No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append "+
		"the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.", field, entity)
}

func (t *translation) unknownRelationship(at soql.Node, name string) *fault {
	return t.refuse("INVALID_FIELD", at, "Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, "+
		"be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", name)
}
