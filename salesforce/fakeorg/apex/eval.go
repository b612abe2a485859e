package apex

import (
	"strings"
)

const nullReference = "Attempt to de-reference a null object"

// eval gives the value of an expression.
func (in *Interpreter) eval(f *frame, x Expr) (Value, error) {
	if err := in.step(); err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case *literal:
		return x.value, nil
	case *name:
		return in.variable(f, x)
	case *member:
		return in.member(f, x)
	case *call:
		return in.call(f, x)
	case *index:
		return in.index(f, x)
	case *newExpr:
		return in.create(f, x)
	case *cast:
		v, err := in.eval(f, x.x)
		if err != nil {
			return nil, err
		}
		return in.cast(f, x, v)
	case *instanceOf:
		v, err := in.eval(f, x.x)
		return v != nil && in.instanceOf(f.class, v, x.typ), err
	case *unary:
		return in.unary(f, x)
	case *step:
		return in.increment(f, x)
	case *binary:
		return in.binary(f, x)
	case *ternary:
		yes, err := in.truth(f, x.cond)
		if err != nil {
			return nil, err
		}
		if yes {
			return in.eval(f, x.yes)
		}
		return in.eval(f, x.no)
	case *assign:
		return in.assign(f, x)
	case *query:
		return in.query(f, x)
	}
	return nil, unknown(x.at(), "%T is not understood", x)
}

// evalAs gives the value as a variable of the type holds it.
func (in *Interpreter) evalAs(f *frame, t Type, x Expr) (Value, error) {
	v, err := in.eval(f, x)
	if err != nil {
		return nil, err
	}
	return in.convert(x.at(), f.class, t, v)
}

// place finds where a name is kept: a variable, a field of this, a static field of the class or those around it.
// Property is set when it has accessors of its own.
func (in *Interpreter) place(f *frame, name string) (at *Value, typ Type, property *Field, owner *Class, err error) {
	if slot := f.vars.find(name); slot != nil {
		return &slot.value, slot.typ, nil, nil, nil
	}
	for c := f.class; c != nil; c = c.Outer {
		for _, of := range in.lineage(c) {
			field := of.field(name)
			switch {
			case field == nil:
				continue
			case field.Static:
				vars, err := in.static(of)
				return vars[strings.ToLower(name)], field.Type, field, of, err
			case f.this != nil && c == f.class:
				v := f.this.fields[strings.ToLower(name)]
				return &v, field.Type, field, of, nil
			}
		}
	}
	return nil, Type{}, nil, nil, nil
}

func (in *Interpreter) variable(f *frame, n *name) (Value, error) {
	if n.name == "this" {
		return f.this, nil
	}
	at, _, field, owner, err := in.place(f, n.name)
	if err != nil {
		return nil, err
	}
	if at == nil {
		return nil, &Error{n.Pos, "Variable does not exist: " + n.name}
	}
	return in.fieldValue(f, field, owner, f.this, *at)
}

// fieldValue asks the get accessor of a property, unless it is its own code that asks.
func (in *Interpreter) fieldValue(f *frame, field *Field, owner *Class, this *Object, value Value) (Value, error) {
	if field == nil || field.Get == nil || f.method == "get_"+field.Name {
		return value, nil
	}
	get := &Method{Pos: field.Pos, Modifiers: field.Modifiers, Name: "get_" + field.Name, Return: field.Type, Body: field.Get, Class: owner}
	return in.invoke(get, this, nil)
}

// typeRef is what stands before the dot of a static member.
type typeRef struct {
	class *Class // of the org; nil for the platform's
	name  string
}

// base gives what stands before a dot: a value, or a type when the name is none of a variable.
func (in *Interpreter) base(f *frame, x Expr) (Value, *typeRef, error) {
	switch x := x.(type) {
	case *name:
		if x.name == "this" || x.name == "super" {
			return f.this, nil, nil
		}
		at, _, field, owner, err := in.place(f, x.name)
		if err != nil {
			return nil, nil, err
		}
		if at != nil {
			v, err := in.fieldValue(f, field, owner, f.this, *at)
			return v, nil, err
		}
		return nil, &typeRef{in.resolve(f.class, x.name), x.name}, nil
	case *member:
		v, t, err := in.base(f, x.x)
		if err != nil {
			return nil, nil, err
		}
		if t == nil {
			v, err = in.memberOf(f, x, v)
			return v, nil, err
		}
		if t.class != nil {
			if c := t.class.inner(x.name); c != nil {
				return nil, &typeRef{c, c.FullName()}, nil
			}
			v, err := in.staticMember(f, x, t)
			return v, nil, err
		}
		return nil, &typeRef{nil, t.name + "." + x.name}, nil
	}
	v, err := in.eval(f, x)
	return v, nil, err
}

// member is x.name.
func (in *Interpreter) member(f *frame, x *member) (Value, error) {
	v, t, err := in.base(f, x.x)
	switch {
	case err != nil:
		return nil, err
	case strings.EqualFold(x.name, "class") && t != nil:
		return typeValue{t.name}, nil
	case t != nil:
		return in.staticMember(f, x, t)
	}
	return in.memberOf(f, x, v)
}

func (in *Interpreter) staticMember(f *frame, x *member, t *typeRef) (Value, error) {
	if t.class == nil {
		if v, known := constants[strings.ToLower(t.name+"."+x.name)]; known {
			return v, nil
		}
		return nil, &Error{x.Pos, "Variable does not exist: " + t.name + "." + x.name}
	}
	for _, value := range t.class.Values {
		if strings.EqualFold(value, x.name) {
			return enumValue{t.class, value}, nil
		}
	}
	for _, c := range in.lineage(t.class) {
		if field := c.field(x.name); field != nil && field.Static {
			vars, err := in.static(c)
			if err != nil {
				return nil, err
			}
			return in.fieldValue(f, field, c, nil, *vars[strings.ToLower(x.name)])
		}
	}
	return nil, &Error{x.Pos, "Variable does not exist: " + t.name + "." + x.name}
}

// memberOf reads a field of a value.
func (in *Interpreter) memberOf(f *frame, x *member, v Value) (Value, error) {
	switch v := v.(type) {
	case nil:
		if _, isPath := x.x.(*member); isPath || x.safe { // the parent of a record may be null
			return nil, nil
		}
		return nil, in.throw("NullPointerException", nullReference)
	case *SObject:
		return in.recordField(x.Pos, v, x.name)
	case *List: // [SELECT …].Name
		if _, isQuery := x.x.(*query); isQuery {
			record, err := in.onlyRow(v)
			if err != nil {
				return nil, err
			}
			return in.memberOf(f, x, record)
		}
	case *Object:
		for _, c := range in.lineage(v.class) {
			if field := c.field(x.name); field != nil && !field.Static {
				return in.fieldValue(f, field, c, v, v.fields[strings.ToLower(x.name)])
			}
		}
	}
	return nil, &Error{x.Pos, "Variable does not exist: " + x.name}
}

func (in *Interpreter) onlyRow(l *List) (Value, error) {
	switch len(l.Items) {
	case 0:
		return nil, in.throw("QueryException", "List has no rows for assignment to SObject")
	case 1:
		return l.Items[0], nil
	}
	return nil, in.throw("QueryException", "List has more than 1 row for assignment to SObject")
}

// recordField reads a field of a record.
func (in *Interpreter) recordField(at Pos, s *SObject, name string) (Value, error) {
	info, known := in.Platform.Field(s.Type, name)
	if v, set := s.Get(name); set {
		return v, nil
	}
	switch {
	case !known && s.Type != "AggregateResult":
		return nil, &Error{at, "Invalid field " + name + " for SObject " + s.Type}
	case s.Queried && info.Type != "parent":
		return nil, in.throw("SObjectException", "SObject row was retrieved via SOQL without querying the requested field: %s.%s", s.Type, name)
	case info.Type == "children":
		return &List{Elem: Type{Name: info.Object}}, nil
	case info.Type == "boolean":
		return false, nil
	}
	return nil, nil
}

func (in *Interpreter) index(f *frame, x *index) (Value, error) {
	l, i, err := in.item(f, x)
	if err != nil {
		return nil, err
	}
	return l.Items[i], nil
}

// item finds the list and the place in it.
func (in *Interpreter) item(f *frame, x *index) (*List, int64, error) {
	v, err := in.eval(f, x.x)
	if err != nil {
		return nil, 0, err
	}
	at, err := in.eval(f, x.i)
	if err != nil {
		return nil, 0, err
	}
	l, isList := v.(*List)
	i, isInt := at.(int64)
	switch {
	case v == nil || at == nil:
		return nil, 0, in.throw("NullPointerException", nullReference)
	case !isList || !isInt:
		return nil, 0, &Error{x.Pos, "Expression must be a list type: " + typeName(v)}
	case i < 0 || i >= int64(len(l.Items)):
		return nil, 0, in.throw("ListException", "List index out of bounds: %d", i)
	}
	return l, i, nil
}
