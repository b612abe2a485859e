package apex

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Value is what an expression gives: nil, bool, int64 (Integer and Long), Decimal (Double too), string, ID, Date,
// time.Time (Datetime), *List, *Set, *Map, *SObject, *Object, enumValue or typeValue.
type Value any

// ID is the id of a record, with 18 characters.
type ID string

// Date is a day.
type Date struct{ time.Time }

// List is a list. Elem is the type of its items, with an empty name when it is not known.
type List struct {
	Elem  Type
	Items []Value
}

// Map is a map that remembers the order of its keys. A Set is one without values.
type Map struct {
	Key, Elem Type
	keys      []string
	entries   map[string]entry
}

type entry struct{ key, value Value }

// Set is a set that remembers the order of its items.
type Set struct{ Map }

// SObject is a record. Queried records know only the fields of their query.
type SObject struct {
	Type    string
	Queried bool
	names   []string
	fields  map[string]Value // by name in lower case
	changed map[string]bool  // set since the record was read or written
}

// Object is an instance of a class; an exception has its message and where it was thrown.
type Object struct {
	class   *Class // nil for an exception of the platform
	typ     string // name of the type, such as System.DmlException
	fields  map[string]Value
	message string
	cause   *Object
	line    int
	trace   string
}

type enumValue struct {
	class *Class
	name  string
}

// typeValue is X.class.
type typeValue struct{ name string }

// NewSObject makes a record without fields.
func NewSObject(typ string) *SObject { return &SObject{Type: typ, fields: map[string]Value{}} }

// Put sets a field.
func (s *SObject) Put(name string, v Value) {
	key := strings.ToLower(name)
	if _, known := s.fields[key]; !known {
		s.names = append(s.names, name)
	}
	s.fields[key] = v
}

// Get gives a field, and whether the record has it.
func (s *SObject) Get(name string) (Value, bool) {
	v, known := s.fields[strings.ToLower(name)]
	return v, known
}

// remove takes a field off.
func (s *SObject) remove(name string) {
	delete(s.fields, strings.ToLower(name))
	s.names = slices.DeleteFunc(s.names, func(n string) bool { return strings.EqualFold(n, name) })
}

// set sets a field, for the next update to write.
func (s *SObject) set(name string, v Value) {
	s.Put(name, v)
	if s.changed == nil {
		s.changed = map[string]bool{}
	}
	s.changed[strings.ToLower(name)] = true
}

// Changed are the fields that were set since the record was read or written.
func (s *SObject) Changed() []string {
	var names []string
	for _, name := range s.names {
		if s.changed[strings.ToLower(name)] {
			names = append(names, name)
		}
	}
	return names
}

// Names are the fields the record has, in the order they were set.
func (s *SObject) Names() []string { return s.names }

func newMap(key, elem Type) *Map { return &Map{Key: key, Elem: elem, entries: map[string]entry{}} }

func newSet(elem Type) *Set { return &Set{*newMap(elem, Type{})} }

func (m *Map) get(key Value) Value { return m.entries[hash(key)].value }

func (m *Map) has(key Value) bool {
	_, known := m.entries[hash(key)]
	return known
}

func (m *Map) put(key, value Value) {
	h := hash(key)
	if _, known := m.entries[h]; !known {
		m.keys = append(m.keys, h)
	}
	m.entries[h] = entry{key, value}
}

func (m *Map) remove(key Value) Value {
	h := hash(key)
	was, known := m.entries[h]
	if known {
		delete(m.entries, h)
		for i, k := range m.keys {
			if k == h {
				m.keys = append(m.keys[:i:i], m.keys[i+1:]...)
				break
			}
		}
	}
	return was.value
}

func (m *Map) size() int { return len(m.keys) }

func (m *Map) list(pick func(entry) Value) []Value {
	items := make([]Value, len(m.keys))
	for i, k := range m.keys {
		items[i] = pick(m.entries[k])
	}
	return items
}

func (m *Map) keyList() []Value { return m.list(func(e entry) Value { return e.key }) }

// hash tells keys apart: values are equal by what they are, objects by identity.
func hash(v Value) string {
	switch v := v.(type) {
	case string:
		return "s" + v
	case ID:
		return "s" + string(v)
	case nil, bool, int64, Decimal, Date, time.Time, enumValue, typeValue:
		return fmt.Sprintf("%T%s", v, Text(v))
	}
	return fmt.Sprintf("%p", v)
}

// typeName names the type of a value for messages.
func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "Object"
	case bool:
		return "Boolean"
	case int64:
		return "Integer"
	case string:
		return "String"
	case ID:
		return "Id"
	case time.Time:
		return "Datetime"
	case *List:
		return collectionName("List", v.Elem)
	case *Set:
		return collectionName("Set", v.Key)
	case *Map:
		return "Map<" + v.Key.String() + "," + v.Elem.String() + ">"
	case *SObject:
		return v.Type
	case *Object:
		return v.typ
	case enumValue:
		return v.class.FullName()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", v), "apex.")
}

func collectionName(kind string, elem Type) string {
	if elem.Name == "" {
		return kind + "<ANY>"
	}
	return kind + "<" + elem.String() + ">"
}

// equal is the operator ==: texts are equal in any case of letters, collections and records when their parts are.
func equal(a, b Value) bool {
	left := 100_000 // comparisons: what is in itself ends somewhere
	return equalWithin(&left, a, b)
}

func equalWithin(left *int, a, b Value) bool {
	if *left--; *left < 0 {
		return false
	}
	switch x := a.(type) {
	case ID, string:
		return equalTexts(a, b)
	case int64, Decimal:
		c, comparable := compareNumbers(a, b)
		return comparable && c == 0
	case time.Time:
		y, isTime := b.(time.Time)
		return isTime && x.Equal(y)
	case Date:
		y, isDate := b.(Date)
		return isDate && x.Equal(y.Time)
	case *List:
		y, isList := b.(*List)
		if !isList || len(x.Items) != len(y.Items) {
			return false
		}
		if x == y {
			return true
		}
		for i := range x.Items {
			if !equalWithin(left, x.Items[i], y.Items[i]) {
				return false
			}
		}
		return true
	case *Set:
		y, isSet := b.(*Set)
		return isSet && (x == y || x.equal(left, &y.Map))
	case *Map:
		y, isMap := b.(*Map)
		return isMap && (x == y || x.equal(left, y))
	case *SObject:
		y, isRecord := b.(*SObject)
		return isRecord && (x == y || x.equal(left, y))
	}
	return a == b
}

func equalTexts(a, b Value) bool {
	_, aID := a.(ID)
	_, bID := b.(ID)
	_, bText := b.(string)
	switch {
	case aID && (bID || bText) || bID:
		return sameID(Text(a), Text(b))
	case bText:
		return strings.EqualFold(Text(a), Text(b))
	}
	return false
}

func (m *Map) equal(left *int, other *Map) bool {
	if m.size() != other.size() {
		return false
	}
	for _, e := range m.entries {
		if !other.has(e.key) || !equalWithin(left, e.value, other.get(e.key)) {
			return false
		}
	}
	return true
}

func (s *SObject) equal(left *int, other *SObject) bool {
	if s.Type != other.Type || len(s.names) != len(other.names) {
		return false
	}
	for _, name := range s.names {
		v, _ := s.Get(name)
		if ov, known := other.Get(name); !known || !equalWithin(left, v, ov) {
			return false
		}
	}
	return true
}

// sameID compares ids of which one may have 15 characters.
func sameID(a, b string) bool {
	if len(a) < 15 || len(b) < 15 {
		return a == b
	}
	return a[:15] == b[:15]
}

// compare orders two values of one kind; fits is false when they cannot be ordered.
func compare(a, b Value) (c int, fits bool) {
	if c, fits := compareNumbers(a, b); fits {
		return c, true
	}
	switch x := a.(type) {
	case string:
		if y, isText := b.(string); isText {
			return strings.Compare(strings.ToLower(x), strings.ToLower(y)), true
		}
	case ID:
		return strings.Compare(string(x), Text(b)), b != nil
	case Date:
		if y, isDate := b.(Date); isDate {
			return x.Compare(y.Time), true
		}
	case time.Time:
		if y, isTime := b.(time.Time); isTime {
			return x.Compare(y), true
		}
	}
	return 0, false
}
