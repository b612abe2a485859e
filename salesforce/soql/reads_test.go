package soql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce/soql"
)

// objects are a few described sObjects: fields with what they refer to ("AccountId>Account", several with a bar), the
// compound they are a part of ("MailingCity<MailingAddress"), their type ("Email:email"), ! for what names a record; then
// child relationships ("Contacts=Contact.AccountId").
var objects = map[string]string{
	"Account": "Id Name! Type Industry Amount:currency CurrencyIsoCode ParentId>Account OwnerId>User Site:location Lat<Site Lon<Site " +
		"Contacts=Contact.AccountId Cases=Case.AccountId Tasks=Task.WhatId",
	"Contact": "Id Name! FirstName<Name LastName<Name Email:email Phone:phone AccountId>Account ReportsToId>Contact OwnerId>User " +
		"MailingAddress:address MailingCity<MailingAddress CreatedDate Tasks=Task.WhoId",
	"Case":         "Id CaseNumber! Subject Status OwnerId>Group|User ContactId>Contact AccountId>Account ParentId>Case",
	"Task":         "Id Subject! WhatId>Account|Case|Secret__c WhoId>Contact|Lead OwnerId>Group|User",
	"Lead":         "Id Name! FirstName<Name Company Email:email Phone:phone",
	"User":         "Id Name! Username Email:email ManagerId>User ProfileId>Profile",
	"Group":        "Id Name! Type Email:email",
	"Profile":      "Id Name!",
	"Line_Item__c": "Id Name! Merchandise__c>Account",
}

func describe(name string) (*soql.SObject, error) {
	for object, text := range objects {
		if !strings.EqualFold(object, name) {
			continue
		}
		o := &soql.SObject{Name: object}
		for _, word := range strings.Fields(text) {
			if relationship, child, ok := strings.Cut(word, "="); ok {
				from, field, _ := strings.Cut(child, ".")
				o.ChildRelationships = append(o.ChildRelationships, soql.ChildRelationship{ChildSObject: from, Field: field, RelationshipName: relationship})
				continue
			}
			f := soql.Field{Name: word}
			if name, to, ok := strings.Cut(word, ">"); ok {
				f.Name, f.Type, f.ReferenceTo = name, "reference", strings.Split(to, "|")
				f.RelationshipName = strings.TrimSuffix(strings.Replace(name, "__c", "__r", 1), "Id")
			}
			if name, whole, ok := strings.Cut(word, "<"); ok {
				f.Name, f.CompoundFieldName = name, whole
			}
			if name, typ, ok := strings.Cut(word, ":"); ok {
				f.Name, f.Type = name, typ
			}
			if name, ok := strings.CutSuffix(word, "!"); ok {
				f.Name, f.NameField, f.CompoundFieldName = name, true, name
			}
			o.Fields = append(o.Fields, f)
		}
		return o, nil
	}
	return nil, fmt.Errorf("%s: %w", name, soql.ErrNoSObject)
}

// show writes reads as "Contact.Name select", a part of a compound field as "Contact.MailingCity<MailingAddress select".
func show(reads []soql.Read) []string {
	var lines []string
	for _, r := range reads {
		line := r.SObject + "." + r.Field
		if r.Compound != "" {
			line += "<" + r.Compound
		}
		lines = append(lines, line+" "+r.Use.String())
	}
	return lines
}

func split(list string) []string {
	var lines []string
	for line := range strings.SplitSeq(list, ",") {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func TestReads(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"SELECT Id, name FROM CONTACT", "Contact. select, Contact.Id select, Contact.Name select, Contact.FirstName<Name select, Contact.LastName<Name select"},
		{"SELECT COUNT() FROM Case", "Case. select"},
		{"SELECT FIELDS(ALL) FROM Case LIMIT 5", "Case. select, Case.* select"},
		{"SELECT MailingAddress FROM Contact", "Contact. select, Contact.MailingAddress select, Contact.MailingCity<MailingAddress select"},
		{"SELECT MailingCity FROM Contact", "Contact. select, Contact.MailingCity<MailingAddress select"},
		// Paths.
		{"SELECT Account.Parent.Industry FROM Case WHERE contact.EMAIL = 'x' ORDER BY Parent.Subject",
			"Case. select, Case.AccountId filter, Account. select, Account.ParentId filter, Account.Industry select, " +
				"Case.ContactId filter, Contact. filter, Contact.Email filter, Case.ParentId filter, Case. sort, Case.Subject sort"},
		{"SELECT Account.Id FROM Case", "Case. select, Case.AccountId filter, Account. select, Case.AccountId select, Account.Id select"},
		{"SELECT Merchandise__r.Industry FROM Line_Item__c", "Line_Item__c. select, Line_Item__c.Merchandise__c filter, Account. select, Account.Industry select"},
		// Aliases.
		{"SELECT c.Email, a.Industry FROM Contact c, c.Account a, a.Parent p WHERE p.Type = 'x'",
			"Contact. select, Contact.AccountId filter, Account. select, Account.ParentId filter, Contact.Email select, Account.Industry select, " +
				"Account. filter, Account.Type filter"},
		{"SELECT Contact.Email FROM Contact", "Contact. select, Contact.Email select"},
		{"SELECT Account.Email FROM Contact Account", "Contact. select, Contact.Email select"},
		{"SELECT Owner.Email FROM Contact Owner", "Contact. select, Contact.OwnerId filter, User. select, User.Email select, Contact.Email select"},
		{"SELECT Id FROM Contact Email WHERE Email = 'x'", "Contact. select, Contact.Id select, Contact.Email filter"},
		{"SELECT Id, (SELECT Id FROM a.Contacts WHERE a.Industry = 'x') FROM Account a",
			"Account. select, Account.Id select, Contact.AccountId filter, Contact. select, Contact.Id select, Account.Industry filter"},
		// Child queries and semi-joins.
		{"SELECT (SELECT Subject FROM Cases WHERE Status = 'x' ORDER BY CaseNumber) FROM Account",
			"Account. select, Case.AccountId filter, Case. select, Case.Subject select, Case.Status filter, Case.CaseNumber sort"},
		{"SELECT (SELECT Subject FROM Account.Cases) FROM Account", "Account. select, Case.AccountId filter, Case. select, Case.Subject select"},
		{"SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact WHERE Email LIKE 'a%')",
			"Account. select, Account.Id select, Account.Id filter, Contact. filter, Contact.AccountId filter, Contact.Email filter"},
		{"SELECT Id FROM Account WHERE NOT (Type = 'x' OR (Industry = 'y' AND Id IN (SELECT AccountId FROM Case)))",
			"Account. select, Account.Id select, Account.Type filter, Account.Industry filter, Account.Id filter, Case. filter, Case.AccountId filter"},
		// References to several sObjects.
		{"SELECT Owner.Name FROM Case", "Case. select, Case.OwnerId filter, Group. select, User. select, Group.Name select, User.Name select"},
		{"SELECT Owner.Username FROM Case", "Case. select, Case.OwnerId filter, Group. select, User. select, User.Username select"},
		{"SELECT Owner.Profile.Name FROM Case", "Case. select, Case.OwnerId filter, Group. select, User. select, User.ProfileId filter, Profile. select, Profile.Name select"},
		{"SELECT Id FROM Task WHERE What.Name = 'x'", "Task. select, Task.Id select, Task.WhatId filter, Account. filter, Case. filter, Secret__c. filter, " +
			"Account.Name filter, Case.CaseNumber filter, Secret__c.* filter"},
		{"SELECT What.Type FROM Task ORDER BY Who.Id", "Task. select, Task.WhatId filter, Account. select, Case. select, Secret__c. select, Task.WhatId select, " +
			"Task.WhoId filter, Contact. sort, Lead. sort, Task.WhoId sort"},
		{"SELECT TYPEOF Who WHEN Lead THEN Company, Email ELSE Phone END FROM Task",
			"Task. select, Task.WhoId filter, Contact. select, Lead. select, Task.WhoId select, Lead.Company select, Lead.Email select, Contact.Phone select, Lead.Phone select"},
		{"SELECT TYPEOF t.What WHEN case THEN Subject, Owner.Email END FROM Task t",
			"Task. select, Task.WhatId filter, Account. select, Case. select, Secret__c. select, Task.WhatId select, Case.Subject select, " +
				"Case.OwnerId filter, Group. select, User. select, Group.Email select, User.Email select"},
		// Functions, groups and results by their alias.
		{"SELECT Type, SUM(Amount) s FROM Account GROUP BY ROLLUP(Type) HAVING MAX(CALENDAR_YEAR(convertTimezone(Industry))) > 1 ORDER BY s",
			"Account. select, Account.Type select, Account.Amount select, Account.Industry filter, Account.Type group, Account.Amount sort"},
		{"SELECT COUNT(Owner.Name) Type FROM Account GROUP BY Industry ORDER BY Type, GROUPING(Industry)",
			"Account. select, Account.OwnerId filter, User. select, User.Name select, Account.Industry group, User. sort, User.Name sort, Account.Type sort, Account.Industry sort"},
		{"SELECT FORMAT(convertCurrency(Amount)), toLabel(Type) FROM Account WHERE Amount IN (USD5)",
			"Account. select, Account.Amount select, Account.CurrencyIsoCode select, Account.Type select, Account.Amount filter, Account.CurrencyIsoCode filter"},
		{"SELECT Id FROM Account WHERE DISTANCE(Site, GEOLOCATION(1, 2), 'km') < 3",
			"Account. select, Account.Id select, Account.Site filter, Account.Lat<Site filter, Account.Lon<Site filter"},
		// Conditions that name no field.
		{"SELECT Id FROM Contact USING SCOPE Mine", "Contact. select, Contact.Id select, Contact.OwnerId filter"},
		{"SELECT Id FROM Lead USING SCOPE mine", "Lead. select, Lead.Id select, Lead.* filter"},
		{"SELECT Id FROM Contact USING SCOPE team", "Contact. select, Contact.Id select, Contact.* filter"},
		{"SELECT Id FROM Contact USING SCOPE EVERYTHING WITH USER_MODE", "Contact. select, Contact.Id select"},
		{"SELECT Id FROM Contact WITH DATA CATEGORY g AT x", "Contact. select, Contact.Id select, Contact.* filter"},
	} {
		q, err := soql.Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		reads, err := q.Reads(describe)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(split(c.want), show(reads)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestSearchReads(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"FIND {x}", "*. select, *.* filter"},
		{"FIND {x} WITH SNIPPET", "*. select, *.* filter, *.* select"},
		{"FIND {x} RETURNING lead", "Lead.* filter, Lead. select"},
		{"FIND {x} IN EMAIL FIELDS RETURNING Contact(Account.Industry WHERE Phone = '1' ORDER BY CreatedDate), Lead(Company)",
			"Contact.Email filter, Contact. select, Contact.AccountId filter, Account. select, Account.Industry select, Contact.Phone filter, " +
				"Contact.CreatedDate sort, Lead.Email filter, Lead. select, Lead.Company select"},
		{"FIND {x} IN PHONE FIELDS RETURNING Lead", "Lead.Phone filter, Lead. select"},
		{"FIND {x} IN NAME FIELDS RETURNING Lead", "Lead.* filter, Lead. select"},
		{"FIND {x} IN PHONE FIELDS RETURNING Lead(Id USING LISTVIEW=Mine) WITH HIGHLIGHT", "Lead.Phone filter, Lead.* filter, Lead. select, Lead.Id select"},
		{"FIND {x} IN PHONE FIELDS RETURNING Lead WITH DIVISION = 'a' WITH SNIPPET (TARGET_LENGTH = 120)", "Lead.Phone filter, Lead.* filter, Lead.* select, Lead. select"},
	} {
		s, err := soql.ParseSearch(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		reads, err := s.Reads(describe)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(split(c.want), show(reads)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

// Where each read stands in the text.
func TestReadsHavePositions(t *testing.T) {
	text := "SELECT Owner.Email FROM Contact USING SCOPE mine WHERE Account.Industry = 'x' AND Id IN (SELECT ContactId FROM Case)"
	q, err := soql.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	reads, err := q.Reads(describe)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range reads {
		word, _, _ := strings.Cut(text[r.At:], " ")
		got = append(got, r.SObject+"."+r.Field+" "+word)
	}
	want := split("Contact. Contact, Contact.OwnerId Owner.Email, User. Owner.Email, User.Email Email, Contact.AccountId Account.Industry, " +
		"Account. Account.Industry, Account.Industry Industry, Contact.Id Id, Case. Case), Case.ContactId ContactId")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What leads nowhere is an error that says where it stands.
func TestReadsRefuseUnknownNames(t *testing.T) {
	for _, c := range []struct{ text, name, want string }{
		{"SELECT Id FROM Nope", "Nope", "there is no sObject Nope"},
		{"SELECT Id FROM Account.Contacts", "Account", "FROM names an sObject, Account.Contacts is a path"},
		{"SELECT Nope FROM Account", "Nope", "Account has no field Nope"},
		{"SELECT Nope.Name FROM Account", "Nope", "Account has no relationship Nope"},
		{"SELECT Owner.Nope FROM Case", "Nope", "Group, User has no field Nope"},
		{"SELECT What.Owner.Name FROM Task", "Secret__c", "there is no sObject Secret__c"},
		{"SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Nope)", "Nope", "there is no sObject Nope"},
		{"SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Account.Cases)", "Account", "FROM of a semi-join names an sObject, Account.Cases is a path"},
		{"SELECT (SELECT Id FROM Nope) FROM Account", "Nope", "Account has no child relationship Nope"},
		{"SELECT (SELECT Id FROM x.Contacts) FROM Account a", "x", "FROM of a subquery names a child relationship of Account, x.Contacts is a path"},
		{"SELECT (SELECT Id FROM p.Contacts) FROM Account a, a.Parent p", "p", "FROM of a subquery names a child relationship of Account, p.Contacts is a path"},
		{"SELECT Id FROM Contact c, Account a", "Account", "FROM has no alias Account before it"},
		{"SELECT Id FROM Contact c, c.Account c", "c", "the alias c stands twice in FROM"},
		{"SELECT c FROM Contact c", "c", "Contact has no field c"},
		{"SELECT TYPEOF What WHEN Lead THEN Name END FROM Task", "Lead", "What does not lead to Lead"},
		{"SELECT Id FROM Account ORDER BY Parent.Parent.Parent.Parent.Parent.Parent.Name", "Parent", "Parent.Parent.Parent.Parent.Parent.Parent goes over 6 relationships, the limit is 5"},
		{"SELECT COUNT(Id) n FROM Account GROUP BY m", "m", "Account has no field m"},
	} {
		q, err := soql.Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		reads, err := q.Reads(describe)
		var unknown *soql.NameError
		if !errors.As(err, &unknown) {
			t.Errorf("%s: %v, error %v", c.text, reads, err)
			continue
		}
		there := strings.HasPrefix(c.text[unknown.At:], c.name) || !strings.Contains(c.text, c.name)
		if unknown.Error() != c.want || unknown.Name != c.name || !there {
			t.Errorf("%s: %q %q at %d, want %q %q", c.text, unknown.Name, unknown, unknown.At, c.name, c.want)
		}
	}
}

// An error of the describe is nobody's name, and reaches the caller as it is.
func TestReadsGiveTheDescribesError(t *testing.T) {
	lost := errors.New("connection reset")
	q, err := soql.Parse("SELECT Owner.Name, Name FROM Case")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]int{}
	_, err = q.Reads(func(name string) (*soql.SObject, error) {
		asked[name]++
		if name == "User" {
			return nil, lost
		}
		return describe(name)
	})
	if !errors.Is(err, lost) {
		t.Errorf("error is %v", err)
	}
	if diff := cmp.Diff(map[string]int{"Case": 1, "Group": 1, "User": 1}, asked); diff != "" {
		t.Errorf("describes (-want +got):\n%s", diff)
	}
}
