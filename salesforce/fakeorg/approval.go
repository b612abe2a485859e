package fakeorg

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// approval is a record on its way through an approval process.
type approval struct {
	*call
	process   *approvalProcess
	object    *Object
	record    string // its id
	instance  string
	submitter string
	chosen    []string // whom the request names as next approver
	status    string
	actors    []string // who is asked now
	items     []string // the work items that were made
}

// submit starts an approval process on a record.
func (c *call) submit(r approvalRequest) (*approval, error) {
	id, err := rowID(r.ContextID)
	if err != nil {
		return nil, err
	}
	o := c.org.schema.ObjectOf(id)
	if o == nil {
		return nil, invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	if c.schema().Object(o.Name) == nil {
		return nil, noReference(id)
	}
	if err := c.mustExist(o, id); err != nil {
		return nil, err
	}
	pending, err := c.firstText(`SELECT Id FROM ProcessInstance WHERE TargetObjectId = ? AND Status = 'Pending' AND NOT IsDeleted`, id)
	if err != nil {
		return nil, err
	}
	if pending != "" {
		return nil, invalid("ALREADY_IN_PROCESS", "Cannot submit object already in process.")
	}
	a := &approval{call: c, object: o, record: id, submitter: c.user.id, chosen: r.NextApproverIDs, status: "Pending"}
	if a.process, err = a.applicable(r); err != nil {
		return nil, err
	}
	if r.ContextActorID != "" {
		if a.submitter, err = c.activeUser(r.ContextActorID); err != nil {
			return nil, err
		}
	}
	return a, a.start(r.Comments)
}

// applicable is the first process of the object, or the one that is named, whose entry criteria the record meets.
func (a *approval) applicable(r approvalRequest) (*approvalProcess, error) {
	named := r.ProcessDefinitionNameOrID
	for _, p := range a.org.auto.Approvals {
		id, _ := parseID(named)
		if p.Object != a.object.Name || named != "" && !strings.EqualFold(named, p.Name) && id != p.id {
			continue
		}
		if named != "" && strings.EqualFold(fmt.Sprint(r.SkipEntryCriteria), "true") {
			return p, nil
		}
		fits, err := a.automate(a.object, a.record).holds(p.When)
		if err != nil || fits {
			return p, err
		}
	}
	return nil, invalid("NO_APPLICABLE_PROCESS", "No applicable approval process was found.")
}

func (a *approval) start(comments string) (err error) {
	a.instance, err = a.putRecord("ProcessInstance", values{"ProcessDefinitionId": a.process.id, "TargetObjectId": a.record, "Status": "Pending", "SubmittedById": a.submitter})
	if err != nil {
		return err
	}
	if err := a.note("Started", a.submitter, a.submitter, comments, nil); err != nil {
		return err
	}
	if err := a.automate(a.object, a.record).steps(a.process.Submitted); err != nil {
		return err
	}
	return a.enter(0)
}

// note writes down that somebody did something.
func (a *approval) note(status, asked, actor, comments string, node any) error {
	if err := a.org.schema.Object("ProcessInstanceStep").Field("Comments").check(comments); err != nil {
		return err
	}
	_, err := a.putRecord("ProcessInstanceStep", values{"ProcessInstanceId": a.instance, "StepStatus": status, "OriginalActorId": asked, "ActorId": actor,
		"Comments": comments, "StepNodeId": node})
	return err
}

// enter asks for approval at the first level, from that number on, whose condition holds. After the last one the
// record is approved.
func (a *approval) enter(number int) error {
	for _, level := range a.process.Levels[min(number, len(a.process.Levels)):] {
		fits, err := a.automate(a.object, a.record).holds(level.When)
		switch {
		case err != nil:
			return err
		case fits:
			return a.ask(level)
		case level.Otherwise == "ApproveRecord":
			return a.finish("Approved")
		case level.Otherwise == "RejectRecord":
			return a.finish("Rejected")
		}
	}
	return a.finish("Approved")
}

// ask makes a work item for each approver of a level.
func (a *approval) ask(level *approvalLevel) error {
	_, err := a.putRecord("ProcessInstanceNode", values{"ProcessInstanceId": a.instance, "ProcessNodeId": level.id, "ProcessNodeName": level.Label, "NodeStatus": "Pending"})
	if err != nil {
		return err
	}
	for _, who := range level.Approvers {
		user, err := a.userOf(who)
		if err != nil {
			return err
		}
		item, err := a.putRecord("ProcessInstanceWorkitem", values{"ProcessInstanceId": a.instance, "OriginalActorId": user, "ActorId": user})
		if err != nil {
			return err
		}
		a.actors, a.items = append(a.actors, user), append(a.items, item)
	}
	return nil
}

// userOf returns the id of the user that an approver is.
func (a *approval) userOf(who approver) (string, error) {
	switch who.Type {
	case "user":
		u, err := a.org.findUser(a.Context(), a.db, who.Name)
		return u.id, err
	case "userHierarchyField":
		manager, err := a.firstText(`SELECT coalesce(ManagerId, '') FROM User WHERE Id = ?`, a.submitter)
		if err == nil && manager == "" {
			err = invalid("MANAGER_NOT_DEFINED", "The manager of the submitter is not defined")
		}
		return manager, err
	case "relatedUserField":
		user, err := a.firstText(fmt.Sprintf(`SELECT coalesce(%q, '') FROM %q WHERE Id = ?`, who.Name, a.object.Name), a.record)
		if err == nil && user == "" {
			err = invalid("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+who.Name+"]", who.Name)
		}
		return user, err
	}
	if len(a.chosen) != 1 { // the platform says so for several too
		return "", invalid("REQUIRED_FIELD_MISSING", "missing required field: [nextApproverIds]", "nextApproverIds")
	}
	return a.activeUser(a.chosen[0])
}

// activeUser returns the full id of a user who can be asked.
func (c *call) activeUser(given string) (string, error) {
	id, err := rowID(given)
	if err != nil {
		return "", err
	}
	found, err := c.firstText(`SELECT Id FROM User WHERE Id = ? AND IsActive AND NOT IsDeleted`, id)
	if err == nil && found == "" {
		err = invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return found, err
}

// finish ends the process.
func (a *approval) finish(status string) error {
	a.status, a.actors, a.items = status, nil, nil
	err := a.setFields("ProcessInstance", a.instance, values{"Status": status, "CompletedDate": a.now().Format(storedTime), "LastActorId": a.user.id})
	if err != nil {
		return err
	}
	steps := map[string][]automationStep{"Approved": a.process.Approved, "Rejected": a.process.Rejected, "Removed": a.process.Recalled}[status]
	return a.automate(a.object, a.record).steps(steps)
}

// workItem is a pending request to approve.
type workItem struct {
	id, asked    string
	node, nodeID string // the level it belongs to: its row, and the id of its definition
}

// pending finds a work item and the approval it belongs to.
func (c *call) pending(given string) (*workItem, *approval, error) {
	id, err := rowID(given)
	if err != nil {
		return nil, nil, err
	}
	w, a := &workItem{id: id}, &approval{call: c, status: "Pending"}
	var definition string
	err = c.db.QueryRowContext(c.Context(), `SELECT w.ActorId, i.Id, i.TargetObjectId, i.SubmittedById, i.ProcessDefinitionId, n.Id, n.ProcessNodeId
		FROM ProcessInstanceWorkitem AS w JOIN ProcessInstance AS i ON i.Id = w.ProcessInstanceId
		JOIN ProcessInstanceNode AS n ON n.ProcessInstanceId = i.Id AND n.NodeStatus = 'Pending'
		WHERE w.Id = ? AND NOT i.IsDeleted`, id).Scan(&w.asked, &a.instance, &a.record, &a.submitter, &definition, &w.node, &w.nodeID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	a.process, a.object = c.org.auto.approval(definition), c.org.schema.ObjectOf(a.record)
	return w, a, err
}

// decide approves or rejects what a work item asks for. An administrator may do it for the one who is asked.
func (c *call) decide(r approvalRequest, status string) (*approval, error) {
	w, a, err := c.pending(r.ContextID)
	if err != nil {
		return nil, err
	}
	if err := c.mayAct(w.asked); err != nil {
		return nil, err
	}
	a.chosen = r.NextApproverIDs
	if err := a.answerItem(w, status, r.Comments); err != nil {
		return nil, err
	}
	number := slices.IndexFunc(a.process.Levels, func(l *approvalLevel) bool { return l.id == w.nodeID })
	level := a.process.Levels[number]
	if status == "Approved" && level.Together == "Unanimous" {
		if a.actors, err = a.asked(); err != nil || len(a.actors) > 0 {
			return a, err // the others have to approve as well
		}
	}
	if err := a.leave(w, status); err != nil {
		return nil, err
	}
	switch {
	case status == "Approved":
		return a, a.enter(number + 1)
	case level.Rejection == "BackToPrevious" && number > 0:
		return a, a.enter(number - 1)
	}
	return a, a.finish("Rejected")
}

// mayAct refuses to act for another, unless it is an administrator who acts.
func (c *call) mayAct(user string) error {
	if user == c.user.id {
		return nil
	}
	admin, err := c.isAdmin()
	if err != nil || admin {
		return err
	}
	return invalid("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id")
}

// answerItem makes a step of a work item.
func (a *approval) answerItem(w *workItem, status, comments string) error {
	if _, err := a.db.ExecContext(a.Context(), `DELETE FROM ProcessInstanceWorkitem WHERE Id = ?`, w.id); err != nil {
		return err
	}
	return a.note(status, w.asked, a.user.id, comments, w.nodeID)
}

// asked lists whose answers are missing.
func (a *approval) asked() ([]string, error) {
	rows, err := a.rows(`SELECT ActorId FROM ProcessInstanceWorkitem WHERE ProcessInstanceId = ? ORDER BY Id`, []any{a.instance})
	users := make([]string, len(rows))
	for i, row := range rows {
		users[i], _ = row[0].(string)
	}
	return users, err
}

// leave ends a level: those who have not answered need not any more.
func (a *approval) leave(w *workItem, status string) error {
	waiting, err := a.asked()
	if err != nil {
		return err
	}
	for _, user := range waiting {
		if err := a.note("NoResponse", user, user, "", w.nodeID); err != nil {
			return err
		}
	}
	if _, err := a.db.ExecContext(a.Context(), `DELETE FROM ProcessInstanceWorkitem WHERE ProcessInstanceId = ?`, a.instance); err != nil {
		return err
	}
	a.actors = nil
	return a.setFields("ProcessInstanceNode", w.node, values{"NodeStatus": status, "CompletedDate": a.now().Format(storedTime), "LastActorId": a.user.id})
}

// recall takes a request back: the submitter may if the process says so, an administrator always.
func (c *call) recall(r approvalRequest) (*approval, error) {
	w, a, err := c.pending(r.ContextID)
	if err != nil {
		return nil, err
	}
	allowed := a.submitter
	if !a.process.Recall {
		allowed = ""
	}
	if err := c.mayAct(allowed); err != nil {
		return nil, err
	}
	if err := a.answerItem(w, "Removed", r.Comments); err != nil {
		return nil, err
	}
	if err := a.leave(w, "Removed"); err != nil {
		return nil, err
	}
	return a, a.finish("Removed")
}

// firstText returns the first column of the first row, which is a text, or "".
func (c *call) firstText(query string, args ...any) (text string, err error) {
	err = c.db.QueryRowContext(c.Context(), query, args...).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return text, err
}
