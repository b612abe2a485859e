// Package house holds the rules of the whole house.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed says which packages of ours each part may import, and why no more.
var allowed = map[string]struct {
	imports []string
	reason  string
}{
	"salesforce":      {nil, "the client knows Salesforce and nothing else"},
	"salesforce/soql": {nil, "the parser is used by the gate and by the simulated org"},
	"salesforce/fakeorg": {[]string{"salesforce", "salesforce/soql", "salesforce/fakeorg/apex", "markup"},
		"the simulated org knows ids, queries and Apex, and nothing of the server it tests"},
	"salesforce/fakeorg/apex":     {nil, "Apex is run for whoever gives it records and queries"},
	"salesforce/fakeorg/sqltrace": {[]string{"salesforce/fakeorg"}, "what SQL reads is seen from outside of the simulated org"},
	"auth":                        {[]string{"salesforce"}, "credentials know the value types of the client, not who calls"},
	"allowlist":                   {nil, "who may do what does not depend on how it is done"},
	"audit":                       {nil, "the journal records whatever it is told"},
	"audit/proof":                 {nil, "a log is verified with nothing but an export and a key"},
	"spelling":                    {nil, "names are compared whatever they name"},
	"markup":                      {nil, "a text stays a text whatever page it is on"},
	"tools": {[]string{"allowlist", "audit", "auth", "salesforce", "salesforce/soql", "spelling", "tools/returns"},
		"the call path joins the four, through interfaces, and lets a person answer a run"},
	"tools/returns/decimal":            {nil, "an amount is written in one way, whoever writes it"},
	"tools/returns/policy":             {[]string{"spelling", "tools/returns/decimal"}, "a decision depends on facts and rules, and on nobody who asks"},
	"tools/returns/gateway":            {[]string{"salesforce", "salesforce/soql", "tools/returns/decimal"}, "a gateway pays back what it is told, and knows neither policy nor run"},
	"tools/returns/gateway/fakestripe": {nil, "the simulated Stripe is told of nothing but HTTP requests"},
	"tools/returns/records": {[]string{"audit", "salesforce", "salesforce/soql", "spelling", "tools/returns/decimal", "tools/returns/gateway", "tools/returns/policy"},
		"records become facts and changes; who decides and who drives is others' affair"},
	"tools/returns/loop": {[]string{"allowlist", "audit", "salesforce", "salesforce/soql", "tools", "tools/returns", "tools/returns/decimal", "tools/returns/gateway", "tools/returns/policy",
		"tools/returns/receipt", "tools/returns/records"}, "the flow of a return joins policy, gateway, records and approvals; nobody in tools knows it"},
	"tools/returns":         {[]string{"audit"}, "the loop is driven by what it is given; who calls and what is sent are others' affair"},
	"tools/returns/receipt": {[]string{"tools/returns/decimal"}, "a paper says what it is told"},
}

// TestImports holds who may import whom. Test files may import more.
func TestImports(t *testing.T) {
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "testdata" {
			return fs.SkipDir // programs that are no part of this module
		}
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		part := path.Dir(filepath.ToSlash(file))
		rule, ok := allowed[part]
		if strings.HasPrefix(part, "cmd/") {
			return nil
		}
		if !ok {
			t.Errorf("%s is in no part of the house; see CONTRIBUTING.md", file)
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours, isOurs := strings.CutPrefix(name, "salesforce-mcp/")
			if isOurs && !slices.Contains(rule.imports, ours) {
				t.Errorf("%s imports %s: %s", file, ours, rule.reason)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
