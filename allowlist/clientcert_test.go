package allowlist

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newCert makes a certificate with every part, valid from now for some time.
func newCert(t testing.TB, from, to time.Duration) []byte {
	t.Helper()
	uri, _ := url.Parse("spiffe://acme.example/gw")
	key := ecKey(elliptic.P256())
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "gw", Organization: []string{"Acme"}},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to), URIs: []*url.URL{uri}, DNSNames: []string{"gw.acme.example"}, EmailAddresses: []string{"gw@acme.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestClientCertFormats: the ways in which proxies write a certificate down.
func TestClientCertFormats(t *testing.T) {
	der := newCert(t, -time.Hour, time.Hour)
	base := base64.StdEncoding.EncodeToString(der)
	inPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	sum := sha256.Sum256(der)
	whole := certificate{"cn": {"gw"}, "subject": {"CN=gw,O=Acme"}, "dns": {"gw.acme.example"}, "uri": {"spiffe://acme.example/gw"},
		"email": {"gw@acme.example"}, "sha256": {hex.EncodeToString(sum[:])}}
	aws := strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=", "+", "%20").Replace(url.QueryEscape(inPEM)) // which leaves these three alone
	for name, test := range map[string]struct {
		format, text string
		want         certificate // nil: refused
	}{
		"RFC 9440":                 {FormatCertificate, ":" + base + ":", whole},
		"nginx":                    {FormatCertificate, strings.ReplaceAll(url.QueryEscape(inPEM), "+", "%20"), whole},
		"AWS":                      {FormatCertificate, aws, whole},
		"HAProxy":                  {FormatCertificate, base, whole},
		"Traefik":                  {FormatCertificate, url.QueryEscape(base), whole},
		"RFC 9440 without its end": {FormatCertificate, ":" + base, nil},
		"RFC 9440 with a second":   {FormatCertificate, ":" + base + ":, :" + base + ":", nil},
		"two certificates":         {FormatCertificate, url.PathEscape(inPEM + inPEM), nil},
		"a key":                    {FormatCertificate, url.PathEscape(key), nil},
		"half of one":              {FormatCertificate, base[:len(base)/2], nil},
		"something behind it":      {FormatCertificate, base64.StdEncoding.EncodeToString(append(der, 0)), nil},
		"a flag":                   {FormatCertificate, "1", nil},
		"a broken escape":          {FormatCertificate, "%zz", nil},
		"not valid yet":            {FormatCertificate, base64.StdEncoding.EncodeToString(newCert(t, time.Minute, time.Hour)), nil},
		"not valid any more":       {FormatCertificate, base64.StdEncoding.EncodeToString(newCert(t, -time.Hour, -time.Minute)), nil},
		"Envoy":                    {FormatXFCC, `By=spiffe://acme.example/us;Hash=AB01;Subject="CN=gw,O=\"A;B,C=\\";URI=spiffe://acme.example/gw;DNS=a.example;DNS=b.example`, certificate{"sha256": {"ab01"}, "subject": {`CN=gw,O=\"A;B,C=\\`}, "uri": {"spiffe://acme.example/gw"}, "dns": {"a.example", "b.example"}}},
		"Envoy with a certificate": {FormatXFCC, `Hash=00;URI=spiffe://other;Cert="` + url.PathEscape(inPEM) + `"`, whole},
		"Envoy, keys in any case":  {FormatXFCC, `uri=spiffe://a;HASH=00`, certificate{"uri": {"spiffe://a"}, "sha256": {"00"}}},
		"Envoy, nothing but By":    {FormatXFCC, `By=spiffe://a`, nil},
		"Envoy, empty values":      {FormatXFCC, `URI=;DNS=`, nil},
		"Envoy, two elements":      {FormatXFCC, `URI=spiffe://a,URI=spiffe://b`, nil},
		"Envoy, two, quoted":       {FormatXFCC, `Subject="CN=a",URI=spiffe://b`, nil},
		"Envoy, open quote":        {FormatXFCC, `Subject="CN=a;URI=spiffe://b`, nil},
		"Envoy, escaped quote":     {FormatXFCC, `Subject="CN=a\";URI=spiffe://b"`, certificate{"subject": {`CN=a\";URI=spiffe://b`}}},
		"Envoy, late quote":        {FormatXFCC, `URI=spi"ffe;DNS=b"`, nil},
		"Envoy, one that ends":     {FormatXFCC, `Hash=ab;,URI=spiffe://b`, nil},
		"Envoy, no pairs":          {FormatXFCC, `spiffe://a`, nil},
		"name":                     {FormatCN, "gw", certificate{"cn": {"gw"}}},
		"subject":                  {FormatSubject, "CN=gw,O=Acme", certificate{"subject": {"CN=gw,O=Acme"}}},
	} {
		got, err := parseCert(test.format, test.text)
		if (err == nil) != (test.want != nil) {
			t.Errorf("%s: %v, error %v", name, got, err)
		} else if diff := cmp.Diff(test.want, got); err == nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestClientCert: who is let in by which certificate, and from where.
func TestClientCert(t *testing.T) {
	proof := ClientCert{Header: "X-Forwarded-Client-Cert", From: Networks{"10.0.0.0/8", "2001:db8::/32"}, Required: map[string]OneOf{"uri": {"spiffe://a/gw", "spiffe://a/gw2"}}}
	good := "Hash=ab;URI=spiffe://a/gw"
	for name, test := range map[string]struct {
		from   string
		values []string
		change func(*ClientCert)
		header http.Header
		ok     bool
	}{
		"good":                   {from: "10.1.2.3", values: []string{good}, ok: true},
		"IPv6":                   {from: "2001:db8::1", values: []string{good}, ok: true},
		"IPv4 written as IPv6":   {from: "::ffff:10.1.2.3", values: []string{good}, ok: true},
		"from elsewhere":         {from: "11.1.2.3", values: []string{good}},
		"from nowhere":           {values: []string{good}},
		"no header":              {from: "10.1.2.3"},
		"an empty one":           {from: "10.1.2.3", values: []string{""}},
		"twice":                  {from: "10.1.2.3", values: []string{good, good}},
		"an empty one before it": {from: "10.1.2.3", values: []string{"", good}},
		"of another client":      {from: "10.1.2.3", values: []string{"URI=spiffe://a/gw3"}},
		"a prefix":               {from: "10.1.2.3", values: []string{"URI=spiffe://a/gw2/x"}},
		"any client":             {from: "10.1.2.3", values: []string{"URI=spiffe://a/gw3"}, change: func(c *ClientCert) { c.Required = map[string]OneOf{"uri": {"*"}} }, ok: true},
		"any, and it has none":   {from: "10.1.2.3", values: []string{"Hash=ab"}, change: func(c *ClientCert) { c.Required = map[string]OneOf{"uri": {"*"}} }},
		"one of two required":    {from: "10.1.2.3", values: []string{good}, change: func(c *ClientCert) { c.Required = map[string]OneOf{"uri": {"*"}, "dns": {"*"}} }},
		"too long":               {from: "10.1.2.3", values: []string{good + ";DNS=" + strings.Repeat("x", maxCert)}},
		"verified":               {from: "10.1.2.3", values: []string{good}, change: func(c *ClientCert) { c.VerifiedHeader = "V" }, header: headers("V", "SUCCESS"), ok: true},
		"verified by HAProxy":    {from: "10.1.2.3", values: []string{good}, change: func(c *ClientCert) { c.VerifiedHeader = "V" }, header: headers("V", "0"), ok: true},
		"not verified":           {from: "10.1.2.3", values: []string{good}, change: func(c *ClientCert) { c.VerifiedHeader = "V" }, header: headers("V", "NONE")},
		"verified twice":         {from: "10.1.2.3", values: []string{good}, change: func(c *ClientCert) { c.VerifiedHeader = "V" }, header: headers("V", "SUCCESS", "V", "NONE")},
		"no verdict":             {from: "10.1.2.3", values: []string{good}, change: func(c *ClientCert) { c.VerifiedHeader = "V" }},
	} {
		cert := proof
		if test.change != nil {
			test.change(&cert)
		}
		w := &Workspace{Name: "demo", Profiles: []*Profile{{Name: "mesh", ClientCert: &cert, Agent: []Source{{FromCert, "uri"}}}}, Rules: []Rule{{Agent: "*", Preset: PresetRead}}}
		if err := w.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p := Presented{Header: http.Header{"X-Forwarded-Client-Cert": test.values}}
		for key, values := range test.header {
			p.Header[key] = values
		}
		p.Peer, _ = netip.ParseAddr(test.from)
		host, err := w.Authenticate(t.Context(), p)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v, error %v", name, host, err)
		}
		if ignored := len(w.Ignored(p)) > 0; ignored != (len(test.values) > 0 && !cert.From.Contain(p.Peer)) {
			t.Errorf("%s: ignored %v", name, ignored)
		}
		if err != nil {
			continue
		}
		caller, _, err := w.Identify(host, nil)
		if want, _, _ := strings.Cut(strings.TrimPrefix(test.values[0], "Hash=ab;"), ";"); err != nil || "URI="+caller.Agent != want {
			t.Errorf("%s: caller %+v, error %v", name, caller, err)
		}
	}
	// Two names in one certificate are two agents, and so is one beside a header.
	w := &Workspace{Name: "demo", Profiles: []*Profile{{Name: "mesh", ClientCert: &proof, Agent: []Source{{FromCert, "uri"}, {FromHeader, "Agent-Id"}}}}}
	for _, p := range []Presented{
		{Peer: netip.MustParseAddr("10.0.0.1"), Header: headers("X-Forwarded-Client-Cert", "URI=spiffe://a/gw;URI=spiffe://a/gw2")},
		{Peer: netip.MustParseAddr("10.0.0.1"), Header: headers("X-Forwarded-Client-Cert", good, "Agent-Id", "support")},
	} {
		host, err := w.Authenticate(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if caller, _, err := w.Identify(host, nil); err == nil || !strings.Contains(err.Error(), "differs") {
			t.Errorf("caller %+v, error %v", caller, err)
		}
	}
}

func TestNetworks(t *testing.T) {
	n := Networks{"10.1.0.0/16", "192.0.2.7", "2001:db8::/32"}
	for text, want := range map[string]bool{
		"10.1.255.255": true, "10.2.0.0": false, "192.0.2.7": true, "192.0.2.8": false, "2001:db8::1": true, "2001:db9::1": false,
		"::ffff:10.1.2.3": true, "fe80::1%eth0": false, "2001:db8::1%eth0": true,
	} {
		if got := n.Contain(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if n.Contain(netip.Addr{}) || (Networks{"0.0.0.0/0", "::/0"}).Contain(netip.Addr{}) {
		t.Error("nobody is in a network")
	}
	if (Networks)(nil).Contain(netip.MustParseAddr("10.1.2.3")) {
		t.Error("no network has an address in it")
	}
	for _, bad := range []string{"", "10.0.0.0/33", "10.0.0", "proxy.example", "0.0.0.0/0", "::/0", "10.0.0.0/-1", "::ffff:198.51.100.0/120", " 10.0.0.0/8"} {
		if err := (Networks{"10.0.0.1", bad}).Validate("from"); err == nil || !strings.HasPrefix(err.Error(), "from[1]: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzClientCert: whatever a header says, it is read as one certificate or not at
// all.
func FuzzClientCert(f *testing.F) {
	der := newCert(f, -time.Hour, time.Hour)
	f.Add("xfcc", `By=a;Hash=b;Subject="CN=\"x\"";URI=c;DNS=d`)
	f.Add("xfcc", `Cert="`+url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))+`"`)
	f.Add("certificate", ":"+base64.StdEncoding.EncodeToString(der)+":")
	f.Add("certificate", "%2D")
	f.Add("cn", "x")
	f.Fuzz(func(t *testing.T, format, text string) {
		cert, err := parseCert(format, text)
		if (err == nil) != (cert != nil) {
			t.Errorf("%v, error %v", cert, err)
		}
		if format != FormatXFCC {
			return
		}
		for part, values := range cert {
			for _, value := range values {
				if value == "" {
					t.Errorf("%s has an empty value", part)
				}
				if part == "uri" && !strings.Contains(text, value) && !strings.Contains(text, "Cert") && !strings.Contains(strings.ToLower(text), "cert") {
					t.Errorf("%s %q is not in %q", part, value, text)
				}
			}
		}
		// A second element changes what the first one says into an error.
		if err == nil {
			if _, err := parseXFCC(text + ",URI=x"); err == nil {
				t.Errorf("%q with a second element is accepted", text)
			}
		}
	})
}
