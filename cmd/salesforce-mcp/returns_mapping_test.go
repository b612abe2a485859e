package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/tools/returns"
)

// returnsFile writes a configuration file whose workspace a does returns, with a mapping.
func returnsFile(t *testing.T, org orgReady, dir, mapping string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
data: data
drain: 1ms
allowLoopbackOrg: true
admins: [{name: ann, tokens: [%s], workspaces: [a]}]
workspaces:
  - name: a
    auth: {mode: clientCredentials, loginURL: %q, clientID: %q, clientSecret: %q}
    returns: {gateway: salesforcePayments, company: Alder Ridge, approveWithin: 1000h, mapping: {%s}}
    profiles: [{name: desk, tokens: [%s], agent: ["header:agent-id"]}, {name: desktop, local: true, agent: ["static:desk"]}]
    rules: [{agent: desk, preset: all}, {agent: demo-agent, preset: all}]
`, allowlist.HashToken("admin-ann"), org.Org, org.ClientID, org.ClientSecret, mapping, allowlist.HashToken("token-a"))
	if err := os.WriteFile(file+".next", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".next", file); err != nil {
		t.Fatal(err)
	}
	return file
}

// The mapping that fits the simulated org, and one that names what it does not have.
const (
	fits    = "currency: {code: USD}, order: {delivered: Delivered_On__c}, lines: {finalSale: Product2.Final_Sale__c}"
	fitsNot = "currency: {code: USD}, order: {delivered: Delivered__c, refunded: Paid_Back__c}, lines: {finalSale: Product2.Final_Sale__c}, case: {statuses: {claimed: In Work}}"
)

// servedOrg is a simulated org until the test ends.
func servedOrg(t *testing.T) *runningOrg {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	org, err := startOrg(ctx, "127.0.0.1:0", &testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = org.wait() })
	return org
}

// listening is the origin of a server that says in its log where it listens.
func listening(t *testing.T, log *syncBuffer) string {
	t.Helper()
	var address string
	eventually(t, "a server", func() bool {
		_, after, ok := strings.Cut(log.String(), `"listen":"`)
		address, _, _ = strings.Cut(after, `"`)
		return ok
	})
	return "http://" + address
}

// TestReturnsMisfit: a server does not start with a mapping that does not fit its org, and
// check says the same; one that gets such a mapping later parks returns and says what to
// mend, and goes on with them when that is done.
func TestReturnsMisfit(t *testing.T) {
	org := servedOrg(t)
	dir := t.TempDir()
	file := returnsFile(t, org.ready, dir, fitsNot)
	program := func(args ...string) (string, error) {
		out := new(syncBuffer)
		err := run(t.Context(), append(args, "--config", file), func(string) string { return "" }, strings.NewReader(""), out, new(syncBuffer))
		return out.String(), err
	}
	for _, command := range []string{"serve", "stdio", "check"} {
		out, err := program(command)
		said := out
		if err != nil {
			said += err.Error()
		}
		for _, part := range []string{"order.delivered (Order.Delivered__c)", "order.refunded (Order.Paid_Back__c)", "(Case.Status)", "In Work"} {
			if err == nil || !strings.Contains(said, part) {
				t.Errorf("%s says no %s: %v %s", command, part, err, out)
			}
		}
		if command != "check" && !strings.Contains(said, "workspaces[0].returns.mapping.order.delivered") {
			t.Errorf("%s: %s", command, said)
		}
	}

	returnsFile(t, org.ready, dir, fits)
	if out, err := program("check"); err != nil || !strings.Contains(out, "the mapping fits the org; policy ") {
		t.Errorf("check: %v %s", err, out)
	}
	ctx, stop := context.WithCancel(t.Context())
	log := new(syncBuffer)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := run(ctx, []string{"serve", "--config", file}, os.Getenv, nil, new(syncBuffer), log); err != nil {
			t.Error(err)
		}
	})
	defer func() { stop(); serving.Wait() }()
	w := &world{t: t, origin: listening(t, log), org: org, log: log}
	agent := w.agent("desk")
	id := w.caseOf("1066")

	// Between its two steps a run meets another mapping.
	waiting := agent.process(id, args{"confidence": 0.1})
	returnsFile(t, org.ready, dir, fitsNot)
	sees := func(part string) func() bool {
		return func() bool {
			text, _ := agent.call("get", args{"caseId": id}, nil)
			return strings.Contains(text, part)
		}
	}
	eventually(t, "the changed configuration", sees("Delivered__c"))
	if r := w.admin("admin-ann", "POST", "/w/a/approvals/"+waiting.ApprovalID+"/approve", `{}`); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	var parked struct{ Problem returns.Fault }
	eventually(t, "the parked return", func() bool {
		_, failed := agent.call("status", args{"runId": waiting.RunID}, &parked)
		return !failed && parked.Problem.Message != ""
	})
	if !strings.Contains(parked.Problem.Message, "Delivered__c") {
		t.Errorf("parked: %+v", parked.Problem)
	}
	if n := len(org.org.PaidBack()); n != 0 {
		t.Errorf("%d paid back", n)
	}
	if text, failed := agent.call("process", args{"caseId": w.caseOf("1067"), "confidence": 0.95}, nil); !strings.Contains(text, "Delivered__c") {
		t.Errorf("another one: %v %s", failed, text)
	}
	returnsFile(t, org.ready, dir, fits)
	eventually(t, "the mended configuration", sees("00001066"))
	if out, err := program("returns", "retry", "--run", waiting.RunID, "--by", "ann"); err != nil {
		t.Errorf("%v %s", err, out)
	}
	agent.until(waiting.RunID, returns.Done)
	if n := len(org.org.PaidBack()); n != 1 {
		t.Errorf("%d paid back", n)
	}
}
