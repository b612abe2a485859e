package loop

import (
	"errors"
	"strings"
	"time"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/records"
)

// fix is a fault that a person has to mend: the message says what is wrong, and what
// would be right.
func fix(code, message string) *returns.Fault {
	return &returns.Fault{Class: returns.Fix, Code: code, Message: message}
}

// passing is the fault of a store or a secret that cannot be had now: nothing was
// sent.
func passing(code string, err error) *returns.Fault {
	return &returns.Fault{Class: returns.Transient, Code: code, Message: err.Error()}
}

// classed says what helps against an error of a step. Where nobody can say whether a
// request was carried out, the error stays as it is: of a read that is nothing, and of
// all else it is not known then whether it was done.
func classed(err error) error {
	var known *returns.Fault
	var paid *gateway.Error
	var misfit *records.Misfit
	var theirs *salesforce.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &paid):
		return ofGateway(paid, err)
	case errors.Is(err, records.ErrNoCase), errors.Is(err, records.ErrNoReturn), errors.Is(err, records.ErrAsk):
		return &returns.Fault{Class: returns.Systemic, Code: "records", Message: err.Error()}
	case errors.As(err, &misfit):
		return fix("mapping", err.Error())
	case errors.As(err, &theirs):
		return ofOrg(theirs, err)
	}
	var login interface {
		Temporary() bool
		RetryAfter() time.Duration
	}
	if errors.As(err, &login) && login.Temporary() { // there is no token now
		return &returns.Fault{Class: returns.Transient, Code: string(tools.NotConnected), Message: err.Error(), After: login.RetryAfter()}
	}
	var ours *tools.Error
	if e := tools.AsError(err); errors.As(err, &ours) || e.Code != tools.Internal {
		return ofServer(e)
	}
	return err
}

// ofGateway is what an outcome of a refund means for the run.
func ofGateway(e *gateway.Error, err error) error {
	fault := &returns.Fault{Code: e.Code, Message: err.Error(), After: e.RetryAfter, Never: e.Never}
	switch e.Outcome {
	case gateway.Declined:
		fault.Class = returns.Declined
	case gateway.Refused:
		fault.Class = returns.Fix
	case gateway.Transient:
		fault.Class = returns.Transient
	default: // what a key stands for that is another refund's, nobody can say either
		fault.Class = returns.Unknown
	}
	return fault
}

// ofServer is the fault of what this server refuses, before anything is sent.
func ofServer(e *tools.Error) error {
	message := strings.TrimSpace(e.Message + ". " + e.Hint)
	if e.ConnectURL != "" {
		message += " Connect at " + e.ConnectURL
	}
	fault := fix(string(e.Code), message)
	if e.RetryAfter > 0 || e.Code == tools.Internal {
		fault.Class, fault.After = returns.Transient, time.Duration(e.RetryAfter)*time.Second
	}
	return fault
}

// ofOrg is the fault of a request to the org that is known not to have been carried
// out. Which field, object or permission it is about stands in what the org says.
func ofOrg(e *salesforce.Error, err error) error {
	refused := e.Status >= 300 && e.Status < 500 && e.Class != salesforce.ClassTransient
	if !e.NotExecuted && !(refused && !e.Repeated) {
		return err
	}
	var ours *tools.Error
	if e.Class == salesforce.ClassAuth && errors.As(e.Err, &ours) { // no token, and why
		return ofServer(ours)
	}
	fault := &returns.Fault{Class: returns.Fix, Code: e.Code, Message: err.Error(), After: e.RetryAfter}
	if fault.Code == "" {
		fault.Code = string(e.Class)
	}
	switch e.Class {
	case salesforce.ClassAuth:
		fault.Class = returns.Renew
	case salesforce.ClassLimited, salesforce.ClassTransient, salesforce.ClassConflict:
		fault.Class = returns.Transient
	default:
		if hint := e.Hint(); hint != "" {
			fault.Message += ". " + hint
		}
	}
	return fault
}
