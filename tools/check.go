package tools

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"salesforce-mcp/spelling"
)

// Check returns args as the row wants them, or an error that says what is wrong
// and what would fit. Members of the JSON body may stand inside the argument
// "body" or beside it. Null and "" mean absent, but not among the values of a
// record, where clearing a field is a value.
func (op *Op) Check(args map[string]any) (Args, error) {
	given, err := op.named(args)
	if err != nil {
		return nil, err
	}
	checked := Args{}
	for _, p := range op.params() {
		v, ok := given[p.Name]
		if !ok {
			continue
		}
		if v, err = p.ofType(v); err != nil {
			return nil, err
		}
		if checked[p.Name], err = p.conform(v, op, given); err != nil {
			return nil, err
		}
	}
	if op.Agree != nil {
		if err := op.Agree(checked); err != nil {
			return nil, err
		}
	}
	return checked, nil
}

// checkCall checks the arguments of a call: those of its raw body too, and that
// a raw answer is not asked to be shaped.
func (op *Op) checkCall(args map[string]any, c Call) (Args, error) {
	for _, p := range op.params() {
		if _, given := args[p.Name]; given && p.In == Shape && c.Stream != nil {
			return nil, &Error{Code: UnknownArgument, Message: fmt.Sprintf("%s is for results that are shaped for a model, and this answer is raw; leave it out", p.Name)}
		}
	}
	if key, given := args[idempotencyKey.Name]; given && key == "" { // an absent one would leave the call unprotected
		return nil, idempotencyKey.wrong("it is empty; leave it out to call without one")
	}
	if c.Upload == nil {
		return op.Check(args)
	}
	if args[idempotencyKey.Name] != nil {
		return nil, idempotencyKey.wrong("a body that is streamed is not known before it is sent, so that a repetition could not be told from another call; leave it out, or give the rows as an argument")
	}
	raw, ok := op.raw()
	if !ok {
		return nil, &Error{Code: InvalidArgument, Message: op.Name() + " takes no raw body; send its arguments as one JSON object"}
	}
	if _, twice := args[raw.Name]; twice {
		return nil, &Error{Code: InvalidArgument, Message: raw.Name + " is given twice, as the body and as an argument; give it once"}
	}
	args = maps.Clone(args)
	if args == nil {
		args = map[string]any{}
	}
	args[raw.Name] = c.Upload
	return op.Check(args)
}

// flatten returns the arguments that are present, with the members of an
// envelope beside the others.
func (op *Op) flatten(args map[string]any) (map[string]any, error) {
	flat := map[string]any{}
	for name, v := range args {
		if name != action.Name && v != nil && v != "" {
			flat[name] = v
		}
	}
	envelope, ok := flat[bodyName]
	if !ok || !op.enveloped() {
		return flat, nil
	}
	delete(flat, bodyName)
	members, ok := envelope.(map[string]any)
	if !ok {
		return nil, Param{Name: bodyName}.wrong("it must be an object, not " + article(typeName(envelope)))
	}
	for name, v := range members {
		if v == nil || v == "" {
			continue
		}
		if beside, twice := flat[name]; twice && !reflect.DeepEqual(beside, v) {
			return nil, &Error{Code: InvalidArgument, Message: fmt.Sprintf("%s is given twice, in body and beside it, with different values; give it once", name)}
		}
		if p, ok := op.param(name); !ok || p.Name == outputFormat.Name || p.Name == idempotencyKey.Name {
			return nil, op.unknown(bodyName + "." + name)
		}
		flat[name] = v
	}
	return flat, nil
}

// missing returns the error for an argument that the row needs.
func (op *Op) missing(p Param) *Error {
	msg := op.Name() + " needs " + p.Name
	switch {
	case p.Doc != "":
		msg += ": " + p.Doc
	case p.OneOf != "":
		msg += ": one of " + strings.Join(p.choices(), ", ")
	}
	return &Error{Code: MissingArgument, Message: msg}
}

// CheckNames returns the error for arguments that the row does not take, or that
// are missing, whatever their values are.
func (op *Op) CheckNames(args map[string]any) error {
	args, _, _ = op.motive(args)
	_, err := op.named(args)
	return err
}

// named returns the arguments that are present, all of which the row takes.
func (op *Op) named(args map[string]any) (map[string]any, error) {
	given, err := op.flatten(args)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := op.param(name); !ok {
			return nil, op.unknown(name)
		}
	}
	for _, p := range op.Needs {
		if _, ok := given[p.Name]; !ok {
			return nil, op.missing(p)
		}
	}
	return given, nil
}

// unknown returns the error for an argument that the row does not take.
func (op *Op) unknown(name string) *Error {
	if name == idempotencyKey.Name && op.Effect == Read {
		return &Error{Code: UnknownArgument, Message: op.Name() + " only reads, and may be repeated as it is: leave idempotencyKey out"}
	}
	names := op.argumentNames()
	msg := fmt.Sprintf("%s does not take %q%s; it takes %s", op.Name(), clip(name), near(strings.TrimPrefix(name, bodyName+"."), names), strings.Join(names, ", "))
	if p, ok := op.param(bodyName); ok && p.In == Body {
		msg += ". Field values belong inside body"
	}
	return &Error{Code: UnknownArgument, Message: msg}
}

// argumentNames returns the names a caller may give, needed ones first.
func (op *Op) argumentNames() []string {
	var names []string
	for _, p := range op.params() {
		if p.In != Shape || !op.bare {
			names = append(names, p.Name)
		}
	}
	return names
}

// near returns a remark that names what is spelled almost like name, or "".
func near(name string, among []string) string {
	best := spelling.Near(foldKey(name), among)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
