package audit

import (
	"errors"
	"time"
)

// ErrSpent is the error of [Journal.Begin] when the agent may do no more for now:
// the entry's [Charge] says what is spent, and until when. Nothing is recorded
// then, and nothing may be done.
var ErrSpent = errors.New("the agent's budget is spent")

// A Charge is what a call takes of what its agent may do. It is counted with the
// intent, in one commit: of calls that come in at once, to however many servers
// over one database, none is let through that would exceed a limit, and a call
// that was not recorded has taken nothing. That it stands in the intent's commit
// costs no commit more.
type Charge struct {
	Account        Account
	CallsPerMinute Meter
	CallsPerDay    Meter
	WritesPerDay   Meter

	// Set by [Store.Append]: the meter that has not enough left, and when its
	// window ends. The intent is not kept then.
	Spent *Meter
	Until time.Time
}

// An Account is whose calls are counted together.
type Account struct {
	Workspace string
	Host      string // "" for all hosts of the workspace
	Agent     string
}

// A Meter counts one thing in windows of time.
type Meter struct {
	Takes int64 // by this call
	Limit int64 // in one window; 0 is none
}

// skew is how far the clocks of servers over one database may be apart. One that
// is behind counts into the window in which the others are already.
const skew = 5 * time.Minute

// Counts is what an account has taken in the windows of now. Windows are whole
// minutes and days of UTC, numbered from 1970.
type Counts struct {
	Minute, MinuteCalls      int64
	Day, DayCalls, DayWrites int64
}

// Take counts a charge, or marks it as spent and counts nothing of it.
func (c *Counts) Take(ch *Charge, at time.Time) {
	if minute := window(c.Minute, at, time.Minute); minute != c.Minute {
		c.Minute, c.MinuteCalls = minute, 0
	}
	if day := window(c.Day, at, 24*time.Hour); day != c.Day {
		c.Day, c.DayCalls, c.DayWrites = day, 0, 0
	}
	ch.Spent = nil
	endOfDay := end(c.Day, 24*time.Hour)
	switch {
	case ch.WritesPerDay.exceeds(c.DayWrites): // the longest wait first: it is what the caller has to know
		ch.Spent, ch.Until = &ch.WritesPerDay, endOfDay
	case ch.CallsPerDay.exceeds(c.DayCalls):
		ch.Spent, ch.Until = &ch.CallsPerDay, endOfDay
	case ch.CallsPerMinute.exceeds(c.MinuteCalls):
		ch.Spent, ch.Until = &ch.CallsPerMinute, end(c.Minute, time.Minute)
	default:
		c.MinuteCalls += ch.CallsPerMinute.Takes
		c.DayCalls += ch.CallsPerDay.Takes
		c.DayWrites += ch.WritesPerDay.Takes
	}
}

// exceeds reports whether the call would take more than is left. What takes
// nothing exceeds nothing.
func (m Meter) exceeds(taken int64) bool {
	return m.Limit > 0 && m.Takes > 0 && taken+m.Takes > m.Limit
}

// window is the number of the window of a time, or the later one that is counted
// into already. One that lies further ahead was counted by a wrong clock.
func window(counted int64, at time.Time, length time.Duration) int64 {
	number := func(t time.Time) int64 { return t.Unix() / int64(length.Seconds()) }
	if counted > number(at) && counted <= number(at.Add(skew)) {
		return counted
	}
	return number(at)
}

// end is when a window ends.
func end(number int64, length time.Duration) time.Time {
	return time.Unix((number+1)*int64(length.Seconds()), 0).UTC()
}
