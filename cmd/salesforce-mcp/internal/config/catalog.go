package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"salesforce-mcp/allowlist"
)

// HostPlatform is an installation of the platform on which agents live, in whose
// catalog capabilities can be published. Requests go to its API and nowhere else, with
// the access token of the person for whom they are made.
type HostPlatform struct {
	// Name is what people choose it by, such as prisme.
	Name string `yaml:"name"`
	// API is the base of its API, as in https://api.studio.prisme.ai/v2.
	API string `yaml:"api"`
	// AuthType is the type that entries say of how people connect: oauth2, the
	// default, or what else the platform's version calls it.
	AuthType string `yaml:"authType"`
	// Networks are where its API may be, beside public addresses. Default none.
	Networks allowlist.Networks `yaml:"networks"`
}

// Catalog is how a workspace stands in catalogs of capabilities.
type Catalog struct {
	// Name is its machine name there. Default salesforce_ and the workspace's name.
	Name string `yaml:"name"`
	// DisplayName is what people read. Default Salesforce and the workspace's name.
	DisplayName string `yaml:"displayName"`
	// Description, one or a few sentences. Default what this server does.
	Description string `yaml:"description"`
	// Category is one of the platform's. Default crm.
	Category string `yaml:"category"`
	// IconURL and DocumentationURL are of pages elsewhere. Default none.
	IconURL          string `yaml:"iconURL"`
	DocumentationURL string `yaml:"documentationURL"`
	// Public lets GET /catalog show the entry to everybody. Without it only hosts see
	// it that prove themselves to the workspace.
	Public bool `yaml:"public"`
	// Unlisted keeps the entry out of GET /catalog: it is published elsewhere only.
	Unlisted bool `yaml:"unlisted"`
	// Bridge is where the platform's bridge app is installed, for people who connect
	// on the platform: https://…/webhooks/INSTANCE. Agents are led there then. Default
	// none: they are led to this server.
	Bridge string `yaml:"bridge"`
	// HostSecret is the name of the platform's secret that has the host token, to
	// which the entry refers. Default SALESFORCE_MCP_{WORKSPACE}_TOKEN.
	HostSecret string `yaml:"hostSecret"`
	// NoAuth leaves out of the entry where people connect, for a platform that
	// cannot ask this server: then the first call says it.
	NoAuth bool `yaml:"noAuth"`
}

var (
	machineName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	secretName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)
)

// HostSecretName is the platform's secret that has the host token of a workspace.
func (w *Workspace) HostSecretName() string {
	if w.Catalog != nil && w.Catalog.HostSecret != "" {
		return w.Catalog.HostSecret
	}
	return EnvName(w.Name, "token")
}

func (c *Catalog) validate(at string, loopback bool) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(at+format, args...)) }
	if c.Unlisted && c.Public {
		bad("unlisted: it is public too; remove one of them")
	}
	if c.Name != "" && !machineName.MatchString(c.Name) {
		bad("name: %q must be lower-case letters, digits and _, as in salesforce_sales", c.Name)
	}
	if len(c.DisplayName) > 100 {
		bad("displayName: it has %d bytes; at most 100 are read", len(c.DisplayName))
	}
	if len(c.Description) > 1024 {
		bad("description: it has %d bytes; at most 1024 are read", len(c.Description))
	}
	if c.Category != "" && !machineName.MatchString(c.Category) {
		bad("category: %q must be a name, such as crm", c.Category)
	}
	if c.HostSecret != "" && !secretName.MatchString(c.HostSecret) {
		bad("hostSecret: %q must be a name of letters, digits and _; not the token itself", "•••")
	}
	for name, address := range map[string]string{"iconURL": c.IconURL, "documentationURL": c.DocumentationURL} {
		if err := checkAddress(address, loopback); err != nil && address != "" {
			bad("%s: %q %w", name, shown(address), err)
		}
	}
	if err := checkAddress(c.Bridge, loopback); err != nil && c.Bridge != "" {
		bad("bridge: %q %w", shown(c.Bridge), err)
	} else if c.Bridge != "" && !strings.Contains(c.Bridge, "/webhooks/") || strings.HasSuffix(c.Bridge, "/") {
		bad("bridge: %q must end in the name of the app's instance, as in https://api.studio.prisme.ai/v2/workspaces/slug:sales/webhooks/Salesforce", shown(c.Bridge))
	}
	return errors.Join(problems...)
}

func (p *HostPlatform) validate(at string, loopback bool) error {
	var problems []error
	if !slug.MatchString(p.Name) {
		problems = append(problems, fmt.Errorf("%sname: %q must be lower-case letters, digits and -", at, p.Name))
	}
	if err := checkAddress(p.API, loopback); err != nil {
		problems = append(problems, fmt.Errorf("%sapi: %q %w", at, shown(p.API), err))
	}
	if p.AuthType != "" && !machineName.MatchString(p.AuthType) {
		problems = append(problems, fmt.Errorf("%sauthType: %q must be a name, such as oauth2", at, p.AuthType))
	}
	return errors.Join(append(problems, p.Networks.Validate(at+"networks"))...)
}

// validateHostPlatforms returns what is wrong with the platforms.
func (c *Config) validateHostPlatforms() error {
	var problems []error
	names := map[string]bool{}
	for i := range c.HostPlatforms {
		p := &c.HostPlatforms[i]
		at := fmt.Sprintf("hostPlatforms[%d].", i)
		if names[p.Name] {
			problems = append(problems, fmt.Errorf("%sname: %q is taken", at, p.Name))
		}
		names[p.Name] = true
		problems = append(problems, p.validate(at, c.AllowLoopbackOrg))
	}
	return errors.Join(problems...)
}

// checkAddress returns an error unless s is the URL of something on another machine,
// over https. With loopback it may be on this one, over http.
func checkAddress(s string, loopback bool) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(s, " \\\"<>{}") {
		return errors.New("is no address; write it as in https://api.studio.prisme.ai/v2, without a query")
	}
	ip := net.ParseIP(u.Hostname())
	here := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == "https" || u.Scheme == "http" && here && loopback {
		return nil
	}
	return errors.New("must begin with https://")
}
