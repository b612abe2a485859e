package tools

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce"
)

// answering is an org that answers everything with one body.
type answering string

func (a answering) Do(context.Context, *salesforce.Request) (*salesforce.Response, error) {
	return &salesforce.Response{Status: 200, Header: http.Header{}, Body: []byte(a)}, nil
}

// TestLargeXML (attack 27): large answers in XML are taken apart one at a time,
// as those in JSON are.
func TestLargeXML(t *testing.T) {
	org := answering("<Envelope><Body><r><result>" + strings.Repeat("<a>1</a>", largeAnswer/8) + "</result></r></Body></Envelope>")
	done := make(chan error, 1)
	large.Lock()
	go func() {
		_, _, err := soap(t.Context(), org, &Op{Call: "POST /services/Soap/m"}, metadataNamespace, element{name: "x"})
		done <- err
	}()
	select {
	case err := <-done:
		large.Unlock()
		t.Fatalf("done while another answer is taken apart: %v", err)
	case <-time.After(time.Second):
	}
	large.Unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
