package secrets

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"

	"salesforce-mcp/salesforce"
)

// A Sealer seals what the database keeps of a workspace's records, whatever the
// store: with a key of each workspace that is a secret in it, read once. It is
// safe for concurrent use, by several processes too.
type Sealer struct {
	store Store

	mu   sync.Mutex
	keys map[string]cipher.AEAD // by workspace
}

// NewSealer returns a sealer whose keys are in the store.
func NewSealer(store Store) *Sealer { return &Sealer{store: store, keys: map[string]cipher.AEAD{}} }

// sealingKey is the name of the secret that is the key of a workspace.
const sealingKey = "server/sealingKey"

// Seal seals plain for a workspace. Only what was sealed for the same workspace and
// name can be opened for them. The error says why the store gives no key.
func (s *Sealer) Seal(ctx context.Context, workspace, name string, plain []byte) ([]byte, error) {
	key, err := s.key(ctx, workspace, true)
	if err != nil {
		return nil, err
	}
	return key.Seal(nil, nil, plain, place("sealed", workspace, name, 0)), nil //nolint:gosec // G407: the nonce is made inside
}

// Open returns what Seal has sealed for that workspace and name.
func (s *Sealer) Open(ctx context.Context, workspace, name string, sealed []byte) ([]byte, error) {
	key, err := s.key(ctx, workspace, false)
	if err != nil {
		return nil, err
	}
	plain, err := key.Open(nil, nil, sealed, place("sealed", workspace, name, 0))
	if err != nil {
		return nil, fmt.Errorf("what workspace %s has sealed cannot be opened: the database was changed, or the secret %s is another one", workspace, sealingKey)
	}
	return plain, nil
}

// key returns the key of a workspace, and makes it where there is none yet.
func (s *Sealer) key(ctx context.Context, workspace string, create bool) (cipher.AEAD, error) {
	s.mu.Lock()
	key := s.keys[workspace]
	s.mu.Unlock()
	if key != nil {
		return key, nil
	}
	text, _, err := s.store.Get(ctx, workspace, sealingKey)
	if errors.Is(err, ErrNone) && create {
		var made [32]byte
		_, _ = rand.Read(made[:]) // never fails
		_, err = s.store.Put(ctx, workspace, sealingKey, salesforce.Secret(base64.StdEncoding.EncodeToString(made[:])), 0)
		if err == nil || errors.Is(err, ErrChanged) {
			text, _, err = s.store.Get(ctx, workspace, sealingKey) // that of another process, if it was faster
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the secret %s of workspace %s: %w", sealingKey, workspace, err)
	}
	raw, err := base64.StdEncoding.DecodeString(text.Reveal())
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("the secret %s of workspace %s is not 32 bytes in base64, as the server made it", sealingKey, workspace)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[workspace] = aead(raw)
	return s.keys[workspace], nil
}
