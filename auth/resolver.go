package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"net/http"
	"sync"
	"time"

	"salesforce-mcp/salesforce"
)

// Resolver keeps one [Cached] for every connection: a workspace together with
// its settings. Changed settings are another connection, so a mended or
// revoked setting never meets an old token, and neither does the same setting
// in another workspace. The exported fields are set before use. A Resolver is
// safe for concurrent use.
type Resolver struct {
	// HTTP makes the token requests, without following redirects; it should
	// be [salesforce.Client.HTTP], which connects to public addresses only.
	// Nil means http.DefaultClient.
	HTTP *http.Client
	// Hosts says which login and instance hosts are allowed.
	Hosts salesforce.Hosts
	// Minted, when set, is told of each login: nil, or why it failed.
	Minted func(error)

	mu          sync.Mutex
	connections map[connection]*entry
}

type connection struct {
	workspace string
	settings  [sha256.Size]byte
	person    string
	version   int64 // of the person's grant
}

type entry struct {
	cached *Cached
	used   time.Time
}

// unusedLife is how long a connection is kept that nobody uses. A session
// ends after two hours without use by default, so its token is worth little
// by then.
const unusedLife = 2 * time.Hour

// Credentials returns the tokens of a workspace's connection. It does not
// reach out; wrong settings are an [*Error].
func (r *Resolver) Credentials(workspace string, s Settings) (*Cached, error) {
	return r.cached(connection{workspace: workspace, settings: hash(s)}, func() (Source, error) { return New(s, r.HTTP, r.Hosts) })
}

// Person returns the tokens of one person of a workspace in mode oauth, who are
// known by a key. Version is that of their grant: another grant is another
// connection.
func (r *Resolver) Person(workspace string, s Settings, app *App, key string, version int64, grants Grants) (*Cached, error) {
	return r.cached(connection{workspace, hash(s), key, version}, func() (Source, error) { return app.Source(grants), nil })
}

func (r *Resolver) cached(key connection, source func() (Source, error)) (*Cached, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if known := r.connections[key]; known != nil {
		known.used = now
		return known.cached, nil
	}
	made, err := source()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(r.connections, func(_ connection, e *entry) bool { return now.Sub(e.used) > unusedLife })
	if r.connections == nil {
		r.connections = map[connection]*entry{}
	}
	cached := NewCached(made)
	cached.minted = r.Minted
	r.connections[key] = &entry{cached, now}
	return cached, nil
}

// hash tells settings apart without keeping them. Each field goes in with its
// length, so that no two settings read the same.
func hash(s Settings) [sha256.Size]byte {
	var text []byte
	for _, field := range []string{
		s.Mode, s.LoginURL, s.ClientID, s.ClientSecret.Reveal(), s.PrivateKey.Reveal(), s.keyID(), s.Username, s.Audience,
		s.Scopes, s.InstanceURL, s.AccessToken.Reveal(),
	} {
		text = binary.AppendUvarint(text, uint64(len(field)))
		text = append(text, field...)
	}
	return sha256.Sum256(text)
}

// A Standing is how the connections of a workspace are, in this process.
type Standing struct {
	Connections int       // one, or one for each person who has used theirs
	Tokens      int       // those that have a token
	InstanceURL string    // of a token; "" when there is none
	LoggedIn    time.Time // last login that went well
	Failed      time.Time // last one that did not
	Err         error     // of the last login, if it failed
}

// Standing returns how the connections of a workspace are that were used in the last two
// hours. It does not reach out.
func (r *Resolver) Standing(workspace string) (s Standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, known := range r.connections {
		if key.workspace != workspace || time.Since(known.used) > unusedLife {
			continue
		}
		login, token := known.cached.standing()
		s.Connections++
		if token != nil {
			s.Tokens, s.InstanceURL = s.Tokens+1, token.InstanceURL
		}
		if login.failed.After(s.Failed) {
			s.Failed = login.failed
		}
		if login.ok.After(s.LoggedIn) {
			s.LoggedIn = login.ok
		}
		if login.err != nil && (s.Err == nil || !login.failed.Before(s.Failed)) {
			s.Err = login.err
		}
	}
	return s
}
