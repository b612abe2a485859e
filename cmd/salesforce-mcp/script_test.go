package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts start the program itself as "salesforce-mcp".
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"salesforce-mcp": main})
}

// TestScripts runs testdata/scripts: the program as a shell sees it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "../../testdata/scripts",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"ready": ready},
	})
}

// ready starts a command of the program that prints one JSON line once it is
// ready, and puts the members of that line into the environment: org_token
// becomes $ORG_TOKEN. The command is killed when the script ends.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: ready COMMAND [ARG …]")
	}
	cmd := exec.Command("salesforce-mcp", args...)
	path, err := exec.LookPath("salesforce-mcp")
	ts.Check(err)
	cmd.Path, cmd.Dir = path, ts.Getenv("WORK")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			ts.Fatalf("%s: %v", strings.Join(args, " "), err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	ts.Check(err)
	var members map[string]string
	ts.Check(json.Unmarshal(line, &members))
	for name, value := range members {
		ts.Setenv(strings.ToUpper(name), value)
	}
	ts.Setenv("READY", fmt.Sprint(len(members)))
}
