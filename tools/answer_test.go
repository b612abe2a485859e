package tools

import (
	"context"
	"io"
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

// TestLargeAnswersOneByOne (attack 27): large answers are taken apart one at a
// time, those in XML and those that were to be streamed too.
func TestLargeAnswersOneByOne(t *testing.T) {
	org := answering("<Envelope><Body><r><result>" + strings.Repeat("<a>1</a>", largeAnswer/8) + "</result></r></Body></Envelope>")
	for name, take := range map[string]func() error{
		"XML": func() error {
			_, _, err := soap(t.Context(), org, &Op{Call: "POST /services/Soap/m"}, metadataNamespace, element{name: "x"})
			return err
		},
		"JSON": func() error {
			value := io.NopCloser(strings.NewReader("[" + strings.Repeat("1,", largeAnswer/2) + "1]"))
			return (&Op{Content: Value}).read(&salesforce.Response{Header: http.Header{"Content-Type": {"application/json"}}, Stream: value}, nil).err
		},
	} {
		done := make(chan error, 1)
		large.Lock()
		go func() { done <- take() }()
		select {
		case err := <-done:
			large.Unlock()
			t.Fatalf("%s: done while another answer is taken apart: %v", name, err)
		case <-time.After(time.Second):
		}
		large.Unlock()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
