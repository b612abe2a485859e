package web

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// attempts bounds how often an address may fail to prove itself: 30 times, and
// then once in two seconds. Beyond that nothing it sends is looked at, but for
// tokens that have been good before: many hosts can be behind one address, and
// none shuts out the others. Safe for concurrent use.
type attempts struct {
	mu       sync.Mutex
	failures recent[netip.Prefix, *rate.Limiter]
	good     recent[[sha256.Size]byte, struct{}]
}

const (
	failuresAtOnce = 30
	failurePause   = 2 * time.Second
	maxSources     = 10_000 // that are remembered, as are so many tokens
)

// wait is for how long nothing of the address is looked at; 0 means that this
// request is.
func (a *attempts) wait(from netip.Addr, token string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	limit, ok := a.failures.get(Block(from))
	if !ok || limit.Tokens() >= 1 {
		return 0
	}
	if _, good := a.good.get(sha256.Sum256([]byte(token))); good && token != "" {
		return 0
	}
	return time.Duration((1 - limit.Tokens()) * float64(failurePause))
}

// failed counts a request that proved nothing.
func (a *attempts) failed(from netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	limit, ok := a.failures.get(Block(from))
	if !ok {
		limit = rate.NewLimiter(rate.Every(failurePause), failuresAtOnce)
		a.failures.put(Block(from), limit)
	}
	limit.Allow()
}

// proven notes a token that was good.
func (a *attempts) proven(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.good.put(sha256.Sum256([]byte(token)), struct{}{})
}

// Block is what one sender has of addresses: one, or the /64 of IPv6.
func Block(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// recent keeps what was used last: at least the last maxSources entries, at
// most twice as many. The zero value is empty.
type recent[K comparable, V any] struct{ now, before map[K]V }

func (r *recent[K, V]) get(key K) (V, bool) {
	value, ok := r.now[key]
	if !ok {
		if value, ok = r.before[key]; ok {
			r.put(key, value)
		}
	}
	return value, ok
}

func (r *recent[K, V]) put(key K, value V) {
	if r.now == nil || len(r.now) >= maxSources {
		r.now, r.before = map[K]V{}, r.now
	}
	r.now[key] = value
}
