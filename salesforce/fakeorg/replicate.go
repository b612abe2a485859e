package fakeorg

import (
	"fmt"
	"net/http"
	"time"
)

// window is the time a replication request asks about.
type window struct{ start, end time.Time }

// window reads start and end, whose seconds do not count, and refuses times more than the limit ago.
func (c *call) window(limit time.Duration) (w window, err error) {
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"start", &w.start}, {"end", &w.end}} {
		text := c.URL.Query().Get(p.name)
		if text == "" {
			return w, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "the parameter %s is required", p.name)
		}
		t, err := parseTime(text)
		if err != nil {
			return w, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "the parameter %s: %v", p.name, err)
		}
		*p.into = t.Truncate(time.Minute)
	}
	switch now := c.org.now(); {
	case !w.start.Before(w.end):
		return w, refuse(http.StatusBadRequest, "INVALID_REPLICATION_DATE", "startDate must be at least one minute before endDate")
	case w.start.Before(now.Add(-limit)):
		return w, refuse(http.StatusBadRequest, "INVALID_REPLICATION_DATE", "startDate cannot be more than %d days ago", int(limit.Hours()/24))
	}
	return w, nil
}

// covered is the last time the answer is complete for.
func (c *call) covered(w window) string {
	if now := c.org.now().Truncate(time.Minute); w.end.After(now) {
		return now.Format(shownTime)
	}
	return w.end.Format(shownTime)
}

// changedIn lists id and time of the records, deleted or not, that were last changed in the window.
func (c *call) changedIn(w window, deleted bool) (ids []string, times []string, err error) {
	o, err := c.object()
	if err != nil {
		return nil, nil, err
	}
	rows, err := c.db.QueryContext(c.Context(), fmt.Sprintf(`SELECT Id, SystemModstamp FROM %q WHERE IsDeleted = ? AND SystemModstamp >= ? AND SystemModstamp < ?
		ORDER BY SystemModstamp, Id`, o.Name), deleted, w.start.Format(storedTime), w.end.Format(storedTime))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	ids = []string{}
	for rows.Next() {
		var id, at string
		if err := rows.Scan(&id, &at); err != nil {
			return nil, nil, err
		}
		ids, times = append(ids, id), append(times, at)
	}
	return ids, times, rows.Err()
}

// deletedRecords is GET /sobjects/{object}/deleted/?start=&end=.
func deletedRecords(c *call) (*answer, error) {
	w, err := c.window(15 * 24 * time.Hour)
	if err != nil {
		return nil, err
	}
	ids, times, err := c.changedIn(w, true)
	if err != nil {
		return nil, err
	}
	records, deletedDate := []object{}, &Field{Type: "datetime"}
	for i, id := range ids {
		records = append(records, object{{"id", id}, {"deletedDate", shown(deletedDate, times[i])}})
	}
	earliest := c.org.now().Add(-15 * 24 * time.Hour).Truncate(time.Minute).Format(shownTime)
	return ok(object{{"deletedRecords", records}, {"earliestDateAvailable", earliest}, {"latestDateCovered", c.covered(w)}})
}

// updatedRecords is GET /sobjects/{object}/updated/?start=&end=.
func updatedRecords(c *call) (*answer, error) {
	w, err := c.window(30 * 24 * time.Hour)
	if err != nil {
		return nil, err
	}
	ids, _, err := c.changedIn(w, false)
	if err != nil {
		return nil, err
	}
	return ok(object{{"ids", ids}, {"latestDateCovered", c.covered(w)}})
}
