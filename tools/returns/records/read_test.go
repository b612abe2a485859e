package records

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"salesforce-mcp/tools/returns/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// demoReturns are the seeded returns, by subject, with the verdict of the default
// policy and the amount that it proposes.
var demoReturns = []struct {
	subject string
	verdict policy.Verdict
	amount  int64
	rule    string // that gives a reason
}{
	{"Drill came with a cracked housing", policy.Approve, 14900, "within-14-days"},
	{"Two of four bit sets are not needed", policy.Approve, 6900, "within-14-days"},
	{"Sander does not fit the job", policy.Approve, 8010, "within-30-days"},
	{"Return after two months", policy.Deny, 0, "late"},
	{"Clearance jigsaw is not wanted", policy.Deny, 0, "final-sale"},
	{"Laser level is off by two degrees", policy.Review, 25900, "limits.amount"},
	{"Sixth return of the year", policy.Review, 7900, "often"},
	{"Grinder was refunded already", policy.Deny, 0, "nothing-left"},
	{"Charger has the wrong plug, please exchange", policy.Approve, 5990, "within-14-days"},
}

// TestDemoReturns holds the facts of the seeded returns, word by word, and what the
// default policy makes of them.
func TestDemoReturns(t *testing.T) {
	w, m := start(t), simulated(t)
	if err := m.Check(t.Context(), w.org); err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	sure := 0.95
	all := map[string]Return{}
	for _, row := range demoReturns {
		got, err := Read(t.Context(), w.org, m, Ask{CaseID: w.demo(row.subject), Outcome: policy.OutcomeRefund})
		if err != nil {
			t.Errorf("%s: %v", row.subject, err)
			continue
		}
		all[row.subject] = got
		d, err := p.Decide(t.Context(), got.Facts, &sure)
		if err != nil {
			t.Fatal(err)
		}
		isReason := false
		for _, r := range d.Reasons {
			isReason = isReason || r.Rule == row.rule
		}
		if d.Verdict != row.verdict || d.Amount != row.amount || !isReason {
			t.Errorf("%s: %s %d %v, want %s %d because of %s", row.subject, d.Verdict, d.Amount, d.Reasons, row.verdict, row.amount, row.rule)
		}
	}
	golden(t, "testdata/returns.json", all)
}

// golden compares a value with a file.
func golden(t *testing.T, file string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs (-update rewrites it):\n%s", file, got)
	}
}
