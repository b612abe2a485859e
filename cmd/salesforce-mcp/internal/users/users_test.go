package users

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPassword: a password matches its own hash and no other's, and no hash that is none.
func TestPassword(t *testing.T) {
	ctx := t.Context()
	hash, err := Hash(ctx, "correct horse battery staple")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Fatalf("%q, error %v", hash, err)
	}
	again, _ := Hash(ctx, "correct horse battery staple")
	if again == hash {
		t.Error("two hashes of a password are the same: they have no salt")
	}
	// Argon2id with other parameters, made with the reference implementation's command
	// (echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 24), of its README.
	reference := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, tt := range []struct {
		hash, password string
		want, fails    bool
	}{
		{hash, "correct horse battery staple", true, false},
		{hash, "correct horse battery staplE", false, false},
		{hash, "", false, false},
		{reference, "password", true, false},
		{"", "", false, false},
		{"", "correct horse battery staple", false, false},
		{"plain", "plain", false, true},
		{"$argon2i$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", false, true},
		{"$argon2id$v=19$m=65536,t=0,p=4$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", false, true},
		{"$argon2id$v=19$m=65536,t=3,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", false, true},
		{"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$", "", false, true},
	} {
		got, err := Matches(ctx, tt.hash, tt.password, false)
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%q and %q: %t, error %v", tt.hash, tt.password, got, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if ok, err := Matches(gone, hash, "correct horse battery staple", false); ok && err != nil {
		t.Error("who is gone is let in")
	}
}

func TestCheckPassword(t *testing.T) {
	for password, want := range map[string]error{
		"correct horse battery":      nil,
		"Zoë trifft Bär am Fluß":     nil,
		"elevenchars":                ErrShort,
		"":                           ErrShort,
		"aaaaaaaaaaaaaaaaa":          ErrGuessed,
		"abababababababab":           ErrGuessed,
		"salesforce-mcp1":            ErrGuessed,
		"passwordpassword":           ErrGuessed,
		"ada@acme.example":           ErrGuessed,
		"Ada@Acme.Example1":          ErrGuessed,
		strings.Repeat("xyzabc", 30): ErrLong,
		"correct horse \xff battery": ErrLong,
	} {
		if got := CheckPassword(password, "ada@acme.example"); !errors.Is(got, want) {
			t.Errorf("%q: %v, want %v", password, got, want)
		}
	}
}

func TestEmail(t *testing.T) {
	for text, want := range map[string]string{
		" Ada@Acme.Example ": "ada@acme.example", "ada": "", "": "", "Ada <ada@acme.example>": "", "ada@acme.example\r\nBcc: x": "", "аda@acme.example": "", "a b@acme.example": "",
	} {
		if got, err := Email(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, error %v", text, got, err)
		}
	}
}

// TestRoles: together roles are never less than each, and of the platform the higher.
func TestRoles(t *testing.T) {
	some := rapid.Custom(func(t *rapid.T) Roles {
		return Roles{Platform: rapid.SampledFrom([]Role{"", Owner, PlatformAdmin}).Draw(t, "platform"),
			Workspaces: rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), rapid.SliceOf(rapid.SampledFrom(WorkspaceRoles)), 0, 2).Draw(t, "workspaces")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := some.Draw(t, "a"), some.Draw(t, "b")
		both := a.Plus(b)
		if !both.Equal(b.Plus(a)) || !both.Equal(both.Plus(a)) || !a.Equal(a.Plus(Roles{})) || both.Validate() != nil {
			t.Fatalf("%v and %v are %v", a, b, both)
		}
		if (a.Platform == Owner || b.Platform == Owner) != (both.Platform == Owner) || (both.Platform == "") != (a.Platform == "" && b.Platform == "") {
			t.Fatalf("%v and %v are %v", a, b, both)
		}
	})
	for _, wrong := range []Roles{{Platform: Auditor}, {Platform: "x"}, {Workspaces: map[string][]Role{"a": {Owner}}}} {
		if wrong.Validate() == nil {
			t.Errorf("%v is valid", wrong)
		}
	}
}

// TestWait: waits double, and end.
func TestWait(t *testing.T) {
	a := AtAccount("x")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<40).Draw(t, "failures")
		wait, next := a.Wait(n), a.Wait(n+1)
		if wait < 0 || next < wait || next > longestWait || n < a.Free && wait != 0 || n >= a.Free && next < min(2*wait, longestWait) {
			t.Fatalf("after %d failures %v, then %v", n, wait, next)
		}
	})
	if a.Wait(a.Free) != shortestWait || a.Wait(1000) != 15*time.Minute {
		t.Errorf("the first wait is %v, the last %v", a.Wait(a.Free), a.Wait(1000))
	}
}
