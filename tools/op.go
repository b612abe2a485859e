package tools

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
)

// A Tool is one dispatcher tool: a noun, a sentence and its operations.
type Tool struct {
	Name string
	Doc  string
	Ops  []Op

	flat bool // it is one operation by itself, without an action
	lean bool // it is described in few words
}

// An Op is one row of the table: something an agent may ask of a tool.
type Op struct {
	Action      string  // value of the tool's action argument, as in "get"
	Instruction string  // the same operation's name as an instruction, as in "getRecord"
	Doc         string  // one imperative sentence, read by models and by people
	Effect      Effect  // what it does to the org; the zero value is a mistake that Table.Check finds
	Call        string  // the request as a ServeMux pattern below /services/data/{version}: "GET /sobjects/{sObjectName}"; "" with Own
	Needs       []Param // arguments that must be given
	Takes       []Param // arguments that may be given
	Run         Run     // does what one plain request cannot; nil for most rows
	Own         Own     // answers what is no operation of Salesforce's; nil for most rows
	Connects    bool    // of a row with Own: it needs the org

	// Waits is how much longer than others a call of the row may take.
	Waits time.Duration

	// Once marks a row whose request is never sent twice, whatever its effect
	// would allow: it makes a job, or a repetition would be refused.
	Once bool
	// Gives says what the id of its answer is a handle of; "" for most rows.
	Gives Handle
	// Agree checks what the arguments say together, each of which has passed; nil for
	// most rows.
	Agree func(Args) error
	// Flat marks a row that takes the members of its JSON body as arguments of
	// their own only, and not inside an argument "body" as well.
	Flat bool
	// Carries says which effects its content has beside the row's own; nil is none
	// or, of a row whose effect is Act, any.
	Carries func(Args) []Effect
	// Content is what the answer is; JSON for most rows.
	Content Content
	// Brief names what is kept of an answer too large for a model: the members
	// of the object under "", and the columns of a list under its name. All is
	// kept when it is nil.
	Brief map[string][]string
	// View arranges an answer for reading where its own form does not fit a
	// table, such as a report's; nil leaves it as it is. The answer is not
	// changed.
	View func(Args, any) any
	// Note says what a reader of the answer must know, or what to do next; nil
	// and "" say nothing.
	Note func(Args, any) string
	// Hints say what to do about an error of Salesforce, by its code or its class,
	// where that is not what it means elsewhere; and, by OutcomeUnknown, about one
	// that leaves open whether the call was done.
	Hints map[string]string
	// More says how to get the records that did not fit into a result, and may
	// mend what the page says of itself; nil says to ask for less.
	More func(*Op, Args, *page) string

	// Opaque marks a row of which nobody can say what it touches: it runs code, or a
	// report.
	Opaque bool
	// Touches finds out what a call of the row touches. Rows without it name an
	// object as sObjectName, and touch its records and the fields that their
	// arguments name.
	Touches func(*reach, Args) error

	tool   string // name of the tool the row belongs to, set by NewTable
	manner manner // how the caller calls it
	bare   bool   // the caller gets Salesforce's answer as it is
	reach  *reach // what the call touches; nil where the rule does not ask
}

// Content says what a row's answer is.
type Content int

// The contents. Values and CSV may be of any size: they are streamed.
const (
	JSON  Content = iota
	Value         // one value: a file's bytes, a text, or JSON
	CSV           // a table as CSV
)

// Effect says what an operation does to the org.
type Effect int

// The effects, from harmless to unknown. The zero value is none of them.
const (
	_      Effect = iota
	Read          // changes nothing
	Add           // only adds; a repeat adds again
	Set           // overwrites; a repeat changes nothing more
	Remove        // takes away; a repeat changes nothing more
	Act           // anything else: it may overwrite, and a repeat does it again
)

// A Param is a named argument. It is declared once and shared by rows, so that
// a name means the same in every action of a tool.
//
// Where it goes follows from the row: into the hole of Call that bears its
// name; otherwise, for GET and DELETE, into the query; otherwise it is a member
// of the JSON body, and may then be given inside the argument "body" as well.
type Param struct {
	Name   string
	Type   string // JSON Schema type: string, integer, boolean, array or object
	Form   Form   // what a value must look like, beyond its type
	OneOf  string // the values it may have, separated by |; "" is any
	Doc    string
	In     In     // exceptions to where it goes
	Handle Handle // what it names, if that is somebody's
	Rare   bool   // few need it: dispatcher tools take it without listing it
}

// In says where an argument goes when that does not follow from the row's Call.
type In int

// The places. Plain is the rule described at Param.
const (
	Plain   In = iota
	InQuery    // it goes into the query although the request has a body
	Body       // it is the JSON body
	Raw        // it is the body as it is, CSV; callers of the instruction API may stream it
	Local      // it is not sent: only Run reads it, or the path of the call
	Shape      // it is not sent: only the shaping of a result for a model reads it; raw answers know nothing of it
)

// An Org sends requests to one connected Salesforce org. *salesforce.Org is one.
type Org interface {
	Do(context.Context, *salesforce.Request) (*salesforce.Response, error)
}

// Run carries out an operation that is not one plain request. The arguments
// have passed Op.Check. It returns what Salesforce answered, or an answer of
// the same kind made from several.
type Run func(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error)

// Args are the checked arguments of one call by name. Numbers are json.Number,
// so that they keep every digit.
type Args map[string]any

// Arguments that every row takes.
var (
	action       = Param{Name: "action", Type: "string"}
	outputFormat = Param{Name: "outputFormat", Type: "string", OneOf: "verbose|structured|both", In: Shape,
		Doc: "verbose is text, the default; structured is JSON"}
)

// bodyName is the argument that holds the JSON body or, for rows with an
// envelope, the members of it.
const bodyName = "body"

// params returns the row's own parameters, needed ones first, and then those
// that every row takes, or every row that changes something.
func (op *Op) params() []Param {
	all := append(slices.Concat(op.Needs, op.Takes), outputFormat)
	if op.Effect != Read {
		all = append(all, idempotencyKey)
	}
	return all
}

// param returns the row's parameter of that name.
func (op *Op) param(name string) (Param, bool) {
	for _, p := range op.params() {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}

// method returns the HTTP method of Call.
func (op *Op) method() string {
	method, _, _ := strings.Cut(op.Call, " ")
	return method
}

// member reports whether p is a member of the row's JSON body.
func (op *Op) member(p Param) bool { return op.wrapped(p) && op.method() != "DELETE" }

// wrapped reports whether p may stand inside an envelope.
func (op *Op) wrapped(p Param) bool {
	return p.In == Plain && !strings.Contains(op.Call, "{"+p.Name+"}") && op.method() != "GET"
}

// enveloped reports whether the row takes an argument "body" that only wraps
// its own members, as the documented calls that change several records do.
func (op *Op) enveloped() bool {
	_, whole := op.param(bodyName)
	return !whole && !op.Flat && slices.ContainsFunc(op.params(), op.wrapped)
}

// raw returns the row's parameter that is the body as it is, if it has one.
func (op *Op) raw() (Param, bool) {
	for _, p := range op.params() {
		if p.In == Raw {
			return p, true
		}
	}
	return Param{}, false
}

// semantics says what the row's requests may do when they are sent twice.
func (op *Op) semantics() salesforce.Semantics {
	if op.Once {
		return salesforce.Unsafe
	}
	return op.Effect.semantics()
}

// Tool returns the name of the tool the row belongs to.
func (op *Op) Tool() string { return op.tool }

// A Table is all tools, in the order they are listed.
type Table []Tool

// NewTable joins tools into a table and tells each row the name of its tool.
func NewTable(tools ...Tool) Table {
	t := make(Table, 0, len(tools))
	for _, tool := range tools {
		tool.Ops = slices.Clone(tool.Ops)
		for i := range tool.Ops {
			tool.Ops[i].tool = tool.Name
		}
		t = append(t, tool)
	}
	return t
}

// Only returns the part of t whose operations keep reports true for: the table as one
// caller sees it.
func (t Table) Only(keep func(allowlist.Operation) bool) Table {
	var part Table
	for _, tool := range t {
		var ops []Op
		for i := range tool.Ops {
			if keep(tool.Ops[i].operation()) {
				ops = append(ops, tool.Ops[i])
			}
		}
		if ops != nil {
			part = append(part, Tool{Name: tool.Name, Doc: tool.Doc, Ops: ops})
		}
	}
	return part
}

// Operations returns every operation of the table, for policies and their
// checks.
func (t Table) Operations() []allowlist.Operation {
	var all []allowlist.Operation
	for _, tool := range t {
		for i := range tool.Ops {
			all = append(all, tool.Ops[i].operation())
		}
	}
	return all
}

// operation is the row in the words of the gate.
func (op *Op) operation() allowlist.Operation {
	return allowlist.Operation{Tool: op.tool, Action: op.Action, Effect: op.Effect.String(), Opaque: op.Opaque}
}

// TakesFile reports whether the arguments of an instruction may hold a file:
// the zip of a deploy, a document, the rows of a job.
func (t Table) TakesFile(instruction string) bool {
	op, err := t.Instruction(instruction)
	return err == nil && slices.ContainsFunc(op.params(), func(p Param) bool { return p.In == Raw || p.Form == Zip || p.Form == Base64 })
}

// Find returns the row that tool and action name, or the row whose instruction
// is called tool. The error names what t has instead: pass the part of the
// table that the caller may use.
func (t Table) Find(tool, action string) (*Op, error) {
	var tools []string
	for i := range t {
		tools = append(tools, t[i].Name)
		for j := range t[i].Ops {
			if op := &t[i].Ops[j]; op.Instruction == tool && (action == "" || action == op.Action) {
				return op, nil
			}
		}
		named, ok := t[i].named(tool)
		if !ok {
			continue
		}
		var actions []string
		for j := range named.Ops {
			if named.Ops[j].Action == action {
				return &named.Ops[j], nil
			}
			actions = append(actions, named.Ops[j].Action)
		}
		if action == "" {
			return nil, &Error{Code: MissingArgument, Message: fmt.Sprintf("%s needs an action: one of %s", tool, strings.Join(actions, ", "))}
		}
		return nil, &Error{Code: UnknownAction, Message: fmt.Sprintf("%s has no action %q for this agent%s; it has %s", tool, clip(action), near(action, actions), strings.Join(actions, ", "))}
	}
	if len(tools) == 0 {
		return nil, &Error{Code: UnknownTool, Message: fmt.Sprintf("there is no tool %q for this agent; it may use none", clip(tool))}
	}
	return nil, &Error{Code: UnknownTool, Message: fmt.Sprintf("there is no tool %q for this agent%s; there are %s", clip(tool), near(tool, tools), strings.Join(tools, ", "))}
}

// Instruction returns the row of that instruction. The error names one that is
// spelled almost like it.
func (t Table) Instruction(name string) (*Op, error) {
	for i := range t {
		for j := range t[i].Ops {
			if op := t[i].Ops[j]; op.Instruction == name {
				op.manner = byInstruction
				return &op, nil
			}
		}
	}
	return nil, &Error{Code: UnknownTool, Message: fmt.Sprintf("there is no instruction %q for this agent%s", clip(name), near(name, t.InstructionNames()))}
}

var (
	callRE = regexp.MustCompile(`^(GET|POST|PATCH|PUT|DELETE) (/\S*)$`)
	holeRE = regexp.MustCompile(`\{(\w+)\}`)
)

// Check returns every mistake in the table. A test calls it, and so does the
// program at start.
func (t Table) Check() (errs []error) {
	instructions := map[string]bool{}
	for _, tool := range t {
		actions, meanings := map[string]bool{}, map[string]Param{}
		for i := range tool.Ops {
			op := &tool.Ops[i]
			bad := func(format string, args ...any) {
				errs = append(errs, fmt.Errorf("%s: %s", op.Name(), fmt.Sprintf(format, args...)))
			}
			if op.tool != tool.Name {
				bad("is not part of a table made by NewTable")
			}
			if actions[op.Action] || instructions[op.Instruction] {
				bad("its action or instruction is taken")
			}
			actions[op.Action], instructions[op.Instruction] = true, true
			if op.Effect < Read || op.Effect > Act {
				bad("has no effect")
			}
			if _, named := op.param(sObjectName.Name); !named && op.Touches == nil && !op.Opaque {
				bad("does not say what it touches")
			}
			if op.Effect != Read && op.Content != JSON {
				bad("changes something and streams its answer, which cannot be kept for a repetition")
			}
			if op.Doc == "" || op.Instruction == "" {
				bad("has no doc or no instruction")
			}
			switch {
			case op.Own != nil && (op.Call != "" || op.Run != nil):
				bad("is answered by the server itself, and so is no call of Salesforce's")
			case op.Own == nil && !callRE.MatchString(op.Call):
				bad("its call %q is not METHOD /path", op.Call)
			}
			for _, p := range op.params() {
				if was, ok := meanings[p.Name]; ok && was != p {
					bad("%s means something else elsewhere in %s", p.Name, tool.Name)
				}
				meanings[p.Name] = p
			}
			for _, hole := range holeRE.FindAllStringSubmatch(op.Call, -1) {
				if !slices.ContainsFunc(op.Needs, func(p Param) bool { return p.Name == hole[1] }) {
					bad("does not need {%s}", hole[1])
				}
			}
		}
	}
	return errs
}

// clip shortens a caller's text for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// InstructionNames returns the names of all instructions.
func (t Table) InstructionNames() []string {
	var names []string
	for _, tool := range t {
		for _, op := range tool.Ops {
			names = append(names, op.Instruction)
		}
	}
	return names
}

// TypeOf returns the JSON type of an argument of the row, or "".
func (op *Op) TypeOf(name string) string {
	if p, ok := op.param(name); ok {
		return p.Type
	}
	if name == bodyName && op.enveloped() {
		return "object"
	}
	return ""
}
