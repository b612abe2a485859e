package apex

import (
	"strings"
)

// create is new.
func (in *Interpreter) create(f *frame, x *newExpr) (Value, error) {
	args, err := in.args(f, x.args)
	if err != nil {
		return nil, err
	}
	switch {
	case x.typ.is("List") || x.typ.is("Set") || x.typ.is("Map"):
		return in.collection(f, x, args)
	}
	if c := in.resolve(f.class, x.typ.Name); c != nil {
		if c.Kind != "class" || c.Abstract {
			return nil, &Error{x.Pos, "Type cannot be constructed: " + c.FullName()}
		}
		o := &Object{class: c, typ: c.FullName(), fields: map[string]Value{}}
		return o, in.construct(x.Pos, c, o, args)
	}
	if object := in.Platform.Object(x.typ.Name); object != "" {
		return in.newRecord(f, x, object)
	}
	if base := strings.TrimPrefix(x.typ.Name, "System."); strings.HasSuffix(base, "Exception") {
		o := &Object{typ: "System." + base}
		setException(o, args)
		return o, nil
	}
	return nil, unknown(x.Pos, "the type %s", x.typ)
}

// setException keeps message and cause, which come in any order.
func setException(o *Object, args []Value) {
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			o.message = arg
		case *Object:
			o.cause = arg
		}
	}
}

func (in *Interpreter) newRecord(f *frame, x *newExpr, object string) (Value, error) {
	s := NewSObject(object)
	for _, field := range x.named {
		v, err := in.eval(f, field.init)
		if err != nil {
			return nil, err
		}
		if err := in.setRecordField(field.Pos, s, field.name, v); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// construct gives an object the initial values of its fields and runs the constructor that takes the arguments.
func (in *Interpreter) construct(at Pos, c *Class, o *Object, args []Value) error {
	if c == nil {
		return nil
	}
	if _, err := in.static(c); err != nil {
		return err
	}
	constructor := in.best(c.Constructors, args)
	if constructor == nil && (len(args) > 0 || len(c.Constructors) > 0) {
		if in.isException(c) && len(c.Constructors) == 0 {
			setException(o, args)
			return nil
		}
		return &Error{at, "Constructor not defined: [" + c.FullName() + "].<Constructor>(" + typeNames(args) + ")"}
	}
	chained := constructor != nil && begins(constructor.Body, "this", "super")
	if !chained {
		if err := in.construct(at, in.super(c), o, nil); err != nil {
			return err
		}
	}
	if !chained || begins(constructor.Body, "super") {
		if err := in.initialize(c, o); err != nil {
			return err
		}
	}
	if constructor == nil {
		return nil
	}
	_, err := in.invoke(constructor, o, args)
	return err
}

func typeNames(args []Value) string {
	names := make([]string, len(args))
	for i, arg := range args {
		names[i] = typeName(arg)
	}
	return strings.Join(names, ", ")
}

// begins reports whether a constructor begins with a call of another one.
func begins(b *Block, names ...string) bool {
	if len(b.Stmts) == 0 {
		return false
	}
	s, isExpr := b.Stmts[0].(*exprStmt)
	if !isExpr {
		return false
	}
	first, isCall := s.x.(*call)
	if !isCall || first.x != nil {
		return false
	}
	for _, name := range names {
		if first.name == name {
			return true
		}
	}
	return false
}

// initialize sets the fields of an object that have an initial value, and runs the initializers.
func (in *Interpreter) initialize(c *Class, o *Object) error {
	f := &frame{class: c, this: o, method: "<init>", file: c.File, line: c.Line, vars: &scope{vars: map[string]*variableSlot{}}}
	_, err := in.enter(f, func() (flow, error) {
		for _, field := range c.Fields {
			if field.Static || field.Init == nil {
				continue
			}
			in.at(f, field.Pos)
			v, err := in.evalAs(f, field.Type, field.Init)
			if err != nil {
				return goOn, err
			}
			o.fields[strings.ToLower(field.Name)] = v
		}
		for _, block := range c.Initializers {
			if !block.Static {
				if _, err := in.block(f, block.Body); err != nil {
					return goOn, err
				}
			}
		}
		return goOn, nil
	})
	return err
}

// collection is new List, Set or Map, empty, with items, or made of another collection.
func (in *Interpreter) collection(f *frame, x *newExpr, args []Value) (Value, error) {
	elem := Type{}
	if len(x.typ.Args) > 0 {
		elem = x.typ.Args[len(x.typ.Args)-1]
	}
	if x.typ.is("Map") {
		return in.newMap(f, x, args, elem)
	}
	items, err := in.args(f, x.items)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		switch from := args[0].(type) {
		case *List:
			items = append(items, from.Items...)
		case *Set:
			items = append(items, from.keyList()...)
		case int64: // new Integer[3]
			if from < 0 || from > maxRows {
				return nil, unknown(x.Pos, "a list of %d items", from)
			}
			items = make([]Value, from)
		}
	}
	for i := range items {
		if items[i], err = in.convert(x.Pos, f.class, elem, items[i]); err != nil {
			return nil, err
		}
	}
	if x.typ.is("List") {
		return &List{Elem: elem, Items: items}, nil
	}
	set := newSet(elem)
	for _, item := range items {
		set.put(item, nil)
	}
	return set, nil
}

func (in *Interpreter) newMap(f *frame, x *newExpr, args []Value, elem Type) (Value, error) {
	key := Type{}
	if len(x.typ.Args) == 2 {
		key = x.typ.Args[0]
	}
	m := newMap(key, elem)
	for _, pair := range x.pairs {
		k, err := in.evalAs(f, key, pair[0])
		if err != nil {
			return nil, err
		}
		v, err := in.evalAs(f, elem, pair[1])
		if err != nil {
			return nil, err
		}
		m.put(k, v)
	}
	if len(args) != 1 {
		return m, nil
	}
	switch from := args[0].(type) {
	case *Map:
		for _, k := range from.keys {
			m.put(from.entries[k].key, from.entries[k].value)
		}
	case *List: // records by their ids
		for _, item := range from.Items {
			record, isRecord := item.(*SObject)
			if !isRecord {
				return nil, unknown(x.Pos, "a map of %s", typeName(from))
			}
			id, _ := record.Get("Id")
			m.put(id, record)
		}
	}
	return m, nil
}
