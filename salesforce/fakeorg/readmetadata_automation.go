package fakeorg

import (
	"strconv"
	"strings"
)

// fieldUpdates and tasks are the steps of rules and approvals of an object, by what they are in its metadata.
func (a *automation) stepsOf(o *Object) (updates, tasks []automationStep) {
	keep := func(steps []automationStep) {
		for _, s := range steps {
			if s.Create == "" {
				updates = append(updates, s)
			} else {
				tasks = append(tasks, s)
			}
		}
	}
	for _, r := range a.rulesOf(o) {
		keep(r.Steps)
	}
	for _, p := range a.Approvals {
		if p.Object == o.Name {
			for _, steps := range [][]automationStep{p.Submitted, p.Approved, p.Rejected, p.Recalled} {
				keep(steps)
			}
		}
	}
	return updates, tasks
}

// workflowMetadata describes all rules, field updates and tasks of an object.
func (c *call) workflowMetadata(fullName string) []xmlNode {
	o := c.org.schema.Object(fullName)
	if o == nil {
		return nil
	}
	described := []xmlNode{}
	add := func(tag, name string, more []xmlNode) {
		described = append(described, xmlNode{tag, append([]xmlNode{xmlLeaf("fullName", name)}, more...)})
	}
	updates, tasks := c.org.auto.stepsOf(o)
	for i := range updates {
		add("fieldUpdates", updates[i].Name, updates[i].updateNodes())
	}
	for _, r := range c.org.auto.rulesOf(o) {
		add("rules", r.Name, r.nodes())
	}
	for i := range tasks {
		add("tasks", tasks[i].Name, tasks[i].taskNodes())
	}
	return described
}

func (c *call) workflowRuleMetadata(fullName string) []xmlNode {
	o, name := c.objectAndPart(fullName)
	if o == nil {
		return nil
	}
	for _, r := range c.org.auto.rulesOf(o) {
		if r.Name == name {
			return r.nodes()
		}
	}
	return nil
}

func (r *workflowRule) nodes() []xmlNode {
	var described []xmlNode
	for _, s := range r.Steps {
		kind := "FieldUpdate"
		if s.Create != "" {
			kind = "Task"
		}
		described = append(described, xmlNode{"actions", []xmlNode{xmlLeaf("name", s.Name), xmlLeaf("type", kind)}})
	}
	described = append(described, xmlLeaf("active", true))
	if r.Description != "" {
		described = append(described, xmlLeaf("description", r.Description))
	}
	return append(described, xmlLeaf("formula", r.When), xmlLeaf("triggerType", r.Trigger))
}

func (c *call) fieldUpdateMetadata(fullName string) []xmlNode {
	o, name := c.objectAndPart(fullName)
	if o == nil {
		return nil
	}
	updates, _ := c.org.auto.stepsOf(o)
	if s := stepNamed(updates, name); s != nil {
		return s.updateNodes()
	}
	return nil
}

func (c *call) workflowTaskMetadata(fullName string) []xmlNode {
	o, name := c.objectAndPart(fullName)
	if o == nil {
		return nil
	}
	_, tasks := c.org.auto.stepsOf(o)
	if s := stepNamed(tasks, name); s != nil {
		return s.taskNodes()
	}
	return nil
}

func stepNamed(steps []automationStep, name string) *automationStep {
	for i := range steps {
		if steps[i].Name == name {
			return &steps[i]
		}
	}
	return nil
}

// constantOf is the value of an expression that is a constant.
func constantOf(expression string) (value string, constant bool) {
	if quoted := strings.TrimPrefix(expression, "'"); quoted != expression && strings.Count(expression, "'") == 2 && strings.HasSuffix(quoted, "'") {
		return strings.TrimSuffix(quoted, "'"), true
	}
	if expression == "TRUE" || expression == "FALSE" {
		return map[string]string{"TRUE": "1", "FALSE": "0"}[expression], true
	}
	_, err := strconv.ParseFloat(expression, 64)
	return expression, err == nil
}

func (s *automationStep) updateNodes() []xmlNode {
	v := s.Set[0]
	described := []xmlNode{xmlLeaf("field", v.field)}
	if value, constant := constantOf(v.expression); constant {
		described = append(described, xmlLeaf("literalValue", value), xmlLeaf("name", strings.ReplaceAll(s.Name, "_", " ")), xmlLeaf("notifyAssignee", false), xmlLeaf("operation", "Literal"))
	} else {
		described = append(described, xmlLeaf("formula", v.expression), xmlLeaf("name", strings.ReplaceAll(s.Name, "_", " ")), xmlLeaf("notifyAssignee", false), xmlLeaf("operation", "Formula"))
	}
	return append(described, xmlLeaf("protected", false), xmlLeaf("reevaluateOnChange", false))
}

func (s *automationStep) taskNodes() []xmlNode {
	described := []xmlNode{xmlLeaf("assignedToType", "owner"), xmlLeaf("notifyAssignee", false)}
	for _, v := range s.Set {
		if value, constant := constantOf(v.expression); constant {
			described = append(described, xmlLeaf(strings.ToLower(v.field), value))
		}
	}
	return append(described, xmlLeaf("protected", false))
}

// approvalMetadata describes an approval process, by a name such as Refund.Refund_Approval.
func (c *call) approvalMetadata(fullName string) []xmlNode {
	for _, p := range c.org.auto.Approvals {
		if p.Object+"."+p.Name == fullName {
			return p.nodes()
		}
	}
	return nil
}

func (p *approvalProcess) nodes() []xmlNode {
	described := []xmlNode{xmlLeaf("active", true), xmlLeaf("allowRecall", p.Recall), {"allowedSubmitters", []xmlNode{xmlLeaf("type", "allInternalUsers")}}}
	for _, level := range p.Levels {
		described = append(described, xmlNode{"approvalStep", level.nodes()})
	}
	if p.Description != "" {
		described = append(described, xmlLeaf("description", p.Description))
	}
	described = append(described, xmlLeaf("enableMobileDeviceAccess", false), xmlNode{"entryCriteria", []xmlNode{xmlLeaf("formula", p.When)}})
	described = append(described, actionNodes("finalApprovalActions", p.Approved)...)
	described = append(described, xmlLeaf("finalApprovalRecordLock", p.LockApproved))
	described = append(described, actionNodes("finalRejectionActions", p.Rejected)...)
	described = append(described, xmlLeaf("finalRejectionRecordLock", false))
	described = append(described, actionNodes("initialSubmissionActions", p.Submitted)...)
	described = append(described, xmlLeaf("label", p.Label))
	described = append(described, actionNodes("recallActions", p.Recalled)...)
	return append(described, xmlLeaf("recordEditability", p.Edit), xmlLeaf("showApprovalHistory", true))
}

func (l *approvalLevel) nodes() []xmlNode {
	var approvers []xmlNode
	for _, a := range l.Approvers {
		one := []xmlNode{xmlLeaf("type", a.Type)}
		if a.Name != "" {
			one = []xmlNode{xmlLeaf("name", a.Name), xmlLeaf("type", a.Type)}
		}
		approvers = append(approvers, xmlNode{"approver", one})
	}
	together := l.Together
	if together == "" {
		together = "FirstResponse"
	}
	described := []xmlNode{xmlLeaf("allowDelegate", false), {"assignedApprover", append(approvers, xmlLeaf("whenMultipleApprovers", together))}}
	if l.When != "" {
		described = append(described, xmlNode{"entryCriteria", []xmlNode{xmlLeaf("formula", l.When)}}, xmlLeaf("ifCriteriaNotMet", l.Otherwise))
	}
	described = append(described, xmlLeaf("label", l.Label), xmlLeaf("name", l.Name))
	if l.Rejection != "" {
		described = append(described, xmlNode{"rejectBehavior", []xmlNode{xmlLeaf("type", l.Rejection)}})
	}
	return described
}

func actionNodes(tag string, steps []automationStep) []xmlNode {
	if len(steps) == 0 {
		return nil
	}
	var actions []xmlNode
	for _, s := range steps {
		actions = append(actions, xmlNode{"action", []xmlNode{xmlLeaf("name", s.Name), xmlLeaf("type", "FieldUpdate")}})
	}
	return []xmlNode{{tag, actions}}
}

func (c *call) quickActionMetadata(fullName string) []xmlNode {
	for _, q := range c.org.auto.QuickActions {
		if q.Name == fullName {
			return q.nodes()
		}
	}
	return nil
}

func (q *quickAction) nodes() []xmlNode {
	var described []xmlNode
	for _, v := range q.Defaults {
		override := []xmlNode{xmlLeaf("field", v.field)}
		if value, constant := constantOf(v.expression); constant {
			override = append(override, xmlLeaf("literalValue", value))
		} else {
			override = append(override, xmlLeaf("formula", v.expression))
		}
		described = append(described, xmlNode{"fieldOverrides", override})
	}
	var items []xmlNode
	for _, item := range q.items() {
		behavior := "Edit"
		if item.required {
			behavior = "Required"
		}
		items = append(items, xmlNode{"quickActionLayoutItems", []xmlNode{xmlLeaf("emptySpace", false), xmlLeaf("field", item.name), xmlLeaf("uiBehavior", behavior)}})
	}
	described = append(described, xmlLeaf("label", q.Label), xmlLeaf("optionsCreateFeedItem", q.Type != "Update"),
		xmlNode{"quickActionLayout", []xmlNode{xmlLeaf("layoutSectionStyle", "TwoColumnsLeftToRight"), {"quickActionLayoutColumns", items}}}, xmlLeaf("targetObject", q.Target))
	if q.Parent != "" {
		described = append(described, xmlLeaf("targetParentField", q.Parent))
	}
	return append(described, xmlLeaf("type", q.Type))
}

// flowMetadata describes what callers of a flow need: its variables.
func (c *call) flowMetadata(fullName string) []xmlNode {
	for _, i := range c.org.auto.Actions {
		if i.Kind != "flow" || i.Name != fullName {
			continue
		}
		described := []xmlNode{}
		if i.Description != "" {
			described = append(described, xmlLeaf("description", i.Description))
		}
		described = append(described, xmlLeaf("label", i.Label), xmlLeaf("processType", "AutoLaunchedFlow"), xmlLeaf("status", "Active"))
		for _, p := range i.Inputs {
			described = append(described, p.variable(true))
		}
		for _, p := range i.Outputs {
			described = append(described, p.variable(false))
		}
		return described
	}
	return nil
}

func (p *actionParameter) variable(isInput bool) xmlNode {
	kind := map[string]string{"BOOLEAN": "Boolean", "NUMBER": "Number", "DATE": "Date"}[p.Type]
	if kind == "" {
		kind = "String"
	}
	return xmlNode{"variables", []xmlNode{xmlLeaf("name", p.Name), xmlLeaf("dataType", kind), xmlLeaf("isCollection", p.Many), xmlLeaf("isInput", isInput), xmlLeaf("isOutput", !isInput)}}
}
