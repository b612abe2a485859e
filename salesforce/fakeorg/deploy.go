package fakeorg

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

func deployRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/metadata/deployRequest", handle: createDeploy},
		{method: http.MethodGet, path: "/metadata/deployRequest/{id}", handle: getDeploy},
		{method: http.MethodPatch, path: "/metadata/deployRequest/{id}", handle: cancelDeploy},
	}
}

// deployOptions say how to deploy.
type deployOptions struct {
	AllowMissingFiles bool     `json:"allowMissingFiles"`
	AutoUpdatePackage bool     `json:"autoUpdatePackage"`
	CheckOnly         bool     `json:"checkOnly"`
	IgnoreWarnings    bool     `json:"ignoreWarnings"`
	PerformRetrieve   bool     `json:"performRetrieve"`
	PurgeOnDelete     bool     `json:"purgeOnDelete"`
	RollbackOnError   bool     `json:"rollbackOnError"`
	RunAllTests       bool     `json:"runAllTests"`
	RunTests          []string `json:"runTests"`
	SinglePackage     bool     `json:"singlePackage"`
	TestLevel         string   `json:"testLevel,omitempty"`
}

// deployBody is the JSON of a request to deploy, to deploy what has been validated, or to cancel.
type deployBody struct {
	DeployOptions            *deployOptions
	ValidatedDeployRequestID string
	DeployResult             struct{ Status string }
}

// readDeploy reads a request: JSON alone, or a form with a part of JSON and one with the zip.
func (c *call) readDeploy() (body deployBody, zip []byte, err error) {
	if !strings.HasPrefix(c.Header.Get("Content-Type"), "multipart/form-data") {
		text, err := io.ReadAll(c.Body)
		if err != nil {
			return body, nil, err
		}
		if err := json.Unmarshal(text, &body); err != nil {
			return body, nil, unreadable(text, err)
		}
		return body, nil, nil
	}
	parts, err := c.MultipartReader()
	for err == nil {
		part, next := parts.NextPart()
		if errors.Is(next, io.EOF) {
			return body, zip, nil
		}
		if err = next; err != nil {
			break
		}
		content, next := io.ReadAll(part)
		if err = next; err != nil {
			break
		}
		if part.FormName() == "file" {
			zip = content
			continue
		}
		if err := json.Unmarshal(content, &body); err != nil {
			return body, nil, unreadable(content, err)
		}
	}
	return body, nil, refuse(http.StatusBadRequest, "INVALID_MULTIPART_REQUEST", "the body is not a multipart form: %v", err)
}

// createDeploy is POST /metadata/deployRequest.
func createDeploy(c *call) (*answer, error) {
	body, zip, err := c.readDeploy()
	if err != nil {
		return nil, err
	}
	if body.ValidatedDeployRequestID != "" {
		return c.deployValidated(body.ValidatedDeployRequestID)
	}
	switch {
	case body.DeployOptions == nil:
		return nil, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "the request has no deployOptions")
	case zip == nil:
		return nil, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "the request has no part named file with the zip file")
	}
	if err := c.checkTests(body.DeployOptions); err != nil {
		return nil, err
	}
	if _, err := openZip(zip); err != nil {
		return nil, err
	}
	return c.startDeploy(body.DeployOptions, zip, "")
}

// checkTests refuses options about tests that do not fit.
func (c *call) checkTests(o *deployOptions) error {
	switch o.TestLevel {
	case "", "NoTestRun", "RunLocalTests", "RunAllTestsInOrg", "RunRelevantTests":
		return nil
	case "RunSpecifiedTests":
		if len(o.RunTests) == 0 { // words not found in a source
			return refuse(http.StatusBadRequest, "INVALID_OPERATION", "runTests must name tests when the testLevel is RunSpecifiedTests")
		}
		return nil
	}
	return refuse(http.StatusBadRequest, "INVALID_OPERATION", "%s is not a testLevel", o.TestLevel)
}

// runsTests reports whether tests are part of a deploy.
func (o *deployOptions) runsTests() bool {
	return o.RunAllTests || len(o.RunTests) > 0 || o.TestLevel != "" && o.TestLevel != "NoTestRun"
}

// startDeploy queues a deploy and answers with its id.
func (c *call) startDeploy(options *deployOptions, zip []byte, validated string) (*answer, error) {
	id, err := c.row("DeployRequest", values{"Status": "Pending", "CheckOnly": options.CheckOnly, "RollbackOnError": options.RollbackOnError,
		"IgnoreWarnings": options.IgnoreWarnings, "TestLevel": orNull(options.TestLevel), "RunTestsEnabled": options.runsTests()})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	if _, err := c.db.ExecContext(c.Context(), `INSERT INTO DeployPackage (Id, Options, Zip) VALUES (?, ?, ?)`, id, string(text), zip); err != nil {
		return nil, err
	}
	c.deployLater(id, "Pending", (*call).beginDeploy)
	result, err := c.deployResult(id, false)
	if err != nil {
		return nil, err
	}
	body := object{{"id", id}, {"validatedDeployRequestId", orNull(validated)}, {"url", c.deployURL(id, false)},
		{"deployOptions", options}, {"deployResult", result}}
	return &answer{status: http.StatusCreated, body: body, header: http.Header{"Location": {c.root() + "/metadata/deployRequest/" + id}}}, nil
}

func (c *call) deployURL(id string, details bool) string {
	return fmt.Sprintf("%s%s/metadata/deployRequest/%s?includeDetails=%t", c.base(), c.root(), id, details)
}

// deployValidated deploys a package again that has been validated with tests, without running them.
func (c *call) deployValidated(given string) (*answer, error) {
	id, _ := parseID(given)
	row, err := c.deployRow(id)
	if err != nil {
		return nil, err
	}
	checkOnly, _ := row["CheckOnly"].(int64)
	tested, _ := row["RunTestsEnabled"].(int64)
	if checkOnly == 0 || tested == 0 || row["Status"] != "Succeeded" { // words not found in a source
		return nil, refuse(http.StatusBadRequest, "INVALID_ID_FIELD", "%s is not the id of a validation that ran tests and succeeded", given)
	}
	options, zip, err := c.deployed(id)
	if err != nil {
		return nil, err
	}
	options.CheckOnly, options.TestLevel, options.RunTests, options.RunAllTests = false, "NoTestRun", nil, false
	return c.startDeploy(options, zip, id)
}

// deployRow reads the state of a deploy.
func (c *call) deployRow(id string) (stored, error) {
	row, err := c.load(c.org.schema.tooling.Object("DeployRequest"), id)
	if err == nil && row == nil {
		err = noResource()
	}
	return row, err
}

// deployed reads what a deploy was asked to do.
func (c *call) deployed(id string) (*deployOptions, []byte, error) {
	var text string
	var zip []byte
	if err := c.db.QueryRowContext(c.Context(), `SELECT Options, Zip FROM DeployPackage WHERE Id = ?`, id).Scan(&text, &zip); err != nil {
		return nil, nil, err
	}
	options := &deployOptions{}
	return options, zip, json.Unmarshal([]byte(text), options)
}

// getDeploy is GET /metadata/deployRequest/{id}?includeDetails=.
func getDeploy(c *call) (*answer, error) {
	id, _ := parseID(c.PathValue("id"))
	details := c.URL.Query().Get("includeDetails") == "true"
	result, err := c.deployResult(id, details)
	if err != nil {
		return nil, err
	}
	return ok(object{{"id", id}, {"url", c.deployURL(id, details)}, {"deployResult", result}})
}

// deployResult is the DeployResult of a deploy.
func (c *call) deployResult(id string, withDetails bool) (object, error) {
	row, err := c.deployRow(id)
	if err != nil {
		return nil, err
	}
	flag := func(name string) bool { return row[name] == int64(1) }
	done := row["CompletedDate"] != nil
	result := object{{"id", id}, {"status", row["Status"]}, {"done", done},
		{"success", row["Status"] == "Succeeded" || row["Status"] == "SucceededPartial"}, {"checkOnly", flag("CheckOnly")},
		{"ignoreWarnings", flag("IgnoreWarnings")}, {"rollbackOnError", flag("RollbackOnError")}, {"runTestsEnabled", flag("RunTestsEnabled")},
		{"numberComponentsTotal", row["NumberComponentsTotal"]}, {"numberComponentsDeployed", row["NumberComponentsDeployed"]},
		{"numberComponentErrors", row["NumberComponentErrors"]}, {"numberTestsTotal", row["NumberTestsTotal"]},
		{"numberTestsCompleted", row["NumberTestsCompleted"]}, {"numberTestErrors", row["NumberTestErrors"]}, {"stateDetail", row["StateDetail"]},
		{"createdBy", row["CreatedById"]}, {"createdByName", c.userName(row["CreatedById"])}, {"createdDate", row["CreatedDate"]},
		{"startDate", row["StartDate"]}, {"lastModifiedDate", row["LastModifiedDate"]}, {"completedDate", row["CompletedDate"]},
		{"errorMessage", row["ErrorMessage"]}, {"errorStatusCode", row["ErrorStatusCode"]}}
	if canceled := row["CanceledById"]; canceled != nil {
		result = append(result, member{"canceledBy", canceled}, member{"canceledByName", c.userName(canceled)})
	}
	if !withDetails {
		return result, nil
	}
	var details *string
	if err := c.db.QueryRowContext(c.Context(), `SELECT Details FROM DeployPackage WHERE Id = ?`, id).Scan(&details); err != nil {
		return nil, err
	}
	if details == nil {
		return append(result, member{"details", object{{"componentFailures", []any{}}, {"componentSuccesses", []any{}}, {"retrieveResult", nil},
			{"runTestResult", noTestResult()}}}), nil
	}
	return append(result, member{"details", json.RawMessage(*details)}), nil
}

func (c *call) userName(id any) any {
	var name string
	if c.db.QueryRowContext(c.Context(), `SELECT Name FROM User WHERE Id = ?`, id).Scan(&name) != nil {
		return nil
	}
	return name
}

func noTestResult() object {
	return object{{"apexLogId", nil}, {"codeCoverage", []any{}}, {"codeCoverageWarnings", []any{}}, {"failures", []any{}}, {"flowCoverage", []any{}},
		{"flowCoverageWarnings", []any{}}, {"numFailures", 0}, {"numTestsRun", 0}, {"successes", []any{}}, {"totalTime", 0.0}}
}

// cancelDeploy is PATCH /metadata/deployRequest/{id} with the status Canceling.
func cancelDeploy(c *call) (*answer, error) {
	body, _, err := c.readDeploy()
	if err != nil {
		return nil, err
	}
	if body.DeployResult.Status != "Canceling" {
		return nil, refuse(http.StatusBadRequest, "INVALID_STATUS", "The status of a deploy can only be set to Canceling")
	}
	id, _ := parseID(c.PathValue("id"))
	row, err := c.deployRow(id)
	if err != nil {
		return nil, err
	}
	if row["CompletedDate"] != nil { // words not found in a source
		return nil, refuse(http.StatusBadRequest, "INVALID_ID_FIELD", "Deployment already completed")
	}
	if err := c.set("DeployRequest", id, values{"Status": "Canceling", "CanceledById": c.user.id}); err != nil {
		return nil, err
	}
	c.later(1, func(c *call) error {
		return c.set("DeployRequest", id, values{"Status": "Canceled", "CompletedDate": c.now().Format(storedTime)})
	})
	result, err := c.deployResult(id, false)
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusAccepted, body: object{{"id", id}, {"url", c.deployURL(id, false)}, {"deployResult", result}}}, nil
}
