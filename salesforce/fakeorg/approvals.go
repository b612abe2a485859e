package fakeorg

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// approvalProcess is the definition of an approval process.
type approvalProcess struct {
	Name, Label, Object, Description, When string
	Edit                                   string // AdminOnly or AdminOrCurrentApprover
	Recall                                 bool   // the submitter may take a request back
	LockApproved                           bool   `yaml:"lockApproved"`
	Submitted, Approved, Rejected          []automationStep
	Recalled                               []automationStep
	Levels                                 []*approvalLevel

	id    string
	order int // among the processes of the object
}

// approvalLevel is a step of a process: who has to approve before the next one.
type approvalLevel struct {
	Name, Label, When string
	Otherwise         string // when the condition does not hold: GotoNextStep, ApproveRecord or RejectRecord
	Together          string // FirstResponse, which is usual, or Unanimous
	Rejection         string // RejectRequest, which is usual, or BackToPrevious
	Approvers         []approver

	id string
}

// approver is a user of that name, the submitter's manager, the user in a field, or whom somebody chooses.
type approver struct{ Type, Name string }

// approval returns the process with an id, or nil.
func (a *automation) approval(id string) *approvalProcess {
	for _, p := range a.Approvals {
		if p.id == id {
			return p
		}
	}
	return nil
}

// listApprovals is GET /process/approvals: the processes there are, not what waits for approval.
func listApprovals(c *call) (*answer, error) {
	byObject := object{}
	for _, o := range c.schema().Objects {
		var processes []object
		for _, p := range c.org.auto.Approvals {
			if p.Object == o.Name {
				processes = append(processes, object{{"description", orNull(p.Description)}, {"id", p.id[:15]}, {"name", p.Label},
					{"object", p.Object}, {"sortOrder", p.order}})
			}
		}
		if processes != nil {
			byObject = append(byObject, member{o.Name, processes})
		}
	}
	return ok(object{{"approvals", byObject}})
}

// approvalRequest is one of the requests of a POST.
type approvalRequest struct {
	ActionType                string   `json:"actionType"`
	ContextID                 string   `json:"contextId"`
	ContextActorID            string   `json:"contextActorId"`
	Comments                  string   `json:"comments"`
	NextApproverIDs           []string `json:"nextApproverIds"`
	ProcessDefinitionNameOrID string   `json:"processDefinitionNameOrId"`
	SkipEntryCriteria         any      `json:"skipEntryCriteria"` // true or "true"
}

// processApprovals is POST /process/approvals. Requests that succeed are kept when others fail. The answer is 400
// when one fails: clients are written for that; the platform's guide does not say.
func processApprovals(c *call) (*answer, error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	var body struct {
		Requests []approvalRequest `json:"requests"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, unreadable(text, err)
	}
	if err := checkCount(len(body.Requests), collectionLimit); err != nil {
		return nil, err
	}
	status, results := http.StatusOK, []object{}
	for _, r := range body.Requests {
		var a *approval
		err := c.within(func() (err error) {
			a, err = c.processApproval(r)
			return err
		})
		if err != nil {
			status, results = http.StatusBadRequest, append(results, approvalFailed(err))
			continue
		}
		results = append(results, a.result())
	}
	return &answer{status: status, body: results}, nil
}

func (c *call) processApproval(r approvalRequest) (*approval, error) {
	switch strings.ToLower(r.ActionType) {
	case "submit":
		return c.submit(r)
	case "approve":
		return c.decide(r, "Approved")
	case "reject":
		return c.decide(r, "Rejected")
	case "removed":
		return c.recall(r)
	}
	return nil, invalid("INVALID_ARGUMENT", "actionType must be Submit, Approve, Reject or Removed, not "+r.ActionType)
}

// result has the members of the guide's examples. There are no actors when nobody is asked any more.
func (a *approval) result() object {
	var actors any
	if len(a.actors) > 0 {
		actors = a.actors
	}
	return object{{"actorIds", actors}, {"entityId", a.record}, {"errors", nil}, {"instanceId", a.instance},
		{"instanceStatus", a.status}, {"newWorkitemIds", append([]string{}, a.items...)}, {"success", true}}
}

func approvalFailed(err error) object {
	return object{{"actorIds", nil}, {"entityId", nil}, {"errors", errorsOf(err)}, {"instanceId", nil}, {"instanceStatus", nil},
		{"newWorkitemIds", nil}, {"success", false}}
}

// errorsOf lists an error as results do, with a statusCode.
func errorsOf(err error) []object {
	f := asFault(err)
	return []object{{{"statusCode", f.code}, {"message", f.message}, {"fields", append([]string{}, f.fields...)}}}
}
