package fakeorg_test

import (
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestRefusals has the errors of single record requests: status and body are what the platform answers.
func TestRefusals(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "Kept", "ExternalId__c": "K-1"}`)
	contact := s.create("Contact", `{"LastName": "Kept"}`)
	deleted := s.create("Account", `{"Name": "Deleted"}`)
	s.do("DELETE", "/sobjects/Account/"+deleted, "").want(t, 204, "")
	c := s.create("Case", `{"Comments": "written once"}`)
	long := strings.Repeat("A", 256)

	for _, test := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"required field missing", "POST", "/sobjects/Account", `{}`, 400,
			`[{"message":"Required fields are missing: [Name]","errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"]}]`},
		{"several required fields missing", "POST", "/sobjects/Opportunity", `{"Name": "x"}`, 400,
			`[{"message":"Required fields are missing: [StageName, CloseDate]","errorCode":"REQUIRED_FIELD_MISSING","fields":["StageName","CloseDate"]}]`},
		{"required field blank", "POST", "/sobjects/Account", `{"Name": "  "}`, 400,
			`[{"message":"Required fields are missing: [Name]","errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"]}]`},
		{"required field set to null", "PATCH", "/sobjects/Account/" + account, `{"Name": null}`, 400,
			`[{"message":"Required fields are missing: [Name]","errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"]}]`},
		{"unknown field", "POST", "/sobjects/Account", `{"Name": "x", "Nam": "y"}`, 400,
			`[{"message":"No such column 'Nam' on sobject of type Account","errorCode":"INVALID_FIELD"}]`},
		{"field twice", "POST", "/sobjects/Account", `{"Name": "x", "name": "y"}`, 400,
			`[{"message":"Duplicate field specified: Name","errorCode":"INVALID_FIELD"}]`},
		{"text too long", "POST", "/sobjects/Account", `{"Name": "` + long + `"}`, 400,
			`[{"message":"Account Name: data value too large: ` + long + ` (max length=255)","errorCode":"STRING_TOO_LONG","fields":["Name"]}]`},
		{"restricted picklist", "POST", "/sobjects/Account", `{"Name": "x", "Tier__c": "Iron"}`, 400,
			`[{"message":"Tier: bad value for restricted picklist field: Iron","errorCode":"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST","fields":["Tier__c"]}]`},
		{"restricted multipicklist", "POST", "/sobjects/Account", `{"Name": "x", "Sales_Regions__c": "EMEA;MARS"}`, 400,
			`[{"message":"Sales Regions: bad value for restricted picklist field: MARS","errorCode":"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST","fields":["Sales_Regions__c"]}]`},
		{"text for a currency", "PATCH", "/sobjects/Account/" + account, `{"AnnualRevenue":"banana"}`, 400,
			`[{"message":"Cannot deserialize instance of currency from VALUE_STRING value banana or request may be missing a required field at [line:1, column:26]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"number for a text", "POST", "/sobjects/Account", "{\n\"Name\": 5}", 400,
			`[{"message":"Cannot deserialize instance of string from VALUE_NUMBER_INT value 5 or request may be missing a required field at [line:2, column:10]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"fraction for an int", "POST", "/sobjects/Account", `{"Name":"x","NumberOfEmployees":1.5}`, 400,
			`[{"message":"Cannot deserialize instance of int from VALUE_NUMBER_FLOAT value 1.5 or request may be missing a required field at [line:1, column:36]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"wrong date", "POST", "/sobjects/Opportunity", `{"CloseDate":"31/12/2026"}`, 400,
			`[{"message":"Cannot deserialize instance of date from VALUE_STRING value 31/12/2026 or request may be missing a required field at [line:1, column:26]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"object for a text", "POST", "/sobjects/Account", `{"Name":{}}`, 400,
			`[{"message":"Cannot deserialize instance of string from START_OBJECT value { or request may be missing a required field at [line:1, column:11]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"null for a boolean", "PATCH", "/sobjects/Contact/" + contact, `{"DoNotCall":null}`, 400,
			`[{"message":"Do Not Call: value not of required type: ","errorCode":"INVALID_TYPE_ON_FIELD_IN_RECORD","fields":["DoNotCall"]}]`},
		{"body that is no JSON", "POST", "/sobjects/Account", `{"Name": `, 400,
			`[{"message":"Unexpected character or end of input at [line:1, column:9]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"body that is an array", "POST", "/sobjects/Account", `[{"Name": "x"}]`, 400,
			`[{"message":"Unexpected character or end of input at [line:1, column:2]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"more than one body", "POST", "/sobjects/Account", `{"Name":"x"}{}`, 400,
			`[{"message":"Unexpected character or end of input at [line:1, column:14]","errorCode":"JSON_PARSER_ERROR"}]`},
		{"number out of range", "POST", "/sobjects/Account", `{"Name": "x", "AnnualRevenue": 1e19}`, 400,
			`[{"message":"Annual Revenue: value outside of valid range on numeric field: 1.0E19","errorCode":"NUMBER_OUTSIDE_VALID_RANGE","fields":["AnnualRevenue"]}]`},
		{"int out of range", "POST", "/sobjects/Account", `{"Name": "x", "NumberOfEmployees": 3000000000}`, 400,
			`[{"message":"Employees: value outside of valid range on numeric field: 3.0E9","errorCode":"NUMBER_OUTSIDE_VALID_RANGE","fields":["NumberOfEmployees"]}]`},
		{"malformed e-mail", "POST", "/sobjects/Contact", `{"LastName": "x", "Email": "nobody@nowhere"}`, 400,
			`[{"message":"Email: invalid email address: nobody@nowhere","errorCode":"INVALID_EMAIL_ADDRESS","fields":["Email"]}]`},
		{"value of a unique field taken", "POST", "/sobjects/Account", `{"Name": "x", "ExternalId__c": "k-1"}`, 400,
			`[{"message":"duplicate value found: ExternalId__c duplicates value on record with id: ` + account[:15] + `","errorCode":"DUPLICATE_VALUE","fields":[]}]`},
		{"reference that is no id", "POST", "/sobjects/Contact", `{"LastName": "x", "AccountId": "12"}`, 400,
			`[{"message":"Account ID: id value of incorrect type: 12","errorCode":"MALFORMED_ID","fields":["AccountId"]}]`},
		{"reference to another type", "POST", "/sobjects/Contact", `{"LastName": "x", "AccountId": "` + contact + `"}`, 400,
			`[{"message":"Account ID: id value of incorrect type: ` + contact + `","errorCode":"FIELD_INTEGRITY_EXCEPTION","fields":["AccountId"]}]`},
		{"reference to nothing", "POST", "/sobjects/Contact", `{"LastName": "x", "AccountId": "001000000000001AAA"}`, 400,
			`[{"message":"invalid cross reference id","errorCode":"INVALID_CROSS_REFERENCE_KEY","fields":[]}]`},
		{"reference to a deleted record", "POST", "/sobjects/Contact", `{"LastName": "x", "AccountId": "` + deleted + `"}`, 400,
			`[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`},
		{"parent by an unknown external id", "POST", "/sobjects/Contact", `{"LastName": "x", "Account": {"ExternalId__c": "none"}}`, 400,
			`[{"message":"Foreign key external ID: none not found for field ExternalId__c in entity Account","errorCode":"INVALID_FIELD","fields":[]}]`},
		{"read-only field", "PATCH", "/sobjects/Account/" + account, `{"MasterRecordId": "001RM000003oLrB000"}`, 400,
			`[{"message":"Unable to create/update fields: MasterRecordId. Please check the security settings of this field and verify that it is read/write for your profile or permission set.","errorCode":"INVALID_FIELD_FOR_INSERT_UPDATE","fields":["MasterRecordId"]}]`},
		{"read-only fields", "POST", "/sobjects/Case", `{"CaseNumber": "1", "IsClosed": true}`, 400,
			`[{"message":"Unable to create/update fields: CaseNumber, IsClosed. Please check the security settings of this field and verify that it is read/write for your profile or permission set.","errorCode":"INVALID_FIELD_FOR_INSERT_UPDATE","fields":["CaseNumber","IsClosed"]}]`},
		{"field that only a create may set", "PATCH", "/sobjects/Case/" + c, `{"Comments": "x"}`, 400,
			`[{"message":"Unable to create/update fields: Comments. Please check the security settings of this field and verify that it is read/write for your profile or permission set.","errorCode":"INVALID_FIELD_FOR_INSERT_UPDATE","fields":["Comments"]}]`},
		{"id in the body", "PATCH", "/sobjects/Account/" + account, `{"Id": "` + account + `"}`, 400,
			`[{"message":"The Id field should not be specified in the sobject data.","errorCode":"INVALID_FIELD"}]`},
		{"external id in the body", "PATCH", "/sobjects/Account/ExternalId__c/K-1", `{"ExternalId__c": "K-1"}`, 400,
			`[{"message":"The ExternalId__c field should not be specified in the sobject data.","errorCode":"INVALID_FIELD"}]`},
		{"validation rule", "POST", "/sobjects/Account", `{"Name": "x", "AnnualRevenue": -1}`, 400,
			`[{"message":"Annual Revenue cannot be negative","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":[]}]`},
		{"validation rule of a field", "POST", "/sobjects/Warranty_Claim__c", `{"Status__c": "Approved"}`, 400,
			`[{"message":"An approved claim needs an amount","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["Amount__c"]}]`},
		{"object nobody creates", "POST", "/sobjects/Organization", `{"Name": "x"}`, 400,
			`[{"message":"entity type Organization does not support create","errorCode":"INVALID_TYPE_FOR_OPERATION"}]`},
		{"object nobody deletes", "DELETE", "/sobjects/User/005Sm0000000001IAA", "", 400,
			`[{"message":"entity type User does not support delete","errorCode":"INVALID_TYPE_FOR_OPERATION"}]`},
		{"get of a missing record", "GET", "/sobjects/Account/001000000000001", "", 404,
			`[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`},
		{"get by an id of another type", "GET", "/sobjects/Account/" + contact, "", 404,
			`[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`},
		{"get of what is no id", "GET", "/sobjects/Account/123", "", 404,
			`[{"message":"Provided external ID field does not exist or is not accessible: 123","errorCode":"NOT_FOUND"}]`},
		{"get by an id with a wrong checksum", "GET", "/sobjects/Account/" + account[:15] + "AAA", "", 400,
			`[{"message":"malformed id ` + account[:15] + `AAA","errorCode":"MALFORMED_ID"}]`},
		{"unknown field asked for", "GET", "/sobjects/Account/" + account + "?fields=Name,Owner.Nam", "", 400,
			`[{"message":"No such column 'Nam' on sobject of type User","errorCode":"INVALID_FIELD"}]`},
		{"upsert by an unknown field", "PATCH", "/sobjects/Account/Namez/x", `{"Name": "x"}`, 404,
			`[{"message":"Provided external ID field does not exist or is not accessible: Namez","errorCode":"NOT_FOUND"}]`},
		{"upsert by a field that is no external id", "PATCH", "/sobjects/Account/Phone/x", `{"Name": "x"}`, 404,
			`[{"message":"Provided external ID field does not exist or is not accessible: Phone","errorCode":"NOT_FOUND"}]`},
		{"update of a missing record", "PATCH", "/sobjects/Account/001000000000001", `{"Name": "x"}`, 404,
			`[{"message":"invalid cross reference id","errorCode":"INVALID_CROSS_REFERENCE_KEY","fields":[]}]`},
		{"update of a deleted record", "PATCH", "/sobjects/Account/" + deleted, `{"Name": "x"}`, 404,
			`[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`},
		{"second delete", "DELETE", "/sobjects/Account/" + deleted, "", 404,
			`[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`},
		{"unknown object", "POST", "/sobjects/Nothing__c", `{}`, 404,
			`[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`},
		{"unknown path", "GET", "/nowhere", "", 404,
			`[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`},
		{"wrong method", "PUT", "/sobjects/Account", `{}`, 405,
			`[{"message":"HTTP Method 'PUT' not allowed. Allowed are GET,HEAD,POST","errorCode":"METHOD_NOT_ALLOWED"}]`},
		{"unknown version", "GET", "/services/data/v99.0/sobjects", "", 404,
			`[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`},
		{"recent without a number", "GET", "/recent?limit=x", "", 400,
			`[{"message":"limit must be a number from 1 to 200, not x","errorCode":"INVALID_ARGUMENT"}]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			r := s.do(test.method, test.path, test.body)
			r.want(t, test.status, test.want)
			if got := r.header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
	s.t = t
	if got := s.get("Account", account, "Name"); got != "Kept" {
		t.Errorf("one of the refused requests has changed the name to %v", got)
	}
}

func TestWrongContentType(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.do("POST", "/sobjects/Account", "Name=x", "Content-Type", "application/x-www-form-urlencoded").wants(t, 415, "INVALID_CONTENT_TYPE")
}

func TestLongURI(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.do("GET", "/query?q="+strings.Repeat("A", 17000), "").wants(t, 414, "URI_TOO_LONG")
}

func TestDeleteRestricted(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "Busy"}`)
	c := s.create("Case", `{"AccountId": "`+account+`"}`)
	number := s.get("Case", c, "CaseNumber").(string)
	s.do("DELETE", "/sobjects/Account/"+account, "").want(t, 400, `[{"message":"Your attempt to delete Busy could not be completed because it is associated with the following cases.: `+
		number+`\n","errorCode":"DELETE_FAILED","fields":[]}]`)
	s.get("Account", account, "Name")
}
