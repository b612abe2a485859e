package apex

import (
	"strings"
)

func (in *Interpreter) assign(f *frame, x *assign) (Value, error) {
	v, err := in.eval(f, x.r)
	if err != nil {
		return nil, err
	}
	if x.op != "=" {
		was, err := in.eval(f, x.l)
		if err != nil {
			return nil, err
		}
		if v, err = in.operate(x.Pos, strings.TrimSuffix(x.op, "="), was, v); err != nil {
			return nil, err
		}
	}
	return v, in.store(f, x.l, v)
}

// increment is ++ and --.
func (in *Interpreter) increment(f *frame, x *step) (Value, error) {
	was, err := in.eval(f, x.x)
	if err != nil {
		return nil, err
	}
	v, err := in.operate(x.Pos, x.op[:1], was, int64(1))
	if err != nil {
		return nil, err
	}
	if err := in.store(f, x.x, v); err != nil {
		return nil, err
	}
	if x.before {
		return v, nil
	}
	return was, nil
}

// store puts a value where an expression says.
func (in *Interpreter) store(f *frame, x Expr, v Value) error {
	switch x := x.(type) {
	case *name:
		at, typ, field, owner, err := in.place(f, x.name)
		if err != nil {
			return err
		}
		if at == nil {
			return &Error{x.Pos, "Variable does not exist: " + x.name}
		}
		if v, err = in.convert(x.Pos, f.class, typ, v); err != nil {
			return err
		}
		if field != nil {
			return in.setField(f, field, owner, f.this, v)
		}
		*at = v
		return nil
	case *member:
		return in.storeMember(f, x, v)
	case *index:
		l, i, err := in.item(f, x)
		if err == nil {
			l.Items[i], err = in.convert(x.Pos, f.class, l.Elem, v)
		}
		return err
	}
	return &Error{x.at(), "Expression cannot be assigned"}
}

// setField sets a field of the class: by the set accessor of a property unless it is its own code, else directly.
func (in *Interpreter) setField(f *frame, field *Field, owner *Class, this *Object, v Value) error {
	if field.Set != nil && f.method != "set_"+field.Name {
		set := &Method{Pos: field.Pos, Modifiers: field.Modifiers, Name: "set_" + field.Name, Return: Type{Name: "void"}, Body: field.Set, Class: owner,
			Params: []Param{{"value", field.Type}}}
		_, err := in.invoke(set, this, []Value{v})
		return err
	}
	key := strings.ToLower(field.Name)
	if !field.Static {
		this.fields[key] = v
		return nil
	}
	vars, err := in.static(owner)
	if err == nil {
		*vars[key] = v
	}
	return err
}

func (in *Interpreter) storeMember(f *frame, x *member, v Value) error {
	on, t, err := in.base(f, x.x)
	if err != nil {
		return err
	}
	var from *Class
	switch on := on.(type) {
	case *SObject:
		return in.setRecordField(x.Pos, on, x.name, v)
	case *Object:
		from = on.class
	case nil:
		if t == nil {
			return in.throw("NullPointerException", nullReference)
		}
		from = t.class
	}
	for _, c := range in.lineage(from) {
		field := c.field(x.name)
		if field == nil || field.Static != (t != nil) {
			continue
		}
		if v, err = in.convert(x.Pos, c, field.Type, v); err != nil {
			return err
		}
		this, _ := on.(*Object)
		return in.setField(f, field, c, this, v)
	}
	return &Error{x.Pos, "Variable does not exist: " + x.name}
}

// setRecordField sets a field of a record.
func (in *Interpreter) setRecordField(at Pos, s *SObject, name string, v Value) error {
	info, known := in.Platform.Field(s.Type, name)
	if !known {
		return &Error{at, "Invalid field " + name + " for SObject " + s.Type}
	}
	v, err := in.convert(at, nil, Type{Name: apexType(info.Type)}, v)
	if err == nil {
		s.set(info.Name, v)
	}
	return err
}

// apexType is the type of a variable that holds a field.
func apexType(describe string) string {
	switch describe {
	case "boolean", "date", "datetime":
		return describe
	case "int":
		return "Integer"
	case "double", "currency", "percent":
		return "Decimal"
	case "id", "reference":
		return "Id"
	case "parent", "children", "base64", "address", "complexvalue":
		return "Object"
	}
	return "String"
}
