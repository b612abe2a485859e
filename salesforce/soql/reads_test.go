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
	"Line_Item__c": "Id Name! Merchandise__c>Account Lost__c>",

	"AccountHistory":     "Id AccountId>Account OldValue NewValue",
	"Line_Item__History": "Id ParentId>Line_Item__c OldValue NewValue",
	"Line_Item__Share":   "Id ParentId>Line_Item__c",
	"LoginHistory":       "Id UserId>User",
	"OpenActivity":       "Id Subject! WhoId>Contact|Lead",
	"RecentlyViewed":     "Id Name!",
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
				f.Name, f.Type, f.ReferenceTo = name, "reference", strings.FieldsFunc(to, func(r rune) bool { return r == '|' })
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

// show writes reads by their use: "select Contact. Contact.MailingCity<MailingAddress; filter Contact.Name".
func show(reads []soql.Read) string {
	var uses []string
	for _, use := range []soql.Use{soql.Selected, soql.Filtered, soql.Sorted, soql.Grouped} {
		line := use.String()
		for _, r := range reads {
			if r.Use != use {
				continue
			}
			line += " " + r.SObject + "." + r.Field
			if r.Compound != "" {
				line += "<" + r.Compound
			}
		}
		if line != use.String() {
			uses = append(uses, line)
		}
	}
	return strings.Join(uses, "; ")
}

func TestReads(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"SELECT Id, name FROM CONTACT",
			"select Contact. Contact.Id Contact.Name Contact.FirstName<Name Contact.LastName<Name"},
		{"SELECT COUNT() FROM Case",
			"select Case."},
		{"SELECT FIELDS(ALL) FROM Case LIMIT 5",
			"select Case. Case.*"},
		{"SELECT MailingAddress FROM Contact",
			"select Contact. Contact.MailingAddress Contact.MailingCity<MailingAddress"},
		{"SELECT MailingCity FROM Contact",
			"select Contact. Contact.MailingCity<MailingAddress"},
		// Paths.
		{"SELECT Account.Parent.Industry FROM Case WHERE contact.EMAIL = 'x' ORDER BY Parent.Subject",
			"select Case. Case.AccountId Account. Account.ParentId Account.Industry; filter Case.ContactId Contact. Contact.Email; sort Case.ParentId Case. Case.Subject"},
		{"SELECT Account.Id FROM Case",
			"select Case. Case.AccountId Account. Account.Id"},
		{"SELECT Merchandise__r.Industry FROM Line_Item__c",
			"select Line_Item__c. Line_Item__c.Merchandise__c Account. Account.Industry"},
		{"SELECT Id FROM Account ORDER BY Account.Parent.Parent.Parent.Parent.Parent.Parent.Parent.Parent.Parent.Parent.Id",
			"select Account. Account.Id; sort Account.ParentId Account. Account.Id"},
		// Aliases.
		{"SELECT c.Email, a.Industry FROM Contact c, c.Account a, a.Parent p WHERE p.Type = 'x'",
			"select Contact. Contact.AccountId Account. Account.ParentId Contact.Email Account.Industry; filter Contact.AccountId Account. Account.ParentId Account.Type"},
		{"SELECT CONTACT.Email FROM Contact",
			"select Contact. Contact.Email"},
		{"SELECT Account.Email FROM Contact Account",
			"select Contact. Contact.Email"},
		{"SELECT Owner.Email FROM Contact Owner",
			"select Contact. Contact.OwnerId User. User.Email Contact.Email"},
		{"SELECT Id FROM Contact Email WHERE Email = 'x'",
			"select Contact. Contact.Id; filter Contact.Email"},
		{"SELECT Id, (SELECT Id FROM a.Contacts WHERE a.Industry = 'x') FROM Account a",
			"select Account. Account.Id Contact.AccountId Contact. Contact.Id; filter Account.Industry"},
		{"SELECT (SELECT Owner.Name FROM Contacts) FROM Account owner",
			"select Account. Contact.AccountId Contact. Contact.OwnerId User. User.Name Account.Name"},
		// Child queries and semi-joins.
		{"SELECT (SELECT Subject FROM Cases WHERE Status = 'x' ORDER BY CaseNumber) FROM Account",
			"select Account. Case.AccountId Case. Case.Subject; filter Case.Status; sort Case.CaseNumber"},
		{"SELECT (SELECT Subject FROM Account.Cases) FROM Account",
			"select Account. Case.AccountId Case. Case.Subject"},
		{"SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact WHERE Email LIKE 'a%')",
			"select Account. Account.Id; filter Account.Id Contact. Contact.AccountId Contact.Email"},
		{"SELECT Id FROM Account WHERE NOT (Type = 'x' OR (Industry = 'y' AND Id IN (SELECT AccountId FROM Case)))",
			"select Account. Account.Id; filter Account.Type Account.Industry Account.Id Case. Case.AccountId"},
		// References to several sObjects.
		{"SELECT Owner.Name FROM Case",
			"select Case. Case.OwnerId Group. User. Group.Name User.Name"},
		{"SELECT Owner.Username FROM Case",
			"select Case. Case.OwnerId Group. User. User.Username"},
		{"SELECT Owner.Profile.Name FROM Case",
			"select Case. Case.OwnerId Group. User. User.ProfileId Profile. Profile.Name"},
		{"SELECT Id FROM Task WHERE What.Name = 'x'",
			"select Task. Task.Id; filter Task.WhatId Account. Case. Secret__c. Account.Name Case.CaseNumber Secret__c.*"},
		{"SELECT Who.USERNAME FROM Task",
			"select Task. Task.WhoId Contact. Lead."},
		{"SELECT What.Name FROM Task",
			"select Task. Task.WhatId Account. Case. Secret__c. Account.Name Case.CaseNumber; filter Secret__c.*"},
		{"SELECT What.Type FROM Task ORDER BY Who.Id",
			"select Task. Task.WhatId Account. Case. Secret__c.; sort Task.WhoId Contact. Lead."},
		{"SELECT TYPEOF Who WHEN Lead THEN Company, Email ELSE Phone END FROM Task",
			"select Task. Task.WhoId Contact. Lead. Lead.Company Lead.Email Contact.Phone Lead.Phone"},
		{"SELECT TYPEOF What WHEN Account THEN Id WHEN Case THEN Status END FROM Task",
			"select Task. Task.WhatId Account. Case. Secret__c. Account.Id Case.Status"},
		{"SELECT TYPEOF t.What WHEN case THEN Subject, Owner.Email END FROM Task t",
			"select Task. Task.WhatId Account. Case. Secret__c. Case.Subject Case.OwnerId Group. User. Group.Email User.Email"},
		// Functions, groups and results by their alias.
		{"SELECT Type, SUM(Amount) s FROM Account GROUP BY ROLLUP(Type) HAVING MAX(CALENDAR_YEAR(convertTimezone(Industry))) > 1 ORDER BY s",
			"select Account. Account.Type Account.Amount; filter Account.Industry; sort Account.Amount; group Account.Type"},
		{"SELECT COUNT(Owner.Name) Type FROM Account GROUP BY Industry ORDER BY Type, GROUPING(Industry)",
			"select Account. Account.OwnerId User. User.Name; sort Account.OwnerId User. User.Name Account.Type Account.Industry; group Account.Industry"},
		{"SELECT FORMAT(convertCurrency(Amount)), toLabel(Type) FROM Account WHERE Amount IN (USD5)",
			"select Account. Account.Amount Account.CurrencyIsoCode Account.Type; filter Account.Amount Account.CurrencyIsoCode"},
		{"SELECT FORMAT(Amount) FROM Account",
			"select Account. Account.Amount Account.CurrencyIsoCode"},
		{"SELECT MAX(convertCurrency(Amount)) FROM Account GROUP BY Type HAVING MAX(Amount) > 1",
			"select Account. Account.Amount Account.CurrencyIsoCode; filter Account.Amount; group Account.Type"},
		{"SELECT Id FROM Account WHERE DISTANCE(Site, GEOLOCATION(1, 2), 'km') < 3",
			"select Account. Account.Id; filter Account.Site Account.Lat<Site Account.Lon<Site"},
		// What shows records of others.
		{"SELECT NewValue FROM AccountHistory",
			"select AccountHistory. AccountHistory.NewValue; filter Account.*"},
		{"SELECT Id FROM Account WHERE Id IN (SELECT ParentId FROM Line_Item__History)",
			"select Account. Account.Id; filter Account.Id Line_Item__History. Line_Item__c.* Line_Item__History.ParentId"},
		{"SELECT Id FROM Line_Item__Share",
			"select Line_Item__Share. Line_Item__Share.Id; filter Line_Item__c."},
		{"SELECT Id FROM LoginHistory",
			"select LoginHistory. LoginHistory.Id"},
		{"SELECT Subject FROM OpenActivity",
			"select OpenActivity. OpenActivity.Subject; filter Task.* Event.*"},
		{"SELECT Name FROM RecentlyViewed",
			"select RecentlyViewed. RecentlyViewed.Name; filter *.*"},
		// Conditions that name no field.
		{"SELECT Id FROM Contact USING SCOPE Mine",
			"select Contact. Contact.Id; filter Contact.OwnerId"},
		{"SELECT Id FROM Lead USING SCOPE mine",
			"select Lead. Lead.Id; filter Lead.*"},
		{"SELECT Id FROM Contact USING SCOPE team",
			"select Contact. Contact.Id; filter Contact.*"},
		{"SELECT Id FROM Contact USING SCOPE EVERYTHING WITH USER_MODE",
			"select Contact. Contact.Id"},
		{"SELECT Id FROM Contact WITH DATA CATEGORY g AT x",
			"select Contact. Contact.Id; filter Contact.*"},
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
		if diff := cmp.Diff(strings.Split(c.want, "; "), strings.Split(show(reads), "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestSearchReads(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"FIND {x}",
			"select *.; filter *.*"},
		{"FIND {x} WITH SNIPPET",
			"select *.; filter *.*"},
		{"FIND {x} RETURNING lead",
			"select Lead.; filter Lead.*"},
		{"FIND {x} IN EMAIL FIELDS RETURNING Contact(Account.Industry WHERE Phone = '1' ORDER BY CreatedDate), Lead(Company)",
			"select Contact. Contact.AccountId Account. Account.Industry Lead. Lead.Company; filter Contact.Email Contact.Phone Lead.Email; sort Contact.CreatedDate"},
		{"FIND {x} IN PHONE FIELDS RETURNING Lead",
			"select Lead.; filter Lead.Phone"},
		{"FIND {x} IN NAME FIELDS RETURNING Lead",
			"select Lead.; filter Lead.*"},
		{"FIND {x} IN PHONE FIELDS RETURNING Lead(Id USING LISTVIEW=Mine) WITH HIGHLIGHT",
			"select Lead. Lead.Id; filter Lead.Phone Lead.*"},
		{"FIND {x} IN PHONE FIELDS RETURNING Lead WITH DIVISION = 'a'",
			"select Lead.; filter Lead.Phone Lead.*"},
		{"FIND {x} IN PHONE FIELDS RETURNING Lead WITH SNIPPET (TARGET_LENGTH = 120)",
			"select Lead.; filter Lead.Phone Lead.*"},
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
		if diff := cmp.Diff(strings.Split(c.want, "; "), strings.Split(show(reads), "; ")); diff != "" {
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
	want := strings.Split("Contact. Contact, Contact.OwnerId Owner.Email, User. Owner.Email, User.Email Email, Contact.OwnerId mine, Contact.AccountId Account.Industry, "+
		"Account. Account.Industry, Account.Industry Industry, Contact.Id Id, Case. Case), Case.ContactId ContactId", ", ")
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
		{"SELECT Id FROM Account ORDER BY " + strings.Repeat("Parent.", 11) + "Name", "Parent", strings.Repeat("Parent.", 10) + "Parent goes over 11 relationships, the limit is 10"},
		{"SELECT Lost__r.Name FROM Line_Item__c", "Lost__r", "where the relationship Lost__r of Line_Item__c leads is not known"},
		// Another meaning leads somewhere, but the one that is not known may be meant.
		{"SELECT Lost__r.Name FROM Line_Item__c Lost__r", "Lost__r", "where the relationship Lost__r of Line_Item__c leads is not known"},
		{"SELECT Owner.Profile.Name FROM Task, Task.What Owner", "Secret__c", "there is no sObject Secret__c"},
		{"SELECT What.Owner.Email FROM Task, Task.Owner What", "Secret__c", "there is no sObject Secret__c"},
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

// FuzzReads: whatever parses, its reads stand in it and are of sObjects there are, or a name in it leads nowhere.
func FuzzReads(f *testing.F) {
	for _, c := range corpus(f) {
		f.Add(c.SOQL)
	}
	f.Add("SELECT COUNT(n) n, (SELECT TYPEOF x.What WHEN Case THEN Owner.Name ELSE Name END FROM a.Tasks x, x.Who What) FROM Account a, a.Parent Owner GROUP BY n ORDER BY n")
	f.Add("FIND {x} IN NAME FIELDS RETURNING Task(What.Name, Owner.Profile.Name WHERE Who.Email IN (SELECT Id FROM AccountHistory)) WITH SNIPPET")
	f.Fuzz(func(t *testing.T, text string) {
		var reads []soql.Read
		q, err := soql.Parse(text)
		if err == nil {
			reads, err = q.Reads(describe)
		} else if s, searched := soql.ParseSearch(text); searched == nil {
			reads, err = s.Reads(describe)
		} else {
			return
		}
		if unknown := (*soql.NameError)(nil); errors.As(err, &unknown) {
			if unknown.At < 0 || unknown.At >= len(text) {
				t.Fatalf("%q: refused at %d, outside the statement", text, unknown.At)
			}
			return
		}
		if err != nil || len(reads) == 0 {
			t.Fatalf("%q: %v, %v", text, reads, err)
		}
		for _, r := range reads {
			if r.At < 0 || r.At >= len(text) {
				t.Fatalf("%q: %v is at %d, outside the statement", text, r, r.At)
			}
			if o, err := describe(r.SObject); r.SObject != soql.Any && r.Field != soql.Any && r.SObject != "Secret__c" && (err != nil || o.Name != r.SObject) {
				t.Fatalf("%q: %v is of no sObject there is", text, r)
			}
		}
	})
}

// The costliest statement known: the greatest length, paths over a reference to hundreds of sObjects.
func BenchmarkReads(b *testing.B) {
	wide := &soql.SObject{Name: "Wide", Fields: []soql.Field{{Name: "WhatId", RelationshipName: "What", NamePointing: true}, {Name: "ParentId", RelationshipName: "Parent", ReferenceTo: []string{"Wide"}}}}
	for i := range 300 {
		wide.Fields = append(wide.Fields, soql.Field{Name: fmt.Sprintf("Field%d", i)})
		wide.Fields[0].ReferenceTo = append(wide.Fields[0].ReferenceTo, fmt.Sprintf("Target%d", i))
	}
	q, err := soql.Parse("SELECT " + strings.Repeat("Parent.What.Name,", 5800) + "What.Name FROM Wide")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := q.Reads(func(name string) (*soql.SObject, error) {
			o := *wide
			o.Name = name
			return &o, nil
		}); err != nil {
			b.Fatal(err)
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
