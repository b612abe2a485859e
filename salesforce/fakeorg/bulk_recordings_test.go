package fakeorg_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecordedJobs sends the org what a real one was sent about jobs, and compares status and members of the answers,
// in their order. The recorded jobs were for an object with an external id that this org does not have: they are for
// Account here.
func TestRecordedJobs(t *testing.T) {
	s := startBulk(t)
	const upsert = `{"operation":"upsert","object":"Account","externalIdFieldName":"ExternalId__c"}`
	open := s.open("ingest", upsert)
	failed := s.ingest(upsert, "ExternalId__c,Name,StageName_invalid_field_on_purpose\nr,R,x\n").ID
	partly := s.ingest(upsert, "ExternalId__c,Name\nr-1,R\nr-2,\n").ID
	running := s.open("ingest", upsert)
	s.upload(running, "ExternalId__c,Name\n"+strings.Repeat("x,\n", 3000))
	s.steps(2)
	for _, test := range []struct{ name, path string }{
		{"amp-015-bulk2_ingest_create", "/jobs/ingest"},
		{"amp-009-bulk2_ingest_batches", "/jobs/ingest/" + open + "/batches"},
		{"amp-008-bulk2_ingest_state", "/jobs/ingest/" + open},
		{"amp-011-bulk2_ingest_info", "/jobs/ingest/" + running},
		{"amp-012-bulk2_ingest_info-err", "/jobs/ingest/" + partly},
		{"amp-014-bulk2_ingest_info-err", "/jobs/ingest/" + failed},
		{"amp-017-bulk2_query_create", "/jobs/query"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("../../testdata/recordings", test.name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var was struct {
				Method         string
				RequestHeaders map[string]string `json:"request_headers"`
				RequestBody    json.RawMessage   `json:"request_body"`
				Status         int
				ResponseBody   json.RawMessage `json:"response_body"`
			}
			if err := json.Unmarshal(text, &was); err != nil {
				t.Fatal(err)
			}
			body := string(was.RequestBody)
			if csv := ""; json.Unmarshal(was.RequestBody, &csv) == nil {
				body = csv
			}
			var headers []string
			for name, value := range was.RequestHeaders {
				headers = append(headers, name, value)
			}
			got := s.do(was.Method, test.path, body, headers...)
			if got.status != was.Status {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if string(was.ResponseBody) == `""` {
				got.want(t, was.Status, "")
				return
			}
			if diff := cmp.Diff(shapeOf(t, string(was.ResponseBody)), shapeOf(t, got.body)); diff != "" {
				t.Errorf("(-recorded +got):\n%s\n%s", diff, got.body)
			}
		})
	}
}

// shapeOf lists the members of an object: their names with their values, where those say how the job is or how it has
// failed, and else with what kind of value they have.
func shapeOf(t *testing.T, text string) (members []string) {
	d := json.NewDecoder(strings.NewReader(text))
	next := func() any {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return token
	}
	for next(); d.More(); {
		name, value := next().(string), next()
		switch v := value.(type) {
		case float64:
			value = "number"
		case string:
			switch name {
			case "state", "operation", "concurrencyMode", "contentType", "jobType", "lineEnding", "columnDelimiter", "errorMessage":
				value = v
			case "createdDate", "systemModstamp":
				value = v[len("2024-09-09T19:25:27"):]
			default:
				value = len(v) / 18
			}
		}
		members = append(members, name+" "+asText(value))
	}
	return members
}

func asText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
