package fakeorg_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// field is the body that creates a field of a type.
func field(name, kind, more string) string {
	return `{"FullName": "` + name + `", "Metadata": {"label": "L", "type": "` + kind + `"` + more + `}}`
}

func (s *server) ask(soql string) reply {
	s.t.Helper()
	return s.do("GET", "/query?q="+url.QueryEscape(soql), "")
}

func TestCustomField(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	s.do("GET", "/sobjects/Account/describe", "", "If-Modified-Since", "Mon, 01 Mar 2027 11:00:00 GMT").want(t, 304, "")
	id := s.make("CustomField", field("Account.Region__c", "Text", `, "length": 20, "description": "Where"`))
	s.do("GET", "/sobjects/Account/describe", "", "If-Modified-Since", "Mon, 01 Mar 2027 11:00:00 GMT").wants(t, 200, `"label":"L","length":20,"mask":null,"maskType":null,"name":"Region__c"`)
	account := s.create("Account", `{"Name": "A", "Region__c": "North"}`)
	s.ask("SELECT Name FROM Account WHERE Region__c = 'north'").wants(t, 200, `"totalSize":1`)
	s.do("POST", "/sobjects/Account", `{"Name": "A", "Region__c": "`+strings.Repeat("x", 21)+`"}`).wants(t, 400, "STRING_TOO_LONG")
	s.tool("SELECT DurableId, DataType, Description FROM FieldDefinition WHERE EntityDefinitionId = 'Account' AND QualifiedApiName = 'Region__c'").wants(t, 200,
		`"DurableId":"Account.`+id[:15]+`","DataType":"Text(20)","Description":"Where"`)
	s.tool("SELECT Metadata FROM CustomField WHERE Id = '"+id+"'").wants(t, 200, `"type":"Text","label":"L","required":false`)
	s.do("PATCH", "/tooling/sobjects/CustomField/"+id, `{"Metadata": {"label": "Area", "type": "Text", "length": 40}}`).want(t, 204, "")
	s.do("PATCH", "/sobjects/Account/"+account, `{"Region__c": "`+strings.Repeat("x", 40)+`"}`).want(t, 204, "")
	s.do("PATCH", "/tooling/sobjects/CustomField/"+id, `{"Metadata": {"label": "Area", "type": "Checkbox"}}`).wants(t, 400, "simulated: changing the type")
	s.do("DELETE", "/tooling/sobjects/CustomField/"+id, "").want(t, 204, "")
	s.ask("SELECT Region__c FROM Account").wants(t, 400, "No such column 'Region__c'")
	s.tool("SELECT Id FROM CustomField WHERE DeveloperName = 'Region'").wants(t, 200, `"size":0`)
	s.do("GET", "/tooling/sobjects/CustomField/"+id, "").wants(t, 404, "NOT_FOUND")
	s.do("POST", "/sobjects/Account", `{"Name": "A", "Region__c": "x"}`).wants(t, 400, "No such column 'Region__c'")
}

func TestCustomFieldTypes(t *testing.T) {
	s := start(t, fakeorg.Options{})
	types := map[string]string{}
	for name, f := range map[string]struct{ kind, more, value, shown, dataType string }{
		"Flag":   {"Checkbox", `, "defaultValue": "true"`, `false`, `false`, "Checkbox"},
		"Count":  {"Number", `, "precision": 10, "scale": 2`, `12.345`, `12.35`, "Number(8, 2)"},
		"Price":  {"Currency", `, "precision": 12, "scale": 2`, `3`, `3.0`, "Currency(10, 2)"},
		"Share":  {"Percent", `, "precision": 5, "scale": 1`, `99.9`, `99.9`, "Percent(4, 1)"},
		"On":     {"Date", ``, `"2027-01-02"`, `"2027-01-02"`, "Date"},
		"At":     {"DateTime", ``, `"2027-01-02T03:04:05Z"`, `"2027-01-02T03:04:05.000+0000"`, "Date/Time"},
		"Mail":   {"Email", `, "externalId": true`, `"a@b.example"`, `"a@b.example"`, "Email"},
		"Call":   {"Phone", ``, `"1"`, `"1"`, "Phone"},
		"Link":   {"Url", ``, `"https://x.example"`, `"https://x.example"`, "URL"},
		"Long":   {"LongTextArea", `, "length": 1000`, `"text"`, `"text"`, "Long Text Area(1000)"},
		"Choice": {"Picklist", `, "valueSet": {"restricted": true, "valueSetDefinition": {"value": [{"valueName": "A", "default": true}, {"fullName": "B"}]}}`, `"B"`, `"B"`, "Picklist"},
		"Many":   {"MultiselectPicklist", `, "valueSet": {"valueSetDefinition": {"value": [{"valueName": "A"}, {"valueName": "B"}]}}`, `"A;B"`, `"A;B"`, "Picklist (Multi-Select)"},
		"Auto":   {"AutoNumber", `, "displayFormat": "X-{000}"`, ``, `null`, "Auto Number"},
		"Twice":  {"Number", `, "precision": 18, "scale": 0, "formula": "NumberOfEmployees * 2"`, ``, `14.0`, "Formula (Number)"},
		"Greet":  {"Text", `, "formula": "IF(NumberOfEmployees > 5, \"big \" & Name, Name)"`, ``, `"big T"`, "Formula (Text)"},
	} {
		s.make("CustomField", field("Account."+name+"__c", f.kind, f.more))
		value := ""
		if f.value != "" {
			value = `, "` + name + `__c": ` + f.value
		}
		id := s.create("Account", `{"Name": "T", "NumberOfEmployees": 7`+value+`}`)
		want := `"` + name + `__c":` + f.shown
		if name == "Auto" {
			want = `"Auto__c":"X-001"`
		}
		s.do("GET", "/sobjects/Account/"+id+"?fields="+name+"__c", "").wants(t, 200, want)
		types[name+"__c"] = f.dataType
	}
	definitions := s.tool("SELECT QualifiedApiName, DataType FROM FieldDefinition WHERE EntityDefinitionId = 'Account'")
	for name, dataType := range types {
		definitions.wants(t, 200, `"QualifiedApiName":"`+name+`","DataType":"`+dataType+`"`)
	}
	s.ask("SELECT COUNT() FROM Account WHERE Flag__c = false").wants(t, 200, `"totalSize":1`) // the others have the default, old ones too
	s.make("CustomField", field("Case.Vendor__c", "Lookup", `, "referenceTo": "Account", "relationshipName": "Vendor_Cases"`))
	account := s.create("Account", `{"Name": "Vendor"}`)
	s.create("Case", `{"Subject": "x", "Vendor__c": "`+account+`"}`)
	s.ask("SELECT Vendor__r.Name FROM Case WHERE Vendor__r.Name = 'Vendor'").wants(t, 200, `"Vendor__r":{"attributes":{"type":"Account"`)
	s.ask("SELECT (SELECT Subject FROM Vendor_Cases__r) FROM Account WHERE Name = 'Vendor'").wants(t, 200, `"Subject":"x"`)
	s.do("DELETE", "/sobjects/Account/"+account, "").want(t, 204, "")
	s.ask("SELECT Id FROM Case WHERE Vendor__c != null").wants(t, 200, `"totalSize":0`)
	s.do("PATCH", "/sobjects/Account/Mail__c/new@b.example", `{"Name": "By mail"}`).wants(t, 201, `"created":true`)
}

func TestCustomFieldRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	for body, want := range map[string]string{
		field("Account.Region", "Text", `, "length": 20`):                               "INVALID_FULL_NAME",
		field("Account.Re gion__c", "Text", `, "length": 20`):                           "INVALID_FULL_NAME",
		field(`Account.R\"; DROP TABLE Account; --__c`, "Text", `, "length": 20`):       "INVALID_FULL_NAME",
		field("Region__c", "Text", `, "length": 20`):                                    "INVALID_FULL_NAME",
		field("Nothing__c.Region__c", "Text", `, "length": 20`):                         "INVALID_TYPE",
		field("ApexClass.Region__c", "Text", `, "length": 20`):                          "INVALID_TYPE",
		field("Account.Tier__c", "Text", `, "length": 20`):                              "DUPLICATE_DEVELOPER_NAME",
		field("Account.Region__c", "Text", `, "length": 300`):                           "length must be from 1 to 255",
		field("Account.Region__c", "Number", `, "precision": 30, "scale": 0`):           "precision is at most 18",
		field("Account.Region__c", "Picklist", ``):                                      "valueSet",
		field("Account.Region__c", "Lookup", `, "referenceTo": "Nobody__c"`):            "does not resolve to a valid sObject type",
		field("Account.Region__c", "Location", ``):                                      "simulated: custom fields of the type Location",
		field("Account.Region__c", "Text", `, "formula": "HYPERLINK(Name)"`):            "simulated: the formula is not understood: the function HYPERLINK",
		field("Account.Region__c", "Text", `, "formula": "NumberOfEmployees"`):          "Formula result is data type (number), incompatible with expected data type (Text).",
		field("Account.Region__c", "Text", `, "formula": "1); DROP TABLE Account; --"`): "simulated: the formula is not understood",
		`{"FullName": "Account.Region__c", "Metadata": {"type": "Text"}}`:               "REQUIRED_FIELD_MISSING",
		`{"FullName": "Account.Region__c"}`:                                             "REQUIRED_FIELD_MISSING",
		`{"FullName": "Account.Region__c", "Metadata": {"label": 1}}`:                   "JSON_PARSER_ERROR",
	} {
		s.do("POST", "/tooling/sobjects/CustomField", body).wants(t, 400, want)
	}
	s.make("CustomField", field("Account.Base__c", "Number", `, "precision": 10, "scale": 0`))
	s.make("CustomField", field("Account.Double__c", "Number", `, "precision": 10, "scale": 0, "formula": "Base__c * 2"`))
	s.do("DELETE", "/tooling/sobjects/CustomField/"+s.id("SELECT Id FROM CustomField WHERE DeveloperName = 'Base'"), "").wants(t, 400, "DEPENDENCY_EXISTS")
	s.do("GET", "/sobjects/Account/describe", "").wants(t, 200, `"name":"Base__c"`)
}

// TestSchemaIsUndone: a field of a request that fails as a whole is not there.
func TestSchemaIsUndone(t *testing.T) {
	s := start(t, fakeorg.Options{})
	record := func(name string) string {
		return `{"attributes": {"type": "CustomField"}, ` + strings.TrimPrefix(field(name, "Text", `, "length": 20`), "{")
	}
	s.do("POST", "/tooling/composite/sobjects", `{"allOrNone": true, "records": [`+record("Account.One__c")+`, `+record("Account.Bad")+`]}`).wants(t, 200, "ALL_OR_NONE_OPERATION_ROLLED_BACK")
	s.ask("SELECT One__c FROM Account").wants(t, 400, "No such column")
	s.tool("SELECT QualifiedApiName FROM FieldDefinition WHERE EntityDefinitionId = 'Account' AND QualifiedApiName = 'One__c'").wants(t, 200, `"size":0`)
	s.do("POST", "/tooling/composite/sobjects", `{"records": [`+record("Account.One__c")+`, `+record("Account.Bad")+`]}`).wants(t, 200, `"success":true`)
	s.ask("SELECT One__c FROM Account LIMIT 1").wants(t, 200, `"One__c":null`)
	s.tool("SELECT QualifiedApiName FROM FieldDefinition WHERE EntityDefinitionId = 'Account' AND QualifiedApiName = 'One__c'").wants(t, 200, `"size":1`)
}

func TestCustomObject(t *testing.T) {
	s := start(t, fakeorg.Options{})
	id := s.make("CustomObject", `{"FullName": "Tool_Rental__c", "Metadata": {"label": "Tool Rental", "pluralLabel": "Tool Rentals", "nameField": {"type": "AutoNumber", "label": "Rental No", "displayFormat": "TR-{0000}"}}}`)
	s.make("CustomField", field("Tool_Rental__c.Account__c", "Lookup", `, "referenceTo": "Account", "relationshipName": "Rentals"`))
	account := s.create("Account", `{"Name": "Renter"}`)
	rental := s.create("Tool_Rental__c", `{"Account__c": "`+account+`"}`)
	if !strings.HasPrefix(rental, "a01") {
		t.Errorf("the id is %s", rental)
	}
	s.ask("SELECT Name, Owner.Name, Account__r.Name FROM Tool_Rental__c").wants(t, 200, `"Name":"TR-0001"`)
	s.do("GET", "/sobjects/Tool_Rental__c/describe", "").wants(t, 200, `"labelPlural":"Tool Rentals"`)
	s.tool("SELECT DurableId, KeyPrefix FROM EntityDefinition WHERE QualifiedApiName = 'Tool_Rental__c'").wants(t, 200, `"DurableId":"`+id[:15]+`","KeyPrefix":"a01"`)
	s.do("PATCH", "/tooling/sobjects/CustomObject/"+id, `{"Metadata": {"label": "Hire", "pluralLabel": "Hires"}}`).want(t, 204, "")
	s.do("GET", "/sobjects/Tool_Rental__c", "").wants(t, 200, `"label":"Hire"`)
	s.do("POST", "/tooling/sobjects/CustomObject", `{"FullName": "Tool_Rental__c", "Metadata": {"label": "x", "pluralLabel": "x"}}`).wants(t, 400, "DUPLICATE_DEVELOPER_NAME")
	s.do("POST", "/tooling/sobjects/CustomObject", `{"FullName": "Rental", "Metadata": {"label": "x", "pluralLabel": "x"}}`).wants(t, 400, "INVALID_FULL_NAME")
	s.do("DELETE", "/tooling/sobjects/CustomObject/"+s.id("SELECT Id FROM CustomObject WHERE DeveloperName = 'Warranty_Claim'"), "").wants(t, 400, "DEPENDENCY_EXISTS")
	s.do("DELETE", "/tooling/sobjects/CustomObject/"+id, "").want(t, 204, "")
	s.ask("SELECT Id FROM Tool_Rental__c").wants(t, 400, "sObject type 'Tool_Rental__c' is not supported")
	s.do("DELETE", "/sobjects/Account/"+account, "").want(t, 204, "")
}

func TestValidationRule(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	rule := func(formula string, active bool) string {
		text, err := json.Marshal(map[string]any{"FullName": "Account.Rule", "Metadata": map[string]any{"active": active, "errorConditionFormula": formula,
			"errorMessage": "Not so", "errorDisplayField": "Name"}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for formula, test := range map[string]struct {
		breaks, keeps string
	}{
		`AND(ISPICKVAL(Rating, "Hot"), ISBLANK(Phone))`:                {`"Rating": "Hot"`, `"Rating": "Hot", "Phone": "1"`},
		`NumberOfEmployees < 0 || AnnualRevenue / 2 > 1000`:            {`"AnnualRevenue": 3000`, `"NumberOfEmployees": 3`},
		`NOT(CONTAINS(Website, "example")) && LEN(Website) > 0`:        {`"Website": "https://x.org"`, `"Website": "https://x.example"`},
		`Name = "Bad" /* as ever */`:                                   {`"Name": "Bad"`, `"Name": "bad"`},
		`LastActivityDate > TODAY() + 1 || BillingCity <> "Lyon"`:      {`"BillingCity": "Paris"`, `"BillingCity": "Lyon"`},
		`INCLUDES(Sales_Regions__c, "EMEA") && TEXT(Tier__c) = "Gold"`: {`"Sales_Regions__c": "AMER;EMEA", "Tier__c": "Gold"`, `"Sales_Regions__c": "AMER", "Tier__c": "Gold"`},
	} {
		id := s.make("ValidationRule", rule(formula, true))
		record := func(fields string) string {
			if strings.Contains(fields, `"Name"`) {
				return "{" + fields + "}"
			}
			return `{"Name": "x", ` + fields + "}"
		}
		s.do("POST", "/sobjects/Account", record(test.breaks)).want(t, 400, `[{"message":"Not so","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["Name"]}]`)
		s.do("POST", "/sobjects/Account", record(test.keeps)).wants(t, 201, `"success":true`)
		s.do("PATCH", "/tooling/sobjects/ValidationRule/"+id, rule(formula, false)).want(t, 204, "")
		s.do("POST", "/sobjects/Account", record(test.breaks)).wants(t, 201, `"success":true`)
		s.do("DELETE", "/tooling/sobjects/ValidationRule/"+id, "").want(t, 204, "")
	}
	s.make("ValidationRule", rule(`REGEX(Name, "[a-z]+")`, true)) // kept, not run
	s.create("Account", `{"Name": "123"}`)
	s.tool("SELECT Active, ErrorMessage, Metadata FROM ValidationRule WHERE ValidationName = 'Rule'").wants(t, 200, `"errorConditionFormula":"REGEX(Name, \"[a-z]+\")"`)
	s.do("POST", "/tooling/sobjects/ValidationRule", rule("true", true)).wants(t, 400, "DUPLICATE_DEVELOPER_NAME")
	c.move(time.Hour)
	s.token = s.MintToken(fakeorg.IntegrationUser)
	s.do("POST", "/tooling/sobjects/ValidationRule", `{"FullName": "Case.Open", "Metadata": {"active": true, "errorMessage": "x"}}`).wants(t, 400, "errorConditionFormula")
}
