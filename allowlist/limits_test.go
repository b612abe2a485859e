package allowlist

import (
	"strings"
	"testing"
)

// TestLimits: the gate tells of the limits of the rule that decided, and whose
// calls are counted together; limits that limit nothing are a mistake.
func TestLimits(t *testing.T) {
	tight, loose := Limits{CallsPerMinute: 1}, Limits{WritesPerDay: 100}
	g := newGate(t, Rule{Agent: "a", Preset: PresetAll, Limits: tight}, Rule{Agent: "a", Host: gateway.Name, Preset: PresetAll, Limits: loose},
		Rule{Agent: "*", Preset: PresetAll})
	for _, tt := range []struct {
		host, agent string
		limits      Limits
		apart       string
	}{{gateway.Name, "a", loose, gateway.Name}, {"other", "a", tight, ""}, {gateway.Name, "b", Limits{}, ""}} {
		d, err := g.Allow(Caller{Workspace: "demo", Host: tt.host, Agent: tt.agent}, recordsCreate)
		if err != nil || d.Limits != tt.limits || d.Host != tt.apart {
			t.Errorf("%s through %s: %+v, %v", tt.agent, tt.host, d, err)
		}
	}
	_, err := NewGate(demo(Rule{Agent: "a", Limits: Limits{-1, -2, -3}}))
	for _, want := range []string{"rules[0].limits.callsPerMinute: -1", "limits.callsPerDay: -2", "limits.writesPerDay: -3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
