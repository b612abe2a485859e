//go:build unix

package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

// decideAll decides on the approvals of runs until none waits, and prints each that is
// decided. It reads from standard input which database has them.
func decideAll() int {
	ctx := context.Background()
	var place string
	if _, err := fmt.Scanln(&place); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := at(place).start(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Close()
	j := audit.NewJournal(s)
	defer j.Close()
	for {
		waits, err := s.ListApprovals(ctx, tools.ApprovalQuery{State: tools.Waiting, Limit: 8})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if len(waits) == 0 {
			return 0
		}
		var group sync.WaitGroup
		for _, a := range waits {
			group.Go(func() {
				if _, err := tools.Decide(ctx, j, s, a.Workspace, a.ID, verdict(true, "maria")); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Fprintf(os.Stdout, "decided %s\n", a.ID)
			})
		}
		group.Wait()
	}
}

// TestVerdictsSurvive: whenever a process is killed that decides, an approval is
// decided on, its run has the answer and the trail the verdict, or none of that is so.
func TestVerdictsSurvive(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		const runs = 120
		s, err := d.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j := audit.NewJournal(s)
		all := map[string]audit.Run{} // by approval
		for i := range runs {
			r, a := asked(t, s, j, fmt.Sprint(i), time.Hour)
			all[a.ID] = r
		}
		j.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		place := d.dir
		if place == "" {
			place = d.url
		}
		said, kills := map[string]bool{}, 0
		agree := func() (waiting int) {
			t.Helper()
			s, err := d.start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			verdicts := map[string]int{}
			for _, e := range list(t, s, audit.Query{Tool: "approvals", Limit: 1 << 20}) {
				if e.Outcome == audit.OK {
					verdicts[e.Approval]++
				}
			}
			for id, was := range all {
				got := approvalOf(t, s, id)
				now, _, err := s.Run(t.Context(), "demo", was.ID)
				if err != nil {
					t.Fatal(err)
				}
				switch decided := got.State == tools.Approved; {
				case decided && (now.Status != returns.Running || now.Turn != was.Turn+1 || !strings.Contains(string(now.Answer), id) || verdicts[id] != 1),
					!decided && (got.State != tools.Waiting || now.Status != returns.Waiting || now.Turn != was.Turn || verdicts[id] != 0 || said[id]):
					t.Errorf("the approval is %s, the run %s in turn %d, %d verdicts", got.State, now.Status, now.Turn, verdicts[id])
				case !decided:
					waiting++
				}
			}
			return waiting
		}
		for agree() > 0 {
			cmd := childCommand(t, "verdicts", "")
			cmd.Stdin, cmd.Stderr = strings.NewReader(place+"\n"), os.Stderr
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			left := 1 + rand.IntN(30)
			for lines := bufio.NewScanner(out); lines.Scan(); {
				said[strings.TrimPrefix(lines.Text(), "decided ")] = true
				if left--; left == 0 {
					cmd.Process.Kill()
				}
			}
			if err := cmd.Wait(); err != nil {
				kills++
			}
		}
		t.Logf("%d kills", kills)
	})
}
