package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"salesforce-mcp/tools"
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
		Setup: func(e *testscript.Env) error {
			now := time.Now().UTC()
			e.Setenv("AN_HOUR_AGO", now.Add(-time.Hour).Format(time.RFC3339))
			e.Setenv("IN_AN_HOUR", now.Add(time.Hour).Format(time.RFC3339))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": ready, "keep": keep, "pack": pack, "until": until},
	})
}

// TestOperationsScript: the script of all operations calls every one of them.
func TestOperationsScript(t *testing.T) {
	text, err := os.ReadFile("../../testdata/scripts/operations.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tools.All.InstructionNames() {
		if !regexp.MustCompile(`(?m)^(!? ?exec|until .+) salesforce-mcp call ` + name + `( |$)`).Match(text) {
			t.Errorf("operations.txtar does not call %s", name)
		}
	}
}

// keep puts a value of the last line of output, which is JSON, into the
// environment: keep FIRST records.0.Id.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME PATH")
	}
	var v any
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	ts.Check(json.Unmarshal([]byte(lines[len(lines)-1]), &v))
	for step := range strings.SplitSeq(args[1], ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			n, err := strconv.Atoi(step)
			ts.Check(err)
			v = in[n]
		}
	}
	if v == nil {
		ts.Fatalf("there is no %s in %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// pack puts a zip of a directory into the environment, in base64.
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pack NAME DIR")
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	ts.Check(z.AddFS(os.DirFS(ts.MkAbs(args[1]))))
	ts.Check(z.Close())
	ts.Setenv(args[0], base64.StdEncoding.EncodeToString(packed.Bytes()))
}

// until runs a command again and again until its output holds a text:
// until '"state":"JobComplete"' salesforce-mcp call getIngestJob jobId=$JOB.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until TEXT COMMAND [ARG …]")
	}
	for range 200 {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s did not come: %s", args[0], ts.ReadFile("stdout"))
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
