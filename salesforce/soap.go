package salesforce

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// envelope is the message of a SOAP operation. The session header takes an
// OAuth access token (SOAP API Developer Guide, "SessionHeader").
func envelope(namespace string, token Secret, body []byte) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="`)
	b.WriteString(EscapeXML(namespace))
	b.WriteString(`"><soapenv:Header><SessionHeader><sessionId>`)
	b.WriteString(EscapeXML(token.Reveal()))
	b.WriteString(`</sessionId></SessionHeader></soapenv:Header><soapenv:Body>`)
	b.Write(body)
	b.WriteString(`</soapenv:Body></soapenv:Envelope>`)
	return b.String()
}

// EscapeXML returns text as it stands in an XML element. Characters that XML
// cannot hold become U+FFFD.
func EscapeXML(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes everything
	return b.String()
}

// readFault reads a SOAP fault: <faultcode>sf:INVALID_SESSION_ID</faultcode>
// and <faultstring>.
func (e *Error) readFault(body []byte) (found bool) {
	var fault struct {
		Code    string `xml:"Body>Fault>faultcode"`
		Message string `xml:"Body>Fault>faultstring"`
	}
	if xml.Unmarshal(body, &fault) != nil || fault.Code == "" {
		return false
	}
	_, code, prefixed := strings.Cut(fault.Code, ":")
	if !prefixed {
		code = fault.Code
	}
	e.Code = code
	e.Message = clip(strings.TrimPrefix(fault.Message, code+": "), longestMessage)
	return true
}
