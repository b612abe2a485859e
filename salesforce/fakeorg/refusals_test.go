package fakeorg_test

import (
	"os"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestRefusalsAreDocumented: the page about the simulated org names each refusal.
func TestRefusalsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulated-org.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range fakeorg.Refusals {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/simulated-org.md does not name %q", name)
		}
	}
}
