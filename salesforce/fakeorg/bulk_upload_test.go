package fakeorg_test

import (
	"strings"
	"testing"
)

// TestIngestCells: what an upload may look like.
func TestIngestCells(t *testing.T) {
	s := startBulk(t)
	parent := s.create("Account", `{"Name":"P","ExternalId__c":"P-1"}`)
	for delimiter, mark := range map[string]string{"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"} {
		for ending, end := range map[string]string{"LF": "\n", "CRLF": "\r\n"} {
			t.Run(delimiter+" "+ending, func(t *testing.T) {
				row := func(cells ...string) string { return strings.Join(cells, mark) + end }
				info := s.ingest(`{"operation":"insert","object":"Contact","columnDelimiter":"`+delimiter+`","lineEnding":"`+ending+`"}`,
					row("lastNAME", "Account.ExternalId__c", "Description", "Birthdate", "DoNotCall")+end+
						row("Ünal", "P-1", `"say ""hi""`+mark+end+`bye"`, "1940-06-07Z", "TRUE")+row("Short"))
				if info.NumberRecordsProcessed != 2 || info.NumberRecordsFailed != 0 || info.ErrorMessage != "" {
					t.Fatalf("%+v", info)
				}
				succeeded, _, _ := s.results(info.ID)
				lines := strings.SplitN(succeeded, end, 2)
				if want := strings.Join([]string{`"sf__Id"`, `"sf__Created"`, "lastNAME", "Account.ExternalId__c", "Description", "Birthdate", "DoNotCall"}, mark); lines[0] != want {
					t.Fatalf("header %q, want %q", lines[0], want)
				}
				id := lines[1][1:19]
				for field, want := range map[string]any{"LastName": "Ünal", "AccountId": parent, "Description": `say "hi"` + mark + "\nbye", "Birthdate": "1940-06-07", "DoNotCall": true} {
					if got := s.get("Contact", id, field); got != want {
						t.Errorf("%s is %q, want %q", field, got, want)
					}
				}
			})
		}
	}
}

// TestIngestEmpty: an empty cell leaves a field alone, #N/A makes it empty.
func TestIngestEmpty(t *testing.T) {
	s := startBulk(t)
	account := s.create("Account", `{"Name":"P","ExternalId__c":"P-1"}`)
	var rows []string
	for range 2 {
		rows = append(rows, s.create("Contact", `{"LastName":"L","FirstName":"F","Birthdate":"2000-01-01","AccountId":"`+account+`"}`))
	}
	info := s.ingest(`{"operation":"update","object":"Contact"}`, "Id,FirstName,Birthdate,Account.ExternalId__c\n"+rows[0]+",,\"\",\n"+rows[1]+",#N/A,\"#N/A\",#N/A\n")
	if info.NumberRecordsProcessed != 2 || info.NumberRecordsFailed != 0 {
		t.Fatalf("%+v", info)
	}
	for i, want := range []map[string]any{{"FirstName": "F", "Birthdate": "2000-01-01", "AccountId": account}, {"FirstName": nil, "Birthdate": nil, "AccountId": nil}} {
		for field, value := range want {
			if got := s.get("Contact", rows[i], field); got != value {
				t.Errorf("row %d: %s is %v, want %v", i, field, got, value)
			}
		}
	}
}

// TestIngestParents: a reference to several objects is given with its type.
func TestIngestParents(t *testing.T) {
	s := startBulk(t)
	lead := s.create("Lead", `{"LastName":"L","Company":"C","Email":"both@example.com"}`)
	contact := s.create("Contact", `{"LastName":"L","Email":"both@example.com"}`)
	user := s.get("Lead", lead, "OwnerId").(string)
	info := s.ingest(`{"operation":"insert","object":"Task"}`, "Subject,lead:Who.Email,Owner.Id\nT,both@example.com,"+user[:15]+"\nF,none@example.com,\n")
	if info.NumberRecordsFailed != 1 {
		t.Fatalf("%+v", info)
	}
	succeeded, failed, _ := s.results(info.ID)
	id := strings.Split(succeeded, `"`)[5]
	if got := s.get("Task", id, "WhoId"); got != lead {
		t.Errorf("WhoId is %v, want %s and not %s", got, lead, contact)
	}
	if want := "INVALID_FIELD:Foreign key external ID: none@example.com not found for field Email in entity Lead:--"; !strings.Contains(failed, want) {
		t.Errorf("failed:\n%s", failed)
	}
}

// TestIngestFails: an upload that cannot be read changes nothing, and is there to be read again.
func TestIngestFails(t *testing.T) {
	const contacts, accounts, tasks = `"operation":"insert","object":"Contact"`, `"operation":"delete","object":"Account"`, `"operation":"insert","object":"Task"`
	s := startBulk(t)
	before := s.count("Contact")
	for name, test := range map[string]struct{ job, csv, problem string }{
		"unknown field":        {contacts, "LastName,Nope,No\nA,B,C\n", "InvalidBatch : Field name not found : Nope"},
		"a mark of UTF-8":      {contacts, "\uFEFFLastName\nA\n", "InvalidBatch : Field name not found : \uFEFFLastName"},
		"a mark and quotes":    {contacts, "\uFEFF\"LastName\"\nA\n", "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote"},
		"a quote in a value":   {contacts, "LastName\nGood\nB\"ad\n", "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote"},
		"text behind a quote":  {contacts, "LastName\nGood\n\"B\"ad\n", "InvalidBatch : Failed to parse CSV. Not expecting more text after end quote"},
		"an open quote":        {contacts, "LastName\nGood\n\"Bad\n", "InvalidBatch : Failed to parse CSV. EOF reached before closing an opened quote"},
		"line endings":         {contacts, "LastName\nGood\nBad\r\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
		"other line endings":   {contacts + `,"lineEnding":"CRLF"`, "LastName\nBad\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF"},
		"other delimiter":      {contacts, "LastName;FirstName\nA;B\n", "InvalidBatch : Field name not found : LastName;FirstName"},
		"a long row":           {contacts, "LastName\n" + strings.Repeat("é", 400_001) + "\n", "InvalidBatch : Failed to parse CSV. Exceeded max length for one record: 400001. Max length for one record should be less than or equal to 400000"},
		"many columns":         {contacts, "LastName\n" + strings.Repeat(",", 5000) + "\n", "InvalidBatch : Failed to parse CSV. Exceeded max number of columns per record : 5000"},
		"delete by name":       {accounts, "Name\nA\n", "InvalidBatch : The 'delete' batch must contain only ids"},
		"delete with more":     {accounts, "Id,Name\n,A\n", "InvalidBatch : The 'delete' batch must contain only ids"},
		"unknown relationship": {contacts, "LastName,Accounts.ExternalId__c\nA,B\n", "InvalidBatch : Unable to find relationship: Accounts"},
		"type and name":        {contacts, "LastName,Account:Account.ExternalId__c\nA,B\n", "InvalidBatch : type is not needed for non polymorphic foreign key references: Account"},
		"wrong way round":      {tasks, "Who:Lead.Email\nA\n", "InvalidBatch : Unable to find relationship: Lead"},
		"no type":              {tasks, "Who.Email\nA\n", "InvalidBatch : type is needed for polymorphic foreign key references: Who"},
		"not that type":        {tasks, "Case:Who.Email\nA\n", "InvalidBatch : Field name not found : Case:Who.Email"},
		"colons only":          {tasks, "Lead:Who:Email\nA\n", "InvalidBatch : Field name not found : Lead:Who:Email"},
		"not by that field":    {contacts, "LastName,Account.Name\nA,B\n", "InvalidBatch : Field name not found : Account.Name"},
	} {
		t.Run(name, func(t *testing.T) {
			info := s.ingest("{"+test.job+"}", test.csv)
			if info.State != "Failed" || info.ErrorMessage != test.problem || info.NumberRecordsProcessed != 0 || info.NumberRecordsFailed != 0 {
				t.Errorf("got  %+v\nwant %s", info, test.problem)
			}
			_, _, unprocessed := s.results(info.ID)
			if unprocessed != test.csv {
				t.Errorf("unprocessed %.100q", unprocessed)
			}
			s.do("DELETE", "/jobs/ingest/"+info.ID, "").want(t, 204, "")
		})
	}
	if after := s.count("Contact"); after != before {
		t.Errorf("%d contacts, there were %d", after, before)
	}
}

// TestIngestNothing: a job without rows is complete.
func TestIngestNothing(t *testing.T) {
	s := startBulk(t)
	for _, csv := range []string{"", "LastName\n", "LastName", "LastName\n\n", "\n\n"} {
		info := s.ingest(`{"operation":"insert","object":"Contact"}`, csv)
		if _, _, unprocessed := s.results(info.ID); info.State != "JobComplete" || info.NumberRecordsProcessed != 0 || unprocessed != "LastName\n"[:len(unprocessed)] {
			t.Errorf("%q: %+v, unprocessed %q", csv, info, unprocessed)
		}
	}
	id := s.open("ingest", `{"operation":"delete","object":"Contact"}`) // nothing has been uploaded
	s.do("PATCH", "/jobs/ingest/"+id, `{"state":"UploadComplete"}`).wants(t, 200, "UploadComplete")
	s.steps(1)
	s.do("GET", "/jobs/ingest/"+id, "").wants(t, 200, "JobComplete")
	succeeded, failed, unprocessed := s.results(id)
	if succeeded != "\"sf__Id\",\"sf__Created\"\n" || failed != "\"sf__Id\",\"sf__Error\"\n" || unprocessed != "" {
		t.Errorf("%q %q %q", succeeded, failed, unprocessed)
	}
}
