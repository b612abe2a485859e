package fakevault

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// token is a token of Vault; without ends it never ends.
type token struct {
	id        string
	policies  []string
	ttl       time.Duration
	ends      time.Time
	last      time.Time // beyond which it cannot be renewed; zero for no bound
	renewable bool
}

func (t *token) ended() bool { return !t.ends.IsZero() && time.Now().After(t.ends) }

// issue makes a token; ttl 0 is the default of a dev server, 32 days.
func (v *Vault) issue(policies []string, ttl, most time.Duration, renewable bool) *answer {
	if ttl == 0 {
		ttl = 768 * time.Hour
	}
	t := &token{id: "hvs." + rand.Text(), policies: append([]string{"default"}, policies...), ttl: ttl, ends: time.Now().Add(ttl), renewable: renewable}
	if most > 0 {
		t.last = time.Now().Add(most)
	}
	v.tokens[t.id] = t
	return t.answer()
}

func (t *token) answer() *answer {
	return &answer{status: http.StatusOK, auth: map[string]any{"client_token": t.id, "policies": t.policies, "token_policies": t.policies,
		"lease_duration": int(time.Until(t.ends).Round(time.Second).Seconds()), "renewable": t.renewable, "token_type": "service"}}
}

func (v *Vault) token(t *token, path string, body map[string]any) *answer {
	switch path {
	case "lookup-self":
		about := map[string]any{"id": t.id, "policies": t.policies, "renewable": t.renewable, "ttl": 0, "expire_time": nil, "type": "service"}
		if !t.ends.IsZero() {
			about["ttl"], about["expire_time"] = int(time.Until(t.ends).Seconds()), t.ends.UTC().Format(time.RFC3339Nano)
		}
		return ok(about)
	case "renew-self":
		if !t.renewable {
			return refuse(http.StatusBadRequest, "lease is not renewable")
		}
		t.ends = time.Now().Add(t.ttl)
		if !t.last.IsZero() && t.ends.After(t.last) {
			t.ends = t.last
		}
		return t.answer()
	case "create":
		renewable := body["renewable"] != false
		return v.issue(list(body["policies"]), duration(body["ttl"]), duration(body["explicit_max_ttl"]), renewable)
	case "revoke":
		delete(v.tokens, text(body["token"]))
		return done
	}
	return nil
}

// rule is what a policy allows at a path, which may have + for a segment and end
// with *.
type rule struct {
	path         string
	matches      *regexp.Regexp
	capabilities []string
}

const defaultPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
`

var (
	pathRE = regexp.MustCompile(`path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}`)
	wordRE = regexp.MustCompile(`"([a-z]+)"`)
)

func parsePolicy(hcl string) []rule {
	var rules []rule
	for _, m := range pathRE.FindAllStringSubmatch(hcl, -1) {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(m[1]), `\+`, `[^/]+`)
		if before, found := strings.CutSuffix(pattern, `\*`); found {
			pattern = before + `.*`
		}
		r := rule{path: m[1], matches: regexp.MustCompile(`^` + pattern + `$`)}
		for _, word := range wordRE.FindAllStringSubmatch(m[2], -1) {
			r.capabilities = append(r.capabilities, word[1])
		}
		rules = append(rules, r)
	}
	return rules
}

func (v *Vault) rules(t *token) []rule {
	var rules []rule
	for _, name := range t.policies {
		rules = append(rules, v.policies[name]...)
	}
	return rules
}

func (v *Vault) capabilities(t *token, path string) []string {
	if slices.Contains(t.policies, "root") {
		return []string{"root"}
	}
	best := rule{capabilities: []string{"deny"}}
	for _, r := range v.rules(t) {
		if r.matches.MatchString(path) && len(r.path) > len(best.path) {
			best = r
		}
	}
	return best.capabilities
}

func (v *Vault) allows(t *token, method, path string) bool {
	has := v.capabilities(t, path)
	needed := map[string]string{http.MethodGet: "read", http.MethodDelete: "delete"}[method]
	if needed == "" {
		needed = "update"
		mount, under := v.mountOf(path)
		if kept, isKV := v.mounts[mount].(*kv); isKV && !kept.exists(under) {
			needed = "create"
		}
	}
	return slices.Contains(has, "root") || slices.Contains(has, needed)
}
