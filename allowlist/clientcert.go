package allowlist

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ClientCert is the proof by mutual TLS that ends at a proxy in front of this
// server. The proxy has checked that the client has the certificate's key and
// that an authority it trusts has signed it, and says in a header whose
// certificate it is. It must take that header out of what clients send.
type ClientCert struct {
	// Header is where the proxy says it: X-Forwarded-Client-Cert (Envoy),
	// Client-Cert (RFC 9440), or what its configuration calls it.
	Header string `yaml:"header"`
	// Format is how, one of the Format constants. Default xfcc for the header
	// X-Forwarded-Client-Cert and certificate for all others.
	Format string `yaml:"format"`
	// VerifiedHeader is where the proxy says whether the certificate is good, for
	// proxies that also pass others on: SUCCESS (nginx, $ssl_client_verify) or 0
	// (HAProxy, ssl_c_verify). Anything else refuses. Default none.
	VerifiedHeader string `yaml:"verifiedHeader"`
	// From are the addresses of the proxies. The header of anybody else is not
	// read.
	From Networks `yaml:"from"`
	// Required maps parts of the certificate, among [CertParts], to the values of
	// which each must have one; "*" is any value. It says which of the clients that
	// the proxy lets in are this host.
	Required map[string]OneOf `yaml:"required"`
}

// How a proxy writes down a client's certificate.
const (
	// FormatXFCC is Envoy's (Envoy documentation, "x-forwarded-client-cert"). The
	// proxy must be the only one that writes it (SANITIZE_SET).
	FormatXFCC = "xfcc"
	// FormatCertificate is the certificate itself: as in RFC 9440, in PEM with
	// percent escapes (nginx, $ssl_client_escaped_cert; AWS, X-Amzn-Mtls-Clientcert-Leaf)
	// or in base64 alone (HAProxy, Traefik).
	FormatCertificate = "certificate"
	// FormatSubject is the distinguished name, compared as it is written.
	FormatSubject = "subject"
	// FormatCN is the common name.
	FormatCN = "cn"
)

// CertParts are what is read of a certificate: the subject's common name and
// distinguished name (RFC 2253; the order of a proxy's own may differ), its
// alternative names, and the SHA-256 of the whole in lower-case hexadecimal.
var CertParts = []string{"cn", "subject", "dns", "uri", "email", "sha256"}

// certificate is what a client certificate says, by part.
type certificate map[string][]string

// maxCert bounds a header with a certificate, which with a chain has some
// 10 KiB.
const maxCert = 64 << 10

// read returns the certificate that a trusted proxy has checked, or nil when the
// request has none. What anybody else writes in the header counts as none.
func (c *ClientCert) read(header http.Header, peer netip.Addr) (certificate, error) {
	values := header.Values(c.Header)
	switch {
	case len(values) == 0 || values[0] == "" && len(values) == 1:
		return nil, nil
	case !c.From.Contain(peer):
		return nil, fmt.Errorf("the header %s came from %v, which is none of its proxies", c.Header, peer)
	case len(values) > 1:
		return nil, fmt.Errorf("the header %s is there %d times; the proxy must replace what clients send", c.Header, len(values))
	case len(values[0]) > maxCert:
		return nil, fmt.Errorf("the header %s has more than %d bytes", c.Header, maxCert)
	}
	if c.VerifiedHeader != "" {
		if said := header.Values(c.VerifiedHeader); len(said) != 1 || said[0] != "SUCCESS" && said[0] != "0" {
			return nil, fmt.Errorf("the header %s does not say SUCCESS or 0", c.VerifiedHeader)
		}
	}
	cert, err := parseCert(c.format(), values[0])
	if err != nil {
		return nil, fmt.Errorf("the header %s: %w", c.Header, err)
	}
	for part, wanted := range c.Required {
		if !wanted.have(cert[part]) {
			return nil, fmt.Errorf("the %s of the client certificate has none of %q", certPart(part), wanted)
		}
	}
	return cert, nil
}

func (c *ClientCert) format() string {
	switch {
	case c.Format != "":
		return c.Format
	case strings.EqualFold(c.Header, "X-Forwarded-Client-Cert"):
		return FormatXFCC
	}
	return FormatCertificate
}

// parseCert reads the value of a header.
func parseCert(format, text string) (certificate, error) {
	switch format {
	case FormatXFCC:
		return parseXFCC(text)
	case FormatSubject:
		return certificate{"subject": {text}}, nil
	case FormatCN:
		return certificate{"cn": {text}}, nil
	}
	der, err := decodeCert(text)
	if err != nil {
		return nil, err
	}
	return parseX509(der)
}

// decodeCert returns the DER of a certificate in one of the forms of
// FormatCertificate.
func decodeCert(text string) ([]byte, error) {
	if inner, ok := strings.CutPrefix(text, ":"); ok { // RFC 8941 §3.3.5
		inner, ok = strings.CutSuffix(inner, ":")
		der, err := base64.StdEncoding.DecodeString(inner)
		if !ok || err != nil {
			return nil, errors.New("is no byte sequence (RFC 9440 §2.2)")
		}
		return der, nil
	}
	plain, err := url.PathUnescape(text) // leaves the + of base64 alone
	if err != nil {
		return nil, errors.New("has a broken escape")
	}
	if strings.HasPrefix(plain, "-----BEGIN") {
		block, rest := pem.Decode([]byte(plain))
		if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
			return nil, errors.New("is not one certificate in PEM")
		}
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(plain)
	if err != nil {
		return nil, errors.New("is no certificate: neither PEM nor base64")
	}
	return der, nil
}

// parseX509 reads a certificate, which must be valid now: connections to a proxy
// can outlive it.
func parseX509(der []byte) (certificate, error) {
	x, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("is no X.509 certificate")
	}
	if now := time.Now(); now.Before(x.NotBefore) || now.After(x.NotAfter) {
		return nil, fmt.Errorf("its certificate is valid from %s to %s only", x.NotBefore.Format(time.RFC3339), x.NotAfter.Format(time.RFC3339))
	}
	sum := sha256.Sum256(der)
	cert := certificate{"sha256": {hex.EncodeToString(sum[:])}, "dns": x.DNSNames, "email": x.EmailAddresses}
	if x.Subject.CommonName != "" {
		cert["cn"] = []string{x.Subject.CommonName}
	}
	if subject := x.Subject.String(); subject != "" {
		cert["subject"] = []string{subject}
	}
	for _, uri := range x.URIs {
		cert["uri"] = append(cert["uri"], uri.String())
	}
	return cert, nil
}

// parseXFCC reads Envoy's header. It must have one element, that of the proxy at
// the other end of the connection: what stands before it, others wrote.
func parseXFCC(text string) (certificate, error) {
	cert, whole := certificate{}, certificate(nil)
	for text != "" {
		key, rest, ok := strings.Cut(text, "=")
		if !ok {
			return nil, errors.New("is not of the form KEY=VALUE;…")
		}
		value, after, err := xfccValue(rest)
		if err != nil {
			return nil, err
		}
		text = after
		key = strings.ToLower(key)
		switch {
		case strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != "":
			return nil, errXFCC
		case value == "":
		case key == "cert":
			der, err := decodeCert(value)
			if err == nil {
				whole, err = parseX509(der)
			}
			if err != nil {
				return nil, err
			}
		case key == "hash":
			cert["sha256"] = append(cert["sha256"], strings.ToLower(value))
		case key == "uri" || key == "dns" || key == "subject":
			cert[key] = append(cert[key], value)
		}
	}
	switch {
	case whole != nil: // which says all, and says it itself
		return whole, nil
	case len(cert) == 0:
		return nil, errors.New("says nothing of a certificate")
	}
	return cert, nil
}

// xfccValue returns the value at the beginning of text, as it is written, and
// what follows its semicolon. A quote inside it has a backslash before it.
func xfccValue(text string) (value, after string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, `;,"`)
		if end < 0 {
			return text, "", nil
		}
		if text[end] == ';' {
			return text[:end], text[end+1:], nil
		}
		return "", "", errXFCC
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '"' && i+1 == len(text):
			return text[1:i], "", nil
		case text[i] == '"' && text[i+1] == ';':
			return text[1:i], text[i+2:], nil
		case text[i] == '"':
			return "", "", errXFCC
		}
	}
	return "", "", errors.New("has a quote that does not end")
}

var errXFCC = errors.New("must be of one proxy only (forward_client_cert_details: SANITIZE_SET)")

// Ignored returns the headers of the request that would say whose certificate
// the client has, had they come from a proxy that a profile trusts.
func (w *Workspace) Ignored(p Presented) []string {
	var ignored []string
	for _, profile := range w.Profiles {
		if c := profile.ClientCert; c != nil && len(p.Header.Values(c.Header)) > 0 && !c.From.Contain(p.Peer) && !slices.Contains(ignored, c.Header) {
			ignored = append(ignored, c.Header)
		}
	}
	return ignored
}

// validate returns every problem, each naming field and value.
func (c *ClientCert) validate(field string) error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s.%w", field, fmt.Errorf(format, args...)))
	}
	if !headerName(c.Header) || isSecretHeader(c.Header) {
		problem("header: %q must be the header in which the proxy passes the certificate on, as in X-Forwarded-Client-Cert", c.Header)
	}
	if c.VerifiedHeader != "" && !headerName(c.VerifiedHeader) {
		problem("verifiedHeader: %q is not a header name", c.VerifiedHeader)
	}
	formats := []string{FormatXFCC, FormatCertificate, FormatSubject, FormatCN}
	if c.Format != "" && !slices.Contains(formats, c.Format) {
		problem("format: %q is none of %s", c.Format, strings.Join(formats, ", "))
	}
	if len(c.From) == 0 {
		problem("from: the addresses of the proxies are needed, as in 10.0.0.0/8: anybody else could write the header too")
	}
	if err := c.From.Validate(field + ".from"); err != nil {
		problems = append(problems, err)
	}
	if len(c.Required) == 0 {
		problem(`required: at least one part of the certificate is needed, as in uri: spiffe://acme.example/gateway; "*" is any value`)
	}
	for part, values := range c.Required {
		switch {
		case !slices.Contains(CertParts, part):
			problem("required: %q is no part of a certificate; there are %s", part, strings.Join(CertParts, ", "))
		case len(values) == 0 || slices.Contains(values, ""):
			problem("required.%s: at least one value is needed, or \"*\" for any", part)
		case c.Format == FormatSubject && part != "subject", c.Format == FormatCN && part != "cn":
			problem("required.%s: cannot be read: format %s has the %s only", part, c.Format, c.Format)
		}
	}
	return errors.Join(problems...)
}

// certPart names a part of a certificate in messages.
func certPart(part string) string {
	switch part {
	case "cn":
		return "common name"
	case "dns", "uri", "email":
		return strings.ToUpper(part[:1]) + part[1:] + " alternative name"
	case "sha256":
		return "SHA-256"
	}
	return part
}
