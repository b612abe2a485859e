package policy

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the facts and the default policy of docs/returns.md anew, then read the diff")

// TestDocumentedFacts: docs/returns.md has every fact and the default policy as they
// are.
func TestDocumentedFacts(t *testing.T) {
	const file = "../../../docs/returns.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var facts strings.Builder
	facts.WriteString("| fact | type | |\n| --- | --- | --- |\n")
	for _, w := range Vocabulary() {
		typ := map[string]string{"google.protobuf.Timestamp": "timestamp", "list(policy.Line)": "list of lines"}[w.Type]
		if typ == "" {
			typ = w.Type
		}
		fmt.Fprintf(&facts, "| `%s` | %s | %s |\n", w.Name, typ, w.Doc)
	}
	want := string(text)
	for from, made := range map[string]string{
		"<!-- made from the vocabulary: -->\n":     facts.String(),
		"<!-- made from the default policy: -->\n": "```yaml\n" + string(Default()) + "```\n",
	} {
		before, rest, found := strings.Cut(want, from)
		_, after, ends := strings.Cut(rest, "<!-- so far -->\n")
		if !found || !ends {
			t.Fatalf("%s has no %s", file, from)
		}
		want = before + from + made + "<!-- so far -->\n" + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is not what the vocabulary and the default policy say: go generate ./tools/returns/policy", file)
	}
}

// TestDocumentedPolicies: the policies that docs/returns.md shows are some.
func TestDocumentedPolicies(t *testing.T) {
	text, err := os.ReadFile("../../../docs/returns.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```yaml\n((?:#[^\n]*\n)*limits:.*?)```").FindAllSubmatch(text, -1)
	if len(shown) < 2 {
		t.Fatalf("it shows %d", len(shown))
	}
	for _, block := range shown {
		if _, err := Parse(block[1]); err != nil {
			t.Errorf("%s: %v", block[1], err)
		}
	}
}
