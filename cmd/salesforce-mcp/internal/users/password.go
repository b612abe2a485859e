package users

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
)

// The parameters of Argon2id: the second recommended option of RFC 9106, section 4, for
// where memory is scarce: 64 MiB, three passes, four lanes. They are in each hash, so that
// those of before go on to be good when they change.
const (
	passes    = 3
	memory    = 64 << 10 // KiB
	lanes     = 4
	saltBytes = 16
	hashBytes = 32
)

// A lane bounds how many passwords are hashed at a time, and with it the memory that
// people can make the server use.
type lane struct {
	turns   *semaphore.Weighted
	waiting atomic.Int64 // those who have their turn too
	most    int64        // of them; 0 is any number
}

// Strangers have a lane of their own, in which few may wait: however many of them try,
// and from however many addresses, nobody waits for them who has come in before.
var (
	known     = lane{turns: semaphore.NewWeighted(1)}
	strangers = lane{turns: semaphore.NewWeighted(int64(max(1, min(runtime.GOMAXPROCS(0), 4)-1))), most: 16}
)

// ErrBusy is the error for a stranger's password while too many others wait.
var ErrBusy = errors.New("too many sign in at this moment; try again")

// take waits for a turn in the lane, which release ends.
func (l *lane) take(ctx context.Context) (release func(), err error) {
	if n := l.waiting.Add(1); l.most > 0 && n > l.most {
		l.waiting.Add(-1)
		return nil, ErrBusy
	}
	if err := l.turns.Acquire(ctx, 1); err != nil {
		l.waiting.Add(-1)
		return nil, err
	}
	return func() { l.turns.Release(1); l.waiting.Add(-1) }, nil
}

// Hash returns the hash of a password that is kept (PHC string format).
func Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	sum, err := derive(ctx, &known, password, salt, passes, memory, lanes, hashBytes)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, lanes, encoding.EncodeToString(salt), encoding.EncodeToString(sum)), nil
}

var encoding = base64.RawStdEncoding.Strict()

// derive waits for its turn, and hashes.
func derive(ctx context.Context, l *lane, password string, salt []byte, t, m uint32, p uint8, size uint32) ([]byte, error) {
	release, err := l.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return argon2.IDKey([]byte(password), salt, t, m, p, size), nil
}

// errNoHash is the error for a hash that none of ours is.
var errNoHash = errors.New("the hash of a password in the database cannot be read")

// Matches reports whether a password is that of a hash. With the hash "" it takes as long,
// and reports false: nobody learns who has a password. Stranger says that it is not known
// who asks; the error may be ErrBusy then.
func Matches(ctx context.Context, hash, password string, stranger bool) (bool, error) {
	l := &known
	if stranger {
		l = &strangers
	}
	if hash == "" {
		_, err := derive(ctx, l, password, make([]byte, saltBytes), passes, memory, lanes, hashBytes)
		return false, err
	}
	parts := strings.Split(hash, "$")
	var version int
	var m, t uint32
	var p uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errNoHash
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); err != nil || version != argon2.Version || t == 0 || t > 16 || p == 0 || m > 1<<20 {
		return false, errNoHash
	}
	salt, err := encoding.DecodeString(parts[4])
	want, also := encoding.DecodeString(parts[5])
	if err != nil || also != nil || len(want) < 16 || len(want) > 64 {
		return false, errNoHash
	}
	got, err := derive(ctx, l, password, salt, t, m, p, uint32(len(want))) //nolint:gosec // G115: checked
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}

// What passwords may be long, in characters. NIST SP 800-63B asks for no mix of
// characters, and neither do we.
const (
	ShortestPassword = 12
	longestPassword  = 128
)

// Errors of passwords that are not good.
var (
	ErrShort   = fmt.Errorf("a password has %d characters or more", ShortestPassword)
	ErrLong    = fmt.Errorf("a password has at most %d characters", longestPassword)
	ErrGuessed = errors.New("this password is easy to guess: take several words, or what a password manager makes")
)

// CheckPassword returns what is wrong with a new password of somebody with that e-mail
// address, or nil.
func CheckPassword(password, email string) error {
	n := utf8.RuneCountInString(password)
	name, _, _ := strings.Cut(email, "@")
	low := strings.ToLower(password)
	switch {
	case n < ShortestPassword:
		return ErrShort
	case n > longestPassword || !utf8.ValidString(password):
		return ErrLong
	case few(low), email != "" && strings.Contains(low, email), len(name) > 4 && strings.HasPrefix(low, name) && n < len(name)+6, guessed(low):
		return ErrGuessed
	}
	return nil
}

// few reports whether a password has fewer than five different characters.
func few(password string) bool {
	seen := map[rune]bool{}
	for _, c := range password {
		seen[c] = true
	}
	return len(seen) < 5
}

// guessed reports whether a password is one of those that everybody tries first, once
// or more.
func guessed(low string) bool {
	for _, common := range []string{"password", "passw0rd", "salesforce", "salesforce-mcp", "123456789", "1234567890", "qwertyuiop", "administrator", "admin", "changeme", "letmein", "welcome", "motdepasse"} {
		if rest := strings.ReplaceAll(low, common, ""); len(rest) < len(low) && len(rest) < 5 {
			return true
		}
	}
	return false
}
