package trail

import (
	"context"
	"errors"
	"fmt"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// The signing key is a secret of the whole server. No workspace has that name:
// theirs are lower case.
const (
	keyOwner = "Server"
	keyName  = "audit-key"
)

// ErrNoKey is the error of [Key] before the first entry is signed.
var ErrNoKey = errors.New("the audit trail has no signing key yet: it is made when the first entry is signed")

// Key returns the key with which the audit trail is signed.
func Key(ctx context.Context, kept secrets.Store) (proof.Key, error) {
	text, _, err := kept.Get(ctx, keyOwner, keyName)
	if errors.Is(err, secrets.ErrNone) {
		return proof.Key{}, ErrNoKey
	}
	if err != nil {
		return proof.Key{}, fmt.Errorf("signing key of the audit trail: %w", err)
	}
	return proof.ParseKey(text.Reveal())
}

// signingKey returns the key, and makes it if nothing was signed yet.
func (t *Trail) signingKey(ctx context.Context, fresh bool) (proof.Key, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key != nil {
		return *t.key, nil
	}
	key, err := Key(ctx, t.Secrets)
	if errors.Is(err, ErrNoKey) {
		if !fresh {
			return proof.Key{}, errors.New("its signing key is gone from the secret store: bring it back (a new one cannot continue the log)")
		}
		text, err := proof.NewKey()
		if err != nil {
			return proof.Key{}, err
		}
		// Another process may be faster: then its key is the one.
		if _, err := t.Secrets.Put(ctx, keyOwner, keyName, salesforce.Secret(text), 0); err != nil && !errors.Is(err, secrets.ErrChanged) {
			return proof.Key{}, fmt.Errorf("keep the signing key: %w", err)
		}
		key, err = Key(ctx, t.Secrets)
		if err != nil {
			return proof.Key{}, err
		}
		t.Log.Info().Str("publicKey", key.Public()).Msg("made the key that signs the audit trail: keep its public key elsewhere, to verify with")
	} else if err != nil {
		return proof.Key{}, err
	}
	t.key = &key
	return key, nil
}
