package allowlist

import (
	"errors"
	"fmt"
)

// Limits bound how much each agent of a [Rule] may do, however many servers it
// calls. A field that is zero is no limit.
type Limits struct {
	// CallsPerMinute is how many calls are let through in a minute of the clock.
	CallsPerMinute int64 `yaml:"callsPerMinute"`
	// CallsPerDay is how many calls are let through in a day of UTC.
	CallsPerDay int64 `yaml:"callsPerDay"`
	// WritesPerDay is how many records calls may add, change or remove in a day of
	// UTC.
	WritesPerDay int64 `yaml:"writesPerDay"`
}

// validate returns every problem of the limits, each naming field and value.
func (l Limits) validate(field string) error {
	var problems []error
	for _, limit := range []struct {
		name  string
		value int64
	}{{"callsPerMinute", l.CallsPerMinute}, {"callsPerDay", l.CallsPerDay}, {"writesPerDay", l.WritesPerDay}} {
		if limit.value < 0 {
			problems = append(problems, fmt.Errorf("%s.%s: %d must be 1 or more; leave it out for no limit", field, limit.name, limit.value))
		}
	}
	return errors.Join(problems...)
}
