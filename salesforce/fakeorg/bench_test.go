package fakeorg_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// BenchmarkNew is how long a start takes, with the company in it.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		o, err := fakeorg.New(fakeorg.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := o.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQuery is a query of 50 accounts over HTTP, by as many callers as -cpu says.
func BenchmarkQuery(b *testing.B) {
	o, err := fakeorg.New(fakeorg.Options{DailyCalls: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(o.Handler())
	defer server.Close()
	token := o.MintToken(fakeorg.IntegrationUser)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	ask := func() error {
		q := url.QueryEscape("SELECT Id, Name, Industry, AnnualRevenue FROM Account LIMIT 50")
		request, err := http.NewRequest(http.MethodGet, server.URL+api+"/query?q="+q, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := ask(); err != nil {
				b.Error(err)
			}
		}
	})
}
