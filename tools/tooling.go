package tools

var (
	toolingName   = Param{Name: sObjectName.Name, Type: "string", Form: SObjectName, Doc: "Tooling object, as in ApexClass"}
	toolingQuery  = Param{Name: "q", Type: "string", Form: Statement, Doc: "SOQL; with FullName or Metadata one row"}
	toolingValues = Param{Name: bodyName, Type: "object", Form: FieldValues, In: Body, Doc: "field values, or members of a test run"}
	toolingID     = Param{Name: "recordId", Type: "string", Form: RecordID}
	anonymousBody = Param{Name: "anonymousBody", Type: "string", Form: Text, Doc: "Apex source"}
	completions   = Param{Name: "type", Type: "string", OneOf: "apex|visualforce"}
	nameFilter    = Param{Name: "filter", Type: "string", In: Shape, Doc: "name, as in System.String"}
)

// Parameters of test runs. Salesforce takes names and IDs or the list tests, not
// both, and spells classids and suiteids so.
var (
	tests          = Param{Name: "tests", Type: "array", Doc: "[{className or classId, testMethods: []}]"}
	classNames     = Param{Name: "classNames", Type: "string", Doc: "comma-separated"}
	classIDs       = Param{Name: "classids", Type: "string", Doc: "comma-separated"}
	suiteNames     = Param{Name: "suiteNames", Type: "string", Doc: "comma-separated"}
	suiteIDs       = Param{Name: "suiteids", Type: "string", Doc: "comma-separated"}
	maxFailedTests = Param{Name: "maxFailedTests", Type: "integer"}
	testLevel      = Param{Name: "testLevel", Type: "string", OneOf: "RunSpecifiedTests|RunLocalTests|RunAllTestsInOrg"}
	skipCoverage   = Param{Name: "skipCodeCoverage", Type: "boolean"}
)

// toolingTool is the name of the tool whose objects are those of the Tooling API.
const toolingTool = "tooling"

// Tooling is the tool for the Tooling API: metadata as records, and Apex.
//
// executeAnonymous is a GET that may do anything, so it is an act and never sent
// twice. Creating a class or trigger changes what the org does, so it is one too.
// runTestsAsync answers a bare JSON string, the ID of the run.
//
// Not documented are the status of createRecord and updateRecord (201 and 204
// are taken by analogy, any success will do) and the argument fields of
// getRecord (it is sent as for records).
var Tooling = Tool{Name: toolingTool, Doc: "Tooling API: metadata as records, Apex.", Ops: []Op{
	{Action: "query", Instruction: "runToolingQuery", Doc: "Run SOQL over Tooling objects; further pages: tool query, action next.", Effect: Read, Touches: touchSOQL,
		Call: "GET /tooling/query", Needs: []Param{toolingQuery}, More: moreOfToolingQuery},
	{Action: "describeGlobal", Instruction: "describeToolingGlobal", Doc: "List Tooling objects.", Effect: Read, Touches: nothing,
		Call: "GET /tooling/sobjects", Brief: briefGlobal},
	{Action: "describeSObject", Instruction: "describeToolingSObject", Doc: "Describe one.", Effect: Read,
		Call: "GET /tooling/sobjects/{sObjectName}/describe", Needs: []Param{toolingName}, Takes: []Param{describedFields}, Run: describe, More: moreOfFields, Brief: briefDescribe},
	{Action: "createRecord", Instruction: "createToolingRecord", Doc: "Create metadata.", Effect: Act, Opaque: true,
		Call: "POST /tooling/sobjects/{sObjectName}", Needs: []Param{toolingName, toolingValues}, Hints: map[string]string{
			"INVALID_FIELD_FOR_INSERT_UPDATE": "Mend the source of a class or trigger at the place that the message names; of other objects leave out the fields it names.",
		}},
	{Action: "getRecord", Instruction: "getToolingRecord", Doc: "Fetch one, with its source.", Effect: Read,
		Call: "GET /tooling/sobjects/{sObjectName}/{recordId}", Needs: []Param{toolingName, toolingID}, Takes: []Param{describedFields}, Run: getTooling},
	{Action: "updateRecord", Instruction: "updateToolingRecord", Doc: "Change metadata; Metadata is replaced whole.", Effect: Set, Opaque: true,
		Call: "PATCH /tooling/sobjects/{sObjectName}/{recordId}", Needs: []Param{toolingName, toolingID, toolingValues}, Hints: map[string]string{
			"INVALID_FIELD_FOR_INSERT_UPDATE": "Leave out the fields that the message names. A class or trigger is changed by tool metadata, action deploy, or by records: a MetadataContainer, an ApexClassMember with the Body, a ContainerAsyncRequest.",
		}},
	{Action: "deleteRecord", Instruction: "deleteToolingRecord", Doc: "Delete metadata.", Effect: Remove, Opaque: true,
		Call: "DELETE /tooling/sobjects/{sObjectName}/{recordId}", Needs: []Param{toolingName, toolingID}},
	{Action: "executeAnonymous", Instruction: "executeAnonymousApex", Doc: "Run Apex as the connected user.", Effect: Act, Opaque: true,
		Call: "GET /tooling/executeAnonymous/", Needs: []Param{anonymousBody}, Note: apexNote},
	{Action: "completions", Instruction: "getApexCompletions", Doc: "List namespaces, classes and methods.", Effect: Read, Touches: nothing,
		Call: "GET /tooling/completions", Needs: []Param{completions}, Takes: []Param{nameFilter}, View: completionsView},
	{Action: "runTestsSync", Instruction: "runApexTestsSync", Doc: "Run tests of one class and wait.", Effect: Add, Opaque: true,
		Call: "POST /tooling/runTestsSynchronous/", Needs: []Param{tests}, Takes: []Param{maxFailedTests, skipCoverage}, Hints: testHints},
	{Action: "runTestsAsync", Instruction: "runApexTestsAsync", Doc: "Start tests.", Effect: Add, Opaque: true,
		Call: "POST /tooling/runTestsAsynchronous/", Takes: []Param{tests, classNames, classIDs, suiteNames, suiteIDs, maxFailedTests, testLevel, skipCoverage}, Note: testRunNote, Hints: testHints},
	{Action: "getLog", Instruction: "getApexLog", Doc: "Fetch a debug log by ApexLog ID.", Effect: Read, Opaque: true,
		Call: "GET /tooling/sobjects/ApexLog/{recordId}/Body", Needs: []Param{toolingID}, Takes: []Param{byteSkip}, Content: Value, More: moreBySkipping},
}}

var testHints = map[string]string{
	"INVALID_INPUT": `Check the names: action query, q "SELECT Name FROM ApexClass".`,
}
