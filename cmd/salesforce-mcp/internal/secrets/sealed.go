package secrets

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"salesforce-mcp/salesforce"
)

// Rows is where sealed secrets are kept: a database that learns nothing of them.
// *store.Store is one. It is safe for concurrent use.
type Rows interface {
	// Secret returns a row, or [ErrNone].
	Secret(ctx context.Context, workspace, name string) (sealed []byte, version int64, err error)
	// PutSecret replaces the row of version from by one of version to, or says
	// [ErrChanged]; from is as in [Store.Put].
	PutSecret(ctx context.Context, workspace, name string, sealed []byte, from, to int64) error
	DeleteSecret(ctx context.Context, workspace, name string) error
	// DataKey returns the key of a workspace, or [ErrNone].
	DataKey(ctx context.Context, workspace string) (DataKey, error)
	DataKeys(ctx context.Context) ([]DataKey, error)
	// ChangeDataKeys calls change with all keys, and keeps what that returns in
	// place of the keys of the same workspaces: all or, when change or the
	// database fails, none. Nobody else changes keys meanwhile, in any process.
	ChangeDataKeys(ctx context.Context, change func(all []DataKey) (changed []DataKey, err error)) error
}

// A DataKey seals the secrets of one workspace, and is sealed by the master key
// of that id.
type DataKey struct {
	Workspace, KeyID string
	Sealed           []byte
}

// Sealed is a [Store] in the server's own database: envelope encryption with
// AES-256-GCM. Each workspace has a data key, which a master key seals that is
// not in the database. A secret is bound to its workspace, its name and its
// version, so that a row which was moved or brought back cannot be opened.
type Sealed struct {
	rows    Rows
	masters Keys

	mu   sync.Mutex
	keys map[string]cipher.AEAD // opened data keys, by workspace
}

var _ Store = (*Sealed)(nil)

// NewSealed returns the store over rows, which asks for the master keys when it
// needs them.
func NewSealed(rows Rows, masters Keys) *Sealed {
	return &Sealed{rows: rows, masters: masters, keys: map[string]cipher.AEAD{}}
}

// Get implements [Store].
func (s *Sealed) Get(ctx context.Context, workspace, name string) (salesforce.Secret, int64, error) {
	if err := check(workspace, name); err != nil {
		return "", 0, err
	}
	sealed, version, err := s.rows.Secret(ctx, workspace, name)
	if errors.Is(err, ErrNone) {
		return "", 0, ErrNone
	}
	if err != nil {
		return "", 0, unreadable(err)
	}
	key, err := s.key(ctx, workspace, false)
	if err != nil {
		return "", 0, err
	}
	value, err := key.Open(nil, nil, sealed, place("secret", workspace, name, version))
	if err != nil {
		return "", 0, &Unavailable{Why: fmt.Sprintf("%s of workspace %s cannot be opened: the database was changed, or its data key is another one; set it again", name, workspace)}
	}
	return salesforce.Secret(value), version, nil
}

// Put implements [Store].
func (s *Sealed) Put(ctx context.Context, workspace, name string, value salesforce.Secret, version int64) (int64, error) {
	if err := check(workspace, name); err != nil {
		return 0, err
	}
	key, err := s.key(ctx, workspace, true)
	if err != nil {
		return 0, err
	}
	next := newVersion()
	sealed := key.Seal(nil, nil, []byte(value.Reveal()), place("secret", workspace, name, next)) //nolint:gosec // G407: the nonce is made inside
	err = s.rows.PutSecret(ctx, workspace, name, sealed, version, next)
	switch {
	case errors.Is(err, ErrChanged):
		return 0, ErrChanged
	case err != nil:
		return 0, unreadable(err)
	}
	return next, nil
}

// Delete implements [Store].
func (s *Sealed) Delete(ctx context.Context, workspace, name string) error {
	if err := check(workspace, name); err != nil {
		return err
	}
	if err := s.rows.DeleteSecret(ctx, workspace, name); err != nil {
		return unreadable(err)
	}
	return nil
}

// key returns the opened data key of a workspace, and makes it where there is
// none yet.
func (s *Sealed) key(ctx context.Context, workspace string, create bool) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.keys[workspace]; key != nil {
		return key, nil
	}
	sealed, err := s.rows.DataKey(ctx, workspace)
	if errors.Is(err, ErrNone) && create {
		if err := s.addKey(ctx, workspace); err != nil {
			return nil, err
		}
		sealed, err = s.rows.DataKey(ctx, workspace) // that of another process, if it was faster
	}
	for {
		switch {
		case errors.Is(err, ErrNone):
			return nil, &Unavailable{Why: fmt.Sprintf("the data key of workspace %s is missing: the database was changed", workspace)}
		case err != nil:
			return nil, unreadable(err)
		}
		masters, err := s.masters(false)
		if err != nil {
			return nil, &Unavailable{Why: err.Error(), Err: err}
		}
		raw, failed := open(masters, sealed)
		if failed == nil {
			s.keys[workspace] = aead(raw)
			return s.keys[workspace], nil
		}
		before := sealed.KeyID
		if sealed, err = s.rows.DataKey(ctx, workspace); err != nil || sealed.KeyID == before {
			return nil, failed // it was not just sealed anew by a rotation
		}
	}
}

// addKey makes the data key of a workspace. The first of all may make the master
// key too.
func (s *Sealed) addKey(ctx context.Context, workspace string) error {
	return changeDataKeys(ctx, s.rows, func(all []DataKey) ([]DataKey, error) {
		if slices.ContainsFunc(all, func(k DataKey) bool { return k.Workspace == workspace }) {
			return nil, nil
		}
		masters, err := s.masters(len(all) == 0)
		if err != nil {
			return nil, &Unavailable{Why: err.Error(), Err: err}
		}
		return []DataKey{masters[0].newDataKey(workspace)}, nil
	})
}

// Rotate seals all data keys with the first master, and returns how many were
// sealed by another one.
func (s *Sealed) Rotate(ctx context.Context) (n int, err error) {
	err = changeDataKeys(ctx, s.rows, func(all []DataKey) ([]DataKey, error) {
		if len(all) == 0 {
			return nil, nil
		}
		masters, err := s.masters(false)
		if err != nil {
			return nil, &Unavailable{Why: err.Error(), Err: err}
		}
		changed, err := sealAnew(masters, all)
		n = len(changed)
		return changed, err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// sealAnew returns the keys that another master than the first has sealed, sealed
// by that.
func sealAnew(masters []Master, keys []DataKey) (changed []DataKey, err error) {
	for _, k := range keys {
		if k.KeyID == masters[0].ID() {
			continue
		}
		raw, err := open(masters, k)
		if err != nil {
			return nil, err
		}
		changed = append(changed, masters[0].sealDataKey(k.Workspace, raw))
	}
	return changed, nil
}

// changeDataKeys is ChangeDataKeys, whose own errors are [*Unavailable].
func changeDataKeys(ctx context.Context, rows Rows, change func([]DataKey) ([]DataKey, error)) error {
	var refused error
	err := rows.ChangeDataKeys(ctx, func(all []DataKey) (changed []DataKey, err error) {
		changed, refused = change(all)
		return changed, refused
	})
	if err != nil && refused == nil {
		return unreadable(err)
	}
	return refused
}

// Check reports whether every data key can be opened. It changes nothing, and
// needs no master key where there is no data key.
func (s *Sealed) Check(ctx context.Context) error {
	keys, err := s.rows.DataKeys(ctx)
	if err != nil {
		return unreadable(err)
	}
	if len(keys) == 0 {
		return nil
	}
	masters, err := s.masters(false)
	if err != nil {
		return &Unavailable{Why: err.Error(), Err: err}
	}
	return openable(masters, keys)
}

// openable returns an error for each of the keys that none of the masters opens.
func openable(masters []Master, keys []DataKey) error {
	var problems []error
	for _, k := range keys {
		_, err := open(masters, k)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func unreadable(err error) error {
	return &Unavailable{Why: "the database cannot be used", Err: err}
}

// aead is AES-256-GCM with a random nonce in front of the ciphertext. A key
// seals far less than the 2^32 texts that random nonces are good for (NIST SP
// 800-38D, section 8.3).
func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // keys have 32 bytes
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block is AES
	}
	return gcm
}

// place is what a ciphertext is bound to. Each part goes in with its length, so
// that no two places read the same.
func place(kind, workspace, name string, version int64) []byte {
	var text []byte
	for _, part := range []string{kind, workspace, name} {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	return binary.AppendVarint(text, version)
}

// newVersion is a random number above 0: a version that was never there before.
func newVersion() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.LittleEndian.Uint64(b[:])>>2) + 1
}
