package fakeorg

import "fmt"

// convertedStatus is the status of leads that are converted.
const convertedStatus = "Closed - Converted"

// processes are what automation.yaml defines, as far as it is records, managers for the approvals, the states of a
// lead, and a refund that waits for approval.
func (s *seeder) processes() {
	for _, p := range s.org.auto.Approvals {
		lock := map[string]string{"AdminOnly": "Admin", "AdminOrCurrentApprover": "Workitem"}[p.Edit]
		s.add("ProcessDefinition", 700, values{"Name": p.Label, "DeveloperName": p.Name, "Type": "Approval", "Description": p.Description,
			"TableEnumOrId": p.Object, "LockType": lock, "State": "Active"})
		for _, level := range p.Levels {
			s.add("ProcessNode", 700, values{"Name": level.Label, "DeveloperName": level.Name, "ProcessDefinitionId": p.id})
		}
	}
	status := s.org.schema.Object("Lead").Field("Status")
	for i, value := range status.Values {
		s.add("LeadStatus", 900, values{"MasterLabel": value, "ApiName": value, "SortOrder": i + 1, "IsDefault": fmt.Sprint(value == status.Default),
			"IsConverted": fmt.Sprint(value == convertedStatus)})
	}
	for i, manager := range map[int]int{0: 1, 2: 5, 3: 1, 4: 1, 5: 1} { // by the order of people
		if s.err == nil {
			_, s.err = s.db.ExecContext(s.Context(), `UPDATE User SET ManagerId = ? WHERE Id = ?`, s.users[manager], s.users[i])
		}
	}
	refund := s.add("Refund", 1, values{"AccountId": s.accounts[3], "Amount": 640, "Type": "NonReferenced", "Status": "Draft", "ProcessingMode": "External",
		"Comments": "Goodwill for three saws that came back twice"})
	if s.err == nil {
		_, s.err = s.submit(approvalRequest{ContextID: refund, ContextActorID: s.users[2], Comments: "The customer has waited long enough."})
	}
}
