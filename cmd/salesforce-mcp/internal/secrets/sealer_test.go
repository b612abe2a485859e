package secrets_test

import (
	"bytes"
	"sync"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// TestSealer: what is sealed opens for the same workspace and name, in any process,
// and for no other; it shows nothing.
func TestSealer(t *testing.T) {
	ctx, s := t.Context(), rows(t, t.TempDir())
	master := secrets.NewMaster()
	process := func() *secrets.Sealer {
		return secrets.NewSealer(secrets.NewSealed(s, secrets.FixedKeys(master)))
	}
	if _, err := process().Open(ctx, "a", "x", []byte("nothing")); err == nil {
		t.Error("something opens before there is a key")
	}
	var sealed [20][]byte
	var group sync.WaitGroup
	for i := range sealed { // all make the key at once
		group.Go(func() {
			var err error
			if sealed[i], err = process().Seal(ctx, "a", "x", []byte("canary")); err != nil || bytes.Contains(sealed[i], []byte("canary")) {
				t.Errorf("%q, %v", sealed[i], err)
			}
		})
	}
	group.Wait()
	one := process()
	if _, err := one.Seal(ctx, "b", "x", nil); err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		if plain, err := one.Open(ctx, "a", "x", sealed[i]); string(plain) != "canary" || err != nil {
			t.Errorf("%q, %v", plain, err)
		}
	}
	flipped := bytes.Clone(sealed[0])
	flipped[len(flipped)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another workspace": func() ([]byte, error) { return one.Open(ctx, "b", "x", sealed[0]) },
		"another name":      func() ([]byte, error) { return one.Open(ctx, "a", "y", sealed[0]) },
		"a flipped bit":     func() ([]byte, error) { return one.Open(ctx, "a", "x", flipped) },
		"nothing":           func() ([]byte, error) { return one.Open(ctx, "a", "x", nil) },
	} {
		if plain, err := open(); err == nil {
			t.Errorf("%s: %q", name, plain)
		}
	}
	spoiled := secrets.NewSealed(s, secrets.FixedKeys(master))
	if _, err := spoiled.Put(ctx, "a", "server/sealingKey", salesforce.Secret("short"), secrets.Any); err != nil {
		t.Fatal(err)
	}
	if _, err := process().Seal(ctx, "a", "x", nil); err == nil || bytes.Contains([]byte(err.Error()), []byte("short")) {
		t.Errorf("a spoiled key: %v", err)
	}
}
