package dsul

import (
	"errors"
	"fmt"
	"io/fs"
	filepath "path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An App is an app of Prisme.ai as its package has it: index.yml, and a file for each
// automation.
type App struct {
	Slug        string
	Config      map[string]any // config.value: what an instance has unless it says something else; may refer to secrets
	Schema      []string       // names of config.schema
	Automations map[string]*Automation
}

// An Automation is a list of instructions with a name.
type Automation struct {
	Slug      string
	Private   bool     // only the app's own automations call it
	Endpoint  bool     // it is a webhook
	Arguments []string // names

	do     *yaml.Node
	output *yaml.Node // nil for none
}

// index is what is read of index.yml.
type index struct {
	Name        yaml.Node `yaml:"name"`
	Slug        string    `yaml:"slug"`
	Description yaml.Node `yaml:"description"`
	Labels      []string  `yaml:"labels"`
	Photo       string    `yaml:"photo"`
	Config      struct {
		Schema map[string]yaml.Node `yaml:"schema"`
		Block  string               `yaml:"block"`
		Value  map[string]any       `yaml:"value"`
	} `yaml:"config"`
	Secrets struct {
		Schema map[string]yaml.Node `yaml:"schema"`
	} `yaml:"secrets"`
}

// automation is what is read of an automation's file.
type automation struct {
	Slug        string    `yaml:"slug"`
	Name        string    `yaml:"name"`
	Description string    `yaml:"description"`
	Private     bool      `yaml:"private"`
	Arguments   yaml.Node `yaml:"arguments"`
	When        struct {
		Endpoint bool `yaml:"endpoint"`
	} `yaml:"when"`
	Do     yaml.Node `yaml:"do"`
	Output yaml.Node `yaml:"output"`
}

// ReadApp reads a package. What is not known is an error with its file, and so is an
// instruction that no automation and no built-in one has.
func ReadApp(files fs.FS) (*App, error) {
	var about index
	if err := readYAML(files, "index.yml", &about); err != nil {
		return nil, err
	}
	app := &App{Slug: about.Slug, Config: about.Config.Value, Automations: map[string]*Automation{}}
	for name := range about.Config.Schema {
		app.Schema = append(app.Schema, name)
	}
	slices.Sort(app.Schema)
	names, err := fs.Glob(files, "automations/*.yml")
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, name := range names {
		var a automation
		if err := readYAML(files, name, &a); err != nil {
			problems = append(problems, err)
			continue
		}
		if a.Slug+".yml" != filepath.Base(name) {
			problems = append(problems, fmt.Errorf("%s: its slug is %q; it must be the name of the file", name, a.Slug))
		}
		read := &Automation{Slug: a.Slug, Private: a.Private, Endpoint: a.When.Endpoint, do: &a.Do}
		if !a.Output.IsZero() {
			read.output = &a.Output
		}
		for i := 0; i < len(a.Arguments.Content); i += 2 {
			read.Arguments = append(read.Arguments, a.Arguments.Content[i].Value)
		}
		app.Automations[a.Slug] = read
	}
	for _, name := range names {
		if a := app.Automations[strings.TrimSuffix(filepath.Base(name), ".yml")]; a != nil {
			if err := app.check(a.do); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return app, errors.Join(problems...)
}

func readYAML(files fs.FS, name string, out any) error {
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(out); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// builtIns are the members of each built-in instruction that are interpreted.
var builtIns = map[string][]string{
	"set":        {"name", "value", "type"},
	"fetch":      {"url", "method", "headers", "query", "body", "output", "outputMode", "emitErrors"},
	"conditions": nil, // its members are expressions
	"break":      {},
}

// check finds instructions that are not known, before anything runs.
func (a *App) check(do *yaml.Node) error {
	if do.Kind != yaml.SequenceNode {
		return errors.New("do: it must be a list of instructions")
	}
	var problems []error
	for _, node := range do.Content {
		name, body, err := instruction(node)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		members, builtIn := builtIns[name]
		called := a.Automations[name]
		switch {
		case name == "conditions":
			for i := 1; i < len(body.Content); i += 2 {
				problems = append(problems, a.check(body.Content[i]))
			}
			continue
		case builtIn:
		case called != nil:
			members = append(slices.Clone(called.Arguments), "output")
		default:
			problems = append(problems, at(node, "there is no instruction %q", name))
			continue
		}
		for i := 0; i < len(body.Content); i += 2 {
			if key := body.Content[i]; !slices.Contains(members, key.Value) {
				problems = append(problems, at(key, "%s has no %q", name, key.Value))
			}
		}
	}
	return errors.Join(problems...)
}

// instruction is the name and the members of one.
func instruction(node *yaml.Node) (string, *yaml.Node, error) {
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 || node.Content[1].Kind != yaml.MappingNode {
		return "", nil, at(node, "an instruction is one name with a mapping")
	}
	return node.Content[0].Value, node.Content[1], nil
}
