package main

import (
	"time"

	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
)

// harnessed is how runs of returns are driven. Nobody changes it but tests, and the fault
// harness, whose servers are its own test binary: they drive runs with another lease, and
// die between their steps.
var harnessed = struct {
	workers int // how many runs one process drives at a time
	loop    func(*loop.Loop)
	engine  func(*returns.Engine)
	pace    time.Duration // of the simulated org; 0 is its default
}{4, func(*loop.Loop) {}, func(*returns.Engine) {}, 0}
