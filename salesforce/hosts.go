package salesforce

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
)

// Hosts says which hosts may be sent a token. The zero value allows the
// platform's own hosts only.
//
// A suffix alone proves little, since every customer owns a subdomain of
// salesforce.com. So a token is also tied to the exact host it was returned
// with ([Token.InstanceURL]), and redirects are not followed.
type Hosts struct {
	// Loopback also allows 127.0.0.1, [::1] and localhost, with http and any
	// port, for the simulated org. Private addresses stay refused.
	Loopback bool
}

// domains are the parents of My Domain hosts: production, sandboxes and the
// other partitions; US DoD; China; the alternative domain. The source is the
// list in forcedotcom/sfdx-core (src/util/sfdcUrl.ts), less what only
// Salesforce staff and browsers need, with every entry anchored at a dot.
var domains = []string{
	".my.salesforce.com",
	".my.salesforce.mil",
	".my.sfcrmproducts.cn",
	".my-salesforce.com",
}

// sharedHost matches the hosts that are not an org's own: the two login hosts
// and the old instance names such as na1, eu6 or usa123.
var sharedHost = regexp.MustCompile(`^(login|test|[a-z]{2,3}[0-9]{1,5}s?)\.salesforce\.com$`)

// labels matches what may stand before a domain: one to three DNS labels, as
// in acme, acme--uat.sandbox or acme.cs12.
var labels = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?){0,2}$`)

// Check returns the origin (scheme and host, lower-cased) of a login or
// instance URL if it is an allowed one, and an error that says why not
// otherwise. The error names the host but nothing else of the URL.
func (h Hosts) Check(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return nil, errors.New("not a URL of the form https://acme.my.salesforce.com")
	}
	host := strings.ToLower(u.Hostname())
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return nil, fmt.Errorf("host %q must stand alone: no user, path, query or fragment", host)
	}
	if h.Loopback && isLoopback(host) {
		if u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("host %q must be reached over http or https", host)
		}
		return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
	}
	if !isSalesforce(host) {
		return nil, fmt.Errorf("host %q is not a Salesforce host; "+
			"use the org's My Domain such as acme.my.salesforce.com", host)
	}
	if u.Scheme != "https" {
		return nil, fmt.Errorf("host %q must be reached over https", host)
	}
	if p := u.Port(); strings.Contains(u.Host, ":") && p != "443" {
		return nil, fmt.Errorf("host %q must be reached at port 443, not %q", host, p)
	}
	return &url.URL{Scheme: "https", Host: host}, nil
}

func isSalesforce(host string) bool {
	if sharedHost.MatchString(host) {
		return true
	}
	for _, domain := range domains {
		if name, ok := strings.CutSuffix(host, domain); ok {
			return len(host) <= 253 && labels.MatchString(name)
		}
	}
	return false
}

// isLoopback does not resolve names: localhost is checked again when it is
// dialled, like every other host.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && !ip.Is4In6() && ip.IsLoopback()
}

// checkPath refuses paths that a server could read as another path than the
// one written.
func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#\\") {
		return fmt.Errorf("path %q must begin with a slash and hold no query, fragment or backslash", clip(p, 100))
	}
	for i := range len(p) {
		if p[i] <= ' ' || p[i] >= 0x7f {
			return fmt.Errorf("path %q must be escaped", clip(p, 100))
		}
	}
	segments := strings.Split(p[1:], "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return fmt.Errorf("path %q has a broken escape", clip(p, 100))
		}
		if segment == "" && i < len(segments)-1 || hasDots(plain) {
			return fmt.Errorf("path %q must not have empty or dot segments", clip(p, 100))
		}
	}
	// net/url unescapes and escapes again what has a byte that it would have
	// escaped, such as a quote, and makes of %2f a slash.
	if plain, err := url.PathUnescape(p); err != nil || (&url.URL{Path: plain, RawPath: p}).EscapedPath() != p {
		return fmt.Errorf("path %q must be escaped", clip(p, 100))
	}
	return nil
}

// hasDots also looks behind escaped slashes, which some servers unescape
// before they split the path.
func hasDots(segment string) bool {
	for _, part := range strings.FieldsFunc(segment, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// errAddress is a name that resolved to an address no token may be sent to.
var errAddress = errors.New("address is not a public one")

// control is a net.Dialer's Control: it sees the address after the name is
// resolved, so that a public name which resolves to an internal address is
// not connected to.
func (h Hosts) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q", errAddress, address)
	}
	ip := at.Addr().WithZone("").Unmap()
	if isPublic(ip) || h.Loopback && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %s", errAddress, ip)
}

// special are the address blocks of the IANA special-purpose registries that
// netip has no predicate for. The IPv6 ones carry an IPv4 address inside
// (NAT64, 6to4, Teredo), or are for documentation.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/32"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

func isPublic(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, block := range special {
		if block.Contains(ip) {
			return false
		}
	}
	return true
}
