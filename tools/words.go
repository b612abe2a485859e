package tools

import (
	"regexp"
	"strings"
	"sync"
)

// A manner is by which names a caller calls operations. What it is told uses the
// same names.
type manner int

const (
	byTool        manner = iota // a tool and its action: records, get
	byHalf                      // half a tool and its action: records_read, get
	byInstruction               // getRecord
)

// manner is how a call names the row that it is for.
func (c Call) manner(op *Op) manner {
	switch c.Tool {
	case op.tool:
		return byTool
	case "", op.Instruction:
		return byInstruction
	}
	return byHalf
}

// Name returns the name of the row, as in "records.get", or the one that its
// caller has for it.
func (op *Op) Name() string {
	switch op.manner {
	case byHalf:
		return op.half() + "." + op.Action
	case byInstruction:
		return op.Instruction
	}
	return op.tool + "." + op.Action
}

// half is the half of its tool that a row belongs to.
func (op *Op) half() string {
	if op.Effect == Read {
		return op.tool + readEnd
	}
	return op.tool + writeEnd
}

// adviceRE matches how notes and hints name operations: "action get", and with
// its tool "tool records, action get" or "records, action get".
var adviceRE = sync.OnceValue(func() *regexp.Regexp {
	var names []string
	for _, tool := range All {
		names = append(names, tool.Name)
	}
	return regexp.MustCompile(`(?:(?:tool )?(` + strings.Join(names, "|") + `), )?action (\w+)`)
})

// say returns a note or a hint in the caller's words. Only what stands before
// the first quotation mark is ours; behind it are values.
func (op *Op) say(text string) string {
	if op.manner == byTool {
		return text
	}
	ours, values, quoted := strings.Cut(text, `"`)
	ours = adviceRE().ReplaceAllStringFunc(ours, func(advice string) string {
		m := adviceRE().FindStringSubmatch(advice)
		tool := m[1]
		if tool == "" {
			tool = op.tool
		}
		row, err := All.Find(tool, m[2])
		switch {
		case err != nil:
			return advice
		case op.manner == byHalf:
			return "tool " + row.half() + ", action " + row.Action
		}
		return row.Instruction
	})
	if !quoted {
		return ours
	}
	return ours + `"` + values
}
