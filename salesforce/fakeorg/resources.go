package fakeorg

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The oldest and newest API versions the org knows. Older ones than v31.0 were retired long ago.
const oldestVersion, newestVersion = 31, 67

// versionNumber returns 62 for v62.0, and 0 for what is no version of the org.
func versionNumber(version string) int {
	digits, hasV := strings.CutPrefix(version, "v")
	digits, hasPoint := strings.CutSuffix(digits, ".0")
	n, err := strconv.Atoi(digits)
	if !hasV || !hasPoint || err != nil || n < oldestVersion || n > newestVersion {
		return 0
	}
	return n
}

func versionExists(version string) bool { return versionNumber(version) != 0 }

// versionLabel names a version by its release: three a year, v62.0 is Winter '25.
func versionLabel(n int) string {
	since := n - 62 + 3*100 // not negative
	return fmt.Sprintf("%s '%02d", []string{"Winter", "Spring", "Summer"}[since%3], 25-100+since/3)
}

func resourceRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "", handle: resources},
		{method: http.MethodGet, path: "/limits", handle: limits},
		{method: http.MethodGet, path: "/limits/recordCount", handle: recordCount},
		{method: http.MethodGet, path: "/recent", handle: recent},
	}
}

// versions is GET /services/data.
func versions(*call) (*answer, error) {
	var all []object
	for n := oldestVersion; n <= newestVersion; n++ {
		version := strconv.Itoa(n) + ".0"
		all = append(all, object{{"label", versionLabel(n)}, {"url", "/services/data/v" + version}, {"version", version}})
	}
	return ok(all)
}

// resources is GET /services/data/{version}.
func resources(c *call) (*answer, error) {
	var all object
	for _, name := range []string{"sobjects", "query", "queryAll", "search", "parameterizedSearch", "limits", "recent", "composite", "process", "quickActions", "actions", "jobs", "analytics", "tooling", "metadata"} {
		all = append(all, member{name, "/services/data/" + c.version + "/" + name})
	}
	return ok(append(all, member{"identity", c.identityURL(c.user)}))
}

// limits is GET /limits.
func limits(c *call) (*answer, error) {
	limit := func(most, left int) object { return object{{"Max", most}, {"Remaining", left}} }
	daily := c.org.options.DailyCalls
	c.org.journalMu.Lock()
	used := c.org.calls
	c.org.journalMu.Unlock()
	batches, queries := c.bulkUse()
	published, err := c.publishedLastHour()
	if err != nil {
		return nil, err
	}
	events := c.org.options.HourlyEvents
	return ok(append(object{{"DailyApiRequests", limit(daily, max(0, daily-used))}, {"DailyAsyncApexExecutions", limit(250000, 250000)},
		{"DailyBulkApiBatches", limit(dailyBatches, max(0, dailyBatches-batches))}, {"DailyBulkV2QueryJobs", limit(dailyQueryJobs, dailyQueryJobs-queries)},
		{"DataStorageMB", limit(5, 5)}, {"FileStorageMB", limit(20, 20)}, {"HourlyPublishedPlatformEvents", limit(events, max(0, events-published))},
		{"PermissionSets", append(limit(1500, 1498), member{"CreateCustom", limit(1000, 998)})}, {"SingleEmail", limit(15, 15)}},
		c.org.hourlyUsage()...))
}

// recordCount is GET /limits/recordCount?sObjects=Account,Contact; without names, all objects. Names that do not
// exist are left out.
func recordCount(c *call) (*answer, error) {
	names := list(c.URL.Query().Get("sObjects"))
	counts := []object{}
	for _, o := range c.schema().Objects {
		wanted := len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, o.Name) })
		if !wanted || o.Event || o.Durable {
			continue
		}
		var n int
		if err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT count(*) FROM %q WHERE NOT IsDeleted`, o.Name)).Scan(&n); err != nil {
			return nil, err
		}
		counts = append(counts, object{{"count", n}, {"name", o.Name}})
	}
	return ok(object{{"sObjects", counts}})
}

// recent is GET /recent?limit=: what the user has viewed last, of all types.
func recent(c *call) (*answer, error) {
	most := 200
	if text := c.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "limit must be a number from 1 to 200, not %s", text)
		}
		most = min(n, most)
	}
	items, err := c.recentItems("", most)
	if err != nil {
		return nil, err
	}
	return ok(items)
}

// recentItems lists recently viewed records, those of one type if it is not empty.
func (c *call) recentItems(ofType string, most int) ([]object, error) {
	rows, err := c.db.QueryContext(c.Context(), `SELECT Id, Name, Type FROM RecentlyViewed
		WHERE ViewerId = ? AND NOT IsDeleted AND (? = '' OR Type = ?) ORDER BY LastViewedDate DESC, Id LIMIT ?`, c.user.id, ofType, ofType, most)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	items := []object{}
	for rows.Next() {
		var id, name, kind string
		if err := rows.Scan(&id, &name, &kind); err != nil {
			return nil, err
		}
		o := c.schema().Object(kind)
		if o == nil { // which the user may not see any more
			continue
		}
		items = append(items, object{{"attributes", c.attributes(o, id)}, {"Id", id}, {"Name", name}})
	}
	return items, rows.Err()
}

// markViewed puts records on top of a user's recently viewed ones.
func (o *Org) markViewed(ctx context.Context, db querier, u *user, ids []string) error {
	for _, id := range ids {
		object := o.schema.ObjectOf(id)
		if object == nil || object.NameField() == nil {
			continue
		}
		_, err := db.ExecContext(ctx, fmt.Sprintf(`INSERT OR REPLACE INTO RecentlyViewed
			(Id, Name, Type, LastViewedDate, LastReferencedDate, ViewerId, CreatedDate, SystemModstamp)
			SELECT Id, coalesce(%q, ''), ?, ?2, ?2, ?3, CreatedDate, SystemModstamp FROM %q WHERE Id = ?4`, object.NameField().Name, object.Name),
			object.Name, o.now().Format(storedTime), u.id, id)
		if err != nil {
			return err
		}
	}
	return nil
}
