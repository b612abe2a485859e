package fakeorg

// apexService is the SOAP address of Apex: the sf command line runs Apex there, because it gets the log with the
// answer.
var apexService = soapService{namespace: "http://soap.sforce.com/2006/08/apex", faults: "http://soap.sforce.com/2006/08/apex",
	operations: map[string]soapOperation{"executeAnonymous": soapExecuteAnonymous}}

// soapExecuteAnonymous runs a source and puts the log into the header of the answer.
func soapExecuteAnonymous(c *call, asked *xmlElement) ([]xmlNode, error) {
	run := c.anonymous(asked.value("apexcode") + asked.value("String"))
	r, err := c.execute(run)
	if err != nil {
		return nil, err
	}
	c.soapHeader = []xmlNode{{"DebuggingInfo", []xmlNode{xmlLeaf("debugLog", c.logText("APEX_CODE,DEBUG;APEX_PROFILING,INFO", run))}}}
	return []xmlNode{{"result", []xmlNode{xmlLeaf("line", r.line), xmlLeaf("column", r.column), xmlLeaf("compileProblem", r.problem),
		xmlLeaf("compiled", r.compiled), xmlLeaf("exceptionMessage", r.message), xmlLeaf("exceptionStackTrace", r.trace), xmlLeaf("success", r.success)}}}, nil
}
