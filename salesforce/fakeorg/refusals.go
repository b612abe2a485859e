package fakeorg

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Refusals are errors of the login that no setting of a [Client] brings about, by the names that a [Fault] may use. They
// are told in the form of the path they are injected on: as JSON by the token endpoint, by a redirect while a person
// logs in. The codes are those of Salesforce Help, "OAuth 2.0 Authorization Errors"; a text without a source is the
// code's meaning there.
var Refusals = map[string]Fault{
	"inactive user":           {ErrorCode: "invalid_grant", Message: "inactive user"},    // restforce/restforce #303
	"inactive_user":           {ErrorCode: "inactive_user", Message: "user is inactive"}, // the other code for it
	"inactive org":            {ErrorCode: "inactive_org", Message: "org is locked, closed, or suspended"},
	"ip restricted":           {ErrorCode: "invalid_grant", Message: "ip restricted"}, // sfdx-actions/setup-sfdx #17
	"login hours":             {ErrorCode: "invalid_grant", Message: "ip restricted or invalid login hours"},
	"authentication failure":  {ErrorCode: "invalid_grant", Message: "authentication failure"}, // jsforce/jsforce #482
	"app not found":           {ErrorCode: "app_not_found", Message: "app not found"},
	"rate limit":              {ErrorCode: "rate_limit_exceeded", Message: "number of logins exceeded"},
	"login rate":              {ErrorCode: "invalid_grant", Message: "login rate exceeded"},     // the same, as forums quote it
	"unknown error":           {ErrorCode: "unknown_error", Message: "retry your request"},      // with status 400
	"server error":            {ErrorCode: "server_error", Message: "unexpected", Status: 500},  // RFC 6749 §4.1.2.1
	"temporarily unavailable": {ErrorCode: "temporarily_unavailable", Message: "", Status: 503}, // the same
	"maintenance":             {HTML: "<html><body>We are down for maintenance.</body></html>", Status: 503},
	"approval error":          {ErrorCode: "OAUTH_APPROVAL_ERROR_GENERIC", Message: "An unexpected error has occurred during authentication. Please try again."},
	"app not installed":       {ErrorCode: "OAUTH_EC_APP_NOT_FOUND", Message: "external client app is not installed in this org"}, // PipedreamHQ/pipedream #21557
}

// complete fills in what a fault leaves open: the refusal it names, and how often it happens.
func (f Fault) complete() (Fault, error) {
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Agent != "" && !slices.Contains(AgentFaults, f.Agent) {
		return f, fmt.Errorf("an agent does not fail in the way %q; there are: %s", f.Agent, strings.Join(AgentFaults, ", "))
	}
	if f.Refusal == "" {
		return f, nil
	}
	refusal, known := Refusals[f.Refusal]
	if !known {
		return f, fmt.Errorf("there is no refusal %q; there are: %s", f.Refusal, strings.Join(slices.Sorted(maps.Keys(Refusals)), ", "))
	}
	f.Path = cmp.Or(f.Path, "/services/oauth2/token")
	f.ErrorCode, f.Message = cmp.Or(f.ErrorCode, refusal.ErrorCode), cmp.Or(f.Message, refusal.Message)
	f.HTML, f.Status = cmp.Or(f.HTML, refusal.HTML), cmp.Or(f.Status, refusal.Status)
	return f, nil
}
