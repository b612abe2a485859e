package fakeorg_test

import (
	"fmt"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// leaf writes a record of a tree; more are further members, each with a comma before it.
func leaf(object, id, name string, more ...string) string {
	return fmt.Sprintf(`{"attributes":{"type":%q,"referenceId":%q},%q:"x"%s}`, object, id, name, strings.Join(more, ""))
}

// below writes the children of a record in one relationship.
func below(relationship string, records ...string) string {
	return fmt.Sprintf(`,%q:{"records":[%s]}`, relationship, strings.Join(records, ","))
}

func (s *server) tree(object string, records ...string) reply {
	return s.do("POST", "/composite/tree/"+object, `{"records":[`+strings.Join(records, ",")+`]}`)
}

func TestTree(t *testing.T) {
	s := start(t, fakeorg.Options{})
	before := s.count()
	account := func(id string, more ...string) string { return leaf("Account", id, "Name", more...) }
	contact := func(id string, more ...string) string { return leaf("Contact", id, "LastName", more...) }
	task := func(id string) string { return leaf("Task", id, "Subject") }
	chain := account("1", below("ChildAccounts", account("2", below("childaccounts", account("3", below("ChildAccounts", account("4", below("ChildAccounts", account("5")))))))))
	errors := func(results ...string) string {
		return `{"hasErrors":true,"results":[` + strings.Join(results, ",") + `]}`
	}
	refused := func(id, code, message, fields string) string {
		return fmt.Sprintf(`{"referenceId":%q,"errors":[{"statusCode":%q,"message":%q,"fields":[%s]}]}`, id, code, message, fields)
	}
	for name, test := range map[string]struct {
		object, records, want string
		status                int
	}{
		"no object":       {"Nothing", account("a"), "NOT_FOUND", 404},
		"no records":      {"Account", "", "REQUIRED_FIELD_MISSING", 400},
		"no reference id": {"Account", account(""), `[{"message":"Include a reference ID for each record in the request.","errorCode":"INVALID_INPUT"}]`, 403},
		"no type":         {"Account", `{"attributes":{"referenceId":"a"},"Name":"x"}`, errors(refused("a", "INVALID_INPUT", "Include an entity type for each record in the request.", "")), 400},
		"another type":    {"Account", contact("a"), errors(refused("a", "INVALID_INPUT", "The record is a Contact, but a Account belongs here.", "")), 400},
		"another child":   {"Account", account("a", below("Contacts", task("b"))), errors(refused("b", "INVALID_INPUT", "The record is a Task, but a Contact belongs here.", "")), 400},
		"an id twice": {"Account", account("a", below("Contacts", contact("a"))), errors(`{"referenceId":"a","errors":[{"statusCode":"INVALID_INPUT","message":"Duplicate ReferenceId provided in the request.","fields":[]},` +
			`{"statusCode":"PROCESSING_HALTED","message":"Duplicate ReferenceId found: a","fields":[]}]}`), 400},
		"no relationship": {"Account", account("a", below("Nobody", contact("b"))), errors(refused("a", "INVALID_FIELD", "No such column 'Nobody' on sobject of type Account", "")), 400},
		"an error below": {"Account", account("a", below("Contacts", contact("b", `,"Email":"123"`), contact("c"), contact("d", `,"Phone":1`))) + "," + account("e"),
			errors(refused("b", "INVALID_EMAIL_ADDRESS", "Email: invalid email address: 123", `"Email"`),
				refused("d", "JSON_PARSER_ERROR", "Cannot deserialize instance of string from VALUE_NUMBER_INT value 1 or request may be missing a required field at [line:1, column:76]", "")), 400},
		"an error above": {"Account", account("a", `,"Rating":7`, below("Contacts", contact("b", `,"Email":"123"`))),
			errors(refused("a", "JSON_PARSER_ERROR", "Cannot deserialize instance of string from VALUE_NUMBER_INT value 7 or request may be missing a required field at [line:1, column:73]", "")), 400},
		"a parent twice": {"Account", account("a", below("Contacts", contact("b", `,"AccountId":"x"`))), errors(refused("b", "INVALID_FIELD", "Duplicate field specified: AccountId", "")), 400},
		"201 records":    {"Account", account("a", below("Contacts", strings.Join(numbered(200, contact), ","))), "EXCEEDED_ID_LIMIT", 400},
		"six levels":     {"Account", account("0", below("ChildAccounts", chain)), "LIMIT_EXCEEDED", 400},
		"six types": {"Account", account("a", below("Contacts", contact("b")), below("Opportunities", leaf("Opportunity", "c", "Name")), below("Cases", leaf("Case", "d", "Subject")),
			below("Orders", leaf("Order", "e", "Status")), below("Tasks", task("f"))), "LIMIT_EXCEEDED", 400},
		"no list":      {"Account", account("a", `,"Contacts":{"records":1}`), "JSON_PARSER_ERROR", 400},
		"no object at": {"Account", `1`, "JSON_PARSER_ERROR", 400},
	} {
		t.Run(name, func(t *testing.T) { s.tree(test.object, test.records).wants(t, test.status, test.want) })
	}
	if after := s.count(); after != before {
		t.Errorf("records were created: %s", after)
	}

	s.tree("account", account("ref1", below("contacts", contact("ref2", below("Tasks", task("ref5"))), contact("ref3"))), account("ref4")).wants(t, 201, `{"hasErrors":false,"results":[{"referenceId":"ref1","id":"001Sm`)
	r := s.tree("Account", account("ref1", below("Contacts", contact("ref2"), contact("ref3"))), account("ref4"))
	var order []string
	for _, part := range strings.Split(r.body, `"referenceId":"`)[1:] {
		order = append(order, part[:4])
	}
	if got := strings.Join(order, " "); got != "ref1 ref4 ref2 ref3" {
		t.Errorf("the order is %s", got)
	}
	at := strings.Index(r.body, `"ref2","id":"`) + len(`"ref2","id":"`)
	if parent := s.get("Contact", r.body[at:at+18], "AccountId"); parent == nil || !strings.Contains(r.body, `{"referenceId":"ref1","id":"`+parent.(string)) {
		t.Errorf("the contact belongs to %v: %s", parent, r.body)
	}
	s.tree("Account", chain).wants(t, 201, `"referenceId":"5"`)
	s.tree("Account", numbered(200, account)...).wants(t, 201, `"referenceId":"199"`)
}

// numbered makes n records.
func numbered(n int, record func(string, ...string) string) (all []string) {
	for i := range n {
		all = append(all, record(fmt.Sprint(i)))
	}
	return all
}
