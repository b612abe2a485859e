package secrets_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// transitWorld mounts Transit with the key that the documented policy names.
func transitWorld(t *testing.T, w *vaultWorld) *secrets.Vault {
	t.Helper()
	config := w.appRole(t, "")
	w.admin(t, "POST", "sys/mounts/transit", `{"type":"transit"}`)
	w.admin(t, "POST", "transit/keys/salesforce", `{"type":"rsa-2048"}`)
	return w.open(t, config)
}

// publicKey reads a version of the key as an administrator.
func (w *vaultWorld) publicKey(t *testing.T, key string) *rsa.PublicKey {
	t.Helper()
	signer, err := w.open(t, secrets.VaultConfig{Login: secrets.VaultLogin{Method: secrets.LoginToken, Token: salesforce.Secret(w.root)}}).CertificateKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return signer.Public().(*rsa.PublicKey)
}

func TestVaultSigner(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		ctx := t.Context()
		v := transitWorld(t, w)
		first := w.publicKey(t, "salesforce")
		verify := func(key string, public *rsa.PublicKey) {
			t.Helper()
			signature, err := v.Signer(key).Sign(ctx, []byte("header.claims"))
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256([]byte("header.claims"))
			if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		verify("salesforce", first)
		verify("salesforce@1", first)
		w.admin(t, "POST", "transit/keys/salesforce/rotate", "")
		second := w.publicKey(t, "salesforce")
		if second.Equal(first) || !w.publicKey(t, "salesforce@1").Equal(first) {
			t.Error("the public keys of the versions")
		}
		verify("salesforce", second)
		verify("salesforce@1", first)
		verify("salesforce@2", second)

		ids := map[string]bool{}
		for _, key := range []string{"salesforce", "salesforce@1", "salesforce@2", "other"} {
			ids[v.Signer(key).KeyID()] = true
		}
		if len(ids) != 4 {
			t.Errorf("key ids: %v", ids)
		}

		w.policy(t, documentedPolicy(t)+`path "transit/sign/*" { capabilities = ["update"] }`)
		w.admin(t, "POST", "transit/keys/aes", `{"type":"aes256-gcm96"}`)
		w.admin(t, "POST", "transit/keys/ec", `{"type":"ecdsa-p256"}`)
		for key, want := range map[string]string{
			"none":         `Vault has no key "none" in transit: make it with vault write -f transit/keys/none type=rsa-2048`,
			"salesforce@3": "has no version 3 that may sign",
			"aes":          "the key aes in Vault is not one that signs with RSA",
			"ec":           "the key ec in Vault is not one that signs with RSA",
			"../x":         `"../x" is no key of Transit`,
			"a@0":          `"a@0" is no key of Transit`,
		} {
			if _, err := v.Signer(key).Sign(ctx, []byte("x")); !unavailable(err, want) {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
}

// TestVaultCertificate makes the certificate to upload to Salesforce, with a
// private key that nobody has seen.
func TestVaultCertificate(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		v := transitWorld(t, w)
		if _, err := v.CertificateKey(t.Context(), "salesforce"); !unavailable(err, "do not allow to read transit/keys/salesforce") {
			t.Errorf("without the right to read the public key: %v", err)
		}
		w.policy(t, documentedPolicy(t)+documentedPolicies(t)[1])
		signer, err := v.CertificateKey(t.Context(), "salesforce")
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "salesforce-mcp"},
			NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: x509.SHA256WithRSA}
		der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if err := certificate.CheckSignature(certificate.SignatureAlgorithm, certificate.RawTBSCertificate, certificate.Signature); err != nil {
			t.Error(err)
		}
		for _, opts := range []crypto.SignerOpts{crypto.SHA512, crypto.SHA512_256, &rsa.PSSOptions{Hash: crypto.SHA256}} {
			if _, err := signer.Sign(nil, make([]byte, opts.HashFunc().Size()), opts); err == nil {
				t.Errorf("%T %v is signed", opts, opts)
			}
		}
		if _, err := v.CertificateKey(t.Context(), "salesforce@7"); !unavailable(err, "has no version 7") {
			t.Error(err)
		}
		root := w.open(t, secrets.VaultConfig{Login: secrets.VaultLogin{Method: secrets.LoginToken, Token: salesforce.Secret(w.root)}})
		if _, err := root.CertificateKey(t.Context(), "none"); !unavailable(err, `Vault has no key "none"`) {
			t.Error(err)
		}
	})
}

// TestVaultAwayWithCachedToken: an org's token that was got before Vault went
// away is used until the org refuses it; only a new login needs Vault.
func TestVaultAwayWithCachedToken(t *testing.T) {
	eachVault(t, func(t *testing.T, w *vaultWorld) {
		ctx := t.Context()
		v := transitWorld(t, w)
		public := w.publicKey(t, "salesforce")
		logins := 0
		org := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if _, err := jwt.Parse(r.FormValue("assertion"), func(*jwt.Token) (any, error) { return public, nil }, jwt.WithValidMethods([]string{"RS256"})); err != nil {
				t.Errorf("the assertion: %v", err)
			}
			logins++
			answer.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(answer).Encode(map[string]string{"access_token": "00D" + strings.Repeat("x", logins), "instance_url": "http://" + r.Host, "token_type": "Bearer"})
		}))
		defer org.Close()
		resolver := &auth.Resolver{HTTP: org.Client(), Hosts: salesforce.Hosts{Loopback: true}}
		settings := auth.Settings{Mode: auth.ModeJWT, LoginURL: org.URL, ClientID: "3MVG9", Username: "agent@acme.example", Signer: v.Signer("salesforce@1")}
		credentials := func() *auth.Cached {
			c, err := resolver.Credentials("sales", settings)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		token, err := credentials().Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		w.admin(t, "PUT", "sys/seal", "")
		for range 3 {
			if again, err := credentials().Token(ctx); err != nil || again != token {
				t.Fatalf("Vault is sealed: %v", err)
			}
		}
		credentials().Drop(token)
		if _, err := credentials().Token(ctx); !unavailable(err, "is sealed: unseal it") {
			t.Errorf("a new login while Vault is sealed: %v", err)
		}
		w.unseal(t)
		if again, err := credentials().Token(ctx); err != nil || again == token || logins != 2 {
			t.Errorf("Vault is back: %v after %d logins", err, logins)
		}
	})
}
