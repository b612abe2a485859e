package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// stranger is the entry of a call of an agent that no rule covers.
func stranger(host, agent string) audit.Entry {
	e := call()
	e.Host, e.Agent, e.Rule, e.Decision, e.Code = host, agent, "", "", string(tools.NotAuthorized)
	return e
}

// TestRefusedAgents: of the refusals of two servers those are counted that no rule
// covers, by workspace, host and agent.
func TestRefusedAgents(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		one := d.open(t)
		two := d.join(t)
		journals := []*audit.Journal{journal(t, one), journal(t, two)}
		narrow, unsure, elsewhere := stranger("factory", "desk"), stranger("factory", "desk"), stranger("factory", "other")
		narrow.Rule = "agent desk: read"
		unsure.Code = string(tools.UnknownTool)
		elsewhere.Workspace = "elsewhere"
		began := time.Now().Truncate(time.Millisecond)
		var group sync.WaitGroup
		for i, e := range []audit.Entry{narrow, unsure, elsewhere, stranger("factory", "new"), stranger("factory", "new"), stranger("factory", "new"), stranger("claude", "new"), stranger("factory", "nеw")} {
			for n := range 2 {
				group.Go(func() {
					if _, err := journals[(i+n)%2].Refuse(t.Context(), e); err != nil {
						t.Error(err)
					}
				})
			}
		}
		group.Wait()
		intent, err := journals[0].Begin(t.Context(), stranger("factory", "let-through"))
		if err != nil {
			t.Fatal(err)
		}
		if err := intent.End(t.Context(), audit.Outcome{Status: audit.OK}); err != nil {
			t.Fatal(err)
		}
		agents, err := one.RefusedAgents(t.Context(), "demo", 10)
		if err != nil {
			t.Fatal(err)
		}
		times := map[string]int64{}
		for i, a := range agents {
			times[a.Host+" "+a.Agent] = a.Times
			if a.First.Before(began) || a.Last.Before(a.First) || i > 0 && a.Last.After(agents[i-1].Last) {
				t.Errorf("%+v of %+v", a, agents)
			}
		}
		if diff := cmp.Diff(map[string]int64{"factory new": 6, "claude new": 2, "factory nеw": 2}, times); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if few, err := two.RefusedAgents(t.Context(), "demo", 1); err != nil || len(few) != 1 || few[0] != agents[0] {
			t.Errorf("the last of %+v: %+v, %v", agents, few, err)
		}
	})
}

// TestRefusedAgentsAreForgotten after a month, and clocks that differ take nothing back.
func TestRefusedAgentsAreForgotten(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		now := time.Now().UTC().Truncate(time.Millisecond)
		n := 0
		refuse := func(agent string, at time.Time) {
			t.Helper()
			e := stranger("factory", agent)
			n++
			e.ID, e.Phase, e.Decision, e.Outcome, e.Time = fmt.Sprint(n), audit.PhaseRefusal, audit.DecisionRefused, audit.Refused, at
			if err := s.Append(t.Context(), []audit.Entry{e}); err != nil {
				t.Fatal(err)
			}
		}
		refuse("old", now.Add(-refusedLife-time.Hour))
		refuse("again", now.Add(-refusedLife-time.Hour))
		if agents, err := s.RefusedAgents(t.Context(), "demo", 10); err != nil || len(agents) != 0 {
			t.Errorf("%+v, %v", agents, err)
		}
		refuse("again", now)
		refuse("again", now.Add(-time.Minute)) // by a server that is behind
		agents, err := s.RefusedAgents(t.Context(), "demo", 10)
		want := []RefusedAgent{{Host: "factory", Agent: "again", First: now.Add(-refusedLife - time.Hour), Last: now, Times: 3}}
		if diff := cmp.Diff(want, agents); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		var rows int
		if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM refused_agent`).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d rows are kept, %v", rows, err)
		}
	})
}

// TestRefusedAgentsAreFound through the index, however many there are: a host can
// invent agents.
func TestRefusedAgentsAreFound(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		s := d.open(t)
		const many = 20_000
		if _, err := s.writer.ExecContext(t.Context(), `INSERT INTO refused_agent WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			SELECT 'demo', 'factory', 'agent-' || i, NOW() - i, NOW() - i, 1 FROM n`, many); err != nil {
			t.Fatal(err)
		}
		explain := "EXPLAIN QUERY PLAN "
		if s.engine == postgres {
			explain = "EXPLAIN "
			if _, err := s.writer.ExecContext(t.Context(), "ANALYZE refused_agent"); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := s.reader.QueryContext(t.Context(), explain+lastRefused, "demo", refusedLife.Milliseconds(), 50)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, _ := rows.Columns()
		var plan strings.Builder
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&plan, *values[len(values)-1].(*any))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if text := plan.String(); !strings.Contains(text, "refused_agent_last") || strings.Contains(strings.ToUpper(text), "SORT") || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("the plan:\n%s", text)
		}
	})
}
