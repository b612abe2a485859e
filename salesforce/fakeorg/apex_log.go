package fakeorg

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// internalTables hold what belongs to records and is none of their fields.
var internalTables = []string{
	`CREATE TABLE ApexLogBody (Id TEXT PRIMARY KEY, Body TEXT) WITHOUT ROWID`,
	`CREATE TABLE DeployPackage (Id TEXT PRIMARY KEY, Options TEXT, Zip BLOB, Details TEXT) WITHOUT ROWID`,
	`CREATE TABLE StoredMetadata (Type TEXT, FullName TEXT COLLATE NOCASE, Id TEXT, Body BLOB, PRIMARY KEY (Type, FullName)) WITHOUT ROWID`,
}

// insertTraceFlag checks what the platform does: a trace ends within a day.
func insertTraceFlag(c *call, o *Object, r record) (string, error) {
	id, err := c.insertRecord(o, r)
	if err != nil {
		return "", err
	}
	row, err := c.load(o, id)
	if err != nil {
		return "", err
	}
	start, _ := row["StartDate"].(string)
	if start == "" {
		start = c.now().Format(storedTime)
	}
	from, _ := time.Parse(storedTime, start)
	end, _ := row["ExpirationDate"].(string)
	if until, err := time.Parse(storedTime, end); err != nil || until.Sub(from) > 24*time.Hour || !until.After(from) { // words not found in a source
		return "", invalid("FIELD_INTEGRITY_EXCEPTION", "Expiration Date: must be after the start date and within 24 hours of it", "ExpirationDate")
	}
	return id, nil
}

// traced reports whether the Apex of the user is logged: while there is a trace flag for it, as on the platform.
func (c *call) traced() (level string, yes bool) {
	now := c.now().Format(storedTime)
	err := c.db.QueryRowContext(c.Context(), `SELECT 'APEX_CODE,' || l.ApexCode || ';APEX_PROFILING,' || l.ApexProfiling || ';CALLOUT,' || l.Callout ||
			';DB,' || l.Database || ';NBA,' || l.Nba || ';SYSTEM,' || l.System || ';VALIDATION,' || l.Validation || ';VISUALFORCE,' || l.Visualforce ||
			';WAVE,' || l.Wave || ';WORKFLOW,' || l.Workflow
		FROM TraceFlag AS f JOIN DebugLevel AS l ON l.Id = f.DebugLevelId
		WHERE f.TracedEntityId = ? AND NOT f.IsDeleted AND f.ExpirationDate > ? AND coalesce(f.StartDate, '') <= ? LIMIT 1`, c.user.id, now, now).Scan(&level)
	return level, err == nil
}

// apexRun is a run of Apex that may be logged.
type apexRun struct {
	*apex.Interpreter
	operation, unit string
	source          string // of an anonymous block
	failure         string // message of the exception that ended it, or ""
	line            int
}

// writeLog keeps the log of a run when the user is traced, and gives its id, or "".
func (c *call) writeLog(r *apexRun) (string, error) {
	level, yes := c.traced()
	if !yes {
		return "", nil
	}
	body, status := c.logText(level, r), "Success"
	if r.failure != "" {
		status = r.failure
	}
	o := c.org.schema.tooling.Object("ApexLog")
	id := c.org.newID(o)
	err := c.store(o, id, []change{{o.Field("LogUserId"), c.user.id}, {o.Field("LogLength"), len(body)}, {o.Field("Request"), "Api"},
		{o.Field("Operation"), r.operation}, {o.Field("Application"), "Unknown"}, {o.Field("Status"), status}, {o.Field("Location"), "Monitoring"},
		{o.Field("DurationMilliseconds"), r.Milliseconds()}, {o.Field("StartTime"), c.now().Format(storedTime)}}, true)
	if err != nil {
		return "", err
	}
	_, err = c.db.ExecContext(c.Context(), `INSERT INTO ApexLogBody (Id, Body) VALUES (?, ?)`, id, body)
	return id, err
}

// logText writes a log as the platform does: levels, source, then a line for each event with its time.
func (c *call) logText(level string, r *apexRun) string {
	events := r.Events
	if r.failure != "" {
		events = append(slices.Clone(events), apex.Event{Kind: "FATAL_ERROR", Detail: r.failure, Line: r.line})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", strings.TrimPrefix(c.version, "v"), level)
	if r.source != "" {
		for line := range strings.SplitSeq(strings.TrimRight(r.source, "\n"), "\n") {
			b.WriteString("Execute Anonymous: " + line + "\n")
		}
	}
	at := c.now().Format("15:04:05.0")
	line := func(n int, text string) { fmt.Fprintf(&b, "%s (%d)|%s\n", at, 1_000_000*(n+1), text) }
	line(0, fmt.Sprintf("USER_INFO|[EXTERNAL]|%s|%s|(GMT+00:00) Greenwich Mean Time (GMT)|GMT", c.user.id[:15], c.user.username))
	line(1, "EXECUTION_STARTED")
	line(2, "CODE_UNIT_STARTED|[EXTERNAL]|"+r.unit)
	for i, e := range events {
		line(3+i, fmt.Sprintf("%s|[%d]|%s", e.Kind, e.Line, e.Detail))
	}
	line(3+len(events), "CODE_UNIT_FINISHED|"+r.unit)
	line(4+len(events), "EXECUTION_FINISHED")
	return b.String()
}

// logBody answers with the text of a log that exists.
func (c *call) logBody(id string) (*answer, error) {
	var body string
	err := c.db.QueryRowContext(c.Context(), `SELECT Body FROM ApexLogBody WHERE Id = ?`, id).Scan(&body)
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusOK, body: []byte(body), header: http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}}, nil
}
