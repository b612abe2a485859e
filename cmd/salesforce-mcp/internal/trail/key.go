package trail

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	if !key.Changing() { // then the next pass looks again
		t.key = &key
	}
	return key, nil
}

// sign signs what is new. When another key has signed meanwhile, that is the one.
func (t *Trail) sign(ctx context.Context, s *proof.Sequencer) error {
	err := s.Once(ctx)
	if !errors.Is(err, proof.ErrOtherKey) {
		return err
	}
	t.mu.Lock()
	t.key = nil
	t.mu.Unlock()
	return s.Once(ctx)
}

// RotateKey replaces the key with which the audit trail is signed, beside a server
// or without one, and returns the public keys, the new one first. The next
// checkpoint of each log is signed with both keys, and what follows with the new
// one alone. Recorded adds an entry about that to the log of a workspace, with the
// public keys: what the old key signs introduces the new one. Kept is told of the
// checkpoints; nil is nobody. After a crash in between it is called again, and goes
// on.
func RotateKey(ctx context.Context, store Store, kept secrets.Store, recorded func(workspace, public string) error, told func(checkpoint []byte) error) (public string, err error) {
	text, version, err := kept.Get(ctx, keyOwner, keyName)
	if errors.Is(err, secrets.ErrNone) {
		return "", ErrNoKey
	}
	if err != nil {
		return "", fmt.Errorf("signing key of the audit trail: %w", err)
	}
	next, err := proof.NextKey(text.Reveal())
	if err != nil {
		return "", err
	}
	key, err := proof.ParseKey(next)
	if err != nil {
		return "", err
	}
	if next != text.Reveal() {
		if version, err = kept.Put(ctx, keyOwner, keyName, salesforce.Secret(next), version); err != nil {
			return "", fmt.Errorf("keep the new signing key: %w", err)
		}
	}
	heads, err := store.Heads(ctx)
	if err != nil {
		return "", err
	}
	sequencer := &proof.Sequencer{Log: store, Key: func(context.Context, bool) (proof.Key, error) { return key, nil }, Signed: told}
	for _, h := range heads {
		if err := handOver(ctx, store, sequencer, h.Workspace, key, recorded); err != nil {
			return "", fmt.Errorf("both keys sign from now on, and the new one is not alone yet: run this again: %w", err)
		}
	}
	if next, err = proof.SettledKey(next); err != nil {
		return "", err
	}
	if _, err := kept.Put(ctx, keyOwner, keyName, salesforce.Secret(next), version); err != nil {
		return "", fmt.Errorf("keep the new signing key: both keys sign from now on, and the new one is not alone yet: run this again: %w", err)
	}
	return key.Public(), nil
}

// handOverTries is how often a server may be faster to sign, with the old key.
const handOverTries = 50

// handOver makes a log have a checkpoint that both keys have signed.
func handOver(ctx context.Context, store Store, s *proof.Sequencer, workspace string, key proof.Key, recorded func(workspace, public string) error) error {
	both, err := proof.ParsePublicKey(key.Public())
	if err != nil {
		return err
	}
	for range handOverTries {
		heads, err := store.Heads(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(heads, func(h proof.Head) bool { return h.Workspace == workspace })
		if at >= 0 && heads[at].Checkpoint != nil {
			if _, err := both.Open(heads[at].Checkpoint); err == nil {
				return nil
			}
		}
		if err := recorded(workspace, key.Public()); err != nil {
			return err
		}
		if err := s.Once(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("the log of workspace %s is signed with the old key all the time", workspace)
}
