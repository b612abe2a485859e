package proof

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// A Head is how far the log of a workspace is.
type Head struct {
	Workspace  string
	Entries    int64  // in the journal
	Checkpoint []byte // signed; nil when there is none yet
}

// A Leaf is an entry of a log.
type Leaf struct {
	N     int64  // its number
	Entry []byte // as it was encoded
}

// A Log is the log of all workspaces as it is stored.
type Log interface {
	// Heads returns the logs of all workspaces that have entries.
	Heads(ctx context.Context) ([]Head, error)
	// Leaves returns at most limit entries of a workspace, in order, from a number
	// on.
	Leaves(ctx context.Context, workspace string, from int64, limit int) ([]Leaf, error)
	// Tile returns the hashes of a tile, nil when it is not there.
	Tile(ctx context.Context, workspace string, level int, n int64) ([]byte, error)
	// Advance replaces the checkpoint of a log that has old entries, and stores the
	// tiles that changed. It returns false when somebody else did so before.
	Advance(ctx context.Context, workspace string, old, size int64, checkpoint []byte, tiles []Tile) (bool, error)
}

// sequenceBatch is how many entries are added to a tree at a time.
const sequenceBatch = 4096

// A Sequencer adds entries to the trees of their workspaces and signs them.
// Several may work on one log, in several processes: one of them is first. One is
// used by one goroutine.
type Sequencer struct {
	Log Log
	// Key returns the key, which it may make if none is there and nothing was
	// signed yet.
	Key func(ctx context.Context, fresh bool) (Key, error)
	// Signed is told of the newest checkpoint of each workspace when it changes,
	// and of all when the sequencer starts. It is told again until it returns nil.
	Signed func(checkpoint []byte) error

	told map[string]int64 // by workspace: the size of which Signed was told
}

// Once adds all entries that are there and signs.
func (s *Sequencer) Once(ctx context.Context) error {
	heads, err := s.Log.Heads(ctx)
	if err != nil || len(heads) == 0 {
		return err
	}
	fresh := true
	for _, h := range heads {
		fresh = fresh && h.Checkpoint == nil
	}
	key, err := s.Key(ctx, fresh)
	if err != nil {
		return fmt.Errorf("the audit trail cannot be signed: %w", err)
	}
	public, err := ParsePublicKey(key.Public())
	if err != nil {
		return err
	}
	var problems []error
	for _, h := range heads {
		if err := s.advance(ctx, h, key, public); err != nil {
			problems = append(problems, fmt.Errorf("the audit log of workspace %s cannot be signed: %w", h.Workspace, err))
		}
	}
	return errors.Join(problems...)
}

// advance brings the log of one workspace up to its entries.
func (s *Sequencer) advance(ctx context.Context, h Head, key Key, public PublicKey) error {
	c := Checkpoint{Origin: key.Origin(h.Workspace)}
	if h.Checkpoint != nil {
		open := public.Open
		if key.Changing() { // the other key may have been the last to sign
			open = public.OpenKept
		}
		old, err := open(h.Checkpoint)
		if err != nil {
			return err
		}
		if old.Origin != c.Origin {
			return fmt.Errorf("its checkpoint is of the log %s", old.Origin)
		}
		c = old
	}
	if c.Size > h.Entries {
		return fmt.Errorf("there are %d entries, and a signature for %d: entries were removed", h.Entries, c.Size)
	}
	signed := h.Checkpoint
	for c.Size < h.Entries {
		entries, err := s.Log.Leaves(ctx, h.Workspace, c.Size, sequenceBatch)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("entry %d is not there", c.Size)
		}
		leaves := make([]tlog.Hash, len(entries))
		for i, e := range entries {
			if n := c.Size + int64(i); e.N != n {
				return fmt.Errorf("entry %d is not there", n)
			}
			leaves[i] = tlog.RecordHash(e.Entry)
		}
		read := func(level int, n int64) ([]byte, error) { return s.Log.Tile(ctx, h.Workspace, level, n) }
		g, err := grow(tlog.Tree{N: c.Size, Hash: c.Root}, read, leaves)
		if err != nil {
			return err
		}
		next := Checkpoint{Origin: c.Origin, Size: c.Size + int64(len(leaves)), Root: g.root}
		if signed, err = key.Sign(next); err != nil {
			return err
		}
		if first, err := s.Log.Advance(ctx, h.Workspace, c.Size, next.Size, signed, g.tiles); err != nil || !first {
			return err
		}
		c = next
	}
	if c.Size == s.told[h.Workspace] || s.Signed == nil {
		return nil
	}
	if err := s.Signed(signed); err != nil {
		return err
	}
	if s.told == nil {
		s.told = map[string]int64{}
	}
	s.told[h.Workspace] = c.Size
	return nil
}
