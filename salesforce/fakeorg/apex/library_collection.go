package apex

import (
	"slices"
)

func selfList(u *using) *List { return u.self.(*List) }

func selfSet(u *using) *Set { return u.self.(*Set) }

func selfMap(u *using) *Map { return u.self.(*Map) }

// items are those of a list or set.
func (u *using) items(i int) []Value {
	if s, isSet := u.args[i].(*Set); isSet {
		return s.keyList()
	}
	return arg[*List](u, i).itemsOrNone()
}

// placeIn checks a place in a list of that size.
func (u *using) placeIn(i, size int) int {
	n := u.int(i)
	if u.err == nil && (n < 0 || n >= size) {
		u.fail(u.throw("ListException", "List index out of bounds: %d", n))
	}
	return n
}

// held is a value as the collection holds it.
func (u *using) held(t Type, v Value) Value {
	return u.asked(u.convert(u.at, nil, Type{Name: scalarType(t)}, v))
}

// scalarType is the name of a type that values are converted to in a collection; classes and records stay as they are.
func scalarType(t Type) string {
	for _, name := range []string{"Integer", "Long", "Decimal", "Double", "String", "Id", "Boolean", "Date", "Datetime"} {
		if t.is(name) {
			return name
		}
	}
	return ""
}

var collectionMethods = map[string]builtin{
	"list.size":    {0, 0, func(u *using) Value { return int64(len(selfList(u).Items)) }},
	"list.isempty": {0, 0, func(u *using) Value { return len(selfList(u).Items) == 0 }},
	"list.add": {1, 2, func(u *using) Value {
		l := selfList(u)
		v := u.held(l.Elem, u.args[len(u.args)-1])
		at := len(l.Items)
		if len(u.args) == 2 {
			at = u.placeIn(0, len(l.Items)+1)
		}
		if u.err == nil {
			l.Items = slices.Insert(l.Items, at, v)
		}
		return nil
	}},
	"list.addall": {1, 1, func(u *using) Value {
		l := selfList(u)
		for _, item := range u.items(0) {
			l.Items = append(l.Items, u.held(l.Elem, item))
		}
		if len(l.Items) > maxText/16 {
			u.fail(u.limit("Apex heap size too large"))
		}
		return nil
	}},
	"list.get": {1, 1, func(u *using) Value {
		l := selfList(u)
		if at := u.placeIn(0, len(l.Items)); u.err == nil {
			return l.Items[at]
		}
		return nil
	}},
	"list.set": {2, 2, func(u *using) Value {
		l := selfList(u)
		v := u.held(l.Elem, u.args[1])
		if at := u.placeIn(0, len(l.Items)); u.err == nil {
			l.Items[at] = v
		}
		return nil
	}},
	"list.remove": {1, 1, func(u *using) Value {
		l := selfList(u)
		at := u.placeIn(0, len(l.Items))
		if u.err != nil {
			return nil
		}
		v := l.Items[at]
		l.Items = slices.Delete(l.Items, at, at+1)
		return v
	}},
	"list.clear": {0, 0, func(u *using) Value { selfList(u).Items = nil; return nil }},
	"list.clone": {0, 0, func(u *using) Value { l := selfList(u); return &List{l.Elem, slices.Clone(l.Items)} }},
	"list.indexof": {1, 1, func(u *using) Value {
		return int64(slices.IndexFunc(selfList(u).Items, func(v Value) bool { return equal(v, u.args[0]) }))
	}},
	"list.contains": {1, 1, func(u *using) Value {
		return slices.ContainsFunc(selfList(u).Items, func(v Value) bool { return equal(v, u.args[0]) })
	}},
	"list.sort": {0, 0, func(u *using) Value {
		slices.SortStableFunc(selfList(u).Items, func(a, b Value) int {
			if a == nil || b == nil {
				return boolInt(a != nil) - boolInt(b != nil)
			}
			c, fits := compare(a, b)
			if !fits {
				u.fail(unknown(u.at, "sorting %s", typeName(a)))
			}
			return c
		})
		return nil
	}},
	"set.size":    {0, 0, func(u *using) Value { return int64(selfSet(u).size()) }},
	"set.isempty": {0, 0, func(u *using) Value { return selfSet(u).size() == 0 }},
	"set.add": {1, 1, func(u *using) Value {
		s := selfSet(u)
		v := u.held(s.Elem(), u.args[0])
		fresh := !s.has(v)
		s.put(v, nil)
		return fresh
	}},
	"set.addall": {1, 1, func(u *using) Value {
		s := selfSet(u)
		before := s.size()
		for _, item := range u.items(0) {
			s.put(u.held(s.Elem(), item), nil)
		}
		return s.size() > before
	}},
	"set.contains": {1, 1, func(u *using) Value { return selfSet(u).has(u.args[0]) }},
	"set.containsall": {1, 1, func(u *using) Value {
		return !slices.ContainsFunc(u.items(0), func(v Value) bool { return !selfSet(u).has(v) })
	}},
	"set.remove": {1, 1, func(u *using) Value {
		had := selfSet(u).has(u.args[0])
		selfSet(u).remove(u.args[0])
		return had
	}},
	"set.removeall": {1, 1, func(u *using) Value {
		before := selfSet(u).size()
		for _, item := range u.items(0) {
			selfSet(u).remove(item)
		}
		return selfSet(u).size() < before
	}},
	"set.clear": {0, 0, func(u *using) Value { s := selfSet(u); s.keys, s.entries = nil, map[string]entry{}; return nil }},
	"set.clone": {0, 0, func(u *using) Value {
		c := newSet(selfSet(u).Elem())
		for _, key := range selfSet(u).keyList() {
			c.put(key, nil)
		}
		return c
	}},
	"map.size":        {0, 0, func(u *using) Value { return int64(selfMap(u).size()) }},
	"map.isempty":     {0, 0, func(u *using) Value { return selfMap(u).size() == 0 }},
	"map.get":         {1, 1, func(u *using) Value { return selfMap(u).get(u.args[0]) }},
	"map.containskey": {1, 1, func(u *using) Value { return selfMap(u).has(u.args[0]) }},
	"map.remove":      {1, 1, func(u *using) Value { return selfMap(u).remove(u.args[0]) }},
	"map.clear":       {0, 0, func(u *using) Value { m := selfMap(u); m.keys, m.entries = nil, map[string]entry{}; return nil }},
	"map.put": {2, 2, func(u *using) Value {
		m := selfMap(u)
		key := u.held(m.Key, u.args[0])
		was := m.get(key)
		m.put(key, u.held(m.Elem, u.args[1]))
		return was
	}},
	"map.putall": {1, 1, func(u *using) Value {
		m := selfMap(u)
		if l, isList := u.args[0].(*List); isList { // records by their ids
			for _, item := range l.Items {
				if record, isRecord := item.(*SObject); isRecord {
					id, _ := record.Get("Id")
					m.put(id, record)
				}
			}
			return nil
		}
		if from := arg[*Map](u, 0); u.err == nil {
			for _, k := range from.keys {
				m.put(from.entries[k].key, from.entries[k].value)
			}
		}
		return nil
	}},
	"map.keyset": {0, 0, func(u *using) Value {
		s := newSet(selfMap(u).Key)
		for _, key := range selfMap(u).keyList() {
			s.put(key, nil)
		}
		return s
	}},
	"map.values": {0, 0, func(u *using) Value {
		return &List{Elem: selfMap(u).Elem, Items: selfMap(u).list(func(e entry) Value { return e.value })}
	}},
}

// Elem is the type of the items.
func (s *Set) Elem() Type { return s.Key }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
