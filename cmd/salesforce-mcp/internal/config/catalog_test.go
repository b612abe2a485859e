package config

import (
	"strings"
	"testing"
)

// TestCatalogChecks: what a workspace says of itself for catalogs, and where platforms
// are, is checked; a secret that somebody puts in the place of its name is not repeated.
func TestCatalogChecks(t *testing.T) {
	for _, good := range []Catalog{{}, {Public: true}, {Name: "crm_1", DisplayName: "CRM", Category: "crm", HostSecret: "My_Token", IconURL: "https://x.example/i.svg"},
		{Bridge: "https://api.studio.prisme.ai/v2/workspaces/slug:sales/webhooks/Salesforce"}} {
		if err := good.validate("", false); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for want, bad := range map[string]Catalog{
		"catalog.unlisted":         {Unlisted: true, Public: true},
		"catalog.name":             {Name: "CRM-1"},
		"catalog.displayName":      {DisplayName: strings.Repeat("x", 101)},
		"catalog.description":      {Description: strings.Repeat("x", 1025)},
		"catalog.category":         {Category: "a b"},
		"catalog.hostSecret":       {HostSecret: "kept-secret"},
		"catalog.iconURL":          {IconURL: "http://x.example/i.svg"},
		"catalog.documentationURL": {DocumentationURL: "javascript:alert(1)"},
		"catalog.bridge":           {Bridge: "https://kept-secret@x.example/webhooks/S"},
		"must end in the name":     {Bridge: "https://x.example/webhooks/"},
	} {
		if err := bad.validate("catalog.", false); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "kept-secret") {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
	}
	c := Config{HostPlatforms: []HostPlatform{{Name: "prisme", API: "https://api.studio.prisme.ai/v2", Networks: []string{"10.0.0.0/8"}}, {Name: "here", API: "http://127.0.0.1:1/v2"}}, AllowLoopbackOrg: true}
	if err := c.validateHostPlatforms(); err != nil {
		t.Error(err)
	}
	c.AllowLoopbackOrg = false
	for want, bad := range map[string]HostPlatform{
		"hostPlatforms[1].name: \"prisme\" is taken": {Name: "prisme", API: "https://x.example"},
		"hostPlatforms[1].name: \"\"":                {API: "https://x.example"},
		"hostPlatforms[1].api":                       {Name: "x", API: "http://127.0.0.1:1/v2"},
		"must begin with https":                      {Name: "x", API: "http://x.example"},
		"is no address":                              {Name: "x", API: "https://x.example/?q=1"},
		"hostPlatforms[1].authType":                  {Name: "x", API: "https://x.example", AuthType: "O Auth"},
		"hostPlatforms[1].networks[0]":               {Name: "x", API: "https://x.example", Networks: []string{"all"}},
	} {
		c.HostPlatforms[1] = bad
		if err := c.validateHostPlatforms(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
	}
}
