package settings

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"salesforce-mcp/salesforce"
)

// NewKey makes an RSA key of 2048 bits, in PEM.
func NewKey() (salesforce.Secret, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return salesforce.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// Certificate is one of a private key, by itself, in PEM: what Salesforce is given.
func Certificate(key salesforce.Secret, name string, days int) ([]byte, error) {
	signer, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(strings.ReplaceAll(key.Reveal(), `\n`, "\n")))
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be read") // the cause may quote it
	}
	return SelfSigned(signer, name, days)
}

// SelfSigned returns a certificate of a key, by itself, in PEM. Salesforce takes
// the key out of it, and refuses it when it has expired.
func SelfSigned(key crypto.Signer, name string, days int) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, days), // clocks differ
		KeyUsage: x509.KeyUsageDigitalSignature, SignatureAlgorithm: x509.SHA256WithRSA, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("the certificate cannot be made: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
