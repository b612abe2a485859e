package apex

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Text is what String.valueOf gives for a value.
func Text(v Value) string {
	var w writer
	w.value(v, 0)
	return w.String()
}

// writer writes values. What is in itself ends somewhere.
type writer struct{ strings.Builder }

const (
	maxText   = 6_000_000 // the heap of a transaction
	maxNested = 20
)

func (w *writer) value(v Value, depth int) {
	switch v := v.(type) {
	case *List:
		w.all("(", v.Items, ")", depth)
		return
	case *Set:
		w.all("{", v.keyList(), "}", depth)
		return
	case *Map:
		w.WriteByte('{')
		for i, k := range v.keys {
			w.pair(i, v.entries[k].key, "=", v.entries[k].value, depth)
		}
		w.WriteByte('}')
		return
	case *SObject:
		w.WriteString(v.Type + ":{")
		for i, name := range v.names {
			field, _ := v.Get(name)
			w.pair(i, name, "=", field, depth)
		}
		w.WriteByte('}')
		return
	}
	w.WriteString(scalar(v))
}

func (w *writer) all(open string, items []Value, closing string, depth int) {
	w.WriteString(open)
	for i, item := range items {
		w.pair(i, "", "", item, depth)
	}
	w.WriteString(closing)
}

// pair writes an item of something, with a comma before all but the first.
func (w *writer) pair(i int, key Value, between string, v Value, depth int) {
	if w.Len() > maxText {
		return
	}
	if i > 0 {
		w.WriteString(", ")
	}
	if depth >= maxNested {
		w.WriteString("(already output)")
		return
	}
	w.value(key, depth+1)
	w.WriteString(between)
	w.value(v, depth+1)
}

func scalar(v Value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		return v
	case ID:
		return string(v)
	case Date:
		return v.Format("2006-01-02 00:00:00")
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05")
	case enumValue:
		return v.name
	case typeValue:
		return v.name
	case *Object:
		if v.class == nil || v.message != "" {
			return v.typ + ": " + v.message
		}
		return v.typ + ":[]"
	}
	return fmt.Sprint(v)
}
