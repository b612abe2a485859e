package web

import (
	"net/http"
	"sync/atomic"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// securityLog records what is refused before anybody is identified. Strangers
// cause these lines, so there are at most a few a second, and they are not in
// the audit trail: it could be flooded.
type securityLog struct {
	log     zerolog.Logger
	limit   *rate.Limiter
	skipped atomic.Int64
}

func newSecurityLog(log zerolog.Logger) *securityLog {
	return &securityLog{log: log.With().Str("log", "security").Logger(), limit: rate.NewLimiter(5, 20)}
}

// refused records one refusal: what was wrong, and the value that was, unless
// it is a secret.
func (l *securityLog) refused(r *http.Request, what, value string) {
	if !l.limit.Allow() {
		l.skipped.Add(1)
		return
	}
	e := l.log.Warn().Str("refused", what).Str("from", r.RemoteAddr).Str("method", r.Method).Str("path", cut(r.URL.Path))
	if value != "" {
		e = e.Str("value", cut(value))
	}
	if n := l.skipped.Swap(0); n > 0 {
		e = e.Int64("skipped", n)
	}
	e.Msg("request refused")
}

func cut(s string) string { return s[:min(len(s), 200)] }
