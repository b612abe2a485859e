// Package tools is the table of operations and the one path every call takes.
//
// # The row
//
// Everything an agent may ask is one row of the table ([All]): an [Op] with its
// action, its instruction, what it does to the org ([Effect]), the request it
// makes and the arguments it takes. From the rows are derived the tools that
// MCP lists ([Tool.Schema], [Tool.Help], [Tool.Hints], one tool or several for each
// as [View] says), the checks of arguments ([Op.Check]), the requests
// ([Op.Request]), the words of policies ([Table.Operations]), OpenAPI
// ([Table.OpenAPI]) and docs/operations.md ([Table.WriteDoc]). Nothing of
// this is written a second time.
//
// # The path
//
// [Server.Call] carries out one call. Its order is a security property:
// identify, find the row, gate it, check the arguments, gate what they touch, record
// the intent, get credentials, send, record the outcome, shape the result. Nothing is
// sent that was not recorded, and no refusal goes unrecorded. Where the caller's rule
// has lists of objects or fields, what a call touches is found out by [Op.Touches],
// with descriptions of objects that Salesforce is asked for. MCP, the instruction API and
// [Server.Result], which makes a large result again, all take it; they differ in
// what is done with Salesforce's answer.
//
// # The protocol
//
// [MCP] speaks the Model Context Protocol over HTTP ([MCP.ServeHTTP]) and stdio
// ([MCP.ServeLines]). It reads every message once and strictly before the MCP
// library sees it, and keeps nothing between messages.
//
// # To add an operation
//
// Write one row in the file of its tool, which says what it touches unless it names
// an object as sObjectName, and one testdata/ops/TOOL.ACTION.txtar
// with the sections args and response, then run
//
//	go generate ./tools
//
// and read the diff.
package tools

//go:generate go test . -update
