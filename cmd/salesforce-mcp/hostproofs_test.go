package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// TestCertificateFromAnybody: the header of a proxy counts from that proxy only;
// from others it is ignored, which is logged.
func TestCertificateFromAnybody(t *testing.T) {
	profile := func(from string) func(*config.Config) {
		return func(c *config.Config) {
			c.Workspaces[0].Profiles = append(slices.Clone(c.Workspaces[0].Profiles), &allowlist.Profile{Name: "mesh",
				ClientCert: &allowlist.ClientCert{Header: "X-Forwarded-Client-Cert", From: allowlist.Networks{from}, Required: map[string]allowlist.OneOf{"uri": {"spiffe://acme/gw"}}},
				Agent:      []allowlist.Source{{Kind: allowlist.Static, Name: demoReader}}})
			c.TrustedProxies = allowlist.Networks{"127.0.0.1"}
		}
	}
	xfcc := map[string]string{"X-Forwarded-Client-Cert": "Hash=ab;URI=spiffe://acme/gw", "X-Forwarded-For": "10.1.2.3"}
	w := newWorld(t, profile("127.0.0.1"))
	if status, answer := w.asHost("", xfcc); status != http.StatusOK || w.who() != "mesh/"+demoReader+"//" {
		t.Errorf("from the proxy: %d %s", status, answer)
	}
	w = newWorld(t, profile("10.0.0.0/8")) // which X-Forwarded-For names, and the connection does not
	if status, answer := w.asHost("", xfcc); status != http.StatusUnauthorized {
		t.Errorf("from anybody: %d %s", status, answer)
	}
	if status, _ := w.asHost("token-a", map[string]string{"X-Forwarded-Client-Cert": "Hash=ab;URI=spiffe://acme/gw", "Agent-Id": demoReader}); status != http.StatusOK || w.who() != "agent-factory/"+demoReader+"//" {
		t.Errorf("beside a token of its own: %d, %s", status, w.who())
	}
	if log := w.log.String(); !strings.Contains(log, `"refused":"client certificate"`) || !strings.Contains(log, "X-Forwarded-Client-Cert is ignored") {
		t.Errorf("the log has nothing of it: %s", log)
	}
}

// TestGuessesBesideACertificate: what stands beside a certificate that is good was
// not shown to be good.
func TestGuessesBesideACertificate(t *testing.T) {
	w := newWorld(t, func(c *config.Config) {
		c.Workspaces[0].Profiles = append(slices.Clone(c.Workspaces[0].Profiles), &allowlist.Profile{Name: "mesh",
			ClientCert: &allowlist.ClientCert{Header: "Client-Cn", Format: allowlist.FormatCN, From: allowlist.Networks{"127.0.0.1"}, Required: map[string]allowlist.OneOf{"cn": {"gw"}}},
			Agent:      []allowlist.Source{{Kind: allowlist.Static, Name: demoReader}}})
	})
	for range 40 {
		if status, answer := w.asHost("guess", map[string]string{"Client-Cn": "gw"}); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	status := 0
	for range 40 {
		status, _ = w.asHost("guess", nil)
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("without the certificate: %d", status)
	}
}

// TestIssuerAway: who cannot be checked at present is told to come back, where it is
// public that there is something to come back to.
func TestIssuerAway(t *testing.T) {
	i := newTokenIssuer(t)
	url := i.url
	i.url = "https://issuer.invalid" // what it says it is, so that it cannot be used
	w := newWorld(t, func(c *config.Config) { signedHosts(&tokenIssuer{url: url})(c) })
	for workspace, want := range map[string]int{"a": http.StatusServiceUnavailable, "b": http.StatusUnauthorized} {
		r := w.tokenRequest(workspace, i.token(nil, w.claims(i, map[string]any{"iss": url, "aud": w.origin + "/w/" + workspace + "/mcp"})), "198.51.100.1")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want || (resp.Header.Get("Retry-After") != "") != (want == http.StatusServiceUnavailable) {
			t.Errorf("workspace %s: %d %v", workspace, resp.StatusCode, resp.Header)
		}
	}
	for range 40 { // which are no guesses
		r := w.tokenRequest("a", i.token(nil, w.claims(i, map[string]any{"iss": url})), "198.51.100.1")
		if status, answer := w.do(r); status != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if log := w.log.String(); !strings.Contains(log, "the keys of a token issuer cannot be fetched") {
		t.Errorf("the log: %s", log)
	}
}
