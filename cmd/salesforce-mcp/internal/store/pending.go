package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Lease takes a lease of that name for an owner, unless another owner holds it
// and it has not expired, by the database's clock.
func (s *Store) Lease(ctx context.Context, name, owner string, life time.Duration) (bool, error) {
	done, err := s.writer.ExecContext(ctx, `INSERT INTO lease (name, owner, expires) VALUES (?, ?, NOW() + CAST(? AS BIGINT))
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires = excluded.expires WHERE lease.owner = excluded.owner OR lease.expires < NOW()`,
		name, owner, life.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("take the lease: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Release gives a lease up, if the owner still holds it.
func (s *Store) Release(ctx context.Context, name, owner string) error {
	_, err := s.writer.ExecContext(ctx, `DELETE FROM lease WHERE name = ? AND owner = ?`, name, owner)
	return err
}

// AddPending keeps what a secret of that kind stands for, until it expires. It is
// sealed with that very secret: whoever reads the database can neither use nor
// read it.
func (s *Store) AddPending(ctx context.Context, kind, secret string, life time.Duration, content []byte) error {
	now := time.Now()
	if err := s.forget(ctx, "pending", "expires", now.UnixMilli()); err != nil {
		return fmt.Errorf("forget what has expired: %w", err)
	}
	sealed := sealer(kind, secret).Seal(nil, nil, content, nil) //nolint:gosec // G407: the nonce is made inside
	_, err := s.writer.ExecContext(ctx, `INSERT INTO pending (hash, kind, expires, content) VALUES (?, ?, ?, ?)`, hashOf(kind, secret), kind, now.Add(life).UnixMilli(), sealed)
	return err
}

// Pending returns what a secret stands for; ok is false when it stands for
// nothing, or not any more.
func (s *Store) Pending(ctx context.Context, kind, secret string) (content []byte, ok bool, err error) {
	return found(kind, secret, s.reader.QueryRowContext(ctx, `SELECT content FROM pending WHERE hash = ? AND expires >= ?`, hashOf(kind, secret), time.Now().UnixMilli()))
}

// TakePending is Pending, once: of many who take it one gets it.
func (s *Store) TakePending(ctx context.Context, kind, secret string) (content []byte, ok bool, err error) {
	return found(kind, secret, s.writer.QueryRowContext(ctx, `DELETE FROM pending WHERE hash = ? AND expires >= ? RETURNING content`, hashOf(kind, secret), time.Now().UnixMilli()))
}

func found(kind, secret string, row *sql.Row) (content []byte, ok bool, err error) {
	var sealed []byte
	err = row.Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if content, err = sealer(kind, secret).Open(nil, nil, sealed, nil); err != nil {
		return nil, false, fmt.Errorf("what a %s stands for cannot be opened: the database was changed", kind)
	}
	return content, true, nil
}

// sealer seals what a secret stands for with AES-256-GCM. The secret is random,
// so that its hash is a key.
func sealer(kind, secret string) cipher.AEAD {
	key := sha256.Sum256([]byte("content of " + kind + " " + secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block is AES
	}
	return gcm
}

// hashOf is what is kept of a secret that was handed out: whoever reads the
// database cannot use it.
func hashOf(kind, secret string) string {
	sum := sha256.Sum256([]byte(kind + " " + secret))
	return hex.EncodeToString(sum[:])
}
