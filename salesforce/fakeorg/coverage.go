package fakeorg

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// codeLines are the lines of a class or trigger whose execution counts.
type codeLines struct {
	id, name, kind string
	lines          []int
	covered        map[int]bool
}

func (l *codeLines) split() (covered, uncovered []int) {
	covered, uncovered = []int{}, []int{}
	for _, line := range l.lines {
		if l.covered[line] {
			covered = append(covered, line)
		} else {
			uncovered = append(uncovered, line)
		}
	}
	return covered, uncovered
}

// code lists the classes and triggers whose lines count, by name.
func (c *call) code() ([]*codeLines, error) {
	rows, err := c.rows(`SELECT Id, Name, Body, 'Class' FROM ApexClass WHERE NOT IsDeleted
		UNION ALL SELECT Id, Name, Body, 'Trigger' FROM ApexTrigger WHERE NOT IsDeleted ORDER BY 2`, nil)
	if err != nil {
		return nil, err
	}
	var all []*codeLines
	for _, row := range rows {
		l := &codeLines{covered: map[int]bool{}}
		l.id, _ = row[0].(string)
		l.name, _ = row[1].(string)
		body, _ := row[2].(string)
		l.kind, _ = row[3].(string)
		l.lines = countedLines(l.kind, body)
		if len(l.lines) > 0 {
			all = append(all, l)
		}
	}
	return all, nil
}

func countedLines(kind, body string) []int {
	if kind == "Trigger" {
		if trigger, err := apex.ParseTrigger(body); err == nil {
			return trigger.Lines()
		}
		return nil
	}
	if class, err := apex.ParseClass(body); err == nil {
		return class.Lines()
	}
	return nil
}

// coverageOf is what tests have covered, in the form of a RunTestsResult: the classes they have touched, and warnings
// about code that has no coverage at all.
func (c *call) coverageOf(outcomes []*testOutcome) (coverage, warnings []object, err error) {
	coverage, warnings = []object{}, []object{}
	all, err := c.code()
	if err != nil {
		return nil, nil, err
	}
	for _, l := range all {
		for _, t := range outcomes {
			for line := range t.run.Covered[l.name] {
				l.covered[line] = true
			}
		}
		covered, uncovered := l.split()
		if len(covered) == 0 {
			warnings = append(warnings, object{{"id", l.id}, {"name", l.name}, {"namespace", nil},
				{"message", fmt.Sprintf("Test coverage of selected Apex %s is 0%%, at least 1%% test coverage is required", l.kind)}})
			continue
		}
		locations := []object{}
		for _, line := range uncovered {
			locations = append(locations, object{{"column", 0}, {"line", line}, {"numExecutions", 0}, {"time", -1.0}})
		}
		coverage = append(coverage, object{{"dmlInfo", []any{}}, {"id", l.id}, {"locationsNotCovered", locations}, {"methodInfo", []any{}},
			{"name", l.name}, {"namespace", nil}, {"numLocations", len(l.lines)}, {"numLocationsNotCovered", len(uncovered)},
			{"soqlInfo", []any{}}, {"soslInfo", []any{}}, {"type", l.kind}})
	}
	return coverage, warnings, nil
}

// keepCoverage writes what each test method has covered, instead of what it had before.
func (c *call) keepCoverage(outcomes []*testOutcome) error {
	all, err := c.code()
	if err != nil {
		return err
	}
	o := c.org.schema.tooling.Object("ApexCodeCoverage")
	for _, t := range outcomes {
		if _, err := c.db.ExecContext(c.Context(), `DELETE FROM ApexCodeCoverage WHERE ApexTestClassId = ? AND TestMethodName = ?`, t.id, t.method); err != nil {
			return err
		}
		for _, l := range all {
			l.covered = t.run.Covered[l.name]
			covered, uncovered := l.split()
			if len(covered) == 0 {
				continue
			}
			lines, err := coverageLines(covered, uncovered)
			if err != nil {
				return err
			}
			err = c.store(o, c.org.newID(o), []change{{o.Field("ApexTestClassId"), t.id}, {o.Field("TestMethodName"), t.method},
				{o.Field("ApexClassOrTriggerId"), l.id}, {o.Field("NumLinesCovered"), len(covered)}, {o.Field("NumLinesUncovered"), len(uncovered)},
				{o.Field("Coverage"), lines}}, true)
			if err != nil {
				return err
			}
		}
	}
	return c.sumCoverage()
}

func coverageLines(covered, uncovered []int) (string, error) {
	text, err := encode(object{{"coveredLines", covered}, {"uncoveredLines", uncovered}})
	return string(text), err
}

// forgetCoverage drops what is known of code that has changed.
func (c *call) forgetCoverage(id string) error {
	_, err := c.db.ExecContext(c.Context(), `DELETE FROM ApexCodeCoverage WHERE ApexClassOrTriggerId = ?1 OR ApexTestClassId = ?1`, id)
	return err
}

// sumCoverage works out the coverage of each class and of the org from that of the test methods.
func (c *call) sumCoverage() error {
	all, err := c.code()
	if err != nil {
		return err
	}
	for _, table := range []string{"ApexCodeCoverageAggregate", "ApexOrgWideCoverage"} {
		if _, err := c.db.ExecContext(c.Context(), `DELETE FROM `+table); err != nil {
			return err
		}
	}
	o := c.org.schema.tooling.Object("ApexCodeCoverageAggregate")
	done, total := 0, 0
	for _, l := range all {
		known, err := c.coveredLines(l)
		if err != nil {
			return err
		}
		covered, uncovered := l.split()
		done, total = done+len(covered), total+len(l.lines)
		if !known {
			continue
		}
		lines, err := coverageLines(covered, uncovered)
		if err != nil {
			return err
		}
		err = c.store(o, c.org.newID(o), []change{{o.Field("ApexClassOrTriggerId"), l.id}, {o.Field("NumLinesCovered"), len(covered)},
			{o.Field("NumLinesUncovered"), len(uncovered)}, {o.Field("Coverage"), lines}}, true)
		if err != nil {
			return err
		}
	}
	wide := c.org.schema.tooling.Object("ApexOrgWideCoverage")
	return c.store(wide, c.org.newID(wide), []change{{wide.Field("PercentCovered"), 100 * done / max(total, 1)}}, true)
}

// coveredLines joins what the test methods have covered of a class, and says whether any has touched it.
func (c *call) coveredLines(l *codeLines) (known bool, err error) {
	rows, err := c.rows(`SELECT Coverage FROM ApexCodeCoverage WHERE ApexClassOrTriggerId = ? AND NOT IsDeleted`, []any{l.id})
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		text, _ := row[0].(string)
		var lines struct{ CoveredLines []int }
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&lines); err != nil {
			return false, err
		}
		for _, line := range lines.CoveredLines {
			l.covered[line] = true
		}
	}
	l.lines = slices.Clip(l.lines)
	return len(rows) > 0, nil
}
