package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
	"salesforce-mcp/salesforce"
)

// Syslog is a collector of messages of RFC 5424.
type Syslog struct {
	// Address is tls://HOST:PORT, tcp://HOST:PORT, udp://HOST:PORT or
	// unix:///PATH. Ports are 6514 for tls and 514 for the others by default.
	Address string `yaml:"address"`
	// Facility is one of the names of RFC 5424, as audit or local0. Default
	// audit.
	Facility string `yaml:"facility"`
	// AppName is the name of the program in messages. Default salesforce-mcp.
	AppName string `yaml:"appName"`
	// ElementID is the name of the structured data, with the enterprise number
	// of who defines it. Default salesforce-mcp@32473.
	ElementID string `yaml:"elementID"`
	// MaxDatagramBytes is the longest message over udp. Default 2048.
	MaxDatagramBytes int `yaml:"maxDatagramBytes"`
	// CAFile has the authorities of the collector's certificate, CertFile and
	// KeyFile a certificate of our own; tls.
	CAFile   string `yaml:"caFile"`
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

// Webhook is where entries are posted.
type Webhook struct {
	// URL is an https:// URL, or an http:// one on this machine.
	URL string `yaml:"url"`
	// Secret signs the posts: whsec_ and base64, or two of them with a blank
	// between while it is replaced. It may instead stand in a file or in the
	// environment, as WebhookVariable.
	Secret     salesforce.Secret `yaml:"secret"`
	SecretFile string            `yaml:"secretFile"`
	// Format is array, a JSON array, or lines, a line of JSON for each entry.
	// Default array.
	Format string `yaml:"format"`
	// CAFile has the authorities of the receiver's certificate, if the system
	// does not know them.
	CAFile string `yaml:"caFile"`
}

// WebhookVariable is the environment variable that has the webhook's secret.
const WebhookVariable = "SALESFORCE_MCP_AUDIT_WEBHOOK_SECRET"

// AuditLog is an object in the org that has entries.
type AuditLog struct {
	// Object is the object's API name. Default Audit_Log__c.
	Object string `yaml:"object"`
	// Fields are the fields' API names, by what is in them, where they are not
	// the default ones; "" leaves one out.
	Fields map[string]string `yaml:"fields"`
	// CallsPerHour and CallsPerDay bound the API calls. Defaults 60 and 1000.
	CallsPerHour int `yaml:"callsPerHour"`
	CallsPerDay  int `yaml:"callsPerDay"`
	// Reserve is how many percent of the org's daily API calls are left to
	// others. Default 20.
	Reserve *int `yaml:"reserve"`
}

// facilities are those of RFC 5424, table 1, by the names that collectors use.
var facilities = map[string]int{"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
	"authpriv": 10, "ftp": 11, "ntp": 12, "audit": trail.SyslogFacility, "alert": 14, "clock": 15,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23}

func (s *Syslog) defaults() {
	s.Facility = cmp.Or(s.Facility, "audit")
	s.AppName = cmp.Or(s.AppName, trail.SyslogAppName)
	s.ElementID = cmp.Or(s.ElementID, trail.SyslogElementID)
	s.MaxDatagramBytes = cmp.Or(s.MaxDatagramBytes, trail.SyslogDatagram)
	if u, err := url.Parse(s.Address); err == nil && u.Scheme != "unix" && u.Hostname() != "" && u.Port() == "" {
		port := "514"
		if u.Scheme == "tls" {
			port = "6514"
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
		s.Address = u.String()
	}
}

var (
	appName   = regexp.MustCompile(`^[!-~]{1,48}$`)
	elementID = regexp.MustCompile(`^[!#-<>-\\^-~]{1,32}$`) // visible, without = ] and "
	fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)
)

func (s *Syslog) validate() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("audit.syslog."+format, args...))
	}
	u, err := url.Parse(s.Address)
	switch {
	case err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "",
		!slices.Contains([]string{"tls", "tcp", "udp", "unix"}, u.Scheme),
		u.Scheme == "unix" && (u.Host != "" || u.Path == ""),
		u.Scheme != "unix" && (u.Hostname() == "" || u.Path != ""):
		bad("address: %q is none; write it as tls://logs.example.com:6514, tcp://…, udp://… or unix:///dev/log", shown(s.Address))
	case u.Scheme != "tls" && s.CAFile+s.CertFile+s.KeyFile != "":
		bad("address: %q is not tls, to which caFile, certFile and keyFile belong", s.Address)
	}
	if _, ok := facilities[s.Facility]; !ok {
		bad("facility: %q is none of %s", s.Facility, strings.Join(slices.Sorted(maps.Keys(facilities)), ", "))
	}
	if !appName.MatchString(s.AppName) {
		bad("appName: %q must be 1 to 48 visible characters of ASCII", s.AppName)
	}
	if !elementID.MatchString(s.ElementID) || !strings.Contains(s.ElementID, "@") {
		bad("elementID: %q must be a name, @ and an enterprise number, as in salesforce-mcp@32473; at most 32 characters", s.ElementID)
	}
	if s.MaxDatagramBytes < 480 || s.MaxDatagramBytes > 65_507 {
		bad("maxDatagramBytes: %d must be between 480, which every receiver takes, and 65507", s.MaxDatagramBytes)
	}
	if _, err := s.TLS(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// TLS returns the settings of tls.
func (s *Syslog) TLS() (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if settings.RootCAs, err = authorities("audit.syslog.caFile", s.CAFile); err != nil {
		return nil, err
	}
	if s.CertFile == "" && s.KeyFile == "" {
		return settings, nil
	}
	pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("audit.syslog.certFile and keyFile: %w", err)
	}
	settings.Certificates = []tls.Certificate{pair}
	return settings, nil
}

// Sink returns what sends to the collector.
func (s *Syslog) Sink() (*trail.Syslog, error) {
	settings, err := s.TLS()
	return &trail.Syslog{Address: s.Address, TLS: settings, Facility: facilities[s.Facility], AppName: s.AppName, ElementID: s.ElementID, MaxDatagram: s.MaxDatagramBytes}, err
}

// authorities reads a file of certificates; nil without one, which stands for
// those that the system knows.
func authorities(field, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: %s has no certificate in PEM", field, file)
	}
	return pool, nil
}

func (w *Webhook) validate(loopback, secrets bool, networks allowlist.Networks) error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("audit.webhook."+format, args...))
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		bad("url: %q is none; write it as https://audit.example.com/entries", shown(w.URL))
	case u.Scheme == "http" && !(onThisMachine(u.Hostname()) && (loopback || networks.Contain(loopbackAddr(u.Hostname())))):
		bad("url: %q must be https; http is for this machine only, with its address in audit.networks", shown(w.URL))
	}
	if w.Format != "" && w.Format != "array" && w.Format != "lines" {
		bad("format: %q is none of array, lines", w.Format)
	}
	if secrets {
		if w.Secret == "" {
			bad("secret: is needed to sign with: give it as secretFile, or in the environment's %s", WebhookVariable)
		} else if err := trail.CheckWebhookSecret(w.Secret); err != nil {
			bad("secret: %w", err)
		}
	}
	if _, err := w.Authorities(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// Authorities returns those of the receiver's certificate, nil for the system's.
func (w *Webhook) Authorities() (*x509.CertPool, error) {
	return authorities("audit.webhook.caFile", w.CAFile)
}

func onThisMachine(host string) bool { return loopbackAddr(host).IsLoopback() }

// loopbackAddr is the address that a host name or address means.
func loopbackAddr(host string) netip.Addr {
	if host == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

func (a *AuditLog) defaults() {
	a.Object = cmp.Or(a.Object, "Audit_Log__c")
	a.CallsPerHour = cmp.Or(a.CallsPerHour, 60)
	a.CallsPerDay = cmp.Or(a.CallsPerDay, 1000)
	if a.Reserve == nil {
		reserve := 20
		a.Reserve = &reserve
	}
}

func (a *AuditLog) validate(at string, by *Auth) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(at+format, args...)) }
	switch {
	case by == nil:
		problems = append(problems, fmt.Errorf("%s: needs auth, whose user writes the records", strings.TrimSuffix(at, ".")))
	case by.Mode == auth.ModeOAuth:
		problems = append(problems, fmt.Errorf("%s: cannot be used with auth.mode oauth, where each token is of a person: the server would write its records as somebody who did not make them. "+
			"Give the org another workspace with mode jwt or clientCredentials, or use audit.syslog or audit.webhook", strings.TrimSuffix(at, ".")))
	}
	if !fieldName.MatchString(a.Object) {
		bad("object: %q is no API name; write it as Audit_Log__c", a.Object)
	}
	var known []string
	taken := map[string]bool{}
	for i, f := range trail.AuditLogFields {
		known = append(known, f.From)
		name, given := a.Fields[f.From]
		if !given {
			name = f.Name
		}
		switch {
		case name == "" && i == 0:
			bad("fields.%s: cannot be left out: it is the external id", f.From)
		case name != "" && !fieldName.MatchString(name):
			bad("fields.%s: %q is no API name; write it as %s", f.From, name, f.Name)
		case name != "" && taken[strings.ToLower(name)]:
			bad("fields.%s: %q has something else already", f.From, name)
		}
		taken[strings.ToLower(name)] = true
	}
	for _, from := range slices.Sorted(maps.Keys(a.Fields)) {
		if !slices.Contains(known, from) {
			bad("fields.%s: is no part of an entry; there are %s", from, strings.Join(known, ", "))
		}
	}
	if a.CallsPerHour < 1 || a.CallsPerHour > 3600 {
		bad("callsPerHour: %d must be between 1 and 3600", a.CallsPerHour)
	}
	if a.CallsPerDay < 1 {
		bad("callsPerDay: %d must be 1 or more", a.CallsPerDay)
	}
	if *a.Reserve < 0 || *a.Reserve > 99 {
		bad("reserve: %d must be between 0 and 99", *a.Reserve)
	}
	return errors.Join(problems...)
}
