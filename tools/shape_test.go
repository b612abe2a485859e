package tools

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"salesforce-mcp/salesforce"
)

// FuzzShape: no answer, of whatever form, makes a row panic. The seeds are the
// answers of all cases, each also as an answer to other rows.
func FuzzShape(f *testing.F) {
	var rows []*Op
	for _, tool := range All {
		for i := range tool.Ops {
			rows = append(rows, &tool.Ops[i])
		}
	}
	files, err := filepath.Glob("../testdata/ops/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for n, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			if _, body, ok := strings.Cut(string(section.Data), "\n"); ok && section.Name == "response" {
				name := filepath.Base(file)
				own := slices.IndexFunc(rows, func(op *Op) bool { return strings.HasPrefix(name, op.Name()+".") })
				f.Add(uint8(own), body)
				f.Add(uint8(n), body)
			}
		}
	}
	f.Add(uint8(slices.IndexFunc(rows, func(op *Op) bool { return op.Instruction == "getDashboardResults" })),
		`{"dashboardMetadata":{"components":[{"id":[],"title":"x"}]},"componentData":[{"componentId":{}}]}`)
	f.Fuzz(func(_ *testing.T, row uint8, body string) {
		v, err := decode([]byte(body))
		if err != nil {
			return
		}
		op := rows[int(row)%len(rows)]
		a := &answer{resp: &salesforce.Response{Status: 200, Origin: "https://acme.my.salesforce.com"}, value: v}
		a.mend(op)
		_ = a.verdict(op)
		_ = trace{}.outcome(op, Args{}, a)
		_, _ = op.shape(Args{}, a)
	})
}
