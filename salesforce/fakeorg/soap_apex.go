package fakeorg

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// soapApexRoutes is the SOAP endpoint of Apex, of which executeAnonymous is simulated: the sf command line runs Apex
// there, because it gets the log with the answer. The token is that of the Authorization header, which clients of the
// REST API send here too.
func soapApexRoutes() []route {
	return []route{{method: http.MethodPost, path: "/services/Soap/s/{soapVersion}/{organization}", handle: soapExecuteAnonymous}}
}

// soapExecuteAnonymous runs the source of a request and answers with the result and the log.
func soapExecuteAnonymous(c *call) (*answer, error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	var envelope struct {
		Body struct {
			ExecuteAnonymous *struct {
				ApexCode string `xml:"apexcode"`
				String   string
			} `xml:"executeAnonymous"`
		}
	}
	if err := xml.Unmarshal(text, &envelope); err != nil || envelope.Body.ExecuteAnonymous == nil {
		return &answer{status: http.StatusInternalServerError, header: xmlContent, body: soapFault("soapenv:Client", "simulated: only executeAnonymous is understood here")}, nil
	}
	c.version = "v" + c.PathValue("soapVersion")
	source := envelope.Body.ExecuteAnonymous.ApexCode + envelope.Body.ExecuteAnonymous.String
	run := c.anonymous(source)
	r, err := c.execute(run)
	if err != nil {
		return nil, err
	}
	log := c.logText("APEX_CODE,DEBUG;APEX_PROFILING,INFO", run)
	body := soapElement("line", r.line) + soapElement("column", r.column) + soapElement("compileProblem", r.problem) + soapElement("compiled", r.compiled) +
		soapElement("exceptionMessage", r.message) + soapElement("exceptionStackTrace", r.trace) + soapElement("success", r.success)
	return &answer{status: http.StatusOK, header: xmlContent, body: []byte(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope ` +
		`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="http://soap.sforce.com/2006/08/apex" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<soapenv:Header><DebuggingInfo>` + soapElement("debugLog", log) + `</DebuggingInfo></soapenv:Header><soapenv:Body><executeAnonymousResponse><result>` +
		body + `</result></executeAnonymousResponse></soapenv:Body></soapenv:Envelope>`)}, nil
}

var xmlContent = http.Header{"Content-Type": {"text/xml;charset=UTF-8"}}

// soapElement writes a value; nil is xsi:nil.
func soapElement(name string, value any) string {
	if value == nil {
		return "<" + name + ` xsi:nil="true"/>`
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, fmt.Append(nil, value)) // a builder takes everything
	return "<" + name + ">" + b.String() + "</" + name + ">"
}

func soapFault(code, message string) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault>` +
		soapElement("faultcode", code) + soapElement("faultstring", message) + `</soapenv:Fault></soapenv:Body></soapenv:Envelope>`)
}
