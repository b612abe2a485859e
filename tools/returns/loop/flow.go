package loop

import "salesforce-mcp/tools/returns"

// Flow returns the steps of a return, whose subject is the id of the case.
func (l *Loop) Flow() returns.Flow {
	return returns.Flow{Kind: Kind,
		Steps: []returns.Step{
			{Name: "claim", Kind: returns.Keyed, Do: l.step((*turn).claim), Find: repeated, Undo: l.step((*turn).unclaim)},
			{Name: "evaluate", Do: l.step((*turn).evaluate)},
			{Name: "approval", Do: l.step((*turn).approve), Undo: l.step((*turn).release)},
			{Name: "refund", Kind: returns.Keyed, Pivot: true, Request: l.request((*turn).requestRefund), Do: l.step((*turn).pay), Find: l.find((*turn).findPaid)},
			{Name: "records", Kind: returns.Keyed, Request: l.request((*turn).requestRecords), Do: l.step((*turn).write), Find: l.find((*turn).findWritten)},
			{Name: "release", Do: l.step((*turn).release)},
			{Name: "document", Kind: returns.CheckThenDo, Request: l.request((*turn).requestDocument), Do: l.step((*turn).attach), Find: l.find((*turn).findAttached)},
			// An event that is told again has the same correlation id.
			{Name: "event", Kind: returns.Keyed, Request: l.request((*turn).requestEvent), Do: l.step((*turn).publish), Find: repeated},
		},
		Escalate: &returns.Step{Kind: returns.Keyed, Do: l.step((*turn).stuck), Find: repeated}, // the task is keyed
	}
}
