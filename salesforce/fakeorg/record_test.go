package fakeorg_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

func TestGetRecord(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	parent := s.create("Account", `{"Name": "Parent"}`)
	id := s.create("account", `{"name": "Child", "ParentId": "`+parent[:15]+`", "AnnualRevenue": 12345678.5, "BillingCity": "Lyon", "Sales_Regions__c": "EMEA;AMER"}`)
	path := api + "/sobjects/Account/"
	s.do("GET", "/sobjects/ACCOUNT/"+id[:15]+"?fields=name,Parent.Name,Owner.Profile.Name,AnnualRevenue,BillingAddress,IsDeleted,CreatedDate,Parent.Phone", "").want(t, 200,
		`{"attributes":{"type":"Account","url":"`+path+id+`"},"Name":"Child",`+
			`"Parent":{"attributes":{"type":"Account","url":"`+path+parent+`"},"Name":"Parent","Phone":null,"Id":"`+parent+`"},`+
			`"Owner":{"attributes":{"type":"User","url":"`+api+`/sobjects/User/005Sm0000000001IAA"},"Profile":{"attributes":{"type":"Profile","url":"`+api+`/sobjects/Profile/00eSm0000000003IAA"},"Name":"Integration User","Id":"00eSm0000000003IAA"},"Id":"005Sm0000000001IAA"},`+
			`"AnnualRevenue":1.2345679E7,"BillingAddress":{"city":"Lyon","country":null,"geocodeAccuracy":null,"latitude":null,"longitude":null,"postalCode":null,"state":null,"street":null},`+
			`"IsDeleted":false,"CreatedDate":"2027-03-01T12:00:00.000+0000","Id":"`+id+`"}`)
	s.do("GET", "/sobjects/Account/"+parent+"?fields=Parent.Name", "").wants(t, 200, `"Parent":null`)
}

// TestText: every text comes back as it was sent.
func TestText(t *testing.T) {
	s := start(t, fakeorg.Options{})
	for _, text := range []string{`say "hi" \ bye`, "line\nbreak\tand\u0001", "<b>&amp;</b>", "Größe 寸法 🔧", "'; DROP TABLE Account; --"} {
		body, err := json.Marshal(map[string]string{"Name": text})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.get("Account", s.create("Account", string(body)), "Name"); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

func TestFieldOfRecord(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "One"}`)
	contact := s.create("Contact", `{"LastName": "Two", "AccountId": "`+account+`"}`)
	s.do("GET", "/sobjects/Contact/"+contact+"/LastName", "").want(t, 200, `"Two"`)
	s.do("GET", "/sobjects/Contact/"+contact+"/Account?fields=Name", "").wants(t, 200, `"Name":"One","Id":"`+account+`"`)
	s.do("GET", "/sobjects/Contact/"+contact+"/ReportsTo", "").wants(t, 404, "NOT_FOUND")
	s.do("GET", "/sobjects/Account/"+account+"/Contacts", "").wants(t, 200, `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Contact"`)
	s.do("GET", "/sobjects/Account/"+account+"/Nothing", "").wants(t, 404, "NOT_FOUND")
}

func TestComputedFields(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	contact := s.create("Contact", `{"FirstName": "Ada", "LastName": "King"}`)
	if got := s.get("Contact", contact, "Name"); got != "Ada King" {
		t.Errorf("Name is %v", got)
	}
	c := s.create("Case", `{"Subject": "x"}`)
	if got := s.get("Case", c, "IsClosed"); got != false {
		t.Errorf("a new case has IsClosed %v", got)
	}
	s.do("PATCH", "/sobjects/Case/"+c, `{"Status": "Closed"}`).want(t, 204, "")
	if got := s.get("Case", c, "IsClosed"); got != true {
		t.Errorf("a closed case has IsClosed %v", got)
	}
	if got := s.get("Case", c, "ClosedDate"); got != "2027-03-01T12:00:00.000+0000" {
		t.Errorf("ClosedDate is %v", got)
	}
	opportunity := s.create("Opportunity", `{"Name": "x", "StageName": "Proposal/Price Quote", "CloseDate": "2027-05-01", "Amount": 200}`)
	if got := s.get("Opportunity", opportunity, "ExpectedRevenue"); got != 150.0 {
		t.Errorf("ExpectedRevenue is %v, want 75 per cent of 200", got)
	}
}

// TestOrderTotal shows a total over lines, and values a line takes from the price book.
func TestOrderTotal(t *testing.T) {
	s := start(t, fakeorg.Options{})
	product := s.create("Product2", `{"Name": "Hammer", "ProductCode": "H-1"}`)
	book := s.create("Pricebook2", `{"Name": "Test"}`)
	entry := s.create("PricebookEntry", `{"Pricebook2Id": "`+book+`", "Product2Id": "`+product+`", "UnitPrice": 12.5}`)
	order := s.create("Order", `{"EffectiveDate": "2027-01-01", "Status": "Draft"}`)
	line := s.create("OrderItem", `{"OrderId": "`+order+`", "PricebookEntryId": "`+entry+`", "Quantity": 4}`)
	other := s.create("OrderItem", `{"OrderId": "`+order+`", "PricebookEntryId": "`+entry+`", "Quantity": 1, "UnitPrice": 10}`)
	if got := s.get("OrderItem", line, "Product2Id"); got != product {
		t.Errorf("Product2Id is %v, want %s", got, product)
	}
	for _, step := range []struct {
		method, path, body string
		total              float64
	}{{"", "", "", 60}, {"PATCH", line, `{"Quantity": 2}`, 35}, {"DELETE", other, "", 25}} {
		if step.method != "" {
			s.do(step.method, "/sobjects/OrderItem/"+step.path, step.body).want(t, 204, "")
		}
		if got := s.get("Order", order, "TotalAmount"); got != step.total {
			t.Errorf("after %s: TotalAmount is %v, want %v", step.method, got, step.total)
		}
	}
}

func TestDeleteTakesDetailsAlong(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "Parent"}`)
	child := s.create("Account", `{"Name": "Child", "ParentId": "`+account+`"}`)
	contact := s.create("Contact", `{"LastName": "Detail", "AccountId": "`+account+`"}`)
	s.do("DELETE", "/sobjects/Account/"+account, "").want(t, 204, "")
	s.do("GET", "/sobjects/Contact/"+contact, "").wants(t, 404, "NOT_FOUND")
	if got := s.get("Account", child, "ParentId"); got != nil {
		t.Errorf("the child still has the parent %v", got)
	}
}

func TestUpsert(t *testing.T) {
	s := start(t, fakeorg.Options{})
	path := "/sobjects/Account/ExternalId__c/" + url.PathEscape("a/b c")
	r := s.do("PATCH", path, `{"Name": "First"}`)
	r.wants(t, 201, `"success":true,"errors":[],"created":true}`)
	id := strings.TrimPrefix(r.header.Get("Location"), api+"/sobjects/Account/")
	s.do("PATCH", path, `{"Name": "Second"}`).want(t, 200, `{"id":"`+id+`","success":true,"errors":[],"created":false}`)
	if got := s.get("Account", id, "ExternalId__c"); got != "a/b c" {
		t.Errorf("the external id is %v", got)
	}
	s.do("GET", path+"?fields=Name", "").wants(t, 200, `"Name":"Second"`)
	s.do("PATCH", "/sobjects/Account/Id/"+id, `{"Name": "Third"}`).wants(t, 200, `"created":false`)
	s.do("PATCH", "/sobjects/Account/Id/001000000000001AAA", `{"Name": "x"}`).wants(t, 404, "INVALID_CROSS_REFERENCE_KEY")
	s.do("POST", "/sobjects/Account/Id", `{"Name": "By post"}`).wants(t, 201, `"success":true`)
	s.do("PATCH", "/sobjects/Account/ExternalId__c/none?updateOnly=true", `{"Name": "x"}`).wants(t, 404, "NOT_FOUND")
	s.do("PATCH", "/services/data/v45.0"+path, `{"Name": "Old"}`).want(t, 204, "")
	s.do("PATCH", "/services/data/v45.0/sobjects/Account/ExternalId__c/new", `{"Name": "New"}`).wants(t, 201, `"errors":[]}`)
	s.do("DELETE", path, "").want(t, 204, "")
	s.do("GET", path, "").wants(t, 404, "NOT_FOUND")
}

// TestSeveralMatches: an external id that is not unique fits two records; nothing is written.
func TestSeveralMatches(t *testing.T) {
	s := start(t, fakeorg.Options{})
	a := s.create("Account", `{"Name": "A", "Legacy_Number__c": "twice"}`)
	b := s.create("Account", `{"Name": "B", "Legacy_Number__c": "twice"}`)
	want := `["` + api + `/sobjects/Account/` + a + `","` + api + `/sobjects/Account/` + b + `"]`
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		body := ""
		if method == "PATCH" {
			body = `{"Name": "C"}`
		}
		s.do(method, "/sobjects/Account/Legacy_Number__c/twice", body).want(t, 300, want)
	}
	if got := s.get("Account", a, "Name"); got != "A" {
		t.Errorf("the name is %v", got)
	}
}

func TestParentByExternalID(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "Parent", "ExternalId__c": "P-1"}`)
	contact := s.create("Contact", `{"LastName": "x", "Account": {"ExternalId__c": "P-1"}}`)
	if got := s.get("Contact", contact, "AccountId"); got != account {
		t.Errorf("AccountId is %v, want %s", got, account)
	}
}

func TestReplication(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	kept := s.create("Contact", `{"LastName": "Kept"}`)
	gone := s.create("Contact", `{"LastName": "Gone"}`)
	c.move(5 * time.Minute)
	s.do("DELETE", "/sobjects/Contact/"+gone, "").want(t, 204, "")
	c.move(5 * time.Minute)
	s.create("Contact", `{"LastName": "At the end of the window, so in the next one"}`)
	window := "?start=2027-03-01T11:59:30Z&end=" + url.QueryEscape("2027-03-01T13:10:59+01:00")
	s.do("GET", "/sobjects/Contact/deleted/"+window, "").want(t, 200, `{"deletedRecords":[{"id":"`+gone+`","deletedDate":"2027-03-01T12:05:00.000+0000"}],`+
		`"earliestDateAvailable":"2027-02-14T12:10:00.000+0000","latestDateCovered":"2027-03-01T12:10:00.000+0000"}`)
	s.do("GET", "/sobjects/Contact/updated/"+window, "").want(t, 200, `{"ids":["`+kept+`"],"latestDateCovered":"2027-03-01T12:10:00.000+0000"}`)
	for query, want := range map[string]string{
		"?end=2027-03-01T12:00:00Z":                            "the parameter start is required",
		"?start=yesterday&end=2027-03-01T12:00:00Z":            "INVALID_ARGUMENT",
		"?start=2027-03-01T12:00:10Z&end=2027-03-01T12:00:50Z": "INVALID_REPLICATION_DATE",
		"?start=2026-03-01T12:00:10Z&end=2027-03-01T12:00:50Z": "startDate cannot be more than 15 days ago",
	} {
		s.do("GET", "/sobjects/Contact/deleted/"+query, "").wants(t, 400, want)
	}
}

func TestConditions(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	id := s.create("Account", `{"Name": "A"}`)
	row := "/sobjects/Account/" + id
	first := s.do("GET", row, "", "Accept-Encoding", "identity")
	before := first.header.Get("Last-Modified")
	s.do("GET", row, "", "If-None-Match", first.header.Get("ETag")).want(t, 304, "")
	s.do("GET", row, "", "If-Modified-Since", before).want(t, 304, "")
	compressed := s.do("GET", row, "", "Accept-Encoding", "gzip").header.Get("ETag")
	if want := strings.TrimSuffix(first.header.Get("ETag"), `"`) + `-gzip"`; compressed != want {
		t.Errorf("the compressed record has the ETag %s, want %s", compressed, want)
	}
	s.do("GET", row, "", "If-None-Match", compressed).want(t, 304, "")
	c.move(time.Minute)
	s.do("PATCH", row, `{"Name": "B"}`, "If-Match", first.header.Get("ETag"), "If-Unmodified-Since", before).want(t, 204, "")
	s.do("GET", row, "", "If-None-Match", first.header.Get("ETag")).wants(t, 200, `"Name":"B"`)
	s.do("GET", row, "", "If-Modified-Since", before).wants(t, 200, `"Name":"B"`)
	s.do("PATCH", row, `{"Name": "C"}`, "If-Match", first.header.Get("ETag")).wants(t, 412, "modified")
	s.do("PATCH", row, `{"Name": "C"}`, "If-Unmodified-Since", before).wants(t, 412, "modified")
	s.do("PATCH", row, `{"Name": "C"}`, "If-Unmodified-Since", "yesterday").wants(t, 400, "INVALID_ARGUMENT")
	if got := s.get("Account", id, "Name"); got != "B" {
		t.Errorf("the name is %v", got)
	}
	contact := s.do("GET", "/sobjects/Contact/"+s.create("Contact", `{"LastName": "x"}`), "")
	if got := contact.header.Get("ETag"); got != "" {
		t.Errorf("a Contact has the ETag %s, but only Accounts have one", got)
	}
	s.do("DELETE", row, "", "If-Unmodified-Since", before).want(t, 204, "")
}

func TestMethodInQuery(t *testing.T) {
	s := start(t, fakeorg.Options{})
	id := s.create("Account", `{"Name": "A"}`)
	s.do("POST", "/sobjects/Account/"+id+"?_HttpMethod=PATCH", `{"Name": "B"}`).want(t, 204, "")
	if got := s.get("Account", id, "Name"); got != "B" {
		t.Errorf("the name is %v", got)
	}
}

func TestFiles(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "A"}`)
	id := s.create("ContentVersion", `{"Title": "Note", "PathOnClient": "note.txt", "VersionData": "aGVsbG8=", "FirstPublishLocationId": "`+account+`"}`)
	r := s.do("GET", "/sobjects/ContentVersion/"+id+"/VersionData", "")
	r.want(t, 200, "hello")
	if got := r.header.Get("Content-Type"); strings.Contains(got, "json") {
		t.Errorf("bytes with Content-Type %s", got)
	}
	s.do("GET", "/sobjects/ContentVersion/"+id+"?fields=VersionData,ContentSize,FileType,Checksum,VersionNumber,IsLatest", "").wants(t, 200,
		`"VersionData":"`+api+`/sobjects/ContentVersion/`+id+`/VersionData","ContentSize":5,"FileType":"TXT","Checksum":"5d41402abc4b2a76b9719d911017c592","VersionNumber":"1","IsLatest":true`)
	s.do("GET", "/sobjects/Account/"+account+"/ContentDocumentLinks", "").wants(t, 200, `"totalSize":1`)
	document := s.get("ContentVersion", id, "ContentDocumentId").(string)
	next := s.create("ContentVersion", `{"Title": "Note", "PathOnClient": "note.txt", "VersionData": "aGk=", "ContentDocumentId": "`+document+`"}`)
	if got := s.get("ContentDocument", document, "LatestPublishedVersionId"); got != next {
		t.Errorf("latest version is %v, want %s", got, next)
	}
	if got := s.get("ContentVersion", id, "IsLatest"); got != false {
		t.Error("the first version is still the latest")
	}
	alone := s.create("ContentVersion", `{"Title": "Alone", "PathOnClient": "alone", "VersionData": "aGk="}`)
	s.do("GET", "/sobjects/ContentDocument/"+s.get("ContentVersion", alone, "ContentDocumentId").(string)+"/ContentDocumentLinks", "").wants(t, 200, `"totalSize":1`)
	s.do("POST", "/sobjects/ContentVersion", `{"Title": "Note", "PathOnClient": "n", "VersionData": "not base64!"}`).wants(t, 400, "JSON_PARSER_ERROR")
}

// TestMultipart sends a file as bytes, the way of large files.
func TestMultipart(t *testing.T) {
	s := start(t, fakeorg.Options{})
	body := strings.ReplaceAll(`--b
Content-Disposition: form-data; name="entity_content"
Content-Type: application/json

{"Title": "Raw", "PathOnClient": "raw.bin"}
--b
Content-Disposition: form-data; name="VersionData"; filename="raw.bin"
Content-Type: application/octet-stream

some bytes
--b--
`, "\n", "\r\n")
	r := s.do("POST", "/sobjects/ContentVersion", body, "Content-Type", "multipart/form-data; boundary=b")
	r.wants(t, 201, `"success":true`)
	s.do("GET", r.header.Get("Location")+"/VersionData", "").want(t, 200, "some bytes")
	s.do("POST", "/sobjects/ContentVersion", "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n{", "Content-Type", "multipart/form-data; boundary=b").wants(t, 400, "INVALID_MULTIPART_REQUEST")
}

func TestPlatformEvent(t *testing.T) {
	s := start(t, fakeorg.Options{})
	r := s.do("POST", "/sobjects/Return_Completed__e", `{"Case_Id__c": "500000000000001", "Refund_Amount__c": 12.5}`)
	var made struct {
		ID      string
		Success bool
		Errors  []struct{ StatusCode, Message string }
	}
	if err := json.Unmarshal([]byte(r.body), &made); err != nil || r.status != 201 || !made.Success || len(made.Errors) != 1 || made.Errors[0].StatusCode != "OPERATION_ENQUEUED" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	s.do("GET", "/_events", "").wants(t, 200, `"EventUuid":"`+made.Errors[0].Message+`","Case_Id__c":"500000000000001","Refund_Amount__c":12.5`)
	s.do("GET", "/sobjects/Return_Completed__e/"+made.ID, "").wants(t, 404, "NOT_FOUND")
	s.do("POST", "/sobjects/Return_Completed__e", `{}`).wants(t, 400, "REQUIRED_FIELD_MISSING")
	s.do("POST", "/composite/sobjects", `{"records": [{"attributes": {"type": "Return_Completed__e"}, "Case_Id__c": "2"}]}`).wants(t, 200, `"success":true,"errors":[{"statusCode":"OPERATION_ENQUEUED","message":"`)
	s.do("GET", "/limits", "").wants(t, 200, `"HourlyPublishedPlatformEvents":{"Max":50000,"Remaining":49998}`)
}

// TestEventSchema: a platform event has a schema in two formats, found by its name and by its id.
func TestEventSchema(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.do("GET", "/sobjects/Return_Completed__e/eventSchema", "").wants(t, 200, `"type":"expanded-record"`)
	compact := s.do("GET", "/sobjects/Return_Completed__e/eventSchema?payloadFormat=COMPACT", "")
	compact.wants(t, 200, `{"name":"Case_Id__c","type":"string","doc":"Data:Text"},{"name":"Refund_Amount__c","type":["null","double"],"doc":"Data:Double","default":null}`)
	var schema struct{ UUID string }
	if err := json.Unmarshal([]byte(compact.body), &schema); err != nil || len(schema.UUID) != 22 {
		t.Fatalf("%v %s", err, compact.body)
	}
	s.do("GET", "/event/eventSchema/"+schema.UUID+"?payloadFormat=COMPACT", "").want(t, 200, compact.body)
	s.do("GET", "/event/eventSchema/none", "").wants(t, 404, "NOT_FOUND")
	s.do("GET", "/sobjects/Account/eventSchema", "").wants(t, 404, "NOT_FOUND")
	s.do("GET", "/sobjects/Return_Completed__e/eventSchema?payloadFormat=AVRO", "").wants(t, 400, "payloadFormat")
}

// TestEventLimit: an event too many in an hour is refused, by itself.
func TestEventLimit(t *testing.T) {
	s := start(t, fakeorg.Options{HourlyEvents: 1})
	r := s.do("POST", "/composite", `{"compositeRequest": [
		{"method": "POST", "url": "/services/data/v62.0/sobjects/Return_Completed__e", "referenceId": "a", "body": {"Case_Id__c": "1"}},
		{"method": "POST", "url": "/services/data/v62.0/sobjects/Return_Completed__e", "referenceId": "b", "body": {"Case_Id__c": "2"}}]}`)
	r.wants(t, 200, "OPERATION_ENQUEUED")
	r.wants(t, 200, `"errorCode":"LIMIT_EXCEEDED"`)
	if events := s.do("GET", "/_events", ""); strings.Count(events.body, "EventUuid") != 1 {
		t.Error(events.body)
	}
}
