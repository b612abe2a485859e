package apex

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Platform is the org that Apex runs in.
type Platform interface {
	Class(name string) *Class  // nil when there is none
	Object(name string) string // the API name of an sObject, "" when there is none
	Field(object, name string) (FieldInfo, bool)
	Query(soql string) ([]*SObject, error)
	Count(soql string) (int, error) // of SELECT COUNT()
	// Write inserts, updates, upserts or deletes one record, and gives its id.
	Write(op, key string, record *SObject) (id string, err error)
	Within(do func() error) error // undoes what do wrote when it fails
	User() User
	Now() time.Time
}

// FieldInfo is what the org says of a field.
type FieldInfo struct {
	Name   string
	Type   string // describe type, or "parent" and "children" for relationships
	Object string // of a relationship
	Scale  int
}

// User is who the code runs as.
type User struct{ ID, Username, FirstName, LastName, Email, ProfileID, OrganizationID string }

// RowError is why a record could not be written.
type RowError struct {
	Code, Message string
	Fields        []string
}

func (e *RowError) Error() string { return e.Code + ": " + e.Message }

// Exception is an exception nobody caught.
type Exception struct {
	Type, Message, Trace string
	Line                 int
}

func (e *Exception) Error() string { return e.Type + ": " + e.Message }

// Event is a line of the log.
type Event struct {
	Kind, Detail string
	Line         int
}

// Limits of one run, the platform's for synchronous Apex; steps stand for CPU time too.
const (
	maxSteps   = 2_000_000
	maxStack   = 1000
	maxQueries = 100
	maxDML     = 150
	maxRows    = 10_000
	maxTime    = 5 * time.Second
)

// Interpreter runs Apex. It is made for one transaction.
type Interpreter struct {
	Platform Platform
	Testing  bool                    // Test.isRunningTest()
	Events   []Event                 // the log
	Covered  map[string]map[int]bool // lines that were run, by the name of the class

	Queries, DML, QueryRows, DMLRows int // used so far

	steps   int
	logged  int // bytes
	began   time.Time
	stack   []*frame
	statics map[*Class]map[string]*Value
	classes map[string]*Class
}

// frame is a method that runs.
type frame struct {
	class  *Class
	this   *Object
	method string
	file   string
	line   int
	result Value
	vars   *scope
}

// scope is the variables of a block.
type scope struct {
	vars  map[string]*variableSlot
	outer *scope
}

type variableSlot struct {
	typ   Type
	value Value
}

func (s *scope) find(name string) *variableSlot {
	for at := s; at != nil; at = at.outer {
		if v := at.vars[strings.ToLower(name)]; v != nil {
			return v
		}
	}
	return nil
}

// flow is how a statement ends.
type flow int

const (
	goOn flow = iota
	breaks
	continues
	returns
)

// thrown carries an exception up the stack. It is the only error that catch knows; fatal ones it does not catch.
type thrown struct {
	*Object
	fatal bool
}

func (t *thrown) Error() string { return t.typ + ": " + t.message }

// Run runs an anonymous block. The error is an [*Exception], an [*Error], or one of the platform's.
func (in *Interpreter) Run(a *Anonymous) error {
	return in.outcome(func() error {
		f := &frame{class: a.class, method: "", vars: &scope{vars: map[string]*variableSlot{}}}
		_, err := in.enter(f, func() (flow, error) { return in.block(f, a.body) })
		return err
	})
}

// RunMethod runs a static method without parameters.
func (in *Interpreter) RunMethod(m *Method) error {
	if m.Class.Outer == nil {
		in.classes = map[string]*Class{strings.ToLower(m.Class.Name): m.Class}
	}
	return in.outcome(func() error {
		_, err := in.invoke(m, nil, nil)
		return err
	})
}

// outcome gives the errors of a run the form that others know.
func (in *Interpreter) outcome(do func() error) error {
	in.began = time.Now()
	err := do()
	var t *thrown
	if errors.As(err, &t) {
		return &Exception{Type: t.typ, Message: t.message, Line: t.line, Trace: t.trace}
	}
	return err
}

// enter runs do in a frame.
func (in *Interpreter) enter(f *frame, do func() (flow, error)) (Value, error) {
	if len(in.stack) >= maxStack {
		return nil, in.limit(fmt.Sprintf("Maximum stack depth reached: %d", maxStack+1))
	}
	in.stack = append(in.stack, f)
	_, err := do()
	in.stack = in.stack[:len(in.stack)-1]
	return f.result, err
}

// trace is the stack as the platform writes it.
func (in *Interpreter) trace() string {
	var lines []string
	for i := len(in.stack) - 1; i >= 0; i-- {
		f := in.stack[i]
		where := "AnonymousBlock"
		if f.file != "" {
			where = "Class." + f.class.FullName() + "." + f.method
		}
		lines = append(lines, fmt.Sprintf("%s: line %d, column 1", where, f.line))
	}
	return strings.Join(lines, "\n")
}

// throw makes an exception of the platform's.
func (in *Interpreter) throw(typ, format string, args ...any) error {
	return in.thrown(&Object{typ: "System." + typ, message: fmt.Sprintf(format, args...)}, false)
}

// limit makes an exception that cannot be caught.
func (in *Interpreter) limit(message string) error {
	return in.thrown(&Object{typ: "System.LimitException", message: message}, true)
}

func (in *Interpreter) thrown(o *Object, fatal bool) error {
	if len(in.stack) > 0 {
		o.line = in.stack[len(in.stack)-1].line
	}
	o.trace = in.trace()
	return &thrown{o, fatal}
}

// unknown is the error about what is not understood here.
func unknown(at Pos, format string, args ...any) error {
	return &Error{at, "simulated: " + fmt.Sprintf(format, args...)}
}

// step counts towards the CPU time limit.
func (in *Interpreter) step() error {
	if in.steps++; in.steps > maxSteps || in.steps%256 == 0 && time.Since(in.began) > maxTime {
		return in.limit("Apex CPU time limit exceeded")
	}
	return nil
}

// class finds a class of the org, or nil.
func (in *Interpreter) class(name string) *Class {
	key := strings.ToLower(name)
	c, known := in.classes[key]
	if !known {
		if in.classes == nil {
			in.classes = map[string]*Class{}
		}
		c = in.Platform.Class(name)
		in.classes[key] = c
	}
	return c
}

// resolve finds the class a type names, from within another class, or nil.
func (in *Interpreter) resolve(from *Class, name string) *Class {
	first, rest, nested := strings.Cut(name, ".")
	var c *Class
	for at := from; at != nil && c == nil; at = at.Outer {
		if c = at.inner(first); c == nil && strings.EqualFold(at.Name, first) {
			c = at
		}
		if c == nil && at.Super != nil && !strings.EqualFold(at.Super.Name, first) {
			if super := in.class(at.Super.Name); super != nil {
				c = super.inner(first)
			}
		}
	}
	if c == nil {
		c = in.class(first)
	}
	if c == nil || !nested {
		return c
	}
	return c.inner(rest)
}

// lineage is a class and those it extends.
func (in *Interpreter) lineage(c *Class) []*Class {
	var all []*Class
	for c != nil && len(all) < maxNested {
		all = append(all, c)
		if c.Super == nil {
			break
		}
		c = in.resolve(c, c.Super.Name)
	}
	return all
}

func (in *Interpreter) super(c *Class) *Class {
	if all := in.lineage(c); len(all) > 1 {
		return all[1]
	}
	return nil
}

// isException reports whether a class is an exception of the org's.
func (in *Interpreter) isException(c *Class) bool {
	all := in.lineage(c)
	if len(all) == 0 {
		return false
	}
	last := all[len(all)-1].Super
	return last != nil && last.is("Exception")
}

// static gives the static variables of a class; the first time they get their initial values.
func (in *Interpreter) static(c *Class) (map[string]*Value, error) {
	if vars := in.statics[c]; vars != nil {
		return vars, nil
	}
	if in.statics == nil {
		in.statics = map[*Class]map[string]*Value{}
	}
	vars := map[string]*Value{}
	in.statics[c] = vars
	for _, f := range c.Fields {
		if f.Static {
			vars[strings.ToLower(f.Name)] = new(Value)
		}
	}
	f := &frame{class: c, method: "<clinit>", file: c.File, line: c.Line, vars: &scope{vars: map[string]*variableSlot{}}}
	_, err := in.enter(f, func() (flow, error) {
		for _, field := range c.Fields {
			if !field.Static || field.Init == nil {
				continue
			}
			in.at(f, field.Pos)
			v, err := in.evalAs(f, field.Type, field.Init)
			if err != nil {
				return goOn, err
			}
			*vars[strings.ToLower(field.Name)] = v
		}
		for _, block := range c.Initializers {
			if block.Static {
				if _, err := in.block(f, block.Body); err != nil {
					return goOn, err
				}
			}
		}
		return goOn, nil
	})
	return vars, err
}

// at notes that a line is run.
func (in *Interpreter) at(f *frame, pos Pos) {
	f.line = pos.Line
	if f.file == "" {
		return
	}
	if in.Covered == nil {
		in.Covered = map[string]map[int]bool{}
	}
	if in.Covered[f.file] == nil {
		in.Covered[f.file] = map[int]bool{}
	}
	in.Covered[f.file][pos.Line] = true
}

// invoke runs a method with its arguments.
func (in *Interpreter) invoke(m *Method, this *Object, args []Value) (Value, error) {
	if m.Body == nil {
		return nil, unknown(m.Pos, "%s has no body", m.Name)
	}
	if m.Static {
		if _, err := in.static(m.Class); err != nil {
			return nil, err
		}
	}
	f := &frame{class: m.Class, this: this, method: m.Name, file: m.Class.File, line: m.Line, vars: &scope{vars: map[string]*variableSlot{}}}
	for i, arg := range args {
		param := m.Params[i]
		v, err := in.convert(m.Pos, f.class, param.Type, arg)
		if err != nil {
			return nil, err
		}
		f.vars.vars[strings.ToLower(param.Name)] = &variableSlot{param.Type, v}
	}
	result, err := in.enter(f, func() (flow, error) { return in.block(f, m.Body) })
	if err != nil || m.Return.is("void") {
		return nil, err
	}
	return in.convert(m.Pos, f.class, m.Return, result)
}

// Milliseconds is how long the run is said to have taken: it depends on what was run, not on the machine.
func (in *Interpreter) Milliseconds() int { return 1 + in.steps/200 + 4*in.DML + 2*in.Queries }
