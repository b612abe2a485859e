package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

// Gateways with which returns are paid back.
const (
	GatewaySalesforcePayments = "salesforcePayments"
	GatewayStripe             = "stripe"
	GatewayRecord             = "record"
)

// Returns says how the returns of a workspace are driven.
type Returns struct {
	// Policy is a file of rules (docs/returns.md). Default the policy that ships
	// with the product.
	Policy string `yaml:"policy"`
	// PolicyText is the rules themselves, instead of a file.
	PolicyText string `yaml:"policyText"`
	// Mapping says where the org keeps what a return is about. What it leaves out is
	// the standard objects.
	Mapping yaml.Node `yaml:"mapping"`
	// Gateway is salesforcePayments, stripe or record.
	Gateway string `yaml:"gateway"`
	// StripeKey is the secret key of the Stripe account. It may instead stand in a
	// file, in the environment (EnvName), or in the secret store.
	StripeKey     salesforce.Secret `yaml:"stripeKey"`
	StripeKeyFile string            `yaml:"stripeKeyFile"`
	// StripeURL is another server than Stripe's, on this machine, for tests.
	StripeURL string `yaml:"stripeURL"`
	// ApproveWithin is how long a person has to decide. Default 24 h.
	ApproveWithin time.Duration `yaml:"approveWithin"`
	// ReauthenticateOver is for each currency what an approver may pay back in the
	// configuration app without proving again who they are, in minor units. Default
	// nothing: they do for each.
	ReauthenticateOver map[string]int64 `yaml:"reauthenticateOver"`
	// ApprovalProcess is the API name of an approval process of the org to which
	// a case is submitted as well when a person has to decide. Default none.
	ApprovalProcess string `yaml:"approvalProcess"`
	// Company is who issues the receipts. Default the name of the workspace.
	Company string `yaml:"company"`

	Records records.Mapping `yaml:"-"` // of Mapping, once it is loaded
	Rules   *policy.Policy  `yaml:"-"` // of Policy, or PolicyText
}

// SecretName is the name of the one secret that returns may have.
func (r *Returns) SecretName() string { return r.stripeKey().Name }

func (r *Returns) stripeKey() Credential {
	return Credential{"stripeKey", &r.StripeKey, &r.StripeKeyFile}
}

// SecretNames are the secrets of a workspace that the secret store may have.
func (w *Workspace) SecretNames() (names []string) {
	if w.Auth != nil {
		names = append(names, w.Auth.Secret().Name)
	}
	if w.Returns != nil && w.Returns.Gateway == GatewayStripe {
		names = append(names, w.Returns.stripeKey().Name)
	}
	if w.HasAgentSecret() {
		names = append(names, w.Agentforce.secret().Name)
	}
	return names
}

// load fills in the defaults and reads what other files have. Paths are relative to dir.
func (r *Returns) load(dir, workspace string) error {
	if r.ApproveWithin == 0 {
		r.ApproveWithin = 24 * time.Hour
	}
	if r.Company == "" {
		r.Company = workspace
	}
	if err := r.loadPolicy(dir); err != nil {
		return err
	}
	return r.loadMapping()
}

func (r *Returns) loadPolicy(dir string) (err error) {
	text := policy.Default()
	if r.PolicyText != "" {
		if r.Policy != "" {
			return errors.New("policy: is there twice; keep one of policy and policyText")
		}
		if r.Rules, err = policy.Parse([]byte(r.PolicyText)); err != nil {
			return fmt.Errorf("policyText: %w", err)
		}
		return nil
	}
	if r.Policy != "" {
		r.Policy = absolute(dir, r.Policy)
		if text, err = os.ReadFile(r.Policy); err != nil {
			return fmt.Errorf("policy: %w", err)
		}
	}
	if r.Rules, err = policy.Parse(text); err != nil {
		return fmt.Errorf("policy %s: %w", r.Policy, err)
	}
	return nil
}

func (r *Returns) loadMapping() error {
	var text []byte
	if !r.Mapping.IsZero() {
		var err error
		if text, err = yaml.Marshal(&r.Mapping); err != nil {
			return err
		}
	}
	var err error
	r.Records, err = records.Parse(text)
	var unfit *yaml.TypeError
	if !errors.As(err, &unfit) {
		return err
	}
	var problems []error
	for _, p := range unfit.Errors { // their lines are of the text that was made above
		_, p, _ = strings.Cut(p, ": ")
		problems = append(problems, errors.New("mapping: "+p))
	}
	return errors.Join(problems...)
}

// LoadReturns reads what the returns of all workspaces name, in folder dir, and fills in
// the defaults; Load does it. Workspaces that have none miss the tool.
func (c *Config) LoadReturns(dir string) error {
	var problems []error
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		if w.Returns == nil {
			w.Missing = append(w.Missing, tools.ReturnsTool.Name)
			continue
		}
		err := w.Returns.load(dir, w.Name)
		var misfit *records.Misfit
		if errors.As(err, &misfit) {
			err = nil
			for _, p := range misfit.Problems {
				problems = append(problems, fmt.Errorf("workspaces[%d].returns.mapping.%s", i, p))
			}
		}
		if err != nil {
			for line := range strings.SplitSeq(readable(err), "\n") {
				problems = append(problems, fmt.Errorf("workspaces[%d].returns.%s", i, line))
			}
		}
	}
	return errors.Join(problems...)
}

// validate returns every problem.
func (r *Returns) validate(at string, a *Auth, loopback bool) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(at+format, args...)) }
	if a == nil {
		bad("gateway: needs auth, with whose credentials the org is read")
	}
	if gateways := []string{GatewaySalesforcePayments, GatewayStripe, GatewayRecord}; !slices.Contains(gateways, r.Gateway) {
		bad("gateway: %q is none of %s", r.Gateway, strings.Join(gateways, ", "))
	}
	if r.Gateway != GatewayStripe && (r.StripeKey != "" || r.StripeURL != "") {
		bad("stripeKey, stripeURL: are for gateway stripe, not for %q", r.Gateway)
	}
	if u, err := url.Parse(r.StripeURL); r.StripeURL != "" && (err != nil || !loopback || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost") {
		bad("stripeURL: %q must be on this machine, with allowLoopbackOrg: leave it out to use Stripe", shown(r.StripeURL))
	}
	for currency, most := range r.ReauthenticateOver {
		if len(currency) != 3 || strings.ToUpper(currency) != currency || most < 0 {
			bad("reauthenticateOver: %.20q: %d must be minor units of a currency, as in {USD: 5000}", currency, most)
		}
	}
	if r.ApproveWithin < time.Minute || r.ApproveWithin > 365*24*time.Hour {
		bad("approveWithin: %v must be between 1m and 8760h", r.ApproveWithin)
	}
	return errors.Join(problems...)
}
