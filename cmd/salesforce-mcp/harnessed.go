package main

import (
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
)

// harnessed lets the fault harness, whose servers are its own test binary, drive runs
// with another lease and die between their steps. Nobody else changes it.
var harnessed = struct {
	loop   func(*loop.Loop)
	engine func(*returns.Engine)
}{func(*loop.Loop) {}, func(*returns.Engine) {}}
