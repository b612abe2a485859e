// Package dsul reads lists of steps in the form of Prisme.ai's automation
// language, as far as the connector's documentation uses it: an instruction with
// its arguments and, beside it, the name under which later steps find its
// result.
//
// What is not known is refused with its line, before anything runs: a step of
// another kind, an instruction, a name.
//
// It interprets the automations of an app as well, as far as the app needs that this
// program writes ([ReadApp], [Instance]): set, fetch, conditions, break, calls of other
// automations and webhooks. There a path that leads nowhere is absent, as on the
// platform, while a list of steps refuses it.
package dsul

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Step is one instruction of a list.
type Step struct {
	Line        int    // where it stands, counted from 1
	Instruction string // without the prefix Salesforce.
	Output      string // the name of its result; may be empty

	args *yaml.Node // a mapping, or nil
}

// Parse reads a list of steps. Known says what is wrong with the name of an
// instruction, or of its arguments, whose values may still be placeholders; names
// are those that are given from outside. The error is every problem of the list,
// each with its line.
func Parse(text io.Reader, known func(instruction string, args map[string]any) error, names []string) ([]Step, error) {
	var doc yaml.Node
	if err := yaml.NewDecoder(text).Decode(&doc); err != nil {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.SequenceNode {
		return nil, errors.New("line 1: it must be a list of steps, each beginning with \"- Salesforce.<instruction>:\"")
	}
	var steps []Step
	var problems []error
	used := map[string]bool{}
	given := names
	names = slices.Clone(names)
	for _, node := range doc.Content[0].Content {
		step, err := parseStep(node)
		if err == nil {
			err = step.check(names, used, known)
		}
		if err != nil {
			problems = append(problems, err)
		}
		if step.Output != "" {
			names = append(names, step.Output)
		}
		steps = append(steps, step)
	}
	for _, name := range given {
		if !used[name] {
			problems = append(problems, fmt.Errorf("no step uses %s, which is given", name))
		}
	}
	return steps, errors.Join(problems...)
}

// prefix is how the documentation calls the installed app.
const prefix = "Salesforce."

var nameRE = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$-]*$`)

func parseStep(node *yaml.Node) (Step, error) {
	step := Step{Line: node.Line}
	if node.Kind != yaml.MappingNode {
		return step, at(node, "a step must be an instruction with its arguments")
	}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		instruction, isInstruction := strings.CutPrefix(key.Value, prefix)
		switch {
		case isInstruction && step.Instruction != "":
			return step, at(key, "%s: a step has one instruction; begin another step with -", key.Value)
		case isInstruction:
			step.Instruction = instruction
			if value.ShortTag() == "!!null" {
				break
			}
			if value.Kind != yaml.MappingNode {
				return step, at(value, "%s: its arguments must be a mapping", key.Value)
			}
			step.args = value
		case key.Value == "output":
			if value.Kind != yaml.ScalarNode || !nameRE.MatchString(value.Value) {
				return step, at(value, "output: it must be a name, of letters, digits, _ and -")
			}
			step.Output = value.Value
		default:
			return step, at(key, "%q is not known: a step has %s<instruction> and, beside it, output", key.Value, prefix)
		}
	}
	if step.Instruction == "" {
		return step, at(node, "it has no instruction")
	}
	return step, nil
}

func at(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{node.Line}, args...)...)
}

// check finds what cannot be known when the step runs, and notes which names it
// uses.
func (s Step) check(names []string, used map[string]bool, known func(string, map[string]any) error) error {
	args, err := s.arguments(func(p path) (any, error) {
		if !slices.Contains(names, p.root()) {
			return nil, fmt.Errorf("the name %q is not known here; known are %s", p.root(), list(names))
		}
		used[p.root()] = true
		return json.Number("0"), nil // it may be a place in a list
	})
	if wrong := known(s.Instruction, args); wrong != nil {
		return errors.Join(fmt.Errorf("line %d: %w", s.Line, wrong), err)
	}
	return err
}

func list(names []string) string {
	if len(names) == 0 {
		return "none: give it as name=value, or as the output of an earlier step"
	}
	return strings.Join(names, ", ")
}

// Arguments returns the step's arguments with the placeholders in them filled
// from values. A string that is one placeholder becomes the value itself; in
// other strings what is no string is written as JSON, and null as nothing. The
// error names line and place of a value that is not there.
func (s Step) Arguments(values map[string]any) (map[string]any, error) {
	return s.arguments(func(p path) (any, error) { return p.of(values) })
}

func (s Step) arguments(resolve func(path) (any, error)) (map[string]any, error) {
	if s.args == nil {
		return map[string]any{}, nil
	}
	v, err := value(s.args, resolve)
	if err != nil {
		return nil, err
	}
	args, _ := v.(map[string]any)
	return args, nil
}

// value is a YAML node as a JSON value. Numbers keep every digit.
func value(node *yaml.Node, resolve func(path) (any, error)) (any, error) {
	switch node.Kind {
	case yaml.SequenceNode:
		out := []any{}
		for _, child := range node.Content {
			v, err := value(child, resolve)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		return mapping(node, resolve)
	case yaml.ScalarNode:
		return scalar(node, resolve)
	}
	return nil, at(node, "anchors and aliases are not known here")
}

func mapping(node *yaml.Node, resolve func(path) (any, error)) (any, error) {
	out := map[string]any{}
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Kind != yaml.ScalarNode || strings.Contains(key.Value, "{{") || key.ShortTag() == "!!merge" {
			return nil, at(key, "a key must be a plain name")
		}
		if _, twice := out[key.Value]; twice {
			return nil, at(key, "%q stands twice", key.Value)
		}
		v, err := value(node.Content[i+1], resolve)
		if err != nil {
			return nil, err
		}
		out[key.Value] = v
	}
	return out, nil
}

// numberRE matches what JSON calls a number.
var numberRE = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func scalar(node *yaml.Node, resolve func(path) (any, error)) (any, error) {
	switch node.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(node.Value, "true"), nil
	case "!!int", "!!float":
		if numberRE.MatchString(node.Value) {
			return json.Number(node.Value), nil
		}
		return nil, at(node, "%s is no number of JSON; put it in quotes to have it as text", node.Value)
	case "!!str", "!!timestamp": // a date is text: Salesforce reads it
		v, err := interpolate(node.Value, resolve)
		if err != nil {
			return nil, at(node, "%v", err)
		}
		return v, nil
	}
	return nil, at(node, "a value of the type %s is not known here", node.ShortTag())
}
