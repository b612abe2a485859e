package proof

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight makes tiles of 256 hashes, 8 KiB.
const tileHeight = 8

var errDamaged = errors.New("the stored hashes are not those that were signed")

// A frontier is the part of a growing tree from which its root follows: the
// roots of the complete subtrees, largest first.
type frontier struct {
	size   int64
	hashes []tlog.Hash
}

// add adds a leaf.
func (f *frontier) add(h tlog.Hash) {
	for range bits.TrailingZeros64(uint64(f.size + 1)) { //nolint:gosec // G115: sizes are not negative
		last := len(f.hashes) - 1
		h = tlog.NodeHash(f.hashes[last], h)
		f.hashes = f.hashes[:last]
	}
	f.hashes = append(f.hashes, h)
	f.size++
}

// root is the root of the tree so far.
func (f *frontier) root() tlog.Hash {
	last := len(f.hashes) - 1
	if last < 0 {
		empty, _ := tlog.TreeHash(0, nil) // needs no hashes
		return empty
	}
	root := f.hashes[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(f.hashes[i], root)
	}
	return root
}

// tiles reads the hashes of a log that are stored, for tlog. A tile that is
// stored may be wider than the one that is asked for: it has grown since.
type tiles func(level int, n int64) ([]byte, error)

func (tiles) Height() int { return tileHeight }

func (read tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(wanted))
	for i, t := range wanted {
		data, err := read(t.L, t.N)
		if err != nil {
			return nil, err
		}
		if len(data) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("%w: tile %d of level %d has %d bytes, too few", errDamaged, t.N, t.L, len(data))
		}
		all[i] = data[:t.W*tlog.HashSize]
	}
	return all, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// maxNodes bounds what nodes remembers, 100 bytes each.
const maxNodes = 200_000

// nodes reads hashes out of stored tiles as they are, for proofs that are
// checked later. It remembers them, since the proofs of neighbours share most.
type nodes struct {
	read  tiles
	known map[int64]tlog.Hash
	tile  map[[2]int64][]byte
}

func newNodes(read tiles) *nodes {
	return &nodes{read, map[int64]tlog.Hash{}, map[[2]int64][]byte{}}
}

// ReadHashes implements [tlog.HashReader].
func (r *nodes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(r.known) > maxNodes {
		clear(r.known)
		clear(r.tile)
	}
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		h, ok := r.known[index]
		if !ok {
			t := tlog.TileForIndex(tileHeight, index)
			at := [2]int64{int64(t.L), t.N}
			data, ok := r.tile[at]
			if !ok {
				var err error
				if data, err = r.read(t.L, t.N); err != nil {
					return nil, err
				}
				r.tile[at] = data
			}
			t.W = len(data) / tlog.HashSize
			var err error
			if h, err = tlog.HashFromTile(t, data, index); err != nil {
				return nil, fmt.Errorf("%w: tile %d of level %d: %w", errDamaged, t.N, t.L, err)
			}
			r.known[index] = h
		}
		hashes[i] = h
	}
	return hashes, nil
}

// grown is a tree that leaves were added to: its new root and the tiles that
// changed.
type grown struct {
	root  tlog.Hash
	tiles []Tile
}

// A Tile is a part of the tree as it is stored.
type Tile struct {
	Level  int
	N      int64
	Hashes []byte
}

// grow adds leaves to the tree. The old one is read from its tiles and checked
// against its root.
func grow(old tlog.Tree, read tiles, leaves []tlog.Hash) (grown, error) {
	known := map[int64]tlog.Hash{}
	stored := tlog.TileHashReader(old, read)
	overlay := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var missing []int64
		for _, index := range indexes {
			if _, ok := known[index]; !ok {
				missing = append(missing, index)
			}
		}
		if len(missing) > 0 {
			read, err := stored.ReadHashes(missing)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errDamaged, err)
			}
			for i, index := range missing {
				known[index] = read[i]
			}
		}
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = known[index]
		}
		return hashes, nil
	})
	size := old.N
	for _, leaf := range leaves {
		made, err := tlog.StoredHashesForRecordHash(size, leaf, overlay)
		if err != nil {
			return grown{}, err
		}
		for i, first := 0, tlog.StoredHashIndex(0, size); i < len(made); i++ {
			known[first+int64(i)] = made[i]
		}
		size++
	}
	root, err := tlog.TreeHash(size, overlay)
	if err != nil {
		return grown{}, err
	}
	g := grown{root: root}
	for _, t := range tlog.NewTiles(tileHeight, old.N, size) {
		data, err := tlog.ReadTileData(t, overlay)
		if err != nil {
			return grown{}, err
		}
		g.tiles = append(g.tiles, Tile{t.L, t.N, data})
	}
	return g, nil
}
