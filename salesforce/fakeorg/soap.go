package fakeorg

import (
	"bytes"
	"io"
	"net/http"
)

// Of the SOAP services of the platform only those operations are simulated that REST does not have at all.
var (
	partnerService = soapService{namespace: "urn:partner.soap.sforce.com", faults: "urn:fault.partner.soap.sforce.com", detail: true,
		operations: map[string]soapOperation{"convertLead": convertLeads}}
	metadataService = soapService{namespace: "http://soap.sforce.com/2006/04/metadata", faults: "http://soap.sforce.com/2006/04/metadata",
		operations: map[string]soapOperation{"readMetadata": readMetadata}}
)

// soapService is what a SOAP address offers.
type soapService struct {
	namespace, faults string
	detail            bool // faults have a detail
	operations        map[string]soapOperation
}

// soapOperation gives the elements of a result.
type soapOperation func(*call, *xmlElement) ([]xmlNode, error)

const envelopeNamespace = "http://schemas.xmlsoap.org/soap/envelope/"

// soapRoutes take the session from the envelope, so that the paths need no token.
func soapRoutes() []route {
	var routes []route
	for path, service := range map[string]*soapService{"u": &partnerService, "m": &metadataService, "s": &apexService} {
		for _, end := range []string{"", "/{organization}"} { // clients may be told an address with the id of the org
			routes = append(routes, route{method: http.MethodPost, path: "/services/Soap/" + path + "/{number}" + end, open: true, handle: service.handle})
		}
	}
	return routes
}

// handle answers a SOAP request. A fault undoes what was done.
func (s *soapService) handle(c *call) (*answer, error) {
	c.version = "v" + c.PathValue("number")
	a := &answer{status: http.StatusOK, header: http.Header{"Content-Type": {"text/xml;charset=UTF-8"}}}
	err := c.within(func() error {
		operation, results, err := s.serve(c)
		a.body = soapEnvelope(`xmlns="`+s.namespace+`"`, xmlNode{operation + "Response", results}, c.soapHeader...)
		return err
	})
	if err != nil {
		a.status, a.body = http.StatusInternalServerError, s.fault(err)
	}
	return a, nil
}

// serve reads the envelope, finds out who asks and does what is asked for.
func (s *soapService) serve(c *call) (operation string, results []xmlNode, err error) {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return "", nil, err
	}
	document, err := parseSOAP(text)
	if err != nil {
		return "", nil, clientFault("XML document could not be parsed: " + err.Error())
	}
	bodies := document.all("Body")
	if document.name.Local != "Envelope" || document.name.Space != envelopeNamespace || len(bodies) != 1 || len(bodies[0].children) != 1 {
		return "", nil, clientFault("The request is not a SOAP 1.1 envelope with one operation in its body")
	}
	if !versionExists(c.version) {
		return "", nil, invalid("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
	}
	asked := bodies[0].children[0]
	if asked.name.Space != s.namespace {
		return "", nil, clientFault("No operation available for request {" + asked.name.Space + "}" + asked.name.Local + ", please check the WSDL for the service.")
	}
	if err := s.authenticate(c, document); err != nil {
		return "", nil, err
	}
	do := s.operations[asked.name.Local]
	if do == nil {
		return "", nil, invalid("FUNCTIONALITY_NOT_ENABLED", "The simulated org does not know the operation "+asked.name.Local+" of SOAP")
	}
	results, err = do(c, asked)
	return asked.name.Local, results, err
}

// authenticate finds the session whose id the header has, and counts the call.
func (s *soapService) authenticate(c *call, document *xmlElement) error {
	id := ""
	for _, header := range document.all("Header") {
		for _, child := range header.children {
			if child.name.Local == "SessionHeader" && child.name.Space == s.namespace {
				id = child.value("sessionId")
			}
		}
	}
	session := c.org.useSession(id, true)
	if session == nil || !session.mayCallAPI() || session.issuer != "" {
		return invalid("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
	}
	c.user = session.user
	if err := c.stillActive(); err != nil {
		return err
	}
	if c.sight != nil { // the words of the Metadata API
		return invalid("INSUFFICIENT_ACCESS", "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions")
	}
	if c.org.countCall() > c.org.options.DailyCalls {
		return invalid("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	return nil
}

// clientFault is a fault about the envelope itself.
func clientFault(message string) *fault {
	return &fault{status: http.StatusInternalServerError, code: "", message: message}
}

// fault writes an error as the platform does: the code is said in the text too, and faults of the partner service
// have a detail.
func (s *soapService) fault(err error) []byte {
	f := asFault(err)
	if f.code == "" {
		return soapEnvelope("", xmlNode{"soapenv:Fault", []xmlNode{xmlLeaf("faultcode", "soapenv:Client"), xmlLeaf("faultstring", f.message)}})
	}
	content := []xmlNode{xmlLeaf("faultcode", "sf:"+f.code), xmlLeaf("faultstring", f.code+": "+f.message)}
	if s.detail {
		content = append(content, xmlNode{"detail", []xmlNode{{`sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault"`,
			[]xmlNode{xmlLeaf("sf:exceptionCode", f.code), xmlLeaf("sf:exceptionMessage", f.message)}}}})
	}
	return soapEnvelope(`xmlns:sf="`+s.faults+`"`, xmlNode{"soapenv:Fault", content})
}

func soapEnvelope(namespaces string, content xmlNode, header ...xmlNode) []byte {
	b := bytes.NewBufferString(`<?xml version="1.0" encoding="UTF-8"?>`)
	tag := `soapenv:Envelope xmlns:soapenv="` + envelopeNamespace + `"`
	if namespaces != "" {
		tag += " " + namespaces
	}
	parts := []xmlNode{{"soapenv:Body", []xmlNode{content}}}
	if header != nil {
		parts = append([]xmlNode{{"soapenv:Header", header}}, parts...)
	}
	xmlNode{tag + ` xmlns:xsi="` + schemaInstance + `"`, parts}.write(b)
	return b.Bytes()
}
