package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"
)

// TestBrowser runs testdata/browser: the configuration app in Chromium. Where something
// that it needs is absent it is skipped, and fails where the environment variable
// SALESFORCE_MCP_TEST_BROWSER is "required", as it is in CI.
func TestBrowser(t *testing.T) {
	if raced() {
		t.Skip("it tests nothing more with the race detector, slowly")
	}
	node := os.Getenv("NODE")
	if node == "" {
		node = "node"
	}
	if absent := browserLacks(node); absent != nil {
		if os.Getenv("SALESFORCE_MCP_TEST_BROWSER") == "required" {
			t.Fatal(absent)
		}
		t.Skipf("!!! SKIPPED: THE CONFIGURATION APP WAS NOT LOOKED AT IN A BROWSER: %v", absent)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "salesforce-mcp") // by this name, the test binary is the program: see TestMain
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, program)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "../../testdata/browser/run", dir)
	cmd.Env = append(os.Environ(), "SALESFORCE_MCP="+program, "NODE="+node)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	t.Logf("%s", said.Bytes())
	if err != nil {
		t.Fatal(err)
	}
}

// browserLacks says what the machine lacks for tests in a browser; nil when it has all.
func browserLacks(node string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return err
	}
	if chromium := os.Getenv("CHROMIUM"); chromium == "" {
		if _, err := exec.LookPath("chromium"); err != nil {
			return err
		}
	}
	version, err := exec.Command(node, "--version").Output()
	if err != nil {
		return err
	}
	const least = 20
	found := regexp.MustCompile(`^v(\d+)\.`).FindSubmatch(version)
	if found == nil {
		return fmt.Errorf("%s --version says %q", node, version)
	}
	if major, _ := strconv.Atoi(string(found[1])); major < least {
		return fmt.Errorf("node is %s, and %d is needed", bytes.TrimSpace(version), least)
	}
	return nil
}

// raced reports whether this test was built with the race detector.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			return true
		}
	}
	return false
}
