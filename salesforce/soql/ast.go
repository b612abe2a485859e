package soql

// A Node is a part of a parsed statement.
type Node interface {
	// Pos is the byte offset in the statement at which the part starts; Locate
	// turns it into a row and a column.
	Pos() int
}

// A Name is one identifier as the author spelled it. Names in SOQL do not
// distinguish case: compare them with strings.EqualFold.
type Name struct {
	Text string
	At   int
}

// A Path is a dotted name: a field ("Name"), a field over relationships
// ("Account.Owner.Name"), or an object in FROM. It is never empty; its last
// part is the field. The first part may be the alias or the object of the
// FROM clause instead of a relationship.
type Path []Name

// An Expr stands where a value is selected, compared, grouped or sorted by: a
// Path, a *Call or, only as an argument of a call, a *Literal.
type Expr interface {
	Node
	expr()
}

// A Call is a function with its arguments, COUNT() with none.
type Call struct {
	Func Name
	Args []Expr
}

// An Item is one entry of a SELECT list: a *Column, a *Child, a *TypeOf or a *FieldSet.
type Item interface {
	Node
	item()
}

// A Column is a selected Path or Call with its alias, if any.
type Column struct {
	Expr  Expr
	Alias *Name // nil without one
}

// A Child is a query in parentheses in the SELECT list. Its FROM names a child
// relationship of the outer object ("Contacts"), not an object.
type Child struct {
	At    int
	Query *Query
}

// A TypeOf selects by the type a polymorphic relationship points to:
// TYPEOF What WHEN Account THEN Phone ELSE Name END.
type TypeOf struct {
	At    int
	Field Path
	When  []When
	Else  []Path // nil without ELSE
}

// A When is one branch of a TypeOf.
type When struct {
	Object Name
	Then   []Path
}

// A FieldSet is FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM). Kind is in
// upper case.
type FieldSet struct {
	At   int
	Kind string
}

// A Source is one entry of FROM: an object, or in a child query a relationship,
// with its alias. Further entries ("FROM Contact c, c.Account a") are paths
// that start at an earlier alias.
type Source struct {
	Path  Path
	Alias *Name // nil without one
}

// A Query is one SELECT statement. Clauses that were not written are nil, empty
// or false.
type Query struct {
	At      int
	Items   []Item
	From    Source
	Joins   []Source // the entries of FROM after the first
	Scope   *Name    // USING SCOPE
	Where   *Filter
	With    []*With
	GroupBy *GroupBy
	Having  *Filter
	OrderBy *OrderBy
	Limit   *Number
	Offset  *Number
	For     []Name // VIEW, REFERENCE, UPDATE, in upper case
	Update  []Name // TRACKING, VIEWSTAT, in upper case
	AllRows bool
}

// A Filter is a WHERE or HAVING clause.
type Filter struct {
	At   int
	Cond Cond
}

// A Cond is a condition: a *Logic, a *Not or a *Comparison.
type Cond interface {
	Node
	cond()
}

// A Logic joins two or more conditions with one operator. SOQL has no
// precedence: AND and OR never stand on one level.
type Logic struct {
	Op    string // "AND" or "OR"
	Terms []Cond
}

// A Not negates a condition.
type Not struct {
	At   int
	Cond Cond
}

// A Comparison compares a field or a call with a value. Op is one of
// = != < <= > >= LIKE IN "NOT IN" INCLUDES EXCLUDES, with <> read as !=.
type Comparison struct {
	Left  Expr
	Op    string
	OpAt  int
	Right Value
}

// A Value is what a field is compared with: a *Literal, a *List or, after IN
// and NOT IN, a *SemiJoin.
type Value interface {
	Node
	value()
}

// A List is the literals in parentheses after IN, NOT IN, INCLUDES and EXCLUDES.
type List struct {
	At     int
	Values []*Literal
}

// A SemiJoin is the query in parentheses after IN and NOT IN. Its FROM names an object.
type SemiJoin struct {
	At    int
	Query *Query
}

// A Kind says what a Literal is.
type Kind int

// The kinds of literals.
const (
	Null        Kind = iota
	Boolean          // Text is TRUE or FALSE
	String           // Text is the value without quotes, escapes resolved
	Pattern          // a string after LIKE; as String, but \%, \_ and \\ in Text are still escaped
	Numeric          // Text as written
	Date             // 2027-03-01
	DateTime         // 2027-03-01T09:15:00Z, with Z or an offset
	DateLiteral      // TODAY, LAST_N_DAYS; Text in upper case, N holds the number
	Currency         // USD5000.01; Text as written
)

// A Literal is a constant. Its Text depends on the Kind.
type Literal struct {
	Kind Kind
	Text string
	N    int // the number after the colon of LAST_N_DAYS:7 and its relatives
	At   int
}

// A With is one WITH clause: SECURITY_ENFORCED, USER_MODE, SYSTEM_MODE, DATA
// CATEGORY with its conditions, or another name with a value (NETWORK,
// HIGHLIGHT, SNIPPET, METADATA, PRICEBOOKID … of SOSL). Kind is in upper case.
type With struct {
	At         int
	Kind       string
	Categories []Category // of DATA CATEGORY
	Op         string     // "=", "IN" or TARGET_LENGTH (of SNIPPET) with Values, "" without
	Values     []*Literal
}

// A Category is one condition of WITH DATA CATEGORY.
type Category struct {
	Group Name
	Op    string // AT, ABOVE, BELOW, ABOVE_OR_BELOW
	Names []Name
}

// A GroupBy is a GROUP BY clause. Kind is "", "ROLLUP" or "CUBE".
type GroupBy struct {
	At    int
	Kind  string
	Exprs []Expr
}

// An OrderBy is an ORDER BY clause.
type OrderBy struct {
	At   int
	Keys []*Order
}

// An Order is one sort key. Nulls is "", "FIRST" or "LAST".
type Order struct {
	Expr  Expr
	Desc  bool
	Nulls string
}

// A Number is the count of LIMIT or OFFSET.
type Number struct {
	At    int
	Value int
}

// A Search is one SOSL statement.
type Search struct {
	At        int
	Term      Term
	In        *Name // ALL, NAME, EMAIL, PHONE or SIDEBAR in upper case
	Returning []*Returning
	With      []*With
	Limit     *Number
	Update    []Name // TRACKING, VIEWSTAT, in upper case
}

// A Term is the text between the braces of FIND.
type Term struct {
	At   int
	Text string // as written
	Root Match
}

// A Match is a part of a search term: a *Phrase, an *AnyOf, an *AllOf or a *Without.
type Match interface{ match() }

// A Phrase is one word or a quoted sequence of words. In Text '*' (any
// characters) and '?' (one character) are wildcards, and a backslash makes the
// character after it stand for itself.
type Phrase struct {
	Text   string
	Quoted bool
}

// An AllOf matches when every term does, an AnyOf when one does.
type (
	AllOf struct{ Terms []Match }
	AnyOf struct{ Terms []Match }
)

// A Without matches when Keep does and Drop does not (AND NOT).
type Without struct{ Keep, Drop Match }

// A Returning is one object of RETURNING with what is wanted of it.
type Returning struct {
	Object   Name
	Items    []Item // none: only the ids
	ListView *Name  // USING ListView=
	Where    *Filter
	OrderBy  *OrderBy
	Limit    *Number
	Offset   *Number
}

func (n Name) Pos() int        { return n.At }
func (p Path) Pos() int        { return p[0].At }
func (c *Call) Pos() int       { return c.Func.At }
func (c *Column) Pos() int     { return c.Expr.Pos() }
func (c *Child) Pos() int      { return c.At }
func (t *TypeOf) Pos() int     { return t.At }
func (f *FieldSet) Pos() int   { return f.At }
func (q *Query) Pos() int      { return q.At }
func (f *Filter) Pos() int     { return f.At }
func (l *Logic) Pos() int      { return l.Terms[0].Pos() }
func (n *Not) Pos() int        { return n.At }
func (c *Comparison) Pos() int { return c.Left.Pos() }
func (l *List) Pos() int       { return l.At }
func (s *SemiJoin) Pos() int   { return s.At }
func (l *Literal) Pos() int    { return l.At }
func (w *With) Pos() int       { return w.At }
func (g *GroupBy) Pos() int    { return g.At }
func (o *OrderBy) Pos() int    { return o.At }
func (o *Order) Pos() int      { return o.Expr.Pos() }
func (s Source) Pos() int      { return s.Path.Pos() }
func (s *Search) Pos() int     { return s.At }
func (r *Returning) Pos() int  { return r.Object.At }

func (Path) expr()     {}
func (*Call) expr()    {}
func (*Literal) expr() {}

func (*Column) item()   {}
func (*Child) item()    {}
func (*TypeOf) item()   {}
func (*FieldSet) item() {}

func (*Logic) cond()      {}
func (*Not) cond()        {}
func (*Comparison) cond() {}

func (*Literal) value()  {}
func (*List) value()     {}
func (*SemiJoin) value() {}

func (*Phrase) match()  {}
func (*AllOf) match()   {}
func (*AnyOf) match()   {}
func (*Without) match() {}
