package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// hookSecret is one that signs.
const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestSinks: each setting of a place that gets audit entries is checked, and named
// when it is wrong.
func TestSinks(t *testing.T) {
	jwt := strings.Replace(sales, " %s", `, clientSecret: x`, 1)
	oauth := strings.Replace(jwt, "mode: clientCredentials", "mode: oauth, proof: none", 1)
	withLog := func(text, log string) string {
		return strings.Replace(text, "    rules:", "    auditLog: "+log+"\n    rules:", 1)
	}
	audit := func(text string) string { return jwt + "audit: {" + text + "}\n" }
	hook := func(text string) string {
		return audit("networks: [127.0.0.1], webhook: {secret: " + hookSecret + ", " + text + "}")
	}
	for name, c := range map[string]struct{ text, problem string }{
		"syslog":            {audit(`syslog: {address: "tls://logs.example.com"}`), ""},
		"syslog over all":   {audit(`syslog: {address: "udp://[2001:db8::1]:515", facility: local7, appName: x, elementID: a@1, maxDatagramBytes: 1400}`), ""},
		"syslog socket":     {audit(`syslog: {address: "unix:///dev/log"}`), ""},
		"no scheme":         {audit(`syslog: {address: "logs.example.com:514"}`), "audit.syslog.address: "},
		"no host":           {audit(`syslog: {address: "tcp://:514"}`), "audit.syslog.address: "},
		"socket on a host":  {audit(`syslog: {address: "unix://host/dev/log"}`), "audit.syslog.address: "},
		"files of tls":      {audit(`syslog: {address: "tcp://h", caFile: x}`), "audit.syslog.address: "},
		"no authorities":    {audit(`syslog: {address: "tls://h", caFile: config.yaml}`), "has no certificate in PEM"},
		"half a pair":       {audit(`syslog: {address: "tls://h", certFile: config.yaml}`), "audit.syslog.certFile and keyFile: "},
		"facility":          {audit(`syslog: {address: "tls://h", facility: local8}`), `audit.syslog.facility: "local8" is none of alert, audit, auth`},
		"app name":          {audit(`syslog: {address: "tls://h", appName: "a b"}`), "audit.syslog.appName: "},
		"element":           {audit(`syslog: {address: "tls://h", elementID: plain}`), "audit.syslog.elementID: "},
		"element, closed":   {audit(`syslog: {address: "tls://h", elementID: "a]@1"}`), "audit.syslog.elementID: "},
		"datagram":          {audit(`syslog: {address: "udp://h", maxDatagramBytes: 100}`), "audit.syslog.maxDatagramBytes: "},
		"webhook":           {hook(`url: "https://audit.example.com/x?y=z", format: lines`), ""},
		"webhook here":      {hook(`url: "http://127.0.0.1:9000/"`), ""},
		"webhook, plain":    {hook(`url: "http://audit.example.com/"`), "audit.webhook.url: "},
		"webhook, not here": {hook(`url: "http://127.0.0.2/"`), "must be https"},
		"webhook, password": {hook(`url: "https://u:planted@audit.example.com/"`), "audit.webhook.url: "},
		"webhook, format":   {hook(`url: "https://a.example", format: xml`), "audit.webhook.format: "},
		"no secret":         {audit(`webhook: {url: "https://a.example"}`), "audit.webhook.secret: is needed"},
		"bad secret":        {audit(`webhook: {url: "https://a.example", secret: planted}`), "audit.webhook.secret: "},
		"networks":          {audit(`networks: [everywhere]`), "audit.networks[0]: "},
		"object":            {withLog(jwt, "{}"), ""},
		"object, all":       {withLog(jwt, "{object: Trail__c, fields: {agent: Bot__c, entry: \"\"}, callsPerHour: 1, callsPerDay: 1, reserve: 0}"), ""},
		"object, name":      {withLog(jwt, "{object: \"../x\"}"), "workspaces[0].auditLog.object: "},
		"field, unknown":    {withLog(jwt, "{fields: {colour: X__c}}"), "workspaces[0].auditLog.fields.colour: is no part of an entry; there are id, time"},
		"field, name":       {withLog(jwt, "{fields: {agent: \"a b\"}}"), "workspaces[0].auditLog.fields.agent: "},
		"field, twice":      {withLog(jwt, "{fields: {agent: user__c}}"), "has something else already"},
		"field, id":         {withLog(jwt, "{fields: {id: \"\"}}"), "cannot be left out"},
		"calls":             {withLog(jwt, "{callsPerHour: 5000}"), "workspaces[0].auditLog.callsPerHour: "},
		"calls a day":       {withLog(jwt, "{callsPerDay: -1}"), "workspaces[0].auditLog.callsPerDay: "},
		"reserve":           {withLog(jwt, "{reserve: 100}"), "workspaces[0].auditLog.reserve: "},
		"people's org":      {withLog(oauth, "{}"), "workspaces[0].auditLog: cannot be used with auth.mode oauth"},
		"no org":            {withLog(regexp.MustCompile(`    auth:.*\n`).ReplaceAllString(jwt, ""), "{}"), "workspaces[0].auditLog: needs auth"},
	} {
		_, err := load(t, map[string]string{"config.yaml": c.text}, nil)
		if (err == nil) != (c.problem == "") || err != nil && (!strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), "planted")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := load(t, map[string]string{"config.yaml": audit(`syslog: {address: "tls://logs.example.com"}, webhook: {url: "https://a.example"}`)}, map[string]string{"SALESFORCE_MCP_AUDIT_WEBHOOK_SECRET": hookSecret})
	if err != nil || c.Audit.Syslog.Address != "tls://logs.example.com:6514" || c.Audit.Webhook.Secret.Reveal() != hookSecret {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestDocumentedSinks: what docs/audit.md shows is a configuration.
func TestDocumentedSinks(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(audit:\n.*?)```").FindAllSubmatch(doc, -1)
	if len(blocks) < 4 {
		t.Errorf("it shows %d blocks", len(blocks))
	}
	for _, block := range blocks {
		if _, err := load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", `, clientSecret: x`, 1) + string(block[1]), "webhook-secret": hookSecret}, nil); err != nil {
			t.Errorf("%s: %v", block[1], err)
		}
	}
	log := regexp.MustCompile("(?s)```yaml\n(    auditLog:\n.*?)```").FindSubmatch(doc)
	if log == nil {
		t.Fatal("it shows no auditLog")
	}
	if _, err := load(t, map[string]string{"config.yaml": strings.Replace(strings.Replace(sales, " %s", `, clientSecret: x`, 1), "    rules:", string(log[1])+"    rules:", 1)}, nil); err != nil {
		t.Error(err)
	}
}
