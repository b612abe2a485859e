package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReturns: the returns of a workspace are read with their policy and mapping, and
// each problem names its field. A workspace without them misses the tool.
func TestReturns(t *testing.T) {
	const env = "SALESFORCE_MCP_SALES_EMEA_STRIPE_KEY"
	policy := "limits: {amount: {EUR: 100}}\nrules: [{name: all, when: 'true', verdict: review, reason: A person decides.}]\n"
	for name, tt := range map[string]struct {
		returns string
		problem string
	}{
		"least":            {"{gateway: record, mapping: {currency: {code: EUR}}}", ""},
		"all":              {"{gateway: stripe, stripeKeyFile: key, policy: policy.yaml, mapping: {currency: {code: EUR}, case: {order: Order__c}}, approveWithin: 48h, reauthenticateOver: {EUR: 5000}, company: Acme}", ""},
		"no gateway":       {"{}", `workspaces[0].returns.gateway: "" is none of salesforcePayments, stripe, record`},
		"a key for nobody": {"{gateway: record, stripeKey: sk_test}", `workspaces[0].returns.stripeKey, stripeURL: are for gateway stripe`},
		"another server":   {"{gateway: stripe, stripeURL: 'http://127.0.0.1:1'}", `workspaces[0].returns.stripeURL: "http://127.0.0.1:1" must be on this machine, with allowLoopbackOrg`},
		"a limit in words": {"{gateway: record, mapping: {currency: {code: EUR}}, reauthenticateOver: {euro: 5000}}", `workspaces[0].returns.reauthenticateOver: "euro": 5000 must be minor units of a currency`},
		"a limit below 0":  {"{gateway: record, mapping: {currency: {code: EUR}}, reauthenticateOver: {EUR: -1}}", `reauthenticateOver: "EUR": -1 must be`},
		"no policy":        {"{gateway: record, policy: gone.yaml}", "workspaces[0].returns.policy: open"},
		"a wrong policy":   {"{gateway: record, policy: wrong.yaml}", "order.payed"},
		"no currency":      {"{gateway: record}", "workspaces[0].returns.mapping.currency.code: "},
		"a wrong mapping":  {"{gateway: record, mapping: {case: {odrer: Order__c}}}", "workspaces[0].returns.mapping: there is no field odrer here"},
		"too little time":  {"{gateway: record, approveWithin: 1s}", "workspaces[0].returns.approveWithin: 1s must be between 1m"},
	} {
		c, err := load(t, map[string]string{
			"config.yaml": strings.Replace(sales, " %s", "", 1) + "    returns: " + tt.returns + "\n", "key": "sk_live\n", "policy.yaml": policy,
			"wrong.yaml": strings.Replace(policy, "'true'", "order.payed > 1", 1)}, nil)
		switch {
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
			t.Errorf("%s: %v, want %s", name, err, tt.problem)
		case tt.problem == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.problem == "":
			r := c.Workspaces[0].Returns
			if len(c.Workspaces[0].Missing) != 0 || r.Rules.Digest() == "" || r.Records.Order.Object != "Order" {
				t.Errorf("%s: %+v", name, c.Workspaces[0])
			}
			if name == "all" && (r.StripeKey.Reveal() != "sk_live" || r.Records.Case.Order != "Order__c" || r.ApproveWithin != 48*time.Hour || r.Company != "Acme") {
				t.Errorf("%+v", r)
			}
			if name == "least" && (r.ApproveWithin != 24*time.Hour || r.Company != "sales-emea") {
				t.Errorf("%+v", r)
			}
		}
	}
	c, err := load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", "", 1)}, nil)
	if err != nil || len(c.Workspaces[0].Missing) != 1 {
		t.Errorf("%v %+v", err, c)
	}
	c, err = load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", "", 1) + "    returns: {gateway: stripe, mapping: {currency: {code: EUR}}}\n"}, map[string]string{env: "sk_env"})
	if err != nil || c.Workspaces[0].Returns.StripeKey.Reveal() != "sk_env" {
		t.Error(err)
	}
}

// TestDocumentedReturns: the sections returns that the documentation shows are some.
func TestDocumentedReturns(t *testing.T) {
	policy := "rules: [{name: all, when: 'true', verdict: review, reason: A person decides.}]\n"
	shown := 0
	for _, page := range []string{"returns.md", "configuration.md"} {
		doc, err := os.ReadFile("../../../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(    returns:\n.*?)```").FindAllSubmatch(doc, -1) {
			c, err := load(t, map[string]string{"config.yaml": strings.Replace(sales, " %s", "", 1) + string(block[1]), "stripe-key": "sk_live\n", "policy.yaml": policy}, nil)
			if err != nil {
				t.Errorf("%s: %s: %v", page, block[1], err)
			} else if c.Workspaces[0].Returns == nil {
				t.Errorf("%s: %s: is no section returns", page, block[1])
			}
			shown++
		}
	}
	if shown < 4 {
		t.Errorf("the documentation shows %d", shown)
	}
}
