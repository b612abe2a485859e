package connect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
)

// grants is the one grant of a person, in the secret store.
type grants struct {
	p         *People
	workspace string
	name      string

	mu      sync.Mutex
	version int64 // of the grant that was loaded or saved last
}

var _ auth.Grants = (*grants)(nil)

// grants returns those of a person. Another client id, other scopes or another
// login host are another connection.
func (p *People) grants(who person, w Workspace) *grants {
	scopes := strings.Fields(w.Settings.Scopes)
	slices.Sort(scopes)
	var text []byte
	for _, part := range []string{who.Host, who.User, w.Settings.LoginURL, w.Settings.ClientID, strings.Join(scopes, " ")} {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return &grants{p: p, workspace: who.Workspace, name: "user/" + hex.EncodeToString(sum[:20])}
}

// leaseLife is longer than a refresh may take.
const leaseLife = time.Minute

// Lock implements [auth.Grants].
func (g *grants) Lock(ctx context.Context) (func(), error) {
	name, owner := g.workspace+"/"+g.name, uuid.NewString()
	for {
		ok, err := g.p.Rows.Lease(ctx, name, owner, leaseLife)
		if err != nil {
			return nil, fmt.Errorf("take turns with the connection: %w", err)
		}
		if ok {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return func() {
		if err := g.p.Rows.Release(context.WithoutCancel(ctx), name, owner); err != nil {
			g.p.Log.Warn().Err(err).Msg("a lease could not be given up; it expires")
		}
	}, nil
}

// Load implements [auth.Grants].
func (g *grants) Load(ctx context.Context) (auth.Grant, error) {
	text, version, err := g.p.Secrets.Get(ctx, g.workspace, g.name)
	if errors.Is(err, secrets.ErrNone) {
		return auth.Grant{}, auth.ErrNotConnected
	}
	if err != nil {
		return auth.Grant{}, err
	}
	g.set(version)
	return auth.OpenGrant(text)
}

// damaged reports whether a grant is there, or was, that cannot be opened: the
// person may connect or disconnect in its place.
func damaged(err error) bool {
	var unavailable *secrets.Unavailable
	return errors.As(err, &unavailable) && !unavailable.Away
}

// Save implements [auth.Grants]. A grant that was disconnected in the meantime
// does not come back.
func (g *grants) Save(ctx context.Context, grant auth.Grant) error {
	version, err := g.p.Secrets.Put(ctx, g.workspace, g.name, grant.Seal(), g.loaded())
	if err != nil {
		return err
	}
	g.set(version)
	return nil
}

// Delete implements [auth.Grants].
func (g *grants) Delete(ctx context.Context) error {
	return g.p.Secrets.Delete(ctx, g.workspace, g.name)
}

func (g *grants) loaded() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.version
}

func (g *grants) set(version int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.version = version
}
