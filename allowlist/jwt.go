package allowlist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// JWT is the proof by a token that an issuer has signed: an OAuth access token
// (RFC 9068, and what issuers made of it before), or a gateway's own.
type JWT struct {
	// Issuer is the only accepted claim iss. Without JWKSURL it is the URL under
	// which the issuer describes itself (OpenID Connect Discovery, RFC 8414).
	Issuer string `yaml:"issuer"`
	// Audience are the accepted values of the claim aud, of which the token must
	// have one (RFC 8707). Default the URL of the workspace's MCP endpoint.
	Audience OneOf `yaml:"audience"`
	// JWKSURL is where the issuer's public keys are. Default what the issuer
	// says of itself.
	JWKSURL string `yaml:"jwksURL"`
	// Algorithms are the accepted ones, among [Algorithms]. Default all those.
	Algorithms []string `yaml:"algorithms"`
	// ClockSkew is by how much the issuer's clock may differ from ours. Default
	// one minute, at most five.
	ClockSkew time.Duration `yaml:"clockSkew"`
	// Type is the only accepted header typ. Default "JWT", "at+jwt" or none,
	// which keeps out tokens that say they are for something else.
	Type string `yaml:"typ"`
	// RequiredClaims maps claims to the values of which each must have one; "*"
	// is any value. The name of a claim inside another is written act.sub.
	RequiredClaims map[string]OneOf `yaml:"requiredClaims"`
	// Scopes is what clients are told to ask the authorization server for. It is
	// not what the token must have: an issuer may write that otherwise.
	Scopes []string `yaml:"scopes"`
	// NoAudience accepts tokens without the claim aud, of issuers that give none
	// to machines (Amazon Cognito). A required scope has to stand for it.
	NoAudience bool `yaml:"noAudience"`
	// Unlisted keeps the issuer out of the public metadata (RFC 9728), which
	// tells that the workspace exists. Clients must then know their issuer.
	Unlisted bool `yaml:"unlisted"`
}

// Algorithms are the signatures that can be accepted. All of them are
// asymmetric: with a shared secret, whoever can check a token can make one.
var Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// maxToken is the length of the longest token that is looked at. Tokens with
// many groups in them have some 8 KiB.
const maxToken = 16 << 10

// spaced are the claims that hold several words in one string: OAuth's scopes
// (RFC 8693 §4.2, and Entra's name for them), Entra's facets of an agent
// (entra-docs, agent-id/agent-token-claims), and what an actor is
// (draft-mcguinness-oauth-actor-profile).
var spaced = []string{"scope", "scp", "xms_act_fct", "xms_sub_fct", "xms_tnt_fct", "xms_idrel", "sub_profile"}

// verify returns the claims of a token that the issuer has signed for this
// resource and that is valid now. The error says what is wrong with it, without
// the token.
func (j *JWT) verify(ctx context.Context, keys *Keys, token, resource string) (map[string]any, error) {
	if len(token) > maxToken {
		return nil, fmt.Errorf("the token has %d bytes; at most %d are read", len(token), maxToken)
	}
	audience := []string(j.Audience)
	if len(audience) == 0 {
		audience = []string{resource, resource + "/"} // some issuers end it so
	}
	options := []jwt.ParserOption{jwt.WithValidMethods(j.algorithms()), jwt.WithLeeway(j.skew()),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithJSONNumber()}
	if !j.NoAudience {
		options = append(options, jwt.WithAudience(audience...))
	}
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(options...).ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if err := j.checkHeader(t.Header); err != nil {
			return nil, err
		}
		if claims["iss"] != j.Issuer { // before keys are fetched for it
			return nil, errors.New("it is of another issuer")
		}
		kid, isText := t.Header["kid"].(string)
		if t.Header["kid"] != nil && !isText {
			return nil, errors.New("its kid is no string")
		}
		return keys.find(ctx, j, kid, t.Method.Alg())
	})
	if err != nil {
		return nil, expired(err)
	}
	given, _ := claims.GetAudience()
	if claims["aud"] != nil && !slices.ContainsFunc(given, func(a string) bool { return slices.Contains(audience, a) }) {
		return nil, errors.New("the token is for another audience")
	}
	if claims["cnf"] != nil {
		return nil, errors.New("the token is bound to a key (cnf), whose proof this server cannot check")
	}
	return claims, j.checkRequired(claims)
}

// expired adds [ErrExpired] to the error of a token with which nothing else is
// wrong.
func expired(err error) error {
	for _, other := range []error{jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenInvalidAudience,
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenNotValidYet, jwt.ErrTokenRequiredClaimMissing} {
		if errors.Is(err, other) {
			return err
		}
	}
	if errors.Is(err, jwt.ErrTokenExpired) {
		return fmt.Errorf("%w: %w", ErrExpired, err)
	}
	return err
}

// checkHeader refuses tokens for another purpose (RFC 8725 §3.11), and those
// whose header asks for something that is not understood (RFC 7515 §4.1.11).
// What the header says about keys (jku, jwk, x5u, x5c) is never read: keys come
// from the issuer.
func (j *JWT) checkHeader(header map[string]any) error {
	if _, critical := header["crit"]; critical {
		return errors.New("its header has critical extensions")
	}
	given, isText := header["typ"].(string)
	if header["typ"] != nil && !isText {
		return errors.New("its typ is no string")
	}
	accepted := []string{"", "jwt", "at+jwt"}
	if j.Type != "" {
		accepted = []string{mediaType(j.Type)}
	}
	if !slices.Contains(accepted, mediaType(given)) {
		return fmt.Errorf("its typ is %q", cut(given))
	}
	return nil
}

// mediaType is a typ in the form in which it is compared (RFC 7515 §4.1.9).
func mediaType(typ string) string { return strings.TrimPrefix(strings.ToLower(typ), "application/") }

// checkRequired says which required claim is missing or has another value. A
// missing scope is said last: then nothing else is wrong.
func (j *JWT) checkRequired(claims map[string]any) error {
	var noScope error
	for _, name := range slices.Sorted(maps.Keys(j.RequiredClaims)) {
		wanted := j.RequiredClaims[name]
		found := lookUp(claims, name)
		holds := len(found) > 0 && !slices.ContainsFunc(found, func(v any) bool { return !wanted.have(words(name, v)) })
		switch {
		case holds:
		case name == "scope" || name == "scp":
			noScope = fmt.Errorf("%w: the claim %s has none of %q", ErrScope, name, wanted)
		default:
			return fmt.Errorf("the claim %s has none of %q", name, wanted)
		}
	}
	return noScope
}

// lookUp returns what stands under a name such as act.sub. Names may have dots
// in them (https://sts.amazonaws.com/.aws_account), so that there can be several
// readings; every one that leads to a value is returned.
func lookUp(claims map[string]any, name string) []any {
	var found []any
	if value := claims[name]; value != nil {
		found = append(found, value)
	}
	for i, c := range name {
		if inner, ok := claims[name[:i]].(map[string]any); ok && c == '.' {
			found = append(found, lookUp(inner, name[i+1:])...)
		}
	}
	return found
}

// words are the single values of a claim.
func words(name string, value any) []string {
	switch v := value.(type) {
	case string:
		if slices.Contains(spaced, name[strings.LastIndexByte(name, '.')+1:]) {
			return strings.Fields(v)
		}
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case bool:
		return []string{fmt.Sprint(v)}
	case []any:
		var all []string
		for _, element := range v {
			if text, ok := element.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}

// OneOf are values of which one must be there. In configuration a single one is
// written without a list.
type OneOf []string

// have reports whether one of the values is among the given ones.
func (o OneOf) have(given []string) bool {
	return slices.ContainsFunc(given, func(v string) bool { return slices.Contains(o, v) || v != "" && slices.Contains(o, "*") })
}

// UnmarshalYAML reads a single value or a list.
func (o *OneOf) UnmarshalYAML(decode func(any) error) error {
	var one string
	if decode(&one) == nil {
		*o = OneOf{one}
		return nil
	}
	return decode((*[]string)(o))
}

func (j *JWT) algorithms() []string {
	if len(j.Algorithms) > 0 {
		return j.Algorithms
	}
	return Algorithms
}

func (j *JWT) skew() time.Duration {
	if j.ClockSkew == 0 {
		return time.Minute
	}
	return j.ClockSkew
}

// validate returns every problem, each naming field and value.
func (j *JWT) validate(field string) error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s.%w", field, fmt.Errorf(format, args...)))
	}
	switch {
	case j.Issuer == "":
		problem("issuer: is needed: the claim iss of the tokens, as in https://login.example.com")
	case j.JWKSURL == "":
		if err := checkURL(j.Issuer, true); err != nil {
			problem("issuer: %q %w; or give jwksURL", j.Issuer, err)
		}
	default:
		if err := checkURL(j.JWKSURL, true); err != nil {
			problem("jwksURL: %q %w", j.JWKSURL, err)
		}
	}
	for i, audience := range j.Audience {
		if audience == "" || strings.Contains(audience, "*") {
			problem("audience[%d]: %q must be a whole value of the claim aud; leave audience out for the URL of the MCP endpoint", i, audience)
		}
	}
	for i, name := range j.Algorithms {
		if !slices.Contains(Algorithms, name) {
			problem("algorithms[%d]: %q is none of %s", i, name, strings.Join(Algorithms, ", "))
		}
	}
	if j.ClockSkew < 0 || j.ClockSkew > 5*time.Minute {
		problem("clockSkew: %v must be between 0s and 5m", j.ClockSkew)
	}
	for name, values := range j.RequiredClaims {
		if name == "" || len(values) == 0 || slices.Contains(values, "") {
			problem("requiredClaims: %q: at least one value is needed, or \"*\" for any", name)
		}
	}
	if scope := j.RequiredClaims["scope"]; j.NoAudience && (len(scope) == 0 || slices.Contains(scope, "*")) {
		problem("noAudience: true needs requiredClaims.scope, which then says that a token is for this server")
	}
	for i, scope := range j.Scopes {
		if scope == "" || strings.ContainsFunc(scope, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) {
			problem("scopes[%d]: %q is no scope (RFC 6749 §3.3); list them one by one", i, scope)
		}
	}
	return errors.Join(problems...)
}

// checkURL says why text is not a URL from which keys could be fetched. Http is
// for this machine only.
func checkURL(text string, loopback bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("is no URL; write it as in https://login.example.com")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback && isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("must be an https URL")
}

// cut shortens what a stranger wrote.
func cut(text string) string { return text[:min(len(text), 40)] }
