package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools"
)

// checkTimeout bounds one check, and checksAtOnce how many are made at a time.
const (
	checkTimeout = 30 * time.Second
	checksAtOnce = 8
)

func (e *env) check() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Look whether everything that the configuration names can be used",
		Long: `Look whether everything that the configuration names can be used: the database,
the secrets, the OpenID provider, the issuers of hosts' tokens, and for each
workspace a token and one request to its org. One line each; exit 1 if one fails.
It changes nothing, and may run beside the server.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			say := func(f finding) error { return f.print(e, asJSON) }
			c, err := config.Load(file, e.getenv)
			if err != nil {
				problems := strings.Split(err.Error(), "\n")
				if len(problems) > 1 {
					problems = problems[1:] // without the name of the file
				}
				for _, p := range problems {
					if err := say(finding{"configuration", statusFailed, p}); err != nil {
						return err
					}
				}
				return fmt.Errorf("%s has problems; nothing else was checked", file)
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel() // of Vault's renewals
			l, err := lookAt(ctx, c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.close()) }()
			if err := say(finding{"configuration", statusOK, fmt.Sprintf("%s, workspaces: %d%s", file, len(c.Workspaces), l.stored(c))}); err != nil {
				return err
			}
			return runChecks(ctx, l.checks(), say)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// A check looks at one thing. It says what it found, or in the error what is to
// be mended; the error is a skipped if it could not be looked at.
type check struct {
	name string
	look func(context.Context) (string, error)
}

// skipped is why something was not checked.
type skipped string

func (s skipped) Error() string { return string(s) }

// A finding is a line of the result.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Text   string `json:"text"`
}

// The statuses of findings.
const (
	statusOK      = "ok"
	statusFailed  = "fail"
	statusSkipped = "skip"
)

// print writes the finding on one line, whatever the far side put into it.
func (f finding) print(e *env, asJSON bool) error {
	f.Text = tools.Printable(strings.Join(strings.Fields(f.Text), " "))
	if asJSON {
		line := json.NewEncoder(e.stdout)
		line.SetEscapeHTML(false)
		return line.Encode(f)
	}
	if f.Status == statusFailed {
		f.Status = "FAIL"
	}
	_, err := fmt.Fprintf(e.stdout, "%-4s %s: %s\n", f.Status, f.Check, f.Text)
	return err
}

// runChecks makes the checks and says what each found, in their order. The error
// says how many failed.
func runChecks(ctx context.Context, checks []check, say func(finding) error) error {
	found := make([]chan finding, len(checks))
	for i := range found {
		found[i] = make(chan finding, 1)
	}
	var running errgroup.Group
	running.SetLimit(checksAtOnce)
	go func() {
		for i, c := range checks {
			running.Go(func() error { found[i] <- c.find(ctx); return nil })
		}
	}()
	failed := 0
	for i := range found {
		f := <-found[i]
		if f.Status == statusFailed {
			failed++
		}
		if err := say(f); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed", failed, count(len(checks), "check"))
	}
	return nil
}

func (c check) find(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	text, err := c.look(ctx)
	var left skipped
	switch {
	case errors.As(err, &left):
		return finding{c.name, statusSkipped, err.Error()}
	case err != nil:
		return finding{c.name, statusFailed, err.Error()}
	}
	return finding{c.name, statusOK, text}
}

// count is a number with what it counts.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
