package fakeorg

import (
	"strings"
	"testing"
)

func TestReportsFileIsRefused(t *testing.T) {
	s, err := loadSchema(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ file, want string }{
		"unknown key":     {"types: [{type: A, colour: red}]", "colour not found"},
		"unknown object":  {"types: [{type: A, object: B}]", `type A: there is no object "B"`},
		"unknown field":   {"types: [{type: A, object: Account, sections: [{label: x, columns: {C: Owner.Nickname}}]}]", `column C of type A: Account has no field "Owner.Nickname"`},
		"several parents": {"types: [{type: A, object: Task, sections: [{label: x, columns: {C: What.Name}}]}]", `Task has no field "What.Name"`},
		"unknown parent":  {"types: [{type: A, object: Account, parents: [Boss]}]", "type A: Boss leads to no parent of Account"},
		"unknown column":  {"types: [{type: A, object: Account, columns: [C], date: Account.CreatedDate}]", `type A has no column "C"`},
		"no date":         {"types: [{type: A, object: Account}]", `type A has no column ""`},
		"no mapping":      {"types: [{type: A, object: Account, sections: [{columns: {C: {way: x}}}]}]", `column C of type A: Account has no field ""`},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := decodeReports([]byte(test.file))
			if err == nil {
				_, err = resolveReportTypes(s, doc)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
