package fakeorg

import (
	"net/http"
	"strings"
)

// invocable is an invocable action: a standard one, an autolaunched flow, or an Apex method.
type invocable struct {
	Kind, Name, Label, Description string
	Inputs, Outputs                []actionParameter
	Object, Record                 string // the object of the record it runs for, and the input with its id
	Steps                          []automationStep
}

// parameter is an input or output of an action.
type actionParameter struct {
	Name, Label, Type, Description string
	Required                       bool
	Many                           bool // a collection
	Values                         []string
	Value                          string // expression of an output
}

// input returns the input of that name, in this case of letters, or nil.
func (i *invocable) input(name string) *actionParameter {
	for n := range i.Inputs {
		if i.Inputs[n].Name == name {
			return &i.Inputs[n]
		}
	}
	return nil
}

func actionRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/actions", handle: actionKinds},
		{method: http.MethodGet, path: "/actions/standard", handle: listActions},
		{method: http.MethodGet, path: "/actions/standard/{action}", handle: describeAction},
		{method: http.MethodPost, path: "/actions/standard/{action}", handle: invokeAction},
		{method: http.MethodGet, path: "/actions/custom", handle: customKinds},
		{method: http.MethodGet, path: "/actions/custom/{kind}", handle: listActions},
		{method: http.MethodGet, path: "/actions/custom/{kind}/{action}", handle: describeAction},
		{method: http.MethodPost, path: "/actions/custom/{kind}/{action}", handle: invokeAction},
	}
}

// actionsPath is where the actions of a kind are.
func (c *call) actionsPath(kind string) string {
	path := "/services/data/" + c.version + "/actions/"
	if kind != "standard" && kind != "custom" {
		path += "custom/"
	}
	return path + kind
}

// actionKinds is GET /actions.
func actionKinds(c *call) (*answer, error) {
	return ok(object{{"custom", c.actionsPath("custom")}, {"standard", c.actionsPath("standard")}})
}

// customKinds is GET /actions/custom.
func customKinds(c *call) (*answer, error) {
	return ok(object{{"apex", c.actionsPath("apex")}, {"flow", c.actionsPath("flow")}})
}

// actionKind is which actions a path is about: standard, flow or apex.
func (c *call) actionKind() (string, error) {
	switch kind := c.PathValue("kind"); kind {
	case "":
		return "standard", nil
	case "flow", "apex":
		return kind, nil
	}
	return "", noResource()
}

// listActions is GET /actions/standard and GET /actions/custom/{kind}.
func listActions(c *call) (*answer, error) {
	kind, err := c.actionKind()
	if err != nil {
		return nil, err
	}
	actions := []object{}
	for _, i := range c.org.auto.Actions {
		if i.Kind == kind {
			actions = append(actions, object{{"label", i.Label}, {"name", i.Name}, {"type", i.typeName()}, {"url", c.actionsPath(kind) + "/" + i.Name}})
		}
	}
	return ok(object{{"actions", actions}})
}

// typeName is EMAILSIMPLE for the standard action emailSimple, and FLOW or APEX for custom ones.
func (i *invocable) typeName() string {
	if i.Kind == "standard" {
		return strings.ToUpper(i.Name)
	}
	return strings.ToUpper(i.Kind)
}

// namedAction finds the action the path names.
func (c *call) namedAction() (*invocable, error) {
	kind, err := c.actionKind()
	if err != nil {
		return nil, err
	}
	for _, i := range c.org.auto.Actions {
		if i.Kind == kind && strings.EqualFold(i.Name, c.PathValue("action")) {
			return i, nil
		}
	}
	return nil, noResource()
}

// interviewStatus is an output that every flow has.
var interviewStatus = actionParameter{Name: "Flow__InterviewStatus", Label: "Flow Interview Status", Type: "PICKLIST",
	Values: []string{"Created", "Started", "Finished", "Error", "Waiting"}, Description: "The current status of the flow interview."}

// describeAction is GET …/{action}.
func describeAction(c *call) (*answer, error) {
	i, err := c.namedAction()
	if err != nil {
		return nil, err
	}
	inputs, outputs := []object{}, []object{}
	for _, p := range i.Inputs {
		inputs = append(inputs, object{{"byteLength", 0}, {"description", orNull(p.Description)}, {"label", p.Label}, {"maxOccurs", p.most()}, {"name", p.Name},
			{"picklistValues", p.picklist()}, {"required", p.Required}, {"sobjectType", nil}, {"type", p.Type}})
	}
	given := i.Outputs
	if i.Kind == "flow" {
		given = append([]actionParameter{interviewStatus}, given...)
	}
	for _, p := range given {
		outputs = append(outputs, object{{"description", orNull(p.Description)}, {"label", p.Label}, {"maxOccurs", p.most()}, {"name", p.Name},
			{"picklistValues", p.picklist()}, {"sobjectType", nil}, {"type", p.Type}})
	}
	return ok(object{{"category", nil}, {"description", orNull(i.Description)}, {"inputs", inputs}, {"label", i.Label}, {"name", i.Name},
		{"outputs", outputs}, {"standard", i.Kind == "standard"}, {"targetEntityName", nil}, {"type", i.typeName()}})
}

// most is how many values a parameter may have: a collection has 2,000 in the platform's descriptions of its own
// actions.
func (p *actionParameter) most() int {
	if p.Many {
		return 2000
	}
	return 1
}

func (p *actionParameter) picklist() any {
	if len(p.Values) == 0 {
		return nil
	}
	values := []object{}
	for _, v := range p.Values {
		values = append(values, object{{"active", true}, {"defaultValue", false}, {"label", v}, {"validFor", nil}, {"value", v}})
	}
	return values
}
