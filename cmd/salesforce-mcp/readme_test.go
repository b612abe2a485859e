package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme sends every request that the README shows.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	ready := startDemo(t)
	sent := 0
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for request := range strings.Lines(block[1]) {
			r, err := http.NewRequest(http.MethodPost, ready.MCP, strings.NewReader(request))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+ready.HostToken)
			r.Header.Set("Agent-Id", ready.AgentID)
			r.Header.Set("Content-Type", "application/json")
			if status, answer := (&world{t: t}).do(r); status != http.StatusOK || !strings.Contains(answer, `"result"`) || strings.Contains(answer, `"isError"`) {
				t.Errorf("%s: %d %s", request, status, answer)
			}
			sent++
		}
	}
	if sent < 4 {
		t.Errorf("the README shows %d requests", sent)
	}
	if !strings.Contains(string(text), "\ngo test ./...\n") {
		t.Error("the README does not name the test command that .ci/run runs")
	}
}

// TestDocumentedCommands: each command of ours that the documentation shows is
// one, with these flags.
func TestDocumentedCommands(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
				m := regexp.MustCompile(`^(?:go run \./cmd/|\./)?salesforce-mcp +([^#<>|]*)`).FindStringSubmatch(line)
				if m == nil {
					continue
				}
				cmd, args, err := (&env{}).root().Find(strings.Fields(m[1]))
				if err == nil {
					err = cmd.ParseFlags(args)
				}
				if err == nil {
					err = cmd.ValidateArgs(cmd.Flags().Args())
				}
				if err == nil {
					err = cmd.ValidateRequiredFlags()
				}
				if err != nil {
					t.Errorf("%s: %s: %v", filepath.Base(file), line, err)
				}
				shown[cmd.CommandPath()] = true
			}
		}
	}
	for _, command := range []string{"check", "secret set", "secret delete", "keys new", "keys rotate", "keys certificate", "call", "demo", "fakeorg"} {
		if !shown["salesforce-mcp "+command] {
			t.Errorf("the documentation does not show %s", command)
		}
	}
}
