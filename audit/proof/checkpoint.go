package proof

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
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
	Key    string // with which it was signed, by name and hash; both, while one takes the other's place
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
//
// As text it is a private key in the form of package note. After it may stand the
// public keys whose place it has taken, the newest first, with blanks between. While
// a change is under way, the private key stands in the place of the first of them,
// and both sign.
type Key struct {
	signers []note.Signer // the present one first
	public  string
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

// NextKey puts a new key before the one of a text: both sign from then on. It has
// the same name, so that logs keep their origin. While a change is under way, the
// text stays as it is.
func NextKey(text string) (string, error) {
	key, err := ParseKey(text)
	if err != nil || key.Changing() {
		return text, err
	}
	next, _, err := note.GenerateKey(rand.Reader, key.signers[0].Name())
	return next + " " + text, err
}

// SettledKey ends a change: of the former key the public one is left.
func SettledKey(text string) (string, error) {
	key, err := ParseKey(text)
	if err != nil {
		return "", err
	}
	first := strings.Fields(text)[0]
	_, former, _ := strings.Cut(key.public, " ")
	return strings.TrimSpace(first + " " + former), nil
}

var errDamagedKey = errors.New("the audit trail's signing key is damaged; restore it")

// ParseKey reads a key. Errors do not repeat it.
func ParseKey(text string) (Key, error) {
	var key Key
	var public []string
	for i, field := range strings.Fields(text) {
		if !strings.HasPrefix(field, "PRIVATE+KEY+") {
			public = append(public, field)
			continue
		}
		if i > 1 || i != len(key.signers) {
			return Key{}, errDamagedKey
		}
		signer, verifier, err := parsePrivate(field)
		if err != nil {
			return Key{}, err
		}
		key.signers, public = append(key.signers, signer), append(public, verifier)
	}
	key.public = strings.Join(public, " ")
	if known, err := ParsePublicKey(key.public); err != nil || key.signers == nil || len(known.verifiers) != len(public) {
		return Key{}, errDamagedKey
	}
	return key, nil
}

// parsePrivate reads one private key, and returns the public one as text.
func parsePrivate(text string) (note.Signer, string, error) {
	signer, err := note.NewSigner(text)
	if err != nil {
		return nil, "", errDamagedKey
	}
	_, seed, _ := strings.Cut(text, signer.Name()+"+")
	_, seed, _ = strings.Cut(seed, "+") // after the hash
	raw, err := base64.StdEncoding.DecodeString(seed)
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, "", errDamagedKey
	}
	public, _ := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(signer.Name(), public)
	return signer, verifier, err
}

// Public is the public key, as text that [ParsePublicKey] reads, and after it those
// whose place it has taken.
func (k Key) Public() string { return k.public }

// Changing reports whether the key is taking the place of another, which signs too.
func (k Key) Changing() bool { return len(k.signers) > 1 }

// Origin is that of the log of a workspace.
func (k Key) Origin(workspace string) string { return k.signers[0].Name() + "/" + workspace }

// Sign returns the checkpoint as a signed note.
func (k Key) Sign(c Checkpoint) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.text()}, k.signers...)
}

// A PublicKey checks checkpoints: the present key, and former ones, which check what
// was signed before.
type PublicKey struct{ verifiers []note.Verifier }

// ParsePublicKey reads public keys, NAME+HASH+BASE64, the present one first.
func ParsePublicKey(text string) (PublicKey, error) {
	wrong := errors.New("this is no public key of an audit trail; write it as `salesforce-mcp audit key` prints it")
	var k PublicKey
	for field := range strings.FieldsSeq(text) {
		verifier, err := note.NewVerifier(field)
		if err != nil {
			return PublicKey{}, wrong
		}
		if slices.ContainsFunc(k.verifiers, func(v note.Verifier) bool { return v.KeyHash() == verifier.KeyHash() }) {
			continue
		}
		if k.verifiers = append(k.verifiers, verifier); verifier.Name() != k.verifiers[0].Name() {
			return PublicKey{}, errors.New("these are public keys of different audit trails")
		}
	}
	if k.verifiers == nil {
		return PublicKey{}, wrong
	}
	return k, nil
}

// Origin is that of the log of a workspace.
func (k PublicKey) Origin(workspace string) string { return k.verifiers[0].Name() + "/" + workspace }

// String is the present key's name and hash, by which people tell it from others.
func (k PublicKey) String() string { return keyName(k.verifiers[0].Name(), k.verifiers[0].KeyHash()) }

func keyName(name string, hash uint32) string { return fmt.Sprintf("%s+%08x", name, hash) }

// errCheckpoint is what is wrong with a note that is signed and no checkpoint.
var errCheckpoint = errors.New("what is signed is no checkpoint")

// ErrOtherKey is for a checkpoint that is signed with another key, or with another
// as well: the key may have been changed.
var ErrOtherKey = errors.New("it is signed with another key")

// otherKey is an ErrOtherKey that says more.
type otherKey string

func (e otherKey) Error() string      { return string(e) }
func (otherKey) Is(target error) bool { return target == ErrOtherKey }

// Open returns the checkpoint of a signed note, which must be, byte for byte,
// one that [Key.Sign] makes, with the present key.
func (k PublicKey) Open(signed []byte) (Checkpoint, error) {
	c, present, err := k.open(signed)
	if err == nil && !present {
		return Checkpoint{}, otherKey(fmt.Sprintf("the checkpoint is signed with %s, a former key, and not with %s; what was signed before the change is verified with that key alone", c.Key, k))
	}
	return c, err
}

// OpenKept is Open for a checkpoint of before, which a former key may have signed.
func (k PublicKey) OpenKept(signed []byte) (Checkpoint, error) {
	c, _, err := k.open(signed)
	return c, err
}

// open opens a checkpoint, and says whether the present key is among those that
// have signed it.
func (k PublicKey) open(signed []byte) (c Checkpoint, present bool, err error) {
	n, err := note.Open(signed, note.VerifierList(k.verifiers...))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return c, false, otherKey(fmt.Sprintf("the checkpoint is not signed with the key %s", k))
	case err != nil:
		return c, false, errors.New("the checkpoint's signature is not valid")
	case len(n.UnverifiedSigs) > 0:
		return c, false, otherKey(fmt.Sprintf("the checkpoint is signed with another key than %s as well; give that one too", k))
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 {
		return c, false, errCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return c, false, errCheckpoint
	}
	root, err := tlog.ParseHash(lines[2])
	c = Checkpoint{Origin: lines[0], Size: size, Root: root}
	if err != nil || c.text() != n.Text || !strings.HasPrefix(c.Origin, k.Origin("")) {
		return Checkpoint{}, false, errCheckpoint
	}
	// Base64 can write the same signature in several ways, of which one is ours;
	// and there is one of each key, in the order of the keys.
	again := n.Text + "\n"
	last := -1
	var keys []string
	for _, sig := range n.Sigs {
		raw, err := base64.StdEncoding.DecodeString(sig.Base64)
		at := slices.IndexFunc(k.verifiers, func(v note.Verifier) bool { return v.KeyHash() == sig.Hash })
		if err != nil || at <= last || last >= 0 && at != last+1 {
			return Checkpoint{}, false, errRewritten
		}
		present, last = present || at == 0, at
		keys = append(keys, keyName(sig.Name, sig.Hash))
		again += fmt.Sprintf("— %s %s\n", sig.Name, base64.StdEncoding.EncodeToString(raw))
	}
	if again != string(signed) {
		return Checkpoint{}, false, errRewritten
	}
	c.Key = strings.Join(keys, " and ")
	return c, present, nil
}

var errRewritten = errors.New("the checkpoint's signature is not written as it was")
