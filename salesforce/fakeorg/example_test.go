package fakeorg_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"salesforce-mcp/salesforce/fakeorg"
)

// An org behind a test server, asked with a token that needs no login.
func ExampleNew() {
	org, err := fakeorg.New(fakeorg.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = org.Close() }()
	server := httptest.NewServer(org.Handler())
	defer server.Close()

	request, err := http.NewRequest(http.MethodGet, server.URL+"/services/data/v62.0/limits/recordCount?sObjects=Account,Case", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+org.MintToken(fakeorg.IntegrationUser))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.Status, string(body), err)
	// Output: 200 OK {"sObjects":[{"count":64,"name":"Account"},{"count":49,"name":"Case"}]} <nil>
}
