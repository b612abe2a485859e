package main

import (
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
)

// harnessed is how runs of returns are driven. Nobody changes it but the fault harness,
// whose servers are its own test binary: they drive runs with another lease, and die
// between their steps.
var harnessed = struct {
	workers int // how many runs one process drives at a time
	loop    func(*loop.Loop)
	engine  func(*returns.Engine)
}{4, func(*loop.Loop) {}, func(*returns.Engine) {}}
