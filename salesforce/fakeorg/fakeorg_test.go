package fakeorg_test

import (
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

func TestStart(t *testing.T) {
	begin := time.Now()
	o, err := fakeorg.New(fakeorg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(begin))
	o.Close()
}
