package main

import (
	"context"
	"database/sql"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

// TestReturnsAcrossKills: a server is killed with a return that waits for a person, and
// with one whose refund is under way. The next one goes on with both, and pays once (promise P6).
func TestReturnsAcrossKills(t *testing.T) {
	org := servedOrg(t)
	dir := t.TempDir()
	file := returnsFile(t, org.ready, dir, fits)
	w := &world{t: t, org: org}
	keeping := http.DefaultTransport
	http.DefaultTransport = &http.Transport{DisableKeepAlives: true}
	defer func() { http.DefaultTransport = keeping }()
	var end func(os.Signal)
	start := func() time.Time {
		var address string
		address, end = startChild(t, file)
		w.origin = "http://" + address
		return time.Now()
	}
	status := func(run string) string {
		_, answer := w.post(call(1, "returns", map[string]any{"action": "status", "runId": run, "outputFormat": "structured"}))
		return answer
	}
	process := func(number string, confidence float64) string {
		_, answer := w.post(call(1, "returns", map[string]any{"action": "process", "caseId": w.caseOf(number), "reasoning": "r", "confidence": confidence, "outputFormat": "structured"}))
		return answer
	}
	part := func(text, name string) string {
		_, after, _ := strings.Cut(text, `"`+name+`":"`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}

	start()
	waiting := process("1071", 0.95)
	run, approval := part(waiting, "runId"), part(waiting, "approvalId")
	if run == "" || approval == "" {
		t.Fatal(waiting)
	}
	org.org.Inject(fakeorg.Fault{Path: "/refunds", DelayMS: 60_000, Times: 1})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r := w.request(call(1, "returns", map[string]any{"action": "process", "caseId": w.caseOf("1066"), "reasoning": "r", "confidence": 0.95}))
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	moving := ""
	eventually(t, "a refund under way", func() bool {
		_, answer := w.post(call(1, "returns", map[string]any{"action": "status", "caseId": w.caseOf("1066"), "outputFormat": "structured"}))
		moving = part(answer, "runId")
		return part(answer, "step") == "refund"
	})
	end(os.Kill)
	<-gone
	if n := len(org.org.PaidBack()); n != 0 {
		t.Errorf("%d paid back", n)
	}
	began := time.Now()
	listens := start()
	eventually(t, "the refund", func() bool { return len(org.org.PaidBack()) == 1 })
	t.Logf("the process listened after %v; the refund was made %v after that", listens.Sub(began).Round(time.Millisecond), time.Since(listens).Round(time.Millisecond))
	eventually(t, "the end of the return", func() bool { return part(status(moving), "status") == returns.Done })
	t.Logf("and the return was done after %v", time.Since(listens).Round(time.Millisecond))
	end(os.Kill)
	start()
	if answer := status(run); part(answer, "status") != returns.Waiting || part(answer, "approvalId") != approval {
		t.Errorf("after two kills: %s", answer)
	}
	if r := w.admin("admin-ann", http.MethodPost, "/w/a/approvals/"+approval+"/approve", `{"note":"yes"}`); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	end(os.Kill) // at once
	start()
	eventually(t, "the end of the other", func() bool { return part(status(run), "status") == returns.Done })
	if n := len(org.org.PaidBack()); n != 2 {
		t.Errorf("%d paid back", n)
	}
	for _, number := range []string{"1066", "1071"} {
		if n := len(w.ask("SELECT Id FROM ContentVersion WHERE FirstPublishLocationId = '" + w.caseOf(number) + "'")); n != 1 {
			t.Errorf("%s has %d documents", number, n)
		}
	}
	end(os.Kill)
	out := new(syncBuffer)
	eventually(t, "the verified trail", func() bool {
		err := command(t, out, "audit", "verify", "--config", file)
		return err == nil
	})
}

func command(t *testing.T, out io.Writer, args ...string) error {
	return run(t.Context(), args, func(string) string { return "" }, strings.NewReader(""), out, io.Discard)
}

// TestReturnsAcrossRestarts: a return waits for a person for a month, and through a
// hundred restarts. Then one decides, twice, and it is paid back once (promise P8).
func TestReturnsAcrossRestarts(t *testing.T) {
	org := servedOrg(t)
	dir := t.TempDir()
	file := returnsFile(t, org.ready, dir, fits)
	c, err := config.Load(file, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, org: org}
	var driven int
	open := func(work func(a *app)) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		a, err := build(ctx, c, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		work(a)
		stop()
		if err := a.close(); err != nil {
			t.Fatal(err)
		}
	}
	drive := func(a *app) {
		for {
			worked, err := a.loop.Engine().Once(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !worked {
				return
			}
			driven++
		}
	}
	var runID, approval string
	open(func(a *app) {
		caller := callerOf("desk")
		connected, err := a.orgs.Connect(t.Context(), caller, nothingSent)
		if err != nil {
			t.Fatal(err)
		}
		s, err := a.loop.Start(t.Context(), connected, caller, askOf(tools.ReturnAsk{CaseID: w.caseOf("1071"), Confidence: new(0.95)}))
		if err != nil {
			t.Fatal(err)
		}
		drive(a)
		if s, err = a.loop.Status(t.Context(), connected, caller, s.RunID); err != nil || s.Status != returns.Waiting {
			t.Fatal(s, err)
		}
		runID, approval = s.RunID, s.ApprovalID
	})
	// 30 days go by: all times are 30 days ago.
	db, err := sql.Open("sqlite", filepath.Join(dir, "data", "salesforce-mcp.db"))
	if err != nil {
		t.Fatal(err)
	}
	const month = 30 * 24 * 3600 * 1000
	for _, statement := range []string{`UPDATE saga SET wake_at = wake_at - ?1, lease_until = lease_until - ?1, started = started - ?1, moved = moved - ?1`,
		`UPDATE approval SET requested = requested - ?1, expires = expires - ?1`} {
		if _, err := db.Exec(statement, month); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	driven = 0
	for range 100 {
		open(drive)
	}
	t.Logf("100 restarts in %v", time.Since(began).Round(time.Millisecond))
	if n := len(org.org.PaidBack()); n != 0 || driven != 0 {
		t.Errorf("%d paid back, %d times driven, and nobody has decided", n, driven)
	}
	open(func(a *app) {
		verdict := tools.Verdict{Approve: true, By: "ann", Surface: "admin"}
		if _, err := tools.Decide(t.Context(), a.journal, a.store, "a", approval, verdict); err != nil {
			t.Fatal(err)
		}
		if _, err := tools.Decide(t.Context(), a.journal, a.store, "a", approval, verdict); err == nil {
			t.Error("decided twice")
		}
	})
	open(drive)
	open(func(a *app) {
		r, ok, err := a.store.Run(t.Context(), "a", runID)
		if err != nil || !ok || r.Status != returns.Done {
			t.Errorf("%+v %v", r, err)
		}
		entries, err := a.store.List(t.Context(), audit.Query{Workspace: "a", Run: runID, Limit: 1000})
		if err != nil || len(entries) == 0 {
			t.Error(err)
		}
	})
	if n := len(org.org.PaidBack()); n != 1 {
		t.Errorf("%d paid back", n)
	}
}

// TestReturnsOverStdio: a return is processed over stdio, and one that waited for a person
// goes on when stdio is started again.
func TestReturnsOverStdio(t *testing.T) {
	org := servedOrg(t)
	file := returnsFile(t, org.ready, t.TempDir(), fits)
	w := &world{t: t, org: org}
	with := func(do func(agent returnsAgent)) {
		t.Helper()
		in, write := io.Pipe()
		read, out := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- run(t.Context(), []string{"stdio", "--config", file}, func(string) string { return "" }, in, out, io.Discard)
			_ = out.Close()
		}()
		session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &sdk.IOTransport{Reader: read, Writer: write}, nil)
		if err != nil {
			t.Fatal(err)
		}
		do(returnsAgent{t, session})
		_ = write.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = session.Close()
	}
	var run string
	with(func(agent returnsAgent) {
		if s := agent.process(w.caseOf("1066")); s.Status != returns.Done {
			t.Errorf("%+v", s)
		}
		s := agent.process(w.caseOf("1071"))
		if s.Status != returns.Waiting {
			t.Errorf("%+v", s)
		}
		run = s.RunID
		if err := command(t, io.Discard, "approvals", "approve", s.ApprovalID, "--config", file, "--by", "ann"); err != nil {
			t.Error(err)
		}
	})
	with(func(agent returnsAgent) { agent.until(run, returns.Done) })
	if n := len(org.org.PaidBack()); n != 2 {
		t.Errorf("%d paid back", n)
	}
}

func callerOf(agent string) allowlist.Caller {
	return allowlist.Caller{Workspace: "a", Host: "desk", Agent: agent}
}

func nothingSent(salesforce.Exchange) {}
