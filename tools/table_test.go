package tools_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/tools"
)

func TestTable(t *testing.T) {
	for _, err := range tools.All.Check() {
		t.Error(err)
	}
}

// TestTableCheck: each mistake a row can have is found.
func TestTableCheck(t *testing.T) {
	good := tools.Op{Action: "a", Instruction: "i", Doc: "d", Effect: tools.Read, Call: "GET /x", Opaque: true}
	with := func(change func(*tools.Op)) tools.Op { op := good; change(&op); return op }
	p := tools.Param{Name: "p", Type: "string"}
	for name, ops := range map[string][]tools.Op{
		"no effect":     {with(func(o *tools.Op) { o.Effect = 0 })},
		"streams":       {with(func(o *tools.Op) { o.Effect, o.Content = tools.Add, tools.CSV })},
		"no doc":        {with(func(o *tools.Op) { o.Doc = "" })},
		"no touches":    {with(func(o *tools.Op) { o.Opaque = false })},
		"no call":       {with(func(o *tools.Op) { o.Call = "FETCH x" })},
		"twice":         {good, good},
		"unneeded hole": {with(func(o *tools.Op) { o.Call = "GET /{p}"; o.Takes = []tools.Param{p} })},
		"other meanings": {with(func(o *tools.Op) { o.Takes = []tools.Param{p} }), with(func(o *tools.Op) {
			o.Action, o.Instruction = "b", "j"
			o.Takes = []tools.Param{{Name: "p", Type: "integer"}}
		})},
	} {
		if errs := tools.NewTable(tools.Tool{Name: "t", Ops: ops}).Check(); len(errs) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if errs := tools.NewTable(tools.Tool{Name: "t", Ops: []tools.Op{good}}).Check(); len(errs) != 0 {
		t.Errorf("a good row: %v", errs)
	}
}

// TestDocumented: the tools, actions, instructions and requests are those of the
// wire contract, whose names outside programs use.
func TestDocumented(t *testing.T) {
	var contract []struct {
		Tool, Action, Instruction string
		Calls                     []string
	}
	text, err := os.ReadFile("../testdata/contract.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	for _, want := range contract {
		byAction, err := tools.All.Find(want.Tool, want.Action)
		if err != nil {
			t.Error(err)
			continue
		}
		byInstruction, err := tools.All.Find(want.Instruction, "")
		if err != nil || byInstruction != byAction {
			t.Errorf("%s.%s is not the instruction %s", want.Tool, want.Action, want.Instruction)
		}
		if !slices.Contains(want.Calls, byAction.Call) {
			t.Errorf("%s sends %s, want %s", byAction.Name(), byAction.Call, want.Calls)
		}
	}
	if len(contract) != 75 {
		t.Errorf("the contract has only %d operations", len(contract))
	}
}

// TestOperationsPage: docs/operations.md is what the table says.
func TestOperationsPage(t *testing.T) {
	var page bytes.Buffer
	if err := tools.All.WriteDoc(&page); err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/operations.md", page.Bytes())
}

// golden compares got with a file, or writes the file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; run go test ./tools -update and read the diff (-want +got):\n%s", file, diff)
	}
}

// TestSchemaLaws: what model providers refuse is in no schema (a single one
// makes some of them refuse the whole list).
func TestSchemaLaws(t *testing.T) {
	allowed := []string{"type", "enum", "description", "items", "properties", "required", "minimum", "maximum"}
	var walk func(where string, schema map[string]any)
	walk = func(where string, schema map[string]any) {
		if _, ok := schema["type"].(string); !ok {
			t.Errorf("%s: the type is no string", where)
		}
		if schema["type"] == "array" && schema["items"] == nil {
			t.Errorf("%s: an array without items", where)
		}
		for k, v := range schema {
			if !slices.Contains(allowed, k) {
				t.Errorf("%s: keyword %s", where, k)
			}
			switch k {
			case "properties":
				for name, p := range v.(map[string]any) {
					walk(where+"."+name, p.(map[string]any))
				}
			case "items":
				walk(where+"[]", v.(map[string]any))
			}
		}
	}
	var all []tools.Tool
	for _, view := range []tools.View{tools.Dispatch, tools.Split, tools.Flat} {
		all = append(all, tools.All.As(view)...)
	}
	for _, tool := range all {
		var schema map[string]any
		if err := json.Unmarshal(tool.Schema(), &schema); err != nil {
			t.Fatalf("%s: %v", tool.Name, err)
		}
		walk(tool.Name, schema)
		if len(tool.Name) > 24 && tool.Name != "listProcessRulesForObject" { // which is documented
			t.Errorf("%s: a name of more than 24 characters", tool.Name)
		}
		if n := len([]rune(tool.Help())); n > 1024 {
			t.Errorf("%s: a description of %d characters", tool.Name, n)
		}
	}
	if n := len(tools.All.Instructions(tools.Split)); n > 2048 {
		t.Errorf("server instructions of %d bytes", n)
	}
}
