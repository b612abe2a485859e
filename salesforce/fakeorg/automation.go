package fakeorg

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed automation.yaml
var automationFile []byte

// automation is what an org does by itself, read from automation.yaml. It does not change afterwards.
type automation struct {
	Rules        []*workflowRule
	Approvals    []*approvalProcess
	QuickActions []*quickAction `yaml:"quickActions"`
	Actions      []*invocable
}

// automationStep changes a record, makes one, or refuses to go on.
type automationStep struct {
	Name   string
	When   string // condition; empty always holds
	Set    fieldValues
	Create string // the object of the record to make
	Update string // the object of another record to change
	ID     string `yaml:"id"` // expression for the id of the record to Update
	Throw  string

	id string // of the field update or task that a step of a rule or an approval is
}

// fieldValue is a value of a field: an SQLite expression over the record an automation runs for.
type fieldValue struct{ field, expression string }

// fieldValues are a map of the file, in its order.
type fieldValues []fieldValue

// UnmarshalYAML reads the map.
func (v *fieldValues) UnmarshalYAML(node *yaml.Node) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		*v = append(*v, fieldValue{field: node.Content[i].Value, expression: node.Content[i+1].Value})
	}
	return nil
}

// loadAutomation reads an automation file and checks it against the schema.
func loadAutomation(file []byte, s *Schema) (*automation, error) {
	a := &automation{}
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	decoder.KnownFields(true)
	if err := decoder.Decode(a); err != nil {
		return nil, fmt.Errorf("automation: %w", err)
	}
	a.complete()
	for _, check := range []func(*Schema) error{a.checkRules, a.checkApprovals, a.checkQuickActions, a.checkActions} {
		if err := check(s); err != nil {
			return nil, fmt.Errorf("automation: %w", err)
		}
	}
	return a, nil
}

// complete gives everything its id and what the file leaves out.
func (a *automation) complete() {
	updates, tasks := int64(0), int64(0)
	identify := func(steps []automationStep) {
		for i := range steps {
			if steps[i].Create == "" {
				updates++
				steps[i].id = makeID("04Y", updates)
			} else {
				tasks++
				steps[i].id = makeID("01V", tasks)
			}
		}
	}
	for i, r := range a.Rules {
		r.id = makeID("01Q", int64(i)+1)
		identify(r.Steps)
	}
	nodes := int64(0)
	for i, p := range a.Approvals {
		p.id, p.order = makeID("04a", int64(i)+1), 1
		for _, other := range a.Approvals[:i] {
			if other.Object == p.Object {
				p.order++
			}
		}
		for _, steps := range [][]automationStep{p.Submitted, p.Approved, p.Rejected, p.Recalled} {
			identify(steps)
		}
		for _, level := range p.Levels {
			nodes++
			level.id = makeID("04b", nodes)
			if level.Label == "" {
				level.Label = level.Name
			}
		}
	}
	for i, q := range a.QuickActions {
		q.id = makeID("09D", int64(i)+1)
		q.of, _, _ = strings.Cut(q.Name, ".")
		if q.of == q.Name {
			q.of = ""
		}
	}
}

func (a *automation) checkRules(s *Schema) error {
	for _, r := range a.Rules {
		if err := checkSteps(s, r.Object, r.Steps); err != nil {
			return fmt.Errorf("rule %s: %w", r.Name, err)
		}
	}
	return nil
}

func (a *automation) checkApprovals(s *Schema) error {
	for _, p := range a.Approvals {
		for _, steps := range [][]automationStep{p.Submitted, p.Approved, p.Rejected, p.Recalled} {
			if err := checkSteps(s, p.Object, steps); err != nil {
				return fmt.Errorf("approval %s: %w", p.Name, err)
			}
		}
		if target := s.Object("ProcessInstance").Field("TargetObjectId"); !slices.Contains(target.To, p.Object) {
			return fmt.Errorf("approval %s: %s is not among the objects of %s", p.Name, p.Object, target.Name)
		}
	}
	return nil
}

func (a *automation) checkQuickActions(s *Schema) error {
	for _, q := range a.QuickActions {
		target := s.Object(q.Target)
		if target == nil || q.of != "" && s.Object(q.of) == nil {
			return fmt.Errorf("quick action %s: no such object", q.Name)
		}
		names := []string{}
		for _, item := range q.items() {
			names = append(names, item.name)
		}
		for _, v := range q.Defaults {
			names = append(names, v.field)
		}
		if q.Parent != "" {
			names = append(names, q.Parent)
		}
		for _, name := range names {
			if target.Field(name) == nil {
				return fmt.Errorf("quick action %s: %s has no field %s", q.Name, q.Target, name)
			}
		}
	}
	return nil
}

func (a *automation) checkActions(s *Schema) error {
	for _, i := range a.Actions {
		if i.Kind == "standard" {
			if standardActions[i.Name] == nil {
				return fmt.Errorf("action %s: nothing does it", i.Name)
			}
			continue
		}
		if err := checkSteps(s, i.Object, i.Steps); err != nil {
			return fmt.Errorf("action %s: %w", i.Name, err)
		}
		if i.input(i.Record) == nil {
			return fmt.Errorf("action %s: no input %s", i.Name, i.Record)
		}
	}
	return nil
}

// checkSteps finds names that do not exist. Expressions are checked when they run, and by a test.
func checkSteps(s *Schema, object string, steps []automationStep) error {
	if s.Object(object) == nil {
		return fmt.Errorf("no object %q", object)
	}
	for _, step := range steps {
		o := s.Object(step.target(object))
		if o == nil {
			return fmt.Errorf("no object %q", step.target(object))
		}
		for _, v := range step.Set {
			if o.Field(v.field) == nil {
				return fmt.Errorf("%s has no field %s", o.Name, v.field)
			}
		}
	}
	return nil
}

// target is the object of the record a step writes.
func (s *automationStep) target(object string) string {
	switch {
	case s.Create != "":
		return s.Create
	case s.Update != "":
		return s.Update
	}
	return object
}

// approves reports whether there is an approval process for the object.
func (a *automation) approves(o *Object) bool {
	return slices.ContainsFunc(a.Approvals, func(p *approvalProcess) bool { return p.Object == o.Name })
}
