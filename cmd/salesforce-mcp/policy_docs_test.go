package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// TestDocumentedRules: the rules that docs/rules.md shows are rules, and the calls
// below them go through or are refused as it says.
func TestDocumentedRules(t *testing.T) {
	doc, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ agent, tool, args, verdict string }
	var rows []row
	var rules []allowlist.Rule
	example := regexp.MustCompile("(?s:```yaml\n(.*?)```)|(?m:^\\| `(\\w+)` \\| `([^`]+)` \\| (.*) \\|$)")
	for _, m := range example.FindAllStringSubmatch(string(doc), -1) {
		if m[1] == "" {
			rows = append(rows, row{rules[len(rules)-1].Agent, m[2], m[3], m[4]})
			continue
		}
		var shown struct{ Rules []allowlist.Rule }
		if err := yaml.Unmarshal([]byte(m[1]), &shown); err != nil || len(shown.Rules) != 1 {
			t.Fatalf("%v: %s", err, m[1])
		}
		rules = append(rules, shown.Rules...)
	}
	if len(rules) < 4 || len(rows) < 20 {
		t.Fatalf("%d rules, %d calls", len(rules), len(rows))
	}
	e := &escapes{world: newWorld(t, func(c *config.Config) { c.Workspaces[0].Rules = append(c.Workspaces[0].Rules, rules...) }), fill: strings.NewReplacer()}
	for _, r := range rows {
		failed, body := e.send(r.agent, r.tool, r.args)
		refused := strings.Contains(body, "This agent is not authorized to use this connector")
		if refused != strings.HasPrefix(r.verdict, "refused") || failed && !refused {
			t.Errorf("%s %s %s: %s, but %.500s", r.agent, r.tool, r.args, r.verdict, body)
		}
	}
}
