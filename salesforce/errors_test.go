package salesforce

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseError(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		whole  bool
		want   Error
	}{
		{"REST array", 400, `[{"message":"No such column","errorCode":"INVALID_FIELD","fields":["Foo"]}]`, true,
			Error{Class: ClassValidation, Code: "INVALID_FIELD", Message: "No such column", Fields: []string{"Foo"}}},
		{"several", 400, `[{"message":"a","errorCode":"REQUIRED_FIELD_MISSING","fields":["A"]},{"message":"b","errorCode":"STRING_TOO_LONG","fields":[]}]`, true,
			Error{
				Class: ClassValidation, Code: "REQUIRED_FIELD_MISSING", Message: "a", Fields: []string{"A"},
				Details: []Detail{{"REQUIRED_FIELD_MISSING", "a", []string{"A"}}, {"STRING_TOO_LONG", "b", nil}},
			}},
		{"the cause of a rollback", 400, `[{"success":false,"errors":[{"statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK","message":"x"}]},{"success":false,"errors":[{"statusCode":"STRING_TOO_LONG","message":"y","fields":["Name"]}]}]`, false,
			Error{
				Class: ClassValidation, Code: "STRING_TOO_LONG", Message: "y", Fields: []string{"Name"},
				Details: []Detail{{"ALL_OR_NONE_OPERATION_ROLLED_BACK", "x", nil}, {"STRING_TOO_LONG", "y", []string{"Name"}}},
			}},
		{"one object", 401, `{"errorCode":"INVALID_SESSION_ID","message":"not valid"}`, false,
			Error{Class: ClassAuth, Code: "INVALID_SESSION_ID", Message: "not valid"}},
		{"OAuth", 400, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`, false,
			Error{Class: ClassValidation, Code: "invalid_grant", Message: "expired access/refresh token"}},
		{"Agent API", 423, `{"status":423,"path":"/x","requestId":"r","error":"Locked","message":"one at a time","timestamp":1}`, false,
			Error{Class: ClassValidation, Code: "Locked", Message: "one at a time"}},
		{"tree", 400, `{"hasErrors":true,"results":[{"referenceId":"ref1","errors":[{"statusCode":"INVALID_EMAIL_ADDRESS","message":"m","fields":["Email"]}]}]}`, false,
			Error{Class: ClassValidation, Code: "INVALID_EMAIL_ADDRESS", Message: "ref1: m", Fields: []string{"Email"}}},
		{"one failed result", 400, `{"id":"001","success":false,"errors":[{"statusCode":"MALFORMED_ID","message":"m","fields":[]}]}`, false,
			Error{Class: ClassNotFound, Code: "MALFORMED_ID", Message: "m"}},
		{"several matches", 300, `["/services/data/v62.0/sobjects/Account/001A","/services/data/v62.0/sobjects/Account/001B"]`, false,
			Error{
				Class: ClassDuplicate, Message: "the external id matches more than one record",
				Candidates: []string{"/services/data/v62.0/sobjects/Account/001A", "/services/data/v62.0/sobjects/Account/001B"},
			}},
		{"duplicate rule", 400, `[{"duplicateResut":{"allowSave":true,"duplicateRule":"r","matchResults":[{"matchRecords":[{"record":{"Id":"003A"}},{"record":{"Id":"003B"}}]}]},"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}]`, true,
			Error{Class: ClassDuplicate, Code: "DUPLICATES_DETECTED", Message: "Use one of these records?", Candidates: []string{"003A", "003B"}}},
		{"page", 503, "<!DOCTYPE html><html><head><TITLE>\n We are\ndown </TITLE></head><body>secret</body></html>", false,
			Error{Class: ClassTransient, Message: "the answer is not the API's: We are down"}},
		{"text", 502, "Bad  Gateway\n", false, Error{Class: ClassTransient, Message: "the answer is not the API's: Bad Gateway"}},
		{"one of several parts", 400, `[{"actionName":"x","isSuccess":true,"errors":null},{"isSuccess":false,"errors":[{"statusCode":"MALFORMED_ID","message":"m"}]}]`, false,
			Error{Class: ClassNotFound, Code: "MALFORMED_ID", Message: "m",
				Results: []byte(`[{"actionName":"x","isSuccess":true,"errors":null},{"isSuccess":false,"errors":[{"statusCode":"MALFORMED_ID","message":"m"}]}]`)}},
		{"nothing", 404, "", false, Error{Class: ClassNotFound, Message: "the answer has no text: not found"}},
		{"edge", 420, "<html></html>", false, Error{Class: ClassTransient, Message: "the answer has no text: "}},
		{"redirect", 302, "<a href=x>", false, Error{Class: ClassTransient, Message: "the answer is a redirect, which is not followed; check the instance URL"}},
		{"array of nothing", 400, `[]`, false, Error{Class: ClassValidation, Message: "the answer is not the API's: []"}},
		{"wrong types", 400, `[{"message":1,"errorCode":"X","fields":"Foo"},7,null,{"errors":{}}]`, true, Error{Class: ClassValidation, Code: "X"}},
		{"unknown code", 403, `[{"message":"m","errorCode":"NEW_CODE"}]`, true, Error{Class: ClassPermission, Code: "NEW_CODE", Message: "m"}},
		{"unknown limit", 400, `[{"message":"m","errorCode":"NEW_LIMIT_EXCEEDED"}]`, true, Error{Class: ClassLimited, Code: "NEW_LIMIT_EXCEEDED", Message: "m"}},
		{"broken JSON", 500, `[{"message":"m"`, false, Error{Class: ClassTransient, Message: `the answer is not the API's: [{"message":"m"`}},
	} {
		got, whole := parseError(test.status, []byte(test.body))
		test.want.Status = test.status
		if diff := cmp.Diff(&test.want, got, cmpopts.IgnoreUnexported(Error{})); diff != "" || whole != test.whole {
			t.Errorf("%s: whole %v (-want +got):\n%s", test.name, whole, diff)
		}
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]*Error{
		"INVALID_FIELD: No such column (fields A, B; request r-1)": {Status: 400, Code: "INVALID_FIELD", Message: "No such column", Fields: []string{"A", "B"}, RequestID: "r-1"},
		"status 503: busy (retry after 1m0s)":                      {Status: 503, Message: "busy", RetryAfter: time.Minute},
		"no connection":                                            {Message: "no connection"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("Error() = %q, want %q", got, want)
		}
	}
}

func TestClassOfStatus(t *testing.T) {
	for status, want := range map[int]Class{
		300: ClassDuplicate, 301: ClassTransient, 400: ClassValidation, 401: ClassAuth, 403: ClassPermission, 404: ClassNotFound,
		405: ClassMethod, 409: ClassConflict, 410: ClassMethod, 412: ClassConflict, 414: ClassValidation, 415: ClassMethod,
		420: ClassTransient, 428: ClassValidation, 429: ClassLimited, 431: ClassValidation, 500: ClassTransient, 502: ClassTransient,
		503: ClassTransient, 504: ClassTransient,
	} {
		if got := ClassOf("", status); got != want {
			t.Errorf("status %d is of class %s, want %s", status, got, want)
		}
	}
}

// TestEveryErrorHasHint: what a caller can mend, it is told how; and a hint
// for a code that does not exist would never be seen.
func TestEveryErrorHasHint(t *testing.T) {
	for code := range hints {
		if _, known := classByCode[code]; !known {
			t.Errorf("there is a hint for %s, which is in no class", code)
		}
	}
	for class := range classes {
		if (&Error{Class: class}).Hint() == "" {
			t.Errorf("class %s has no hint", class)
		}
	}
	const code = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
	trigger := (&Error{Class: ClassValidation, Code: code, Message: "AccountTrigger: execution of BeforeInsert"}).Hint()
	permission := (&Error{Class: ClassValidation, Code: code, Message: "entity type cannot be inserted: Order"}).Hint()
	if !strings.Contains(trigger, "trigger") || !strings.Contains(permission, "administrator can grant") {
		t.Errorf("hints: %s / %s", trigger, permission)
	}
	if hint := (&Error{Class: ClassTransient}).Hint(); !strings.Contains(hint, "not known") {
		t.Errorf("hint of an unknown outcome: %s", hint)
	}
	if hint := (&Error{Class: ClassTransient, NotExecuted: true}).Hint(); !strings.Contains(hint, "Nothing was changed") {
		t.Errorf("hint of a request that was not executed: %s", hint)
	}
	daily := &Error{Class: ClassLimited, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}
	concurrency := &Error{Class: ClassLimited, Code: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentPerOrgLongTxn Limit exceeded."}
	if !strings.Contains(daily.Hint(), "getLimits") || strings.Contains(concurrency.Hint(), "getLimits") {
		t.Errorf("hints of the limits: %s / %s", daily.Hint(), concurrency.Hint())
	}
}

// TestHintsNameDocumentedActions keeps hints from sending a model to an
// action that does not exist.
func TestHintsNameDocumentedActions(t *testing.T) {
	documented := map[string]bool{
		"sobjects describe": true, "sobjects describeGlobal": true, "records getDeleted": true, "versions getLimits": true, "versions listVersions": true, "process listApprovals": true,
		"composite request": true,
	}
	for code, hint := range hints {
		for _, m := range regexp.MustCompile(`(\w+),? action (\w+)`).FindAllStringSubmatch(hint, -1) {
			if !documented[m[1]+" "+m[2]] {
				t.Errorf("%s names %s", code, m[0])
			}
		}
	}
}

func TestCodesAreInOneClass(t *testing.T) {
	var all []string
	for _, codes := range classes {
		all = append(all, strings.Fields(codes)...)
	}
	slices.Sort(all)
	if unique := slices.Compact(slices.Clone(all)); len(unique) != len(all) {
		t.Errorf("%d codes, %d different ones", len(all), len(unique))
	}
}

func TestParseUsage(t *testing.T) {
	for header, want := range map[string][2]int{
		"api-usage=18/5000": {18, 5000},
		"api-usage=25/15000; per-app-api-usage=17/250(appName=sample)": {25, 15000},
		"per-app-api-usage=17/250(appName=x);api-usage=3/4":            {3, 4},
		"": {}, "api-usage=": {}, "api-usage=5": {}, "api-usage=x/5": {}, "api-usage=1/0": {}, "api-usage=-1/5": {}, "per-app-api-usage=17/250": {},
	} {
		used, allowed, ok := parseUsage(header)
		if used != want[0] || allowed != want[1] || ok != (want[1] > 0) {
			t.Errorf("parseUsage(%q) = %d, %d, %v", header, used, allowed, ok)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2027, 3, 1, 9, 15, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "soon": 0, "0": 0, "-5": 0, " 7 ": 7 * time.Second, "99999999999": 24 * time.Hour,
		"Mon, 01 Mar 2027 09:15:30 GMT": 30 * time.Second, "Mon, 01 Mar 2027 09:14:30 GMT": 0,
	} {
		if got := parseRetryAfter(header, now); got != want {
			t.Errorf("parseRetryAfter(%q) = %v, want %v", header, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, test := range []struct{ in, want string }{{"abc", "abc"}, {"abcd", "abc…"}, {"aéé", "aé…"}, {"éé", "é…"}, {"日本", "日…"}} {
		if got := clip(test.in, 3); got != test.want || !utf8.ValidString(got) {
			t.Errorf("clip(%q, 3) = %q, want %q", test.in, got, test.want)
		}
	}
}

func FuzzParseError(f *testing.F) {
	for _, seed := range []string{
		`[{"message":"m","errorCode":"C","fields":["F"]}]`, `["/services/data/x"]`, `{"error":"e","error_description":"d"}`, "<html><title>x", `[[[]]]`, `{"results":[{"errors":[{}]}]}`,
		`[{"duplicateResult":{"matchResults":[{"matchRecords":[{"record":{"Id":"x"}}]}]},"errorCode":"DUPLICATES_DETECTED"}]`, "\xff\xfe", "",
	} {
		f.Add(400, []byte(seed))
		f.Add(300, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e, whole := parseError(status, body)
		if e.Class == "" || e.Code == "" && e.Message == "" {
			t.Errorf("nothing is known of %q: %+v", body, e)
		}
		if whole && (len(body) == 0 || !json.Valid(body)) {
			t.Errorf("%q counts as the platform's", body)
		}
		if len(e.Message) > longestMessage+len("…") || !utf8.ValidString(e.Error()) {
			t.Errorf("the text of %q is too long or not UTF-8: %q", body, e.Error())
		}
	})
}
