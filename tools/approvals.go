package tools

import (
	"context"
	"encoding/json"
	"time"
)

var approvalID = Param{Name: "approvalId", Type: "string", Form: Key, In: Local, Doc: "that a call was told when a person had to approve it"}

// ApprovalsTool is the tool with which an agent reads what became of its calls that
// a person has to approve. They are kept here, not in Salesforce; agents decide
// nothing. It is there for agents whose rule has something confirmed.
var ApprovalsTool = Tool{Name: "approvals", Doc: "Calls that a person has to approve.", Ops: []Op{
	{Action: "get", Instruction: "getApproval", Doc: "Show whether a call is approved.", Effect: Read, Touches: nothing, Needs: []Param{approvalID}, Own: getApproval},
	{Action: "list", Instruction: "listApprovalRequests", Doc: "List the latest 50: what waits, and what was decided.", Effect: Read, Touches: nothing, Own: listApprovals},
}}

// A request is an approval as the agent sees it that has asked for it. Who decided
// is not for it to know.
type request struct {
	ApprovalID  string     `json:"approvalId"`
	State       State      `json:"state"`
	Instruction string     `json:"instruction"`
	Run         string     `json:"runId,omitempty"`
	RequestedAt time.Time  `json:"requestedAt"`
	ExpiresAt   time.Time  `json:"expiresAt"`
	DecidedAt   *time.Time `json:"decidedAt,omitempty"`
	Note        string     `json:"note,omitempty"`
	Next        string     `json:"next,omitempty"`

	Arguments json.RawMessage `json:"arguments,omitempty"` // of one that is asked for by its ID
}

// goOn says how an agent goes on.
var goOn = map[State]string{
	Waiting:  "Wait: a person has not decided yet.",
	Approved: "Repeat the identical call before expiresAt.",
	Denied:   "Do not make the call.",
	Used:     "The call was made. To make it once more, repeat it to ask again.",
	Expired:  "Nobody decided, or the call was not made in time. Repeat it to ask again.",
}

// runGoesOn says the same of a run, which nobody calls again.
var runGoesOn = map[State]string{
	Waiting:  "Wait: a person has not decided yet. The run goes on by itself then; repeat nothing. See tool returns, action status.",
	Approved: "The run goes on by itself; repeat nothing. See tool returns, action status.",
	Denied:   "The run ends without it; repeat nothing. See tool returns, action status.",
	Expired:  "Nobody decides about it any more; repeat nothing. See tool returns, action status.",
}

func requestOf(a Approval) request {
	next := goOn
	if a.Run != "" {
		next = runGoesOn
	}
	return request{ApprovalID: a.ID, State: a.State, Instruction: a.Instruction, Run: a.Run, RequestedAt: a.Requested, ExpiresAt: a.Expires, DecidedAt: a.Decided, Note: a.Note, Next: next[a.State]}
}

// getApproval answers approvals.get. Another agent's approval is none.
func getApproval(ctx context.Context, c OwnCall) (any, error) {
	if c.Server.Approvals == nil {
		return nil, noApproval()
	}
	a, found, err := c.Server.Approvals.Approval(ctx, c.Caller.Workspace, c.string(approvalID))
	if err != nil {
		return nil, err
	}
	if !found || !a.of(c.Caller) {
		return nil, noApproval()
	}
	r := requestOf(a)
	r.Arguments = a.Arguments
	return r, nil
}

// listApprovals answers approvals.list.
func listApprovals(ctx context.Context, c OwnCall) (any, error) {
	list := []request{}
	if c.Server.Approvals != nil {
		kept, err := c.Server.Approvals.ListApprovals(ctx, ApprovalQuery{Workspace: c.Caller.Workspace, Of: &c.Caller})
		if err != nil {
			return nil, err
		}
		for _, a := range kept {
			list = append(list, requestOf(a))
		}
	}
	return map[string]any{"approvals": list}, nil
}
