package app

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools"
)

// A problemOf is what is wrong with a field of the editor.
type problemOf struct{ field, text string }

// The choices of what the audit trail keeps of changes.
const (
	noChanges   = "none"
	allChanges  = "all"
	someChanges = "some"
)

// A limit is one of [allowlist.Limits] in the editor.
type limit struct {
	name, label string
	value       int64
}

func (r *request) limits(l allowlist.Limits) []limit {
	return []limit{
		{"callsPerMinute", r.t("Calls a minute"), l.CallsPerMinute},
		{"callsPerDay", r.t("Calls a day"), l.CallsPerDay},
		{"writesPerDay", r.t("Records changed a day"), l.WritesPerDay},
	}
}

// fields are the fields of the editor by their name in the form.
type fields map[string]field

// order is that of the fields in the editor.
var order = []string{"agent", "host", "preset", "sObjectsAllow", "sObjectsDeny", "fieldsAllow", "fieldsDeny", "confirmWithin", "callsPerMinute", "callsPerDay", "writesPerDay", "changes", "changesOf"}

// all are the fields in their order.
func (f fields) all() (all []field) {
	for _, name := range order {
		all = append(all, f[name])
	}
	return all
}

// fields are those of a draft, with what was typed or what its rule says.
func (d draft) fields(r *request, w config.Workspace) fields {
	rule := d.rule
	lines := func(names []string) string { return strings.Join(names, "\n") }
	objects, someFields := r.t("API names, one a line, as in Account or Invoice__c"), r.t("One a line, as in Contact.Email, *.SSN__c (of every object) or Contact.* (every field)")
	f := fields{
		"agent":         {label: r.t("Agent id"), value: rule.Agent, hint: r.t("As its host sends it, letter by letter."), required: true, autocomplete: "off"},
		"host":          {label: r.t("Host"), value: rule.Host, options: r.hosts(w), hint: r.t("Where the hosts of a workspace do not trust each other, name the one through which the agent comes: a host can claim any agent.")},
		"preset":        {label: r.t("Preset"), value: rule.Preset, options: r.presets(true)},
		"sObjectsAllow": {label: r.t("Only these objects"), value: lines(rule.SObjects.Allow), hint: objects},
		"sObjectsDeny":  {label: r.t("Not these objects"), value: lines(rule.SObjects.Deny), hint: objects},
		"fieldsAllow":   {label: r.t("Only these fields"), value: lines(rule.Fields.Allow), hint: someFields},
		"fieldsDeny":    {label: r.t("Not these fields"), value: lines(rule.Fields.Deny), hint: someFields},
		"confirmWithin": {label: r.t("How long a call waits for that"), value: short(rule.ConfirmWithin), hint: r.t("As in 30m or 8h; from 1m to 720h. Empty is 24h."), autocomplete: "off"},
		"changes": {label: r.t("Values before and after, field by field"), value: changesChoice(rule.Changes), options: []option{
			{noChanges, r.t("of no object")}, {allChanges, r.t("of all objects")}, {someChanges, r.t("of these objects:")}}},
		"changesOf": {label: r.t("These objects"), hint: objects},
	}
	if changesChoice(rule.Changes) == someChanges {
		f.set("changesOf", lines(rule.Changes))
	}
	for _, l := range r.limits(rule.Limits) {
		value := ""
		if l.value != 0 {
			value = strconv.FormatInt(l.value, 10)
		}
		f[l.name] = field{label: l.label, value: value, kind: "number", autocomplete: "off"}
	}
	for _, name := range order {
		field := f[name]
		field.name = name
		if d.form != nil {
			field.value = d.form.Get(name)
		}
		for _, p := range d.problems {
			if p.field == name {
				field.problem = p.text
			}
		}
		f[name] = field
	}
	return f
}

func (f fields) set(name, value string) {
	field := f[name]
	field.value = value
	f[name] = field
}

// has reports whether a tick is set: that of the form, or that of the rule.
func (d draft) has(name, value string, inRule bool) bool {
	if d.form != nil {
		return slices.Contains(d.form[name], value)
	}
	return inRule
}

func changesChoice(c allowlist.Changes) string {
	switch {
	case len(c) == 0:
		return noChanges
	case slices.Contains(c, "*"):
		return allChanges
	}
	return someChanges
}

// short is a duration as people write it: 24h.
func short(d time.Duration) string {
	if d == 0 {
		return ""
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// drafted reads a form of the editor for a workspace, with every problem it has.
func (r *request) drafted(w config.Workspace, form url.Values) draft {
	d := draft{form: form, was: form.Get("was"), known: form.Get("was") != "", through: form.Get("through")}
	d.view, _ = tools.ParseView(form.Get("view")) // another one is none
	d.rule, d.problems = r.ruleOf(form)
	d.problems = append(d.problems, r.problemsOf(&w, d.rule)...)
	return d
}

// names are the names that were typed, one a line or between commas; nil for none.
func names(text string) []string {
	all := strings.FieldsFunc(text, func(c rune) bool { return c == ',' || unicode.IsSpace(c) })
	if len(all) == 0 { // a list that is there and empty would be another thing
		return nil
	}
	return all
}

// ruleOf is the rule that a form says. Names of actions are in the order of the table.
func (r *request) ruleOf(form url.Values) (rule allowlist.Rule, problems []problemOf) {
	rule = allowlist.Rule{
		Agent: form.Get("agent"), Host: form.Get("host"), Off: form.Get("allowed") != "yes", Preset: form.Get("preset"),
		Actions: form["actions"], Confirm: form["confirm"],
		SObjects: allowlist.Lists{Allow: names(form.Get("sObjectsAllow")), Deny: names(form.Get("sObjectsDeny"))},
		Fields:   allowlist.Lists{Allow: names(form.Get("fieldsAllow")), Deny: names(form.Get("fieldsDeny"))},
	}
	switch form.Get("changes") {
	case allChanges:
		rule.Changes = allowlist.Changes{"*"}
	case someChanges:
		if rule.Changes = names(form.Get("changesOf")); len(rule.Changes) == 0 {
			problems = append(problems, problemOf{"changesOf", r.t("Name the objects, or choose another way.")})
		}
	}
	if text := strings.TrimSpace(form.Get("confirmWithin")); text != "" && len(rule.Confirm) > 0 {
		within, err := time.ParseDuration(text)
		if err != nil || within <= 0 {
			problems = append(problems, problemOf{"confirmWithin", r.t("Write a time as in 30m or 8h, from 1m to 720h.")})
		}
		rule.ConfirmWithin = within
	}
	limits := []*int64{&rule.Limits.CallsPerMinute, &rule.Limits.CallsPerDay, &rule.Limits.WritesPerDay}
	for i, l := range r.limits(rule.Limits) {
		text := strings.TrimSpace(form.Get(l.name))
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			problems = append(problems, problemOf{l.name, r.t("Write a whole number of 1 or more, or leave it empty.")})
			continue
		}
		*limits[i] = n
	}
	return rule, problems
}

// fieldOf are the fields of the editor by the members of a rule that they are for, as
// [allowlist.Workspace.Validate] names them.
var fieldOf = []struct{ member, field string }{
	{"agent", "agent"}, {"host", "host"}, {"preset", "preset"},
	{"sObjects.allow", "sObjectsAllow"}, {"sObjects.deny", "sObjectsDeny"}, {"fields.allow", "fieldsAllow"}, {"fields.deny", "fieldsDeny"},
	{"confirmWithin", "confirmWithin"}, {"confirm", "confirmWithin"}, {"changes", "changesOf"},
	{"limits.callsPerMinute", "callsPerMinute"}, {"limits.callsPerDay", "callsPerDay"}, {"limits.writesPerDay", "writesPerDay"}, {"actions", "preset"},
}

// problemsOf are those that a rule by itself would have in a workspace, in the words of
// its validation.
func (r *request) problemsOf(w *config.Workspace, rule allowlist.Rule) (problems []problemOf) {
	alone := allowlist.Workspace{Name: w.Name, Rules: []allowlist.Rule{rule}}
	for _, profile := range w.Profiles {
		if profile != nil {
			alone.Profiles = append(alone.Profiles, profile)
		}
	}
	err := alone.Validate()
	if err == nil {
		return nil
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		text, ok := strings.CutPrefix(line, "rules[0].")
		if !ok {
			continue // it is no problem of the rule
		}
		for _, f := range fieldOf {
			if strings.HasPrefix(text, f.member) {
				_, text, _ = strings.Cut(text, ": ")
				problems = append(problems, problemOf{f.field, text})
				break
			}
		}
	}
	return problems
}
