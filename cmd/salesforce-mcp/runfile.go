package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"salesforce-mcp/cmd/salesforce-mcp/internal/dsul"
	"salesforce-mcp/tools"
)

func (e *env) runFile() *cobra.Command {
	var c client
	cmd := &cobra.Command{
		Use:   "run FILE.yml [name=value …]",
		Short: "Run a list of DSUL steps against a running server",
		Long: `Run a list of steps, Salesforce.<instruction> with its arguments, one after the
other, and print the result of each as a line of JSON. {{paths}} in arguments
stand for the names given here and for the outputs of earlier steps. The first
step that fails ends the run.

URL, token, agent and user default to SALESFORCE_MCP_URL, SALESFORCE_MCP_TOKEN,
SALESFORCE_MCP_AGENT and SALESFORCE_MCP_USER.`,
		Example: `  salesforce-mcp run close.yml opportunity_id=0065g00000AbCdEAAV`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.complete(&c); err != nil {
				return err
			}
			values := map[string]any{}
			var names []string
			for _, pair := range args[1:] {
				name, text, ok := strings.Cut(pair, "=")
				if !ok {
					return fmt.Errorf("%q is not name=value", pair)
				}
				names = append(names, name)
				values[name] = text
			}
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // it was only read
			steps, err := dsul.Parse(file, knownInstruction, names)
			if err != nil {
				return fmt.Errorf("%s:\n%w", args[0], err)
			}
			if err := c.runSteps(cmd.Context(), steps, values, e.stdout); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return nil
		},
	}
	connectionFlags(cmd, &c)
	return cmd
}

// knownInstruction says what is wrong with an instruction and the names of its
// arguments, which may be nil when there is something else wrong with them.
func knownInstruction(name string, args map[string]any) error {
	op, err := tools.All.Instruction(name)
	if err != nil || args == nil {
		return err
	}
	if body, given := args["body"]; given {
		if _, isObject := body.(map[string]any); !isObject { // it comes from elsewhere
			return nil
		}
	}
	return op.CheckNames(args)
}

// complete fills in from the environment what the flags leave open.
func (e *env) complete(c *client) error {
	for name, value := range map[string]*string{"URL": &c.url, "TOKEN": &c.token, "AGENT": &c.agent, "USER": &c.user} {
		*value = cmp.Or(*value, e.getenv("SALESFORCE_MCP_"+name))
	}
	if c.url == "" {
		return errors.New("--url is needed, or SALESFORCE_MCP_URL: the MCP endpoint, as in http://127.0.0.1:8080/w/demo/mcp")
	}
	return nil
}

func connectionFlags(cmd *cobra.Command, c *client) {
	cmd.Flags().StringVar(&c.url, "url", "", "MCP endpoint")
	cmd.Flags().StringVar(&c.token, "token", "", "host token")
	cmd.Flags().StringVar(&c.agent, "agent", "", "agent to call as; sent in the header agent-id")
	cmd.Flags().StringVar(&c.user, "user", "", "person for whom the agent works; sent in the header user-id")
}

// stepResult is what run prints of a step.
type stepResult struct {
	Step        int    `json:"step"`
	Instruction string `json:"instruction"`
	Output      string `json:"output,omitempty"`
	Result      any    `json:"result"`
}

// runSteps runs the steps one after the other. What they print may end up in a
// terminal.
func (c client) runSteps(ctx context.Context, steps []dsul.Step, values map[string]any, stdout io.Writer) error {
	var line bytes.Buffer
	out := json.NewEncoder(&line)
	out.SetEscapeHTML(false)
	for i, step := range steps {
		args, err := step.Arguments(values)
		if err != nil {
			return err
		}
		result, err := c.instruction(ctx, step.Instruction, args)
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", step.Line, step.Instruction, err)
		}
		if step.Output != "" {
			values[step.Output] = result
		}
		if err := out.Encode(stepResult{i + 1, step.Instruction, step.Output, result}); err != nil {
			return err
		}
		if _, err := io.WriteString(stdout, tools.Printable(line.String())); err != nil {
			return err
		}
		line.Reset()
	}
	return nil
}

// instruction calls one instruction and returns Salesforce's own answer: a JSON
// value, text, or bytes in base64; nil when there was none.
func (c client) instruction(ctx context.Context, name string, args map[string]any) (any, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	url := strings.TrimSuffix(strings.TrimSuffix(c.url, "/mcp"), "/instructions") + "/instructions/" + name
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	got, err := c.send(req)
	if err != nil {
		return nil, err
	}
	var failure struct{ Error *tools.Error }
	switch mediaType, _, _ := mime.ParseMediaType(got.contentType); {
	case got.code >= 300 && json.Unmarshal(got.body, &failure) == nil && failure.Error != nil:
		return nil, failure.Error
	case got.code >= 300:
		return nil, fmt.Errorf("%s: %s", got.status, strings.TrimSpace(string(got.body)))
	case len(got.body) == 0:
		return nil, nil
	case mediaType == "application/json":
		return decodeJSON(string(got.body))
	case utf8.Valid(got.body) && !slices.Contains(got.body, 0):
		return string(got.body), nil
	}
	return base64.StdEncoding.EncodeToString(got.body), nil
}
