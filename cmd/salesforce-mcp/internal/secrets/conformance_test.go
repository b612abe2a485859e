package secrets_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// conformance is what every Store must do. Open gives the same empty store each
// time, as another process would open it.
func conformance(t *testing.T, open func(*testing.T) secrets.Store) {
	ctx := t.Context()
	t.Run("get, put, delete", func(t *testing.T) {
		s, again := open(t), open(t)
		if _, _, err := s.Get(ctx, "sales", "clientSecret"); !errors.Is(err, secrets.ErrNone) {
			t.Fatalf("Get of nothing: %v", err)
		}
		if err := s.Delete(ctx, "sales", "clientSecret"); err != nil {
			t.Fatalf("Delete of nothing: %v", err)
		}
		long := salesforce.Secret(strings.Repeat("ü\n\x00", 3000))
		for _, value := range []salesforce.Secret{"one", "two", "", long} {
			put, err := s.Put(ctx, "sales", "clientSecret", value, secrets.Any)
			if err != nil {
				t.Fatal(err)
			}
			for name, store := range map[string]secrets.Store{"this one": s, "another process": again} {
				if got, version, err := store.Get(ctx, "sales", "clientSecret"); got != value || version != put || err != nil {
					t.Errorf("%s: %d bytes, version %d of %d, %v", name, len(got.Reveal()), version, put, err)
				}
			}
		}
		if err := s.Delete(ctx, "sales", "clientSecret"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := again.Get(ctx, "sales", "clientSecret"); !errors.Is(err, secrets.ErrNone) {
			t.Errorf("Get after Delete: %v", err)
		}
		if _, err := s.Put(ctx, "sales", "clientSecret", "new", 0); err != nil {
			t.Errorf("Put after Delete: %v", err)
		}
	})
	t.Run("workspaces and names are apart", func(t *testing.T) {
		s := open(t)
		places := [][2]string{{"a", "x"}, {"b", "x"}, {"a", "y"}, {"a", "user/x"}, {"a", "user/y"}, {"a-user", "x"}}
		for _, p := range places {
			if _, err := s.Put(ctx, p[0], p[1], salesforce.Secret(p[0]+" "+p[1]), 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Delete(ctx, "a", "x"); err != nil {
			t.Fatal(err)
		}
		for _, p := range places[1:] {
			if got, _, err := s.Get(ctx, p[0], p[1]); got.Reveal() != p[0]+" "+p[1] || err != nil {
				t.Errorf("%v: %v", p, err)
			}
		}
	})
	t.Run("versions", func(t *testing.T) {
		s := open(t)
		first, err := s.Put(ctx, "v", "x", "1", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(ctx, "v", "x", "again", 0); !errors.Is(err, secrets.ErrChanged) {
			t.Errorf("Put where there must be none: %v", err)
		}
		second, err := s.Put(ctx, "v", "x", "2", first)
		if err != nil || second == first {
			t.Fatalf("version %d after %d, %v", second, first, err)
		}
		if _, err := s.Put(ctx, "v", "x", "late", first); !errors.Is(err, secrets.ErrChanged) {
			t.Errorf("Put of an old version: %v", err)
		}
		if _, err := s.Put(ctx, "v", "none", "x", second); !errors.Is(err, secrets.ErrChanged) {
			t.Errorf("Put of a version where there is none: %v", err)
		}
		if got, _, err := s.Get(ctx, "v", "x"); got != "2" || err != nil {
			t.Errorf("%v", err)
		}
	})
	t.Run("one of many wins", func(t *testing.T) {
		s := open(t)
		version, err := s.Put(ctx, "race", "x", "start", 0)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		results := make(chan error, 20)
		for range cap(results) {
			store := open(t)
			wg.Go(func() {
				_, err := store.Put(ctx, "race", "x", "mine", version)
				results <- err
			})
		}
		wg.Wait()
		close(results)
		won := 0
		for err := range results {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, secrets.ErrChanged):
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d writers won", won)
		}
	})
	t.Run("names that lead elsewhere are refused", func(t *testing.T) {
		s := open(t)
		for _, name := range []string{"", ".", "..", "../x", "a/../b", "/a", "a/", "a//b", "a b", "ä", "a\n", "a?b", "a#b", "a%2fb", "a/b/c/d/e", strings.Repeat("x", 200)} {
			for _, p := range [][2]string{{"ok", name}, {name, "ok"}} {
				if _, err := s.Put(ctx, p[0], p[1], "v", secrets.Any); err == nil {
					t.Errorf("%q is taken", p)
				}
				if _, _, err := s.Get(ctx, p[0], p[1]); err == nil || errors.Is(err, secrets.ErrNone) {
					t.Errorf("Get of %q: %v", p, err)
				}
			}
		}
	})
}
