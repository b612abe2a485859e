package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"salesforce-mcp/tools"
)

func (e *env) call() *cobra.Command {
	var object string
	var c client
	cmd := &cobra.Command{
		Use:   "call INSTRUCTION [name=value …]",
		Short: "Call one instruction of a running server",
		Long: `Call one instruction, such as runQuery or createRecord, of a running server and
print its result as JSON. A value is text or, where the argument is an object or
a list, JSON; body.Name=Acme sets one member of the argument body.

URL, token, agent and user default to SALESFORCE_MCP_URL, SALESFORCE_MCP_TOKEN,
SALESFORCE_MCP_AGENT and SALESFORCE_MCP_USER.`,
		Example: `  salesforce-mcp call runQuery q='SELECT Id, Name FROM Account LIMIT 3'
  salesforce-mcp call createRecord sObjectName=Lead body.LastName=Abitbol body.Company=Acme`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.complete(&c); err != nil {
				return err
			}
			arguments, err := parseArguments(args[0], args[1:], object)
			if err != nil {
				return err
			}
			text, failed, err := c.call(cmd.Context(), args[0], arguments)
			if err != nil {
				return err
			}
			if failed {
				return errors.New(text)
			}
			_, err = fmt.Fprintln(e.stdout, text)
			return err
		},
	}
	cmd.Flags().StringVar(&object, "json", "", "arguments as one JSON object; name=value adds to it")
	connectionFlags(cmd, &c)
	return cmd
}

// parseArguments joins --json with name=value pairs. Where the instruction's
// argument is an object or a list the value is JSON.
func parseArguments(instruction string, pairs []string, object string) (map[string]any, error) {
	op, err := tools.All.Instruction(instruction)
	if err != nil {
		return nil, fmt.Errorf("%w; docs/operations.md lists them", err)
	}
	args := map[string]any{}
	if object != "" {
		given, err := decodeJSON(object)
		if args, _ = given.(map[string]any); err != nil || args == nil {
			return nil, fmt.Errorf("--json: %s is not one JSON object", object)
		}
	}
	if args["outputFormat"] == nil {
		args["outputFormat"] = "structured"
	}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not name=value", pair)
		}
		outer, inner, nested := strings.Cut(name, ".")
		var value any = text
		if t := cmp.Or(op.TypeOf(name), op.TypeOf(inner)); t == "object" || t == "array" && strings.HasPrefix(text, "[") { // a list of IDs may be text with commas
			if value, err = decodeJSON(text); err != nil {
				return nil, fmt.Errorf("%s: is not JSON, but it must be an %s: %w", name, t, err)
			}
		}
		into := args
		if nested {
			if args[outer] == nil {
				args[outer] = map[string]any{}
			}
			into, ok = args[outer].(map[string]any)
			if !ok {
				return nil, fmt.Errorf("%s: %s is no object", name, outer)
			}
			name = inner
		}
		into[name] = value
	}
	return args, nil
}

// decodeJSON reads one JSON value, and keeps every digit of its numbers.
func decodeJSON(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is something after it")
	}
	return v, nil
}

// client calls a running server.
type client struct{ url, token, agent, user string }

// call returns the text of a tool's result, and whether the call failed.
func (c client) call(ctx context.Context, instruction string, arguments map[string]any) (text string, failed bool, err error) {
	const protocol = "2026-07-28"
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{
		"name": instruction, "arguments": arguments, "_meta": map[string]any{
			"io.modelcontextprotocol/protocolVersion":    protocol,
			"io.modelcontextprotocol/clientCapabilities": map[string]any{},
			"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "salesforce-mcp call", "version": version()},
		}}})
	if err != nil {
		return "", false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return "", false, err
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": protocol, "Mcp-Method": "tools/call", "Mcp-Name": instruction} {
		req.Header.Set(name, value)
	}
	got, err := c.send(req)
	if err != nil {
		return "", false, err
	}
	var answer struct {
		Error  *struct{ Message string }
		Result struct {
			IsError bool
			Content []struct{ Type, Text string }
		}
	}
	if err := json.Unmarshal(got.body, &answer); err != nil {
		return "", false, fmt.Errorf("%s: %s", got.status, strings.TrimSpace(string(got.body)))
	}
	if answer.Error != nil {
		return "", false, errors.New(answer.Error.Message)
	}
	var parts []string
	for _, part := range answer.Result.Content {
		if part.Type == "text" {
			parts = append(parts, part.Text)
		}
	}
	return strings.Join(parts, "\n"), answer.Result.IsError, nil
}

// A response is what the server answered, read to its end.
type response struct {
	code                int
	status, contentType string
	body                []byte
}

// send sends a request as the agent, for the user.
func (c client) send(req *http.Request) (*response, error) {
	for name, value := range map[string]string{"Authorization": "Bearer " + c.token, "Agent-Id": c.agent, "User-Id": c.user} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req) //nolint:gosec // the operator names the server
	if err != nil {
		return nil, fmt.Errorf("the server cannot be reached; is it running, and is this its URL? %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return nil, fmt.Errorf("%s: the host token is missing or wrong; give it with --token or SALESFORCE_MCP_TOKEN", resp.Status)
	}
	return &response{resp.StatusCode, resp.Status, resp.Header.Get("Content-Type"), body}, nil
}
