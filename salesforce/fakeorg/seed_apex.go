package fakeorg

import (
	_ "embed"
	"fmt"
	"strings"
)

// seedApex is the Apex the company has written: classes one behind the other, each after a line "// file: Name".
//
//go:embed seed.apex
var seedApex string

// code seeds Apex classes, a suite with their tests and a debug level, and describes the schema to the Tooling API.
func (s *seeder) code() {
	s.tooling = true
	defer func() { s.tooling = false }()
	o := s.schema().Object("ApexClass")
	suite := s.add("ApexTestSuite", 200, values{"TestSuiteName": "Returns"})
	for source := range strings.SplitSeq(seedApex, "// file: ") {
		name, body, isClass := strings.Cut(source, "\n")
		if !isClass || s.err != nil {
			continue
		}
		made, refused := compile(o, body)
		if refused != nil {
			s.err = fmt.Errorf("seed: %s: %w", name, refused)
			return
		}
		id := s.add("ApexClass", 200, values{"Name": name, "Body": body, "ApiVersion": 62.0})
		if s.err == nil {
			s.err = s.store(o, id, made.columns, false)
		}
		if strings.HasSuffix(name, "Test") {
			s.add("TestSuiteMembership", 200, values{"ApexTestSuiteId": suite, "ApexClassId": id})
		}
	}
	s.add("DebugLevel", 300, values{"DeveloperName": "SFDC_DevConsole", "MasterLabel": "SFDC_DevConsole", "ApexCode": "FINEST"})
	s.add("ApexOrgWideCoverage", 200, values{"PercentCovered": 0})
	if s.err == nil {
		s.err = s.followSchema()
	}
}
