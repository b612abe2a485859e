package apex

import (
	"fmt"
	"strings"
	"time"
)

// convert gives a value as a variable of the type holds it: Integer becomes Decimal, a text becomes an Id, the only
// row of a query becomes a record. From is the class that names the type.
func (in *Interpreter) convert(at Pos, from *Class, t Type, v Value) (Value, error) {
	if v == nil || t.Name == "" || t.is("Object") || t.is("var") {
		return v, nil
	}
	fits := false
	switch typ := strings.ToLower(strings.TrimPrefix(t.Name, "System.")); typ {
	case "integer", "long":
		_, fits = v.(int64)
	case "decimal", "double":
		if d, isNumber := asDecimal(v); isNumber {
			return d, nil
		}
	case "string":
		if id, isID := v.(ID); isID {
			return string(id), nil
		}
		_, fits = v.(string)
	case "id":
		return in.asID(at, v)
	case "boolean":
		_, fits = v.(bool)
	case "date":
		_, fits = v.(Date)
	case "datetime":
		if d, isDate := v.(Date); isDate {
			return d.Time, nil
		}
		_, fits = v.(time.Time)
	case "list", "iterable":
		_, fits = v.(*List)
		if _, isSet := v.(*Set); isSet && typ == "iterable" {
			fits = true
		}
	case "set":
		_, fits = v.(*Set)
	case "map":
		_, fits = v.(*Map)
	default:
		return in.convertNamed(at, from, t, v)
	}
	if !fits {
		return nil, illegal(at, v, t)
	}
	return v, nil
}

func illegal(at Pos, v Value, t Type) error {
	return &Error{at, fmt.Sprintf("Illegal assignment from %s to %s", typeName(v), t)}
}

func (in *Interpreter) asID(at Pos, v Value) (Value, error) {
	switch v := v.(type) {
	case ID:
		return v, nil
	case string:
		if (len(v) == 15 || len(v) == 18) && leading(v, func(r rune) bool {
			return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		}) == v {
			return ID(v), nil
		}
		return nil, in.throw("StringException", "Invalid id: %s", v)
	}
	return nil, illegal(at, v, Type{Name: "Id"})
}

// convertNamed is for sObjects and classes.
func (in *Interpreter) convertNamed(at Pos, from *Class, t Type, v Value) (Value, error) {
	switch v := v.(type) {
	case *List:
		if t.is("SObject") || in.Platform.Object(t.Name) != "" || t.is("AggregateResult") {
			return in.onlyRow(v)
		}
	case *SObject:
		if t.is("SObject") || t.is(v.Type) {
			return v, nil
		}
		if in.Platform.Object(t.Name) != "" {
			return nil, in.throw("TypeException", "Invalid conversion from runtime type SObject:%s to SObject:%s", v.Type, t.Name)
		}
	case *Object:
		if in.instanceOf(from, v, t) {
			return v, nil
		}
		return nil, in.throw("TypeException", "Invalid conversion from runtime type %s to %s", v.typ, t)
	case enumValue:
		if c := in.resolve(from, t.Name); c == v.class {
			return v, nil
		}
	case typeValue:
		if t.is("Type") {
			return v, nil
		}
	}
	if in.resolve(from, t.Name) == nil && in.Platform.Object(t.Name) == "" {
		return nil, unknown(at, "the type %s", t)
	}
	return nil, illegal(at, v, t)
}

// cast is (Type) value: besides what an assignment does, numbers lose their fraction and Objects become what they are.
func (in *Interpreter) cast(f *frame, x *cast, v Value) (Value, error) {
	if d, isDecimal := v.(Decimal); isDecimal && (x.typ.is("Integer") || x.typ.is("Long")) {
		return d.whole(), nil
	}
	v, err := in.convert(x.Pos, f.class, x.typ, v)
	if e, refused := err.(*Error); refused && strings.HasPrefix(e.Message, "Illegal assignment") { //nolint:errorlint // convert wraps nothing
		return nil, in.throw("TypeException", "Invalid conversion from runtime type %s", strings.TrimPrefix(e.Message, "Illegal assignment from "))
	}
	return v, err
}

// instanceOf reports whether a value is of a type.
func (in *Interpreter) instanceOf(from *Class, v Value, t Type) bool {
	if t.is("Object") {
		return v != nil
	}
	switch v := v.(type) {
	case *SObject:
		return t.is("SObject") || t.is(v.Type)
	case *Object:
		return in.objectIs(from, v, t)
	case ID:
		return t.is("Id") || t.is("String")
	case Decimal:
		return t.is("Decimal") || t.is("Double")
	case int64:
		return t.is("Integer") || t.is("Long") || t.is("Decimal") || t.is("Double")
	case enumValue:
		return in.resolve(from, t.Name) == v.class
	case *List:
		return t.is("List")
	case *Set:
		return t.is("Set")
	case *Map:
		return t.is("Map")
	}
	return v != nil && t.is(typeName(v))
}

func (in *Interpreter) objectIs(from *Class, o *Object, t Type) bool {
	if o.class == nil {
		return t.is("Exception") || t.is(o.typ) || t.is(strings.TrimPrefix(o.typ, "System."))
	}
	target := in.resolve(from, t.Name)
	for _, c := range in.lineage(o.class) {
		if c == target {
			return true
		}
		for _, i := range c.Interfaces {
			if target != nil && in.resolve(c, i.Name) == target || target == nil && i.is(t.Name) {
				return true
			}
		}
	}
	return t.is("Exception") && in.isException(o.class)
}
