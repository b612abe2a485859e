package audit

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTake: limits hold in a window, and a later one counts anew.
func TestTake(t *testing.T) {
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	var c Counts
	take := func(at time.Time, writes int64) *Charge {
		ch := &Charge{CallsPerMinute: Meter{1, 2}, CallsPerDay: Meter{1, 5}, WritesPerDay: Meter{writes, 10}}
		c.Take(ch, at)
		return ch
	}
	for _, step := range []struct {
		name   string
		at     time.Duration
		writes int64
		spent  func(*Charge) *Meter // nil when let through
		until  time.Duration
	}{
		{"the first", 0, 4, nil, 0},
		{"the second", 59 * time.Second, 0, nil, 0},
		{"the third of its minute", 59*time.Second + 999*time.Millisecond, 0, func(c *Charge) *Meter { return &c.CallsPerMinute }, time.Minute},
		{"a new minute", time.Minute, 0, nil, 0},
		{"too many records", time.Minute, 7, func(c *Charge) *Meter { return &c.WritesPerDay }, 24 * time.Hour},
		{"as many as are left", 2 * time.Minute, 6, nil, 0},
		{"one more than are left", 3 * time.Minute, 1, func(c *Charge) *Meter { return &c.WritesPerDay }, 24 * time.Hour},
		{"none, of those that are left", 3 * time.Minute, 0, nil, 0},
		{"the sixth of its day", 23*time.Hour + 59*time.Minute, 0, func(c *Charge) *Meter { return &c.CallsPerDay }, 24 * time.Hour},
		{"a new day", 24 * time.Hour, 10, nil, 0},
	} {
		ch := take(day.Add(step.at), step.writes)
		switch {
		case step.spent == nil && ch.Spent != nil:
			t.Errorf("%s: %+v is spent", step.name, *ch.Spent)
		case step.spent != nil && (ch.Spent != step.spent(ch) || !ch.Until.Equal(day.Add(step.until))):
			t.Errorf("%s: spent %+v until %v", step.name, ch.Spent, ch.Until)
		}
	}
	if ch := take(day.Add(24*time.Hour-time.Second), 1); ch.Spent != &ch.WritesPerDay {
		t.Error("a clock that is behind has a budget of its own")
	}
	if ch := take(day.Add(22*time.Hour), 1); ch.Spent != nil {
		t.Error("a clock that was far ahead shuts the agent out")
	}
}

// TestTakeLaw: whatever comes in, and however far apart clocks are that count into
// the same account, no window has more than its limit.
func TestTakeLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute, perDay, writesPerDay := rapid.Int64Range(1, 5).Draw(t, "a minute"), rapid.Int64Range(1, 20).Draw(t, "a day"), rapid.Int64Range(1, 30).Draw(t, "writes")
		now := time.Date(2026, 11, 24, 23, 50, 0, 0, time.UTC)
		var c Counts
		minutes, days, writes := map[int64]int64{}, map[int64]int64{}, map[int64]int64{}
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "later")) * time.Second)
			behind := time.Duration(rapid.IntRange(0, 299).Draw(t, "behind")) * time.Second
			ch := &Charge{CallsPerMinute: Meter{1, perMinute}, CallsPerDay: Meter{1, perDay}, WritesPerDay: Meter{rapid.Int64Range(0, 9).Draw(t, "records"), writesPerDay}}
			c.Take(ch, now.Add(-behind))
			if ch.Spent != nil {
				if !ch.Until.After(now.Add(-behind)) {
					t.Fatalf("spent until %v, which is over", ch.Until)
				}
				continue
			}
			minutes[c.Minute]++
			days[c.Day]++
			writes[c.Day] += ch.WritesPerDay.Takes
			if minutes[c.Minute] > perMinute || days[c.Day] > perDay || writes[c.Day] > writesPerDay {
				t.Fatalf("above the limits: %+v", c)
			}
		}
	})
}
