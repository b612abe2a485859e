package allowlist

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// TestJWT (attack 12): one thing wrong with a token is enough.
func TestJWT(t *testing.T) {
	i := newIssuer(t)
	other := newIssuer(t)
	ec, ed := ecKey(elliptic.P256()), edKey()
	i.publish(publicJWK("k1", rsaKey()), publicJWK("ec", ec), publicJWK("ed", ed), publicJWK("k2", rsaKey2()),
		jose.JSONWebKey{KeyID: "enc", Key: rsaKey2().Public(), Use: "enc"},
		jose.JSONWebKey{KeyID: "ps", Key: rsaKey2().Public(), Use: "sig", Algorithm: "PS256"})
	w := i.workspace(JWT{RequiredClaims: map[string]OneOf{"scope": {"salesforce.use"}, "sub": {"*"}}})
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	rs := func(header map[string]any) string {
		return sign(t, jwt.SigningMethodRS256, "k1", rsaKey(), header, i.good())
	}
	claim := func(name string, value any) string { return i.token(t, map[string]any{name: value}) }
	pub, _ := x509.MarshalPKIXPublicKey(rsaKey().Public())
	pubPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})
	whole := rs(nil)
	head, rest, _ := strings.Cut(whole, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	jwkOfAttacker, _ := json.Marshal(publicJWK("k1", rsaKey2()))
	var attacker map[string]any
	_ = json.Unmarshal(jwkOfAttacker, &attacker)

	for name, test := range map[string]struct {
		token string
		is    error // nil: accepted
	}{
		"good":                   {whole, nil},
		"audience in a list":     {claim("aud", []string{"other", testResource}), nil},
		"audience with a slash":  {claim("aud", testResource+"/"), nil},
		"at+jwt":                 {rs(map[string]any{"typ": "at+jwt"}), nil},
		"application/at+jwt":     {rs(map[string]any{"typ": "application/AT+JWT"}), nil},
		"no typ":                 {rs(map[string]any{"typ": nil}), nil},
		"ES256":                  {sign(t, jwt.SigningMethodES256, "ec", ec, nil, i.good()), nil},
		"EdDSA":                  {sign(t, jwt.SigningMethodEdDSA, "ed", ed, nil, i.good()), nil},
		"PS256":                  {sign(t, jwt.SigningMethodPS256, "ps", rsaKey2(), nil, i.good()), nil},
		"exp within the skew":    {claim("exp", now-30), nil},
		"nbf within the skew":    {claim("nbf", now+30), nil},
		"fractions of a second":  {claim("exp", float64(now)+600.5), nil},
		"nothing":                {"", ErrNothingPresented},
		"no token":               {"a long random token", ErrUnauthenticated},
		"expired":                {claim("exp", now-90), ErrExpired},
		"no exp":                 {claim("exp", nil), ErrUnauthenticated},
		"exp is no number":       {claim("exp", "tomorrow"), ErrUnauthenticated},
		"nbf in the future":      {claim("nbf", now+90), ErrUnauthenticated},
		"iat in the future":      {claim("iat", now+90), ErrUnauthenticated},
		"other audience":         {claim("aud", "https://sales.example/w/other/mcp"), ErrUnauthenticated},
		"audience as prefix":     {claim("aud", testResource+"/x"), ErrUnauthenticated},
		"origin as audience":     {claim("aud", "https://sales.example"), ErrUnauthenticated},
		"no audience":            {claim("aud", nil), ErrUnauthenticated},
		"empty audience":         {claim("aud", []string{}), ErrUnauthenticated},
		"other issuer":           {claim("iss", other.url), ErrUnauthenticated},
		"issuer with a slash":    {claim("iss", i.url+"/"), ErrUnauthenticated},
		"no issuer":              {claim("iss", nil), ErrUnauthenticated},
		"issuer is a list":       {claim("iss", []string{i.url}), ErrUnauthenticated},
		"no scope":               {claim("scope", nil), ErrScope},
		"other scope":            {claim("scope", "salesforce.use.not"), ErrScope},
		"required claim missing": {claim("sub", nil), ErrUnauthenticated},
		"bound to a key":         {claim("cnf", map[string]string{"jkt": "x"}), ErrUnauthenticated},
		"alg none":               {head2("none", "k1") + "." + payload + ".", ErrUnauthenticated},
		"alg None":               {head2("None", "k1") + "." + payload + ".", ErrUnauthenticated},
		"HS256 with the key":     {sign(t, jwt.SigningMethodHS256, "k1", pubPEM, nil, i.good()), ErrUnauthenticated},
		"HS256 with the DER":     {sign(t, jwt.SigningMethodHS256, "k1", pub, nil, i.good()), ErrUnauthenticated},
		"no signature":           {head + "." + payload + ".", ErrUnauthenticated},
		"no signature at all":    {head + "." + payload, ErrUnauthenticated},
		"signature of another":   {head + "." + payload + "." + strings.Split(claim("sub", "eve"), ".")[2], ErrUnauthenticated},
		"changed claims":         {head + "." + strings.Split(claim("sub", "eve"), ".")[1] + "." + signature, ErrUnauthenticated},
		"changed header":         {head2("RS384", "k1") + "." + payload + "." + signature, ErrUnauthenticated},
		"key of another":         {sign(t, jwt.SigningMethodRS256, "k1", rsaKey2(), nil, i.good()), ErrUnauthenticated},
		"unknown kid":            {sign(t, jwt.SigningMethodRS256, "k9", rsaKey(), nil, i.good()), ErrUnauthenticated},
		"no kid, several keys":   {rs(map[string]any{"kid": nil}), ErrUnauthenticated},
		"kid is a number":        {rs(map[string]any{"kid": 1}), ErrUnauthenticated},
		"kid is a path":          {rs(map[string]any{"kid": "../../k1"}), ErrUnauthenticated},
		"key for encryption":     {sign(t, jwt.SigningMethodRS256, "enc", rsaKey2(), nil, i.good()), ErrUnauthenticated},
		"key for PS256":          {sign(t, jwt.SigningMethodRS256, "ps", rsaKey2(), nil, i.good()), ErrUnauthenticated},
		"jku":                    {sign(t, jwt.SigningMethodRS256, "k1", rsaKey2(), map[string]any{"jku": other.url + "/keys"}, i.good()), ErrUnauthenticated},
		"jwk":                    {sign(t, jwt.SigningMethodRS256, "k1", rsaKey2(), map[string]any{"jwk": attacker}, i.good()), ErrUnauthenticated},
		"x5u":                    {sign(t, jwt.SigningMethodRS256, "k1", rsaKey2(), map[string]any{"x5u": other.url + "/keys"}, i.good()), ErrUnauthenticated},
		"crit":                   {rs(map[string]any{"crit": []string{"b64"}, "b64": false}), ErrUnauthenticated},
		"ID-JAG itself":          {rs(map[string]any{"typ": "oauth-id-jag+jwt"}), ErrUnauthenticated},
		"logout token":           {rs(map[string]any{"typ": "logout+jwt"}), ErrUnauthenticated},
		"typ is a number":        {rs(map[string]any{"typ": 7}), ErrUnauthenticated},
		"four parts":             {whole + ".x", ErrUnauthenticated},
		"padding":                {whole + "==", ErrUnauthenticated},
		"space":                  {strings.Replace(whole, ".", ". ", 1), ErrUnauthenticated},
		"too long":               {i.token(t, map[string]any{"groups": strings.Repeat("x", maxToken)}), ErrUnauthenticated},
		"Salesforce's token":     {"00D5g00000AbCdE!AQEAQ.x_y", ErrUnauthenticated},
	} {
		host, err := prove(t, w, test.token)
		if test.is == nil && err != nil || test.is != nil && (!errors.Is(err, test.is) || !errors.Is(err, ErrUnauthenticated) || host != nil) {
			t.Errorf("%s: host %v, error %v, want %v", name, host, err, test.is)
		}
		for _, kind := range []error{ErrExpired, ErrScope, ErrNoKeys, ErrNothingPresented} {
			if errors.Is(err, kind) && !errors.Is(test.is, kind) {
				t.Errorf("%s: error %v is %v too", name, err, kind)
			}
		}
		if err != nil && len(test.token) > 40 && strings.Contains(err.Error(), strings.Split(test.token, ".")[1][:20]) {
			t.Errorf("%s: the error has the token in it: %v", name, err)
		}
	}
	if n := other.fetches(); n != 0 {
		t.Errorf("%d key sets were fetched from where a token said", n)
	}
}

// TestScopeIsSaidLast: a token that lacks more than a scope is not one of this host.
func TestScopeIsSaidLast(t *testing.T) {
	i := newIssuer(t)
	w := i.workspace(JWT{RequiredClaims: map[string]OneOf{"scope": {"x"}, "a": {"1"}, "z": {"1"}}})
	for _, test := range []struct {
		a, z  any
		scope bool
	}{{"1", "1", true}, {nil, "1", false}, {"1", nil, false}, {nil, nil, false}} {
		for range 10 {
			if _, err := prove(t, w, i.token(t, map[string]any{"a": test.a, "z": test.z})); err == nil || errors.Is(err, ErrScope) != test.scope {
				t.Errorf("a %v, z %v: %v", test.a, test.z, err)
			}
		}
	}
}

// head2 is another header of a JWT.
func head2(alg, kid string) string {
	b, _ := json.Marshal(map[string]string{"kid": kid, "typ": "JWT", "alg": alg})
	return base64.RawURLEncoding.EncodeToString(b)
}

// TestJWTOptions: what a profile asks for beyond the defaults.
func TestJWTOptions(t *testing.T) {
	i := newIssuer(t)
	for name, test := range map[string]struct {
		proof  JWT
		change map[string]any
		ok     bool
	}{
		"its own audience":            {JWT{Audience: OneOf{"api://sales"}}, map[string]any{"aud": "api://sales"}, true},
		"not the default one then":    {JWT{Audience: OneOf{"api://sales"}}, nil, false},
		"algorithm left out":          {JWT{Algorithms: []string{"ES256"}}, nil, false},
		"algorithm named":             {JWT{Algorithms: []string{"ES256", "RS256"}}, nil, true},
		"more skew":                   {JWT{ClockSkew: 5 * time.Minute}, map[string]any{"exp": time.Now().Unix() - 200}, true},
		"less skew":                   {JWT{ClockSkew: time.Second}, map[string]any{"exp": time.Now().Unix() - 5}, false},
		"typ at+jwt only":             {JWT{Type: "at+jwt"}, nil, false},
		"no audience allowed":         {JWT{NoAudience: true, RequiredClaims: map[string]OneOf{"scope": {"salesforce.use"}}}, map[string]any{"aud": nil}, true},
		"and given a wrong one":       {JWT{NoAudience: true, RequiredClaims: map[string]OneOf{"scope": {"salesforce.use"}}}, map[string]any{"aud": "other"}, false},
		"and given one that is none":  {JWT{NoAudience: true, RequiredClaims: map[string]OneOf{"scope": {"salesforce.use"}}}, map[string]any{"aud": map[string]any{}}, false},
		"a nested claim":              {JWT{RequiredClaims: map[string]OneOf{"act.sub": {"agent-1"}}}, map[string]any{"act": map[string]any{"sub": "agent-1"}}, true},
		"another nested claim":        {JWT{RequiredClaims: map[string]OneOf{"act.sub": {"agent-1"}}}, map[string]any{"act": map[string]any{"sub": "agent-2"}}, false},
		"two readings, one is right":  {JWT{RequiredClaims: map[string]OneOf{"a.b": {"x"}}}, map[string]any{"a.b": "x", "a": map[string]any{"b": "y"}}, false},
		"two readings, both right":    {JWT{RequiredClaims: map[string]OneOf{"a.b": {"x", "y"}}}, map[string]any{"a.b": "x", "a": map[string]any{"b": "y"}}, true},
		"a claim with dots":           {JWT{RequiredClaims: map[string]OneOf{"https://a.example/role": {"x"}}}, map[string]any{"https://a.example/role": "x"}, true},
		"one of a list":               {JWT{RequiredClaims: map[string]OneOf{"roles": {"b"}}}, map[string]any{"roles": []string{"a", "b"}}, true},
		"a word of a facet":           {JWT{RequiredClaims: map[string]OneOf{"xms_act_fct": {"11"}}}, map[string]any{"xms_act_fct": "3 9 11"}, true},
		"part of a facet's word":      {JWT{RequiredClaims: map[string]OneOf{"xms_act_fct": {"1"}}}, map[string]any{"xms_act_fct": "3 9 11"}, false},
		"words of other claims stay":  {JWT{RequiredClaims: map[string]OneOf{"name": {"ada"}}}, map[string]any{"name": "ada lovelace"}, false},
		"a number":                    {JWT{RequiredClaims: map[string]OneOf{"tier": {"7"}}}, map[string]any{"tier": 7}, true},
		"a boolean":                   {JWT{RequiredClaims: map[string]OneOf{"email_verified": {"true"}}}, map[string]any{"email_verified": true}, true},
		"any value":                   {JWT{RequiredClaims: map[string]OneOf{"sub": {"*"}}}, nil, true},
		"any value, and it is empty":  {JWT{RequiredClaims: map[string]OneOf{"sub": {"*"}}}, map[string]any{"sub": ""}, false},
		"any value, and it is a star": {JWT{RequiredClaims: map[string]OneOf{"sub": {"eve"}}}, map[string]any{"sub": "*"}, false},
		"keys by address":             {JWT{JWKSURL: i.url + "/keys"}, nil, true},
	} {
		w := i.workspace(test.proof)
		if err := w.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := prove(t, w, i.token(t, test.change)); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestClaims: who calls, out of a token.
func TestClaims(t *testing.T) {
	i := newIssuer(t)
	for name, test := range map[string]struct {
		sources []Source
		claims  map[string]any
		agent   string // "" is a refusal
		refusal string
	}{
		"a claim":            {[]Source{{FromClaim, "azp"}}, nil, "support", ""},
		"a nested one":       {[]Source{{FromClaim, "act.sub"}}, map[string]any{"act": map[string]any{"sub": "agent-1"}}, "agent-1", ""},
		"deeper":             {[]Source{{FromClaim, "a.b.c"}}, map[string]any{"a": map[string]any{"b": map[string]any{"c": "x"}}}, "x", ""},
		"a name with dots":   {[]Source{{FromClaim, "https://a.example/agent"}}, map[string]any{"https://a.example/agent": "x"}, "x", ""},
		"two readings":       {[]Source{{FromClaim, "a.b"}}, map[string]any{"a.b": "x", "a": map[string]any{"b": "y"}}, "", "differs"},
		"two that agree":     {[]Source{{FromClaim, "azp"}, {FromClaim, "appid"}}, map[string]any{"appid": "support"}, "support", ""},
		"two that disagree":  {[]Source{{FromClaim, "azp"}, {FromClaim, "appid"}}, map[string]any{"appid": "lab"}, "", "differs"},
		"the second only":    {[]Source{{FromClaim, "appid"}, {FromClaim, "azp"}}, nil, "support", ""},
		"claim and header":   {[]Source{{FromClaim, "azp"}, {FromHeader, "Agent-Id"}}, map[string]any{"azp": "lab"}, "", "differs"},
		"neither":            {[]Source{{FromClaim, "nope"}}, nil, "", "use a token with the claim nope"},
		"an object":          {[]Source{{FromClaim, "act"}}, map[string]any{"act": map[string]any{"sub": "x"}}, "", "is no text"},
		"a list of one":      {[]Source{{FromClaim, "agents"}}, map[string]any{"agents": []string{"x"}}, "x", ""},
		"a list of two":      {[]Source{{FromClaim, "agents"}}, map[string]any{"agents": []string{"x", "y"}}, "", "differs"},
		"a list of objects":  {[]Source{{FromClaim, "agents"}}, map[string]any{"agents": []any{map[string]any{}}}, "", "is no text"},
		"an empty text":      {[]Source{{FromClaim, "azp"}}, map[string]any{"azp": ""}, "", "is empty"},
		"an invisible one":   {[]Source{{FromClaim, "azp"}}, map[string]any{"azp": "sup\u200bport"}, "", "invisible"},
		"the star":           {[]Source{{FromClaim, "azp"}}, map[string]any{"azp": "*"}, "", "every agent"},
		"a big number":       {[]Source{{FromClaim, "azp"}}, map[string]any{"azp": json.Number("12345678901234567890")}, "12345678901234567890", ""},
		"through a text":     {[]Source{{FromClaim, "azp.sub"}}, nil, "", "use a token with"},
		"another upper case": {[]Source{{FromClaim, "AZP"}}, nil, "", "use a token with"},
	} {
		w := i.workspace(JWT{})
		w.Profiles[0].Agent = test.sources
		if err := w.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		host, err := w.Authenticate(t.Context(), Presented{Bearer: i.token(t, test.claims), Header: headers("Agent-Id", "support"), Resource: testResource})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		caller, _, err := w.Identify(host, nil)
		if test.agent != "" && (err != nil || caller != (Caller{"demo", "idp", test.agent, "ada", ""})) || test.agent == "" && (err == nil || !strings.Contains(err.Error(), test.refusal)) {
			t.Errorf("%s: caller %+v, error %v", name, caller, err)
		}
	}
}

// TestProfilesInOrder: the same issuer vouches for people and for machines, which
// two profiles tell apart.
func TestProfilesInOrder(t *testing.T) {
	i := newIssuer(t)
	w := i.workspace(JWT{RequiredClaims: map[string]OneOf{"idtyp": {"user"}}})
	w.Profiles = append(w.Profiles, &Profile{Name: "app", JWT: &JWT{Issuer: i.url, RequiredClaims: map[string]OneOf{"idtyp": {"app"}}}, Agent: []Source{{FromClaim, "azp"}}},
		factory)
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]string{
		i.token(t, map[string]any{"idtyp": "user"}): "idp", i.token(t, map[string]any{"idtyp": "app"}): "app", "factory-token": "factory", i.token(t, nil): "",
	} {
		host, err := prove(t, w, token)
		if want == "" && err == nil || want != "" && (err != nil || host.Profile.Name != want) {
			t.Errorf("host %v, error %v; want %s", host, err, want)
		}
	}
	if n := i.fetches(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// FuzzClaims: whatever claims a signed token has, the agent is text that stands in
// them, or there is none.
func FuzzClaims(f *testing.F) {
	f.Add("azp", `{"azp":"support","sub":"ada"}`)
	f.Add("act.sub", `{"act":{"sub":"a","act":{"sub":"b"}},"act.sub":"c"}`)
	f.Add("a..b", `{"a":{"":{"b":["x","x"]}},"a.":{"b":7}}`)
	f.Add("scope", `{"scope":"x y"}`)
	f.Add("https://a.b/c", `{"https://a":{"b/c":true}}`)
	w := &Workspace{Name: "demo", Rules: []Rule{{Agent: "*", Preset: PresetRead}}}
	f.Fuzz(func(t *testing.T, name, text string) {
		var claims map[string]any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&claims) != nil {
			return
		}
		host := &Host{Profile: &Profile{Name: "h", JWT: &JWT{}, Agent: []Source{{FromClaim, name}}}, claims: claims}
		caller, rest, err := w.Identify(host, map[string]any{"q": "x"})
		if err != nil {
			var refusal *Refusal
			if !errors.As(err, &refusal) || caller != (Caller{}) || rest != nil {
				t.Errorf("caller %+v, error %v", caller, err)
			}
			return
		}
		if caller.Agent != "" && checkIdentifier(caller.Agent) != nil {
			t.Errorf("%q is no identifier", caller.Agent)
		}
		if caller.Agent != "" && !slices.Contains(leaves(claims), caller.Agent) {
			t.Errorf("%q stands nowhere in %s", caller.Agent, text)
		}
		if caller.Agent == "" && claims[name] != nil {
			t.Errorf("%s is %v and names nobody", name, claims[name])
		}
	})
}

// leaves are all values and words inside a value.
func leaves(value any) (all []string) {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			all = append(all, leaves(inner)...)
		}
	case []any:
		for _, inner := range v {
			all = append(all, leaves(inner)...)
		}
	case string:
		all = append(strings.Fields(v), v)
	default:
		all = []string{fmt.Sprint(v)}
	}
	return all
}
