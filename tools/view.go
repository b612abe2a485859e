package tools

import (
	"fmt"
	"slices"
	"strings"
)

// A View is a way to list the table as tools. Whatever is listed, the names of
// all views can be called.
type View string

// The views.
const (
	Dispatch View = "dispatch" // one tool for each noun: records
	Split    View = "split"    // two of each, for hosts that approve by name: records_read, records_write
	Flat     View = "flat"     // one for each operation, named like its instruction: getRecord
)

// ParseView returns the view of that name; "" is Dispatch.
func ParseView(name string) (View, error) {
	switch v := View(name); v {
	case "":
		return Dispatch, nil
	case Dispatch, Split, Flat:
		return v, nil
	}
	return "", fmt.Errorf("there is no view %q; there are %s, %s and %s", clip(name), Dispatch, Split, Flat)
}

// Ends of the names of tools that are split.
const (
	readEnd  = "_read"
	writeEnd = "_write"
)

// As returns the tools that list t in a view. Where all of t only reads they are
// described in few words: a wrong call costs nothing and is told what would fit.
func (t Table) As(v View) []Tool {
	var list []Tool
	for _, tool := range t {
		switch v {
		case Dispatch:
			list = append(list, tool)
		case Split:
			for _, end := range []string{readEnd, writeEnd} {
				if half := tool.half(end); len(half.Ops) > 0 {
					list = append(list, half)
				}
			}
		case Flat:
			for _, op := range tool.Ops {
				op.manner = byInstruction
				op.Doc = op.say(op.Doc)
				list = append(list, Tool{Name: op.Instruction, Doc: op.Doc, Ops: []Op{op}, flat: true})
			}
		}
	}
	reads := !slices.ContainsFunc(list, func(tool Tool) bool { return !tool.Hints().ReadOnly })
	for i := range list {
		list[i].lean = (reads || list[i].own()) && v != Flat
	}
	return list
}

// own reports whether we answer all of the tool ourselves. What it needs to be told
// of it, an agent is told when it has to.
func (t Tool) own() bool {
	return !slices.ContainsFunc(t.Ops, func(op Op) bool { return op.Own == nil })
}

// half is the part of a tool that only reads, or the rest of it.
func (t Tool) half(end string) Tool {
	half := Tool{Name: t.Name + end, Doc: t.Doc}
	for _, op := range t.Ops {
		if (op.Effect == Read) == (end == readEnd) {
			half.Ops = append(half.Ops, op)
		}
	}
	return half
}

// named returns the tool that is called name: a tool, or the half of one, which
// has none of the other half's actions.
func (t Tool) named(name string) (Tool, bool) {
	if name == t.Name {
		return t, true
	}
	end, ok := strings.CutPrefix(name, t.Name)
	if !ok || end != readEnd && end != writeEnd {
		return Tool{}, false
	}
	half := t.half(end)
	return half, len(half.Ops) > 0
}
