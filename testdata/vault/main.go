// Command vault is HashiCorp Vault, built for the tests of the store that keeps
// secrets in it. It is never shipped; see run.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
