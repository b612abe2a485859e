package main

import (
	"net/http"
	"os"
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
