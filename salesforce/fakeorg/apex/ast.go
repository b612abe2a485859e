package apex

import "strings"

// Type is a type as it is written: Account, List<Account> (also for Account[]), Map<Id, Account>, Outer.Inner.
type Type struct {
	Pos
	Name string
	Args []Type
}

func (t Type) String() string {
	if len(t.Args) == 0 {
		return t.Name
	}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = a.String()
	}
	return t.Name + "<" + strings.Join(args, ",") + ">"
}

// is compares the name, in any case of letters.
func (t Type) is(name string) bool { return strings.EqualFold(t.Name, name) }

// Modifiers are what stands before a declaration. Access is public, private, protected or global; empty is private.
type Modifiers struct {
	Access              string
	Static, Test, Setup bool // Test is @IsTest or testMethod, Setup @TestSetup
	SeeAllData          bool
	Abstract, Virtual   bool
}

// Class is a class, an interface or an enum.
type Class struct {
	Pos
	Modifiers
	Name         string
	Kind         string // class, interface or enum
	Super        *Type
	Interfaces   []Type
	Fields       []*Field
	Methods      []*Method
	Constructors []*Method
	Inner        []*Class
	Values       []string // of an enum
	Initializers []*Method

	Outer *Class
	File  string // name of the class whose source this is, for coverage
	Size  int    // bytes of the source without comments
	lines []int  // that can be covered
}

// Field is a variable or a property of a class.
type Field struct {
	Pos
	Modifiers
	Name     string
	Type     Type
	Init     Expr
	Property bool
	Get, Set *Block // nil for {get; set;}
}

// Method is a method, a constructor or an initializer.
type Method struct {
	Pos
	Modifiers
	Name   string
	Return Type // Name is void for none
	Params []Param
	Body   *Block // nil in an interface and for an abstract method
	Class  *Class
}

// Param is a parameter of a method.
type Param struct {
	Name string
	Type Type
}

// Trigger is a trigger.
type Trigger struct {
	Name, Object string
	Events       []string // such as "before insert"
	Body         *Block
	Size         int // bytes of the source without comments
	lines        []int
}

// Anonymous is an anonymous block: statements, and the methods and classes that stand between them.
type Anonymous struct {
	class *Class
	body  *Block
}

// method finds the methods with a name.
func (c *Class) methods(name string) []*Method {
	var found []*Method
	for _, m := range c.Methods {
		if strings.EqualFold(m.Name, name) {
			found = append(found, m)
		}
	}
	return found
}

func (c *Class) field(name string) *Field {
	for _, f := range c.Fields {
		if strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

func (c *Class) inner(name string) *Class {
	for _, in := range c.Inner {
		if strings.EqualFold(in.Name, name) {
			return in
		}
	}
	return nil
}

// FullName is the name with that of the class around it.
func (c *Class) FullName() string {
	if c.Outer != nil {
		return c.Outer.FullName() + "." + c.Name
	}
	return c.Name
}

// Tests are the test methods of a test class, in the order of the source.
func (c *Class) Tests() []*Method {
	var tests []*Method
	for _, m := range c.Methods {
		if m.Test && m.Static && !m.Setup && m.Body != nil {
			tests = append(tests, m)
		}
	}
	return tests
}

// Lines are the lines whose execution counts as coverage: where a statement begins. Test classes have none.
func (c *Class) Lines() []int {
	if c.Test {
		return nil
	}
	return c.lines
}

// Lines are the lines whose execution counts as coverage.
func (t *Trigger) Lines() []int { return t.lines }

// Stmt is a statement.
type Stmt interface{ at() Pos }

// Expr is an expression.
type Expr interface{ at() Pos }

func (p Pos) at() Pos { return p }

// The statements.
type (
	// Block is a list of statements in braces.
	Block struct {
		Pos
		Stmts []Stmt
	}
	local struct {
		Pos
		typ  Type
		vars []variable
	}
	variable struct {
		Pos
		name string
		init Expr
	}
	exprStmt struct {
		Pos
		x Expr
	}
	ifStmt struct {
		Pos
		cond      Expr
		then, els Stmt
	}
	loop struct { // while, do and for
		Pos
		init   []Stmt
		cond   Expr // nil is true
		update []Expr
		body   Stmt
		after  bool // do: the condition is asked after the body
	}
	forEach struct {
		Pos
		typ  Type
		name string
		over Expr
		body Stmt
	}
	jump struct { // break, continue
		Pos
		word string
	}
	returnStmt struct {
		Pos
		x Expr
	}
	throwStmt struct {
		Pos
		x Expr
	}
	tryStmt struct {
		Pos
		body    *Block
		catches []catch
		finally *Block
	}
	catch struct {
		typ  Type
		name string
		body *Block
	}
	dmlStmt struct {
		Pos
		op  string // insert, update, upsert, delete, undelete, merge
		x   Expr
		key string // field of an upsert
	}
	runAs struct {
		Pos
		user Expr
		body *Block
	}
	switchStmt struct {
		Pos
		on    Expr
		whens []when
	}
	when struct {
		values []Expr // none is else
		body   *Block
	}
)

// The expressions.
type (
	literal struct {
		Pos
		value Value
	}
	name struct {
		Pos
		name string
	}
	member struct {
		Pos
		x    Expr
		name string
		safe bool // ?.
	}
	call struct {
		Pos
		x    Expr // nil for a method of the own class; this and super for constructors
		name string
		args []Expr
		safe bool
	}
	index struct {
		Pos
		x, i Expr
	}
	newExpr struct {
		Pos
		typ   Type
		args  []Expr
		named []variable // of an sObject
		items []Expr     // of a list or set
		pairs [][2]Expr  // of a map
	}
	cast struct {
		Pos
		typ Type
		x   Expr
	}
	instanceOf struct {
		Pos
		x   Expr
		typ Type
	}
	unary struct {
		Pos
		op string
		x  Expr
	}
	step struct { // ++ and --
		Pos
		op     string
		x      Expr
		before bool
	}
	binary struct {
		Pos
		op   string
		l, r Expr
	}
	ternary struct {
		Pos
		cond, yes, no Expr
	}
	assign struct {
		Pos
		op   string // = or += and so on
		l, r Expr
	}
	query struct {
		Pos
		parts []string // of the text, around the binds
		binds []Expr
	}
)
