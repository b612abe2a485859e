package policy

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the default policy
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"go.yaml.in/yaml/v3"

	"salesforce-mcp/spelling"
)

// Bounds of a policy.
const (
	maxFile       = 64 << 10 // bytes
	maxRules      = 100
	maxExpression = 2000   // characters
	maxReason     = 500    // bytes
	maxCost       = 20_000 // of one expression, in CEL's units: about one for each step
)

// defaultConfidence is the least confidence of a policy that names none.
const defaultConfidence = 0.8

// Verdict is what becomes of a return.
type Verdict string

// The verdicts. The later one wins where rules disagree.
const (
	Approve Verdict = "approve"
	Review  Verdict = "review" // a person decides
	Deny    Verdict = "deny"
)

// verdicts are in the order in which they win.
var verdicts = []Verdict{Approve, Review, Deny}

// Policy is a list of rules that was checked. See [Parse].
type Policy struct {
	digest string
	limits limits
	rules  []rule
}

type rule struct {
	name    string
	verdict Verdict
	reason  string
	when    *expression
	amount  *expression // nil: the value of what is returned
	fee     *expression // nil: none
}

type limits struct {
	Amount     map[string]minor `yaml:"amount"`
	Confidence *float64         `yaml:"confidence"`
}

// minor is an amount in minor units. YAML's decoder would cut 1.50 down to 1.
type minor int64

// UnmarshalYAML takes whole numbers alone.
func (m *minor) UnmarshalYAML(node *yaml.Node) error {
	if node.ShortTag() != "!!int" {
		return fmt.Errorf("line %d: %.64q is no whole number of minor units: 1.50 USD is 150", node.Line, node.Value)
	}
	return node.Decode((*int64)(m))
}

// expression is CEL that was checked and can be run.
type expression struct {
	program cel.Program
	reads   map[int64]string // facts by the id of the node that reads them
}

// file is a policy as it is written. Expressions are nodes, for their lines.
type file struct {
	Limits limits `yaml:"limits"`
	Rules  []struct {
		Name    string    `yaml:"name"`
		When    yaml.Node `yaml:"when"`
		Verdict Verdict   `yaml:"verdict"`
		Reason  string    `yaml:"reason"`
		Amount  yaml.Node `yaml:"amount"`
		Fee     yaml.Node `yaml:"fee"`
	} `yaml:"rules"`
}

//go:embed default.yaml
var defaultText []byte

// Default returns the file of the policy that ships with the product.
func Default() []byte { return bytes.Clone(defaultText) }

var ruleName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// Parse reads a policy from a YAML file of at most 64 KiB and 100 rules.
//
// A rule has a name of its own (lower case letters, digits and hyphens), a condition
// (when, CEL of type bool), a verdict (approve, review, deny) and a reason for people.
// One that does not deny may have amount, the most that is refunded when it fires, and
// fee, what is kept of that: CEL of type int in minor units of the currency. Integers
// divide towards zero, so that request.value * 15 / 100 is rounded down.
//
// limits.amount has for each currency the most that is approved without a person, in
// minor units; in a currency without a limit a person approves everything.
// limits.confidence is the least confidence of the agent, 0 to 1, below which a person
// approves everything. Default 0.8.
//
// All errors are joined, each with the line of the file, and for CEL the line and
// column in the expression, both from 1.
func Parse(text []byte) (*Policy, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("policy: %d bytes, more than %d", len(text), maxFile)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, unread(err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("policy: more than one document; put all the rules into the first")
	}
	errs := checkLimits(f.Limits)
	if len(f.Rules) == 0 || len(f.Rules) > maxRules {
		return nil, errors.Join(append(errs, fmt.Errorf("policy: %d rules; from 1 to %d are possible", len(f.Rules), maxRules))...)
	}
	sum := sha256.Sum256(text)
	p := &Policy{digest: hex.EncodeToString(sum[:]), limits: f.Limits}
	if p.limits.Confidence == nil {
		confidence := defaultConfidence
		p.limits.Confidence = &confidence
	}
	seen := map[string]bool{}
	lines := ruleLines(text)
	for i, r := range f.Rules {
		refuse := func(format string, args ...any) {
			err := fmt.Errorf(format, args...)
			if i < len(lines) && !strings.Contains(err.Error(), "line ") {
				err = fmt.Errorf("line %d: %w", lines[i], err)
			}
			errs = append(errs, fmt.Errorf("policy: rule %d (%.64q): %w", i+1, r.Name, err))
		}
		if !ruleName.MatchString(r.Name) {
			refuse("name: must be lower case letters, digits and hyphens, from a letter, at most 64")
		}
		if seen[r.Name] {
			refuse("name: another rule has it")
		}
		seen[r.Name] = true
		if !slices.Contains(verdicts, r.Verdict) {
			refuse("verdict: %.64q is none of approve, review, deny", r.Verdict)
		}
		if strings.TrimSpace(r.Reason) == "" || len(r.Reason) > maxReason {
			refuse("reason: must have 1 to %d bytes", maxReason)
		}
		if r.Verdict == Deny && (!r.Amount.IsZero() || !r.Fee.IsZero()) {
			refuse("amount and fee: a denial has none")
		}
		next := rule{name: r.Name, verdict: r.Verdict, reason: r.Reason}
		var err error
		if next.when, err = compile(r.When, cel.BoolType); err == nil && next.when == nil {
			err = errors.New("missing; write true for a rule that always fires")
		}
		if err != nil {
			refuse("when: %w", err)
		}
		if next.amount, err = compile(r.Amount, cel.IntType); err != nil {
			refuse("amount: %w", err)
		}
		if next.fee, err = compile(r.Fee, cel.IntType); err != nil {
			refuse("fee: %w", err)
		}
		p.rules = append(p.rules, next)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// unknownField is what the YAML library says of a field that is not among those of a
// type.
var unknownField = regexp.MustCompile(`^line (\d+): field (.{1,64}) not found in type (.*)`)

// unread is the error of a file that is no policy, in words for its author.
func unread(err error) error {
	var unfit *yaml.TypeError
	if !errors.As(err, &unfit) {
		return fmt.Errorf("policy: %w", err)
	}
	var errs []error
	for _, problem := range unfit.Errors {
		if m := unknownField.FindStringSubmatch(problem); m != nil {
			among := []string{"name", "when", "verdict", "reason", "amount", "fee"}
			switch m[3] {
			case "policy.file":
				among = []string{"limits", "rules"}
			case "policy.limits":
				among = []string{"amount", "confidence"}
			}
			problem = fmt.Sprintf("line %s: there is no field %s here, but %s", m[1], m[2], strings.Join(among, ", "))
			if near := spelling.Near(m[2], among); near != "" {
				problem += fmt.Sprintf(" (did you mean %s?)", near)
			}
		}
		errs = append(errs, errors.New("policy: "+problem))
	}
	return errors.Join(errs...)
}

// ruleLines are the lines on which the rules of a policy begin.
func ruleLines(text []byte) (lines []int) {
	var f struct {
		Rules []yaml.Node `yaml:"rules"`
	}
	if err := yaml.Unmarshal(text, &f); err != nil {
		return nil
	}
	for _, node := range f.Rules {
		lines = append(lines, node.Line)
	}
	return lines
}

// Digest returns the version of the policy: the SHA-256 of its file, in hexadecimal.
func (p *Policy) Digest() string { return p.digest }

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

func checkLimits(l limits) (errs []error) {
	for currency, amount := range l.Amount {
		if !currencyCode.MatchString(currency) {
			errs = append(errs, fmt.Errorf("policy: limits.amount: %.64q is no ISO 4217 code, such as USD", currency))
		}
		if amount < 0 {
			errs = append(errs, fmt.Errorf("policy: limits.amount: %.64q: %d is negative", currency, amount))
		}
	}
	if c := l.Confidence; c != nil && !(*c >= 0 && *c <= 1) {
		errs = append(errs, fmt.Errorf("policy: limits.confidence: %v is not from 0 to 1", *c))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// compile checks an expression, and returns nil for one that is not there.
func compile(node yaml.Node, typ *cel.Type) (*expression, error) {
	if node.IsZero() {
		return nil, nil
	}
	for node.Kind == yaml.AliasNode {
		node = *node.Alias
	}
	if node.Kind != yaml.ScalarNode || strings.TrimSpace(node.Value) == "" {
		return nil, fmt.Errorf("line %d: must be an expression", node.Line)
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(node.Value)
	if issues.Err() != nil {
		var errs []error
		for _, e := range issues.Errors() {
			at := ""
			if e.Location.Line() > 0 { // a limit that was passed is nowhere
				at = fmt.Sprintf("at %d:%d: ", e.Location.Line(), e.Location.Column()+1)
			}
			errs = append(errs, fmt.Errorf("line %d: %s%.300s", node.Line, at, e.Message))
		}
		return nil, errors.Join(errs...)
	}
	if !checked.OutputType().IsExactType(typ) {
		return nil, fmt.Errorf("line %d: the expression is of type %s, must be %s", node.Line, checked.OutputType(), typ)
	}
	// Optimisation stays off: it would run parts of the expression here, without limits.
	program, err := env.Program(checked,
		cel.EvalOptions(cel.OptTrackState, cel.OptTrackCost, cel.OptPartialEval),
		cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	return &expression{program, reads(checked.NativeRep())}, nil
}

// reads returns the nodes of an expression that read facts. A field of a line is
// named after the lines: "lines.value".
func reads(checked *ast.AST) map[int64]string {
	found := map[int64]string{}
	for id, ref := range checked.ReferenceMap() {
		if slices.ContainsFunc(words, func(w word) bool { return w.name == ref.Name }) {
			found[id] = ref.Name
		}
	}
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.SelectKind && checked.GetType(e.AsSelect().Operand().ID()).TypeName() == "policy.Line" {
			found[e.ID()] = "lines." + e.AsSelect().FieldName()
		}
	}))
	return found
}
