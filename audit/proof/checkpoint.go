package proof

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint says that the first Size entries of a log are those whose Merkle
// tree has the root Root. Signed, it is a note of three lines: origin, size, root
// (https://c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Origin string // name of the key, "/", workspace
	Size   int64
	Root   tlog.Hash
}

// Workspace is that of the log.
func (c Checkpoint) Workspace() string {
	_, workspace, _ := strings.Cut(c.Origin, "/")
	return workspace
}

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// A Key signs checkpoints. It prints as dots.
type Key struct {
	signer note.Signer
	public string
}

// Format prints dots, since fmt would print the key.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "•••") }

// NewKey makes a key as text: one that [ParseKey] reads, and a secret.
func NewKey() (string, error) {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	secret, _, err := note.GenerateKey(rand.Reader, "salesforce-mcp-"+hex.EncodeToString(id[:]))
	return secret, err
}

// ParseKey reads a key. Errors do not repeat it.
func ParseKey(text string) (Key, error) {
	signer, err := note.NewSigner(text)
	if err != nil {
		return Key{}, errors.New("the audit trail's signing key is damaged; restore it")
	}
	_, seed, _ := strings.Cut(text, signer.Name()+"+")
	_, seed, _ = strings.Cut(seed, "+") // after the hash
	raw, err := base64.StdEncoding.DecodeString(seed)
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return Key{}, errors.New("the audit trail's signing key is damaged; restore it")
	}
	public, _ := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(signer.Name(), public)
	return Key{signer, verifier}, err
}

// Public is the public key, as text that [ParsePublicKey] reads.
func (k Key) Public() string { return k.public }

// Origin is that of the log of a workspace.
func (k Key) Origin(workspace string) string { return k.signer.Name() + "/" + workspace }

// Sign returns the checkpoint as a signed note.
func (k Key) Sign(c Checkpoint) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.text()}, k.signer)
}

// A PublicKey checks checkpoints.
type PublicKey struct{ verifier note.Verifier }

// ParsePublicKey reads a public key, NAME+HASH+BASE64.
func ParsePublicKey(text string) (PublicKey, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return PublicKey{}, errors.New("this is no public key of an audit trail; write it as `salesforce-mcp audit key` prints it")
	}
	return PublicKey{verifier}, nil
}

// Origin is that of the log of a workspace.
func (k PublicKey) Origin(workspace string) string { return k.verifier.Name() + "/" + workspace }

// String is the key's name and hash, by which people tell it from others.
func (k PublicKey) String() string {
	return fmt.Sprintf("%s+%08x", k.verifier.Name(), k.verifier.KeyHash())
}

// errCheckpoint is what is wrong with a note that is signed and no checkpoint.
var errCheckpoint = errors.New("what is signed is no checkpoint")

// Open returns the checkpoint of a signed note, which must be, byte for byte,
// one that [Key.Sign] makes.
func (k PublicKey) Open(signed []byte) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(k.verifier))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return Checkpoint{}, fmt.Errorf("the checkpoint is not signed with the key %s", k)
	case err != nil:
		return Checkpoint{}, errors.New("the checkpoint's signature is not valid")
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 {
		return Checkpoint{}, errCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return Checkpoint{}, errCheckpoint
	}
	root, err := tlog.ParseHash(lines[2])
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if err != nil || c.text() != n.Text || !strings.HasPrefix(c.Origin, k.Origin("")) {
		return Checkpoint{}, errCheckpoint
	}
	// Base64 can write the same signature in several ways, of which one is ours;
	// and there is one signature.
	sig := n.Sigs[0]
	raw, err := base64.StdEncoding.DecodeString(sig.Base64)
	if err != nil || fmt.Sprintf("%s\n— %s %s\n", n.Text, sig.Name, base64.StdEncoding.EncodeToString(raw)) != string(signed) {
		return Checkpoint{}, errors.New("the checkpoint's signature is not written as it was")
	}
	return c, nil
}
