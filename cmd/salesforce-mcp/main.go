// Command salesforce-mcp lets AI agents work in Salesforce: an MCP server with
// a gate, an audit trail and server-side credentials. See the README.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"salesforce-mcp/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "salesforce-mcp:", tools.Printable(err.Error()))
		os.Exit(1)
	}
}
