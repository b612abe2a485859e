package apex

import (
	"fmt"
	"strings"
)

// args evaluates arguments.
func (in *Interpreter) args(f *frame, xs []Expr) ([]Value, error) {
	args := make([]Value, len(xs))
	for i, x := range xs {
		var err error
		if args[i], err = in.eval(f, x); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// call is a method call.
func (in *Interpreter) call(f *frame, x *call) (Value, error) {
	if x.x == nil {
		return in.ownCall(f, x)
	}
	on, t, err := in.base(f, x.x)
	if err != nil {
		return nil, err
	}
	if on == nil && t == nil && x.safe {
		return nil, nil
	}
	args, err := in.args(f, x.args)
	if err != nil {
		return nil, err
	}
	switch {
	case t != nil && t.class != nil:
		return in.staticCall(x, t.class, args)
	case t != nil:
		return in.platformCall(f, x, t, args)
	case on == nil:
		return nil, in.throw("NullPointerException", nullReference)
	}
	if o, isObject := on.(*Object); isObject && o.class != nil {
		if from, isName := x.x.(*name); isName && from.name == "super" {
			return in.methodOf(x, in.super(f.class), o, args)
		}
		if m := in.find(in.lineage(o.class), x.name, args); m != nil {
			return in.invoke(m, receiver(m, o), args)
		}
	}
	return in.valueCall(f, x, on, args)
}

func receiver(m *Method, o *Object) *Object {
	if m.Static {
		return nil
	}
	return o
}

func (in *Interpreter) methodOf(x *call, c *Class, o *Object, args []Value) (Value, error) {
	if m := in.find(in.lineage(c), x.name, args); m != nil {
		return in.invoke(m, receiver(m, o), args)
	}
	return nil, noMethod(x, args, c)
}

// ownCall calls a method of the own class, of those it extends or stands in, or a constructor.
func (in *Interpreter) ownCall(f *frame, x *call) (Value, error) {
	args, err := in.args(f, x.args)
	if err != nil {
		return nil, err
	}
	switch x.name {
	case "this":
		return nil, in.construct(x.Pos, f.class, f.this, args)
	case "super":
		if in.super(f.class) == nil && in.isException(f.class) {
			setException(f.this, args)
			return nil, nil
		}
		return nil, in.construct(x.Pos, in.super(f.class), f.this, args)
	}
	for c := f.class; c != nil; c = c.Outer {
		lineage := in.lineage(c)
		if c == f.class && f.this != nil {
			lineage = in.lineage(f.this.class) // the method may be overridden
		}
		m := in.find(lineage, x.name, args)
		if m == nil {
			continue
		}
		if !m.Static && (f.this == nil || c != f.class) {
			return nil, &Error{x.Pos, "Non static method cannot be referenced from a static context: " + signature(m)}
		}
		return in.invoke(m, receiver(m, f.this), args)
	}
	if f.this != nil && in.isException(f.this.class) {
		return in.valueCall(f, x, f.this, args)
	}
	return nil, noMethod(x, args, f.class)
}

func (in *Interpreter) staticCall(x *call, c *Class, args []Value) (Value, error) {
	if c.Kind == "enum" {
		return enumCall(x, c, args)
	}
	m := in.find(in.lineage(c), x.name, args)
	if m == nil {
		return nil, noMethod(x, args, c)
	}
	if !m.Static {
		return nil, &Error{x.Pos, "Non static method cannot be referenced from a static context: " + signature(m)}
	}
	return in.invoke(m, nil, args)
}

func enumCall(x *call, c *Class, args []Value) (Value, error) {
	if strings.EqualFold(x.name, "values") {
		all := &List{Elem: Type{Name: c.FullName()}}
		for _, value := range c.Values {
			all.Items = append(all.Items, enumValue{c, value})
		}
		return all, nil
	}
	if strings.EqualFold(x.name, "valueOf") && len(args) == 1 {
		for _, value := range c.Values {
			if strings.EqualFold(value, Text(args[0])) {
				return enumValue{c, value}, nil
			}
		}
	}
	return nil, noMethod(x, args, c)
}

// noMethod is the error about a method that is not there.
func noMethod(x *call, args []Value, c *Class) error {
	types := make([]string, len(args))
	for i, arg := range args {
		types[i] = typeName(arg)
	}
	text := fmt.Sprintf("Method does not exist or incorrect signature: void %s(%s)", x.name, strings.Join(types, ", "))
	if c != nil {
		text += " from the type " + c.FullName()
	}
	return &Error{x.Pos, text}
}

func signature(m *Method) string {
	types := make([]string, len(m.Params))
	for i, p := range m.Params {
		types[i] = p.Type.String()
	}
	return fmt.Sprintf("%s %s.%s(%s)", m.Return, m.Class.Name, m.Name, strings.Join(types, ", "))
}

// find finds the method whose parameters take the arguments: the nearest class first, in it the one that fits best.
func (in *Interpreter) find(lineage []*Class, name string, args []Value) *Method {
	for _, c := range lineage {
		if m := in.best(c.methods(name), args); m != nil && m.Body != nil {
			return m
		}
	}
	return nil
}

func (in *Interpreter) best(candidates []*Method, args []Value) *Method {
	var loose *Method
	for _, m := range candidates {
		if len(m.Params) != len(args) {
			continue
		}
		exact, fits := true, true
		for i, p := range m.Params {
			if args[i] == nil || in.instanceOf(m.Class, args[i], p.Type) && !p.Type.is("Object") && p.Type.is(strings.TrimSuffix(typeName(args[i]), "")) {
				continue
			}
			exact = false
			if _, err := in.convert(m.Pos, m.Class, p.Type, args[i]); err != nil {
				fits = false
			}
		}
		if exact {
			return m
		}
		if fits && loose == nil {
			loose = m
		}
	}
	return loose
}
