package fakevault

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// kv is the secrets engine KV. Version 1 keeps what it is given under data, too.
type kv struct {
	version string
	cas     bool
	keys    map[string]*kvKey
}

type kvKey struct {
	data    any
	version int
	deleted time.Time
}

func newKV(version string) *kv { return &kv{version: version, keys: map[string]*kvKey{}} }

func (k *kv) kind() (string, string) { return "kv", k.version }

func (k *kv) exists(under string) bool {
	name, isData := strings.CutPrefix(under, "data/")
	return !isData || k.keys[name] != nil // what is no data is only ever updated
}

func (k *kv) serve(_ *Vault, method, path string, body map[string]any) *answer {
	if k.version != "2" {
		return k.serveFirst(method, path, body)
	}
	if path == "config" {
		k.cas = body["cas_required"] == true
		return done
	}
	of, name, _ := strings.Cut(path, "/")
	key := k.keys[name]
	switch {
	case of == "metadata" && method == http.MethodDelete:
		delete(k.keys, name)
		return done
	case of != "data":
		return nil
	case method == http.MethodDelete:
		if key != nil {
			key.data, key.deleted = nil, time.Now()
		}
		return done
	case method == http.MethodGet && key == nil:
		return nothing
	case method == http.MethodGet && key.data == nil:
		return &answer{status: http.StatusNotFound, data: map[string]any{"data": nil, "metadata": key.metadata()}}
	case method == http.MethodGet:
		return ok(map[string]any{"data": key.data, "metadata": key.metadata()})
	}
	if key == nil {
		key = &kvKey{}
	}
	options, _ := body["options"].(map[string]any)
	cas, given := options["cas"].(float64)
	switch {
	case given && int(cas) != key.version:
		return refuse(http.StatusBadRequest, "check-and-set parameter did not match the current version")
	case !given && k.cas:
		return refuse(http.StatusBadRequest, "check-and-set parameter required for this call")
	}
	key.data, key.version, key.deleted = body["data"], key.version+1, time.Time{}
	k.keys[name] = key
	return ok(key.metadata())
}

func (k *kv) serveFirst(method, path string, body map[string]any) *answer {
	switch key := k.keys[path]; {
	case method == http.MethodDelete:
		delete(k.keys, path)
		return done
	case method != http.MethodGet:
		k.keys[path] = &kvKey{data: body}
		return done
	case key == nil:
		return nothing
	default:
		return ok(key.data)
	}
}

func (k *kvKey) metadata() map[string]any {
	deleted := ""
	if !k.deleted.IsZero() {
		deleted = k.deleted.UTC().Format(time.RFC3339Nano)
	}
	return map[string]any{"version": k.version, "deletion_time": deleted, "destroyed": false, "custom_metadata": nil}
}

// transit is the secrets engine Transit: keys by name.
type transit map[string]*transitKey

// transitKey has an RSA key for each version, or none if it is of another type.
type transitKey struct {
	kind     string
	versions []*rsa.PrivateKey
}

func (transit) kind() (string, string) { return "transit", "" }

func (t transit) serve(_ *Vault, method, path string, body map[string]any) *answer {
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return nil
	}
	key := t[parts[1]]
	switch {
	case parts[0] == "keys" && len(parts) == 2 && method != http.MethodGet:
		key = &transitKey{kind: text(body["type"])}
		key.rotate()
		t[parts[1]] = key
		return key.about(parts[1])
	case parts[0] == "keys" && key == nil:
		return nothing
	case parts[0] == "keys" && len(parts) == 3 && parts[2] == "rotate":
		key.rotate()
		return key.about(parts[1])
	case parts[0] == "keys" && len(parts) == 2:
		return key.about(parts[1])
	case parts[0] == "sign" && key == nil:
		return refuse(http.StatusBadRequest, "signing key not found")
	case parts[0] == "sign":
		return key.sign(body)
	case parts[0] == "export" && len(parts) > 2 && t[parts[2]] != nil:
		return refuse(http.StatusBadRequest, "private key material is not exportable")
	}
	return nil
}

func (k *transitKey) rotate() {
	var key *rsa.PrivateKey
	if bits, isRSA := strings.CutPrefix(k.kind, "rsa-"); isRSA {
		n, _ := strconv.Atoi(bits)
		key, _ = rsa.GenerateKey(rand.Reader, n)
	}
	k.versions = append(k.versions, key)
}

func (k *transitKey) about(name string) *answer {
	keys := map[string]any{}
	for i, key := range k.versions {
		about := map[string]any{"name": k.kind, "public_key": ""}
		if key != nil {
			der, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
			about["public_key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}
		keys[strconv.Itoa(i+1)] = about
	}
	return ok(map[string]any{"name": name, "type": k.kind, "latest_version": len(k.versions), "exportable": false,
		"supports_signing": k.kind != "aes256-gcm96", "keys": keys})
}

func (k *transitKey) sign(body map[string]any) *answer {
	version := len(k.versions)
	if n, given := body["key_version"].(float64); given && n > 0 {
		version = int(n)
	}
	digest, err := base64.StdEncoding.DecodeString(text(body["input"]))
	switch {
	case k.kind == "aes256-gcm96":
		return refuse(http.StatusBadRequest, "key type aes256-gcm96 does not support signing")
	case version > len(k.versions):
		return refuse(http.StatusInternalServerError, "1 error occurred:\n\t* requested version for signing is higher than the latest key version\n\n")
	case err != nil || body["prehashed"] != true || body["signature_algorithm"] != "pkcs1v15":
		return refuse(http.StatusBadRequest, "the fake signs SHA-256 digests with pkcs1v15 only")
	}
	signature := make([]byte, 71) // as long as one of ECDSA
	if key := k.versions[version-1]; key != nil {
		if signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest); err != nil {
			return refuse(http.StatusInternalServerError, err.Error())
		}
	}
	return ok(map[string]any{"key_version": version, "signature": fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(signature))})
}
