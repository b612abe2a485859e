package secrets

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"salesforce-mcp/auth"
)

// transitKeyRE matches the name of a key of Transit, and, behind @, the version
// of it.
var transitKeyRE = regexp.MustCompile(`^([A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?)(?:@([1-9][0-9]{0,8}))?$`)

// CheckTransitKey returns an error unless s names a key of Transit: NAME, or
// NAME@VERSION.
func CheckTransitKey(s string) error {
	_, _, err := parseTransitKey(s)
	return err
}

func parseTransitKey(s string) (name string, version int, err error) {
	m := transitKeyRE.FindStringSubmatch(s)
	if m == nil {
		return "", 0, fmt.Errorf("%q is no key of Transit; write its name, with @ and a version behind it to stay with that version, as in salesforce@1", s)
	}
	version, _ = strconv.Atoi(m[2]) // digits or nothing
	return m[1], version, nil
}

// transitKey is an RSA key in the secrets engine Transit, which signs and does
// not show it. Version 0 is the newest one.
type transitKey struct {
	vault   *Vault
	name    string
	version int
	err     error // what is wrong with the name
}

var _ auth.Signer = transitKey{}

// Signer returns a signer by a key of Transit, NAME or NAME@VERSION. Without a
// version the newest one signs: whoever rotates the key in Vault must upload
// the certificate of the new version at the same time. Errors are
// [*Unavailable].
func (v *Vault) Signer(key string) auth.Signer {
	name, version, err := parseTransitKey(key)
	return transitKey{v, name, version, err}
}

// Sign implements [auth.Signer]. Vault gets the SHA-256 of the text.
func (k transitKey) Sign(ctx context.Context, text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	return k.sign(ctx, sum[:])
}

// KeyID implements [auth.Signer]. A key without a version keeps its id when it is
// rotated: tokens that the old version got are as good.
func (k transitKey) KeyID() string {
	c := k.vault.config
	return fmt.Sprintf("vault %s %s %s %s@%d", c.Address, c.Namespace, c.TransitMount, k.name, k.version)
}

func (v *Vault) signPath(name string) string {
	return v.config.TransitMount + "/sign/" + name + "/sha2-256"
}

func (k transitKey) sign(ctx context.Context, digest []byte) ([]byte, error) {
	if k.err != nil {
		return nil, &Unavailable{Why: k.err.Error()}
	}
	path := k.vault.signPath(k.name)
	body := map[string]any{"input": base64.StdEncoding.EncodeToString(digest), "prehashed": true, "signature_algorithm": "pkcs1v15"}
	if k.version > 0 {
		body["key_version"] = k.version
	}
	answer, err := k.vault.write(ctx, path, body)
	switch {
	case isStatus(err, http.StatusBadRequest) && saysAnyOf(err, "signing key not found"):
		return nil, &Unavailable{Why: k.none()}
	case saysAnyOf(err, "requested version for signing"):
		return nil, &Unavailable{Why: fmt.Sprintf("the key %s in Vault has no version %d that may sign: mend transitKey", k.name, k.version)}
	case isStatus(err, http.StatusBadRequest):
		return nil, &Unavailable{Why: k.notRSA() + k.vault.quote(err)}
	case err != nil:
		return nil, k.vault.explain(err, "update", path)
	}
	var signed struct {
		Signature string `json:"signature"`
	}
	if answer == nil || decode(answer.Data, &signed) != nil {
		return nil, k.vault.explain(errUnreadable, "update", path)
	}
	return k.parseSignature(signed.Signature)
}

func (k transitKey) none() string {
	return fmt.Sprintf("Vault has no key %q in %[2]s: make it with vault write -f %[2]s/keys/%[1]s type=rsa-2048, or mend transitKey", k.name, k.vault.config.TransitMount)
}

func (k transitKey) notRSA() string {
	return fmt.Sprintf("the key %s in Vault is not one that signs with RSA: make one with vault write -f %s/keys/NAME type=rsa-2048, and set transitKey to it", k.name, k.vault.config.TransitMount)
}

// parseSignature takes a signature out of vault:v1:BASE64.
func (k transitKey) parseSignature(s string) ([]byte, error) {
	rest, ok := strings.CutPrefix(s, "vault:v")
	version, text, found := strings.Cut(rest, ":")
	n, err := strconv.Atoi(version)
	signature, badText := base64.StdEncoding.DecodeString(text)
	if !ok || !found || err != nil || badText != nil || k.version > 0 && n != k.version {
		return nil, k.vault.explain(errUnreadable, "update", "")
	}
	switch len(signature) {
	case 256, 384, 512: // RSA of 2048, 3072 or 4096 bits
		return signature, nil
	}
	return nil, &Unavailable{Why: k.notRSA()}
}

// Format prints the type alone.
func (transitKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secrets.transitKey") }

// CertificateKey returns a key of Transit, as [Vault.Signer] takes it, as what
// x509.CreateCertificate signs with (SHA256WithRSA). It reads the public key, to
// which the token's policies must give access. Its signatures are made until
// ctx ends.
func (v *Vault) CertificateKey(ctx context.Context, key string) (crypto.Signer, error) {
	name, version, err := parseTransitKey(key)
	if err != nil {
		return nil, err
	}
	k := transitKey{vault: v, name: name, version: version}
	path := v.config.TransitMount + "/keys/" + name
	answer, err := v.get(ctx, path)
	switch {
	case isStatus(err, http.StatusNotFound) && !saysAnyOf(err, noHandler):
		return nil, &Unavailable{Why: k.none()}
	case err != nil:
		return nil, v.explain(err, "read", path)
	case answer == nil:
		return nil, v.explain(errUnreadable, "read", path)
	}
	var about struct {
		Type   string `json:"type"`
		Latest int    `json:"latest_version"`
		Keys   map[string]struct {
			PublicKey string `json:"public_key"`
		} `json:"keys"`
	}
	if decode(answer.Data, &about) != nil || !strings.HasPrefix(about.Type, "rsa-") {
		return nil, &Unavailable{Why: k.notRSA()}
	}
	if k.version == 0 {
		k.version = about.Latest
	}
	block, _ := pem.Decode([]byte(about.Keys[strconv.Itoa(k.version)].PublicKey))
	if block == nil {
		return nil, &Unavailable{Why: fmt.Sprintf("the key %s in Vault has no version %d: mend transitKey", name, k.version)}
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, &Unavailable{Why: k.notRSA()}
	}
	return certificateKey{ctx, k, public}, nil
}

// certificateKey is a transitKey of one version with its public half.
type certificateKey struct {
	ctx context.Context // crypto.Signer has no place for it
	transitKey
	public *rsa.PublicKey
}

var _ crypto.Signer = certificateKey{}

// Public implements [crypto.Signer].
func (k certificateKey) Public() crypto.PublicKey { return k.public }

// Sign implements [crypto.Signer] for PKCS #1 v1.5 with SHA-256.
func (k certificateKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); pss || opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, errors.New("a key of Transit signs here with PKCS #1 v1.5 and SHA-256 only")
	}
	return k.sign(k.ctx, digest)
}
