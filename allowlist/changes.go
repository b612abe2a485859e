package allowlist

import (
	"fmt"
	"slices"
	"strings"
)

// Changes are the objects of whose records the audit trail keeps what changed: the
// values of fields before a call and after it. It is read from true, which is all
// objects, or a list of their API names.
type Changes []string

// UnmarshalYAML reads true, false or a list.
func (c *Changes) UnmarshalYAML(decode func(any) error) error {
	var all bool
	if decode(&all) == nil {
		*c = nil
		if all {
			*c = Changes{"*"}
		}
		return nil
	}
	var names []string
	if err := decode(&names); err != nil {
		return err
	}
	*c = names
	return nil
}

// Of reports whether what changes in records of an object is kept. Names do not
// distinguish case, as those of Salesforce do not.
func (c Changes) Of(sObject string) bool {
	return slices.ContainsFunc(c, func(name string) bool { return name == "*" || strings.EqualFold(name, sObject) })
}

func (c Changes) validate(field string) error {
	for i, name := range c {
		letters := func(r rune) bool { return r == '_' || 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' }
		if name != "*" && (name == "" || strings.TrimFunc(name, letters) != "") {
			return fmt.Errorf("%s.changes[%d]: %q is no object; write its API name, as in Account, or true for all", field, i, name)
		}
	}
	return nil
}
