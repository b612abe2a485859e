package soql

import (
	"errors"
	"fmt"
)

// A Use is what a statement reads a field for. An aggregate or another function
// counts as what it stands in: SUM(Amount) in HAVING counts as Filtered.
type Use int

// The uses of a field.
const (
	Selected Use = iota + 1 // its value is in the answer, under its name or an alias
	Filtered                // it decides which rows are in the answer (WHERE, HAVING, semi-joins, FIND), or is in it unnamed
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

// Any stands in a Read for every sObject there is (FIND without RETURNING), or
// for every field of one: Selected by FIELDS(), which the answer names one by one,
// or Filtered by what names no field.
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

// A Describe tells what the org says of an sObject, whose name may be in any case.
// Its error is [ErrNoSObject] when the org has none of this name or does not show
// it. It is asked once for each name.
type Describe func(sObject string) (*SObject, error)

// ErrNoSObject is for a Describe to say that there is no such sObject.
var ErrNoSObject = errors.New("no such sObject")

// A NameError says which name of a statement leads nowhere. What the statement
// reads is then not known. [Context] shows the place in the text.
type NameError struct {
	Name string
	At   int // byte offset of the name
	Msg  string

	nowhere bool // in the meaning it was looked up in: another one may lead somewhere
}

func (e *NameError) Error() string { return e.Msg }

// Reads lists what a query reads, each field once for each use, in the order
// of first mention. It never lists less than the org reads, as far as the text
// and the describes tell; where a name has several meanings (an alias that is
// also a relationship, a reference to several sObjects) it lists all of them.
//
//   - Every source of rows is listed with the Field "": FROM, each parent a path
//     leads to (all targets of a polymorphic one), each child query.
//   - A path reads the references it goes over, a child query the one that leads
//     back, for the same use: the answer has the ids of all records in it.
//   - A path over a polymorphic reference reads the field of every target that
//     has it, Name being whichever field names the target. Of a target
//     that cannot be described Any is Filtered.
//   - TYPEOF reads all branches, ELSE of every target.
//   - What a semi-join selects is Filtered.
//   - WITH DATA CATEGORY and scopes other than everything and mine name no field:
//     Any is Filtered.
//   - So it is of the sObjects whose records another one shows: AccountHistory
//     shows those of Account, RecentlyViewed those of Any.
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
		return nil, refuse(q.From.Path[0], "FROM names an sObject, %s is a path", q.From.Path)
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

// Reads lists what a search reads, as [Query.Reads] does. The text of FIND filters
// by Any field of the sObjects in RETURNING, with IN EMAIL FIELDS and IN PHONE FIELDS
// by their fields of these types, without RETURNING by Any of Any sObject. (Which
// fields NAME and SIDEBAR search differs between sObjects: they count as ALL.) A list
// view filters by fields that the statement does not tell, and WITH SNIPPET shows text
// of any field: Any is Filtered.
//
// Whether a real org finds records by the names of their parents, as its own search
// page does for some sObjects, was not found in a source.
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
