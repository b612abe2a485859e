package salesforce

import (
	"net"
	"testing"
)

func TestHostsCheck(t *testing.T) {
	for raw, want := range map[string]string{
		"https://login.salesforce.com":                                    "https://login.salesforce.com",
		"https://test.salesforce.com/":                                    "https://test.salesforce.com",
		"https://acme.my.salesforce.com":                                  "https://acme.my.salesforce.com",
		"https://acme.my.salesforce.com:443":                              "https://acme.my.salesforce.com",
		"HTTPS://ACME.My.SalesForce.COM/":                                 "https://acme.my.salesforce.com",
		"https://acme--uat.sandbox.my.salesforce.com":                     "https://acme--uat.sandbox.my.salesforce.com",
		"https://acme--uat.cs12.my.salesforce.com":                        "https://acme--uat.cs12.my.salesforce.com",
		"https://acme-dev-ed.develop.my.salesforce.com":                   "https://acme-dev-ed.develop.my.salesforce.com",
		"https://force-inspiration-1234-dev-ed.scratch.my.salesforce.com": "https://force-inspiration-1234-dev-ed.scratch.my.salesforce.com",
		"https://acme.my.salesforce.mil":                                  "https://acme.my.salesforce.mil",
		"https://acme.my.sfcrmproducts.cn":                                "https://acme.my.sfcrmproducts.cn",
		"https://acme.my-salesforce.com":                                  "https://acme.my-salesforce.com",
		"https://na1.salesforce.com":                                      "https://na1.salesforce.com",
		"https://usa123.salesforce.com":                                   "https://usa123.salesforce.com",
	} {
		if got, err := (Hosts{}).Check(raw); err != nil || got.String() != want {
			t.Errorf("Check(%s) = %v, %v; want %s", raw, got, err, want)
		}
	}
}

func TestHostsRefuse(t *testing.T) {
	for _, raw := range []string{
		"", "acme.my.salesforce.com", "//acme.my.salesforce.com", "https://", "https:///x", "javascript:alert(1)",
		// schemes
		"http://acme.my.salesforce.com", "ftp://acme.my.salesforce.com", "gopher://acme.my.salesforce.com",
		// suffixes
		"https://evil.com", "https://evilsalesforce.com", "https://evilmy.salesforce.com", "https://my.salesforce.com",
		"https://.my.salesforce.com", "https://acme.my.salesforce.com.evil.com", "https://acme.my.salesforce.com.",
		"https://acme.mysalesforce.com", "https://evilmy-salesforce.com", "https://my-salesforce.com", "https://evilcrmforce.mil",
		"https://acme..my.salesforce.com", "https://-acme.my.salesforce.com", "https://acme-.my.salesforce.com",
		"https://a.b.c.d.my.salesforce.com", "https://www.salesforce.com", "https://help.salesforce.com", "https://evil.na1.salesforce.com",
		"https://acme.internal.salesforce.com", "https://acme.lightning.force.com", "https://acme.my.site.com",
		"https://login.salesforce.com.evil.com", "https://evil-login.salesforce.com",
		// userinfo, path, query, fragment
		"https://evil.com@acme.my.salesforce.com", "https://acme.my.salesforce.com@evil.com", "https://user:pass@login.salesforce.com",
		"https://@acme.my.salesforce.com", "https://acme.my.salesforce.com/services", "https://acme.my.salesforce.com?x=1", "https://acme.my.salesforce.com?",
		"https://acme.my.salesforce.com#x", "https://evil.com#.my.salesforce.com", "https://evil.com/.my.salesforce.com",
		"https://evil.com?.my.salesforce.com", `https://evil.com\.my.salesforce.com`, `https://evil.com\@acme.my.salesforce.com`,
		// ports
		"https://acme.my.salesforce.com:80", "https://acme.my.salesforce.com:8443", "https://acme.my.salesforce.com:",
		"https://acme.my.salesforce.com:443:443", "https://acme.my.salesforce.com:0443",
		// addresses
		"https://127.0.0.1", "http://127.0.0.1:8080", "https://0x7f.1", "https://0x7f000001", "https://2130706433", "https://017700000001",
		"https://[::1]", "https://[::ffff:127.0.0.1]", "https://[fe80::1%25eth0]", "https://localhost", "https://169.254.169.254",
		"https://10.0.0.1", "https://metadata.google.internal", "https://127.0.0.1.nip.io",
		// characters
		"https://аcme.my.salesforce.com", "https://acme.my.salesforсe.com", "https://acme.my.salesforce。com", "https://acme.my.xn--salesfore-7gf.com",
		"https://acme%2emy.salesforce.com", "https://evil.com%2f.my.salesforce.com", "https://evil.com%00.my.salesforce.com",
		"https://acme_x.my.salesforce.com", "https://a b.my.salesforce.com", "https://acme.my.salesforce.com\n", " https://acme.my.salesforce.com",
		"https://acme\t.my.salesforce.com",
	} {
		if got, err := (Hosts{}).Check(raw); err == nil {
			t.Errorf("Check(%q) = %v, want an error", raw, got)
		}
	}
}

func TestHostsLoopback(t *testing.T) {
	hosts := Hosts{Loopback: true}
	for raw, want := range map[string]string{
		"http://127.0.0.1:8081": "http://127.0.0.1:8081", "http://LOCALHOST:1/": "http://localhost:1", "https://[::1]:8443": "https://[::1]:8443",
		"http://127.9.9.9": "http://127.9.9.9", "https://acme.my.salesforce.com": "https://acme.my.salesforce.com",
	} {
		if got, err := hosts.Check(raw); err != nil || got.String() != want {
			t.Errorf("Check(%s) = %v, %v; want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"http://acme.my.salesforce.com", "http://10.0.0.1", "http://192.168.1.1", "http://169.254.169.254", "http://0.0.0.0", "http://[::]",
		"http://0x7f.1", "http://127.1", "http://[::ffff:127.0.0.1]", "http://localhost.evil.com", "http://evil.com@localhost", "http://localhost@evil.com",
		"http://localhost/path", "ftp://localhost", "http://127.0.0.1.nip.io", "http://[::1%25lo]",
	} {
		if got, err := hosts.Check(raw); err == nil {
			t.Errorf("Check(%q) = %v, want an error", raw, got)
		}
	}
}

func TestDialedAddresses(t *testing.T) {
	for address, want := range map[string]struct{ strict, loopback bool }{
		"13.110.14.8":            {true, true},
		"2606:4700::1111":        {true, true},
		"127.0.0.1":              {false, true},
		"127.255.0.1":            {false, true},
		"::1":                    {false, true},
		"::ffff:127.0.0.1":       {false, true},
		"0.0.0.0":                {},
		"0.1.2.3":                {},
		"::":                     {},
		"10.1.2.3":               {},
		"172.16.0.1":             {},
		"172.31.255.255":         {},
		"192.168.0.1":            {},
		"100.64.0.1":             {},
		"169.254.169.254":        {},
		"::ffff:169.254.169.254": {},
		"::a9fe:a9fe":            {},
		"192.0.0.192":            {},
		"198.18.0.1":             {},
		"224.0.0.1":              {},
		"255.255.255.255":        {},
		"240.0.0.1":              {},
		"fe80::1":                {},
		"fe80::1%eth0":           {},
		"fec0::1":                {},
		"fc00::1":                {},
		"fd00:ec2::254":          {},
		"ff02::1":                {},
		"64:ff9b::7f00:1":        {},
		"64:ff9b:1::a00:1":       {},
		"2002:7f00:1::":          {},
		"2001::1":                {},
	} {
		at := net.JoinHostPort(address, "443")
		if err := (Hosts{}).control("tcp", at, nil); (err == nil) != want.strict {
			t.Errorf("%s: %v", at, err)
		}
		if err := (Hosts{Loopback: true}).control("tcp", at, nil); (err == nil) != want.loopback {
			t.Errorf("%s with loopback: %v", at, err)
		}
	}
	if (Hosts{}).control("unix", "/run/docker.sock", nil) == nil {
		t.Error("a Unix socket may be dialled")
	}
}
