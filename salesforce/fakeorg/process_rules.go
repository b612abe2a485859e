package fakeorg

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// workflowRule is a classic workflow rule. On the platform it fires when a record is saved; here it fires when a
// client triggers it.
type workflowRule struct {
	Name, Object, Description, When string
	Trigger                         string // onCreateOnly, onCreateOrTriggeringUpdate or onAllChanges
	Steps                           []automationStep

	id string
}

func processRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/process", handle: processes},
		{method: http.MethodGet, path: "/process/rules", handle: listRules},
		{method: http.MethodPost, path: "/process/rules", handle: triggerRules},
		{method: http.MethodGet, path: "/process/rules/{object}", handle: listRulesOf},
		{method: http.MethodGet, path: "/process/rules/{object}/{rule}", handle: getRule},
		{method: http.MethodPost, path: "/process/rules/{object}/{rule}", handle: triggerRule},
		{method: http.MethodGet, path: "/process/approvals", handle: listApprovals, respects: true},
		{method: http.MethodPost, path: "/process/approvals", handle: processApprovals, respects: true},
	}
}

// processes is GET /process.
func processes(c *call) (*answer, error) {
	path := "/services/data/" + c.version + "/process/"
	return ok(object{{"approvals", path + "approvals"}, {"rules", path + "rules"}})
}

// listRules is GET /process/rules.
func listRules(c *call) (*answer, error) { return ok(object{{"rules", c.rulesByObject("")}}) }

// listRulesOf is GET /process/rules/{object}.
func listRulesOf(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	return ok(object{{"rules", c.rulesByObject(o.Name)}})
}

// rulesByObject lists the rules of one object, or of all.
func (c *call) rulesByObject(only string) object {
	byObject := object{}
	for _, o := range c.org.schema.Objects {
		if only != "" && o.Name != only {
			continue
		}
		var rules []object
		for _, r := range c.org.auto.rulesOf(o) {
			rules = append(rules, r.show())
		}
		if rules != nil {
			byObject = append(byObject, member{o.Name, rules})
		}
	}
	return byObject
}

func (a *automation) rulesOf(o *Object) []*workflowRule {
	var rules []*workflowRule
	for _, r := range a.Rules {
		if r.Object == o.Name {
			rules = append(rules, r)
		}
	}
	return rules
}

// show has the members of the guide's example, whose ids have 15 characters.
func (r *workflowRule) show() object {
	actions := []object{}
	for _, s := range r.Steps {
		kind := "FieldUpdate"
		if s.Create != "" {
			kind = "Task"
		}
		actions = append(actions, object{{"id", s.id[:15]}, {"name", s.Name}, {"type", kind}})
	}
	return object{{"actions", actions}, {"description", orNull(r.Description)}, {"id", r.id[:15]}, {"name", r.Name}, {"namespacePrefix", nil}, {"object", r.Object}}
}

// namedRule finds the object and the rule that the path names.
func (c *call) namedRule() (*Object, *workflowRule, error) {
	o, err := c.object()
	if err != nil {
		return nil, nil, err
	}
	id, _ := parseID(c.PathValue("rule"))
	for _, r := range c.org.auto.rulesOf(o) {
		if r.id == id {
			return o, r, nil
		}
	}
	return nil, nil, noResource()
}

// getRule is GET /process/rules/{object}/{rule}.
func getRule(c *call) (*answer, error) {
	_, r, err := c.namedRule()
	if err != nil {
		return nil, err
	}
	return ok(r.show())
}

// triggerRules is POST /process/rules: all rules of the records' object.
func triggerRules(c *call) (*answer, error) {
	ids, err := c.contextIDs()
	if err != nil {
		return nil, err
	}
	o := c.org.schema.ObjectOf(ids[0])
	if o == nil {
		return nil, invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return c.trigger(o, c.org.auto.rulesOf(o), ids)
}

// triggerRule is POST /process/rules/{object}/{rule}.
func triggerRule(c *call) (*answer, error) {
	o, r, err := c.namedRule()
	if err != nil {
		return nil, err
	}
	ids, err := c.contextIDs()
	if err != nil {
		return nil, err
	}
	return c.trigger(o, []*workflowRule{r}, ids)
}

// trigger does the actions of the rules whose criteria the records meet, whatever a rule's evaluation criteria (when
// it is looked at) are. An error undoes everything. Its form was not found in a source: it is that of other requests.
func (c *call) trigger(o *Object, rules []*workflowRule, ids []string) (*answer, error) {
	for _, id := range ids {
		if c.org.schema.ObjectOf(id) != o {
			return nil, invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id: "+id+" is not of type "+o.Name)
		}
		if err := c.mustExist(o, id); err != nil {
			return nil, inBody(err)
		}
		for _, r := range rules {
			work := c.automate(o, id)
			due, err := work.holds(r.When)
			if err == nil && due {
				err = work.steps(r.Steps)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return ok(object{{"errors", nil}, {"success", true}})
}

// inBody is an error about a record that the body names, and not the path: nothing is not found then, the request is
// wrong.
func inBody(err error) error {
	var f *fault
	if !errors.As(err, &f) || f.status != http.StatusNotFound {
		return err
	}
	return invalid(f.code, f.message, f.fields...)
}

// contextIDs reads the ids of a request to trigger rules. Newer descriptions have a list contextIds, older ones a
// contextId.
func (c *call) contextIDs() ([]string, error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	var body struct {
		IDs []string `json:"contextIds"`
		ID  string   `json:"contextId"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, unreadable(text, err)
	}
	if body.ID != "" {
		body.IDs = append(body.IDs, body.ID)
	}
	if err := checkCount(len(body.IDs), collectionLimit); err != nil {
		return nil, err
	}
	ids := make([]string, len(body.IDs))
	for i, given := range body.IDs {
		if ids[i], err = rowID(strings.TrimSpace(given)); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
