package trail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
)

// failing is a secret store in which nothing can be put.
type failing struct{ secrets.Store }

func (failing) Put(context.Context, string, string, salesforce.Secret, int64) (int64, error) {
	return 0, errors.New("killed")
}

// afterFirst is a secret store in which something can be put once.
type afterFirst struct {
	secrets.Store
	n int
}

func (a *afterFirst) Put(ctx context.Context, workspace, name string, value salesforce.Secret, version int64) (int64, error) {
	if a.n++; a.n > 1 {
		return 0, errors.New("killed")
	}
	return a.Store.Put(ctx, workspace, name, value, version)
}

// TestRotateKey: the key is replaced beside a server that runs, and after a crash
// at each step; all that was signed before stays good, and the old key signs
// nothing more.
func TestRotateKey(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "checkpoints")
	note := func(workspace, public string) error {
		_, err := h.journal.Refuse(ctx, audit.Entry{Workspace: workspace, Message: public})
		return err
	}
	keep := func(signed []byte) error { return KeepCheckpoint(file, signed) }
	if _, err := RotateKey(ctx, h.store, h.secrets, note, keep); !errors.Is(err, ErrNoKey) {
		t.Errorf("before there is one: %v", err)
	}
	server := &Trail{Store: h.store, Secrets: h.secrets, Checkpoints: file, Log: zerolog.New(&h.log)}
	sequencer := &proof.Sequencer{Log: h.store, Key: server.signingKey, Signed: server.keep}
	sign := func() {
		t.Helper()
		if err := server.sign(ctx, sequencer); err != nil {
			t.Fatal(err)
		}
	}
	h.record("a", 3)
	h.record("b", 2)
	sign()
	public := func() string {
		t.Helper()
		key, err := Key(ctx, h.secrets)
		if err != nil {
			t.Fatal(err)
		}
		return key.Public()
	}
	first := public()

	// Killed before the new key is kept, and after.
	if _, err := RotateKey(ctx, h.store, failing{h.secrets}, note, keep); err == nil || public() != first {
		t.Errorf("nothing was kept: %v", err)
	}
	if _, err := RotateKey(ctx, h.store, h.secrets, func(string, string) error { return errors.New("killed") }, keep); err == nil || !strings.Contains(err.Error(), "run this again") {
		t.Error(err)
	}
	h.record("a", 1)
	sign() // the server has the old key still
	if _, err := RotateKey(ctx, h.store, &afterFirst{h.secrets, 1}, note, keep); err == nil || !strings.Contains(err.Error(), "run this again") {
		t.Error(err)
	}
	h.record("b", 1)
	sign() // and learns now that there is another, which signs with it
	changing, err := Key(ctx, h.secrets)
	if err != nil || !changing.Changing() {
		t.Fatalf("not under way: %v", err)
	}
	printed, err := RotateKey(ctx, h.store, h.secrets, note, keep)
	if err != nil {
		t.Fatal(err)
	}
	second := public()
	if keys := strings.Fields(second); printed != second || len(keys) != 2 || keys[1] != first || keys[0] == first {
		t.Fatalf("keys %s, printed %s", second, printed)
	}
	text, _, err := h.secrets.Get(ctx, keyOwner, keyName)
	if err != nil || strings.Count(text.Reveal(), "PRIVATE") != 1 {
		t.Error("the old private key is still there", err)
	}
	h.record("a", 2)
	h.record("b", 2)
	sign()
	if _, err := RotateKey(ctx, h.store, h.secrets, note, keep); err != nil { // a second time
		t.Fatal(err)
	}
	h.record("a", 1)
	sign()

	all, err := proof.ParsePublicKey(public())
	if err != nil {
		t.Fatal(err)
	}
	lines, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	kept, problems, err := proof.ReadCheckpoints(lines, all)
	if err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	for _, w := range []string{"a", "b"} {
		r, err := proof.Check{Key: all, Kept: kept}.Log(ctx, h.store, w)
		if err != nil || !r.OK() || r.Waiting != 0 || r.Compared < 5 {
			t.Errorf("workspace %s: %+v, %v", w, r, err)
		}
		var uses []string
		for _, u := range r.Keys {
			uses = append(uses, u.Key)
		}
		keys := strings.Fields(public())
		name := func(text string) string { return strings.Join(strings.SplitN(text, "+", 3)[:2], "+") }
		k1, k2, k3 := name(keys[2]), name(keys[1]), name(keys[0])
		if want := []string{k1, k2 + " and " + k1, k2, k3 + " and " + k2}; len(uses) < 4 || strings.Join(uses[:4], "; ") != strings.Join(want, "; ") {
			t.Errorf("workspace %s was signed by %v, want %v", w, uses, want)
		}
	}
	// Who has a former key cannot pass off a log as today's.
	old, err := proof.ParsePublicKey(first)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := (proof.Check{Key: old}).Log(ctx, h.store, "a"); err != nil || r.OK() {
		t.Errorf("with the first key: %+v, %v", r, err)
	}
	former, err := proof.ParsePublicKey(strings.Fields(public())[0] + " " + first)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range kept {
		if c.Key == old.String() {
			line := signedLine(t, file, c)
			if _, err := former.Open(line); !errors.Is(err, proof.ErrOtherKey) {
				t.Errorf("a checkpoint of a former key opens as today's: %v", err)
			}
			if _, err := former.OpenKept(line); err != nil {
				t.Error(err)
			}
			break
		}
	}
	if log := h.log.String(); strings.Contains(log, "error") {
		t.Errorf("log %s", log)
	}
}

// signedLine is a kept checkpoint as it was signed.
func signedLine(t *testing.T, file string, c proof.Checkpoint) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kept struct{ Checkpoint string }
		if err := json.Unmarshal([]byte(line), &kept); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(kept.Checkpoint, fmt.Sprintf("%s\n%d\n", c.Origin, c.Size)) {
			return []byte(kept.Checkpoint)
		}
	}
	t.Fatal("it is not kept")
	return nil
}
