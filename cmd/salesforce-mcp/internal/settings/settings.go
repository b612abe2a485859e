// Package settings keeps the workspaces whose settings people change in the
// configuration app: in the database, as revisions of the same YAML document that the
// configuration file has for each of its workspaces.
//
// A workspace of the file stays as the file says. Where both have one of the same name
// the file's counts. A workspace of the database can be anything that one of the file
// can be, but for what only the operator of the server may say ([config.Config.Stored]).
package settings

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// Author is who changes something.
type Author = store.Author

// Settings are the workspaces of a server: the file's and the database's. Its fields
// are set before use; it is safe for concurrent use, and any number of servers may
// change one database.
type Settings struct {
	Store   *store.Store
	Secrets secrets.Store
	Journal *audit.Journal
	Log     zerolog.Logger
	// Apply puts a configuration, with all workspaces, in the place of the one that is
	// in force. Nil where nothing is.
	Apply func(*config.Config) error

	mu      sync.Mutex
	file    *config.Config    // as it was read last
	version int64             // of the database's part of what is in force
	said    map[string]string // what was logged of workspaces that are left aside
}

// A Workspace is one as it is now, with defaults filled in. It is not changed: what the
// file says belongs to all.
type Workspace struct {
	config.Workspace
	Declared  bool      // stands in the file, and can be changed there alone
	Hidden    bool      // of a declared one: the database has one of this name too, which does not count
	Suspended bool      // refuses every call
	Since     time.Time // when it was suspended
	Problem   string    // why it is not in force, although it is there; "" when it is
	Revision  int64     // of the database; 0 of a declared one
	By        string    // who made that
	At        time.Time
}

// ErrNone is the error for a workspace that does not exist.
var ErrNone = store.ErrNoneSuch

// ErrDeclared is the error for changes of a workspace of the configuration file.
var ErrDeclared = errors.New("the workspace stands in the configuration file: its settings are changed there")

// An Invalid is the error for settings that are not valid: each problem with the field
// that has it.
type Invalid struct{ Problems []Problem }

// A Problem is one thing that is wrong with settings.
type Problem struct {
	Field string // as auth.clientID or rules[2].agent; "" when it is about no single one
	Text  string
}

// Error returns all problems, one a line.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = strings.TrimPrefix(p.Field+": "+p.Text, ": ")
	}
	return strings.Join(lines, "\n")
}

// invalid reads the problems of a validation, one a line.
func invalid(err error) *Invalid {
	e := &Invalid{}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		field, text, ok := strings.Cut(line, ": ")
		if !ok || strings.ContainsAny(field, " \t") {
			field, text = "", line
		}
		e.Problems = append(e.Problems, Problem{field, text})
	}
	return e
}

// An Aside is a workspace of the database that is not in force.
type Aside struct {
	Workspace string
	Hidden    bool  // the file has one of this name, which counts
	Err       error // why not
}

// Unread is the error for a database that cannot be read now.
type Unread struct{ Err error }

// Error returns what is wrong.
func (e *Unread) Error() string { return "read the workspaces of the database: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Unread) Unwrap() error { return e.Err }

// Merge adds the workspaces of the database to a configuration that the file has given,
// and returns that as another one, with the version of the database's part. Those that
// are not valid, or have a name that the file has too, are left aside: nothing of them
// is in force. The error is an [*Unread].
func Merge(ctx context.Context, st *store.Store, file *config.Config) (c *config.Config, version int64, aside []Aside, err error) {
	stored, version, err := st.StoredWorkspaces(ctx)
	if err != nil {
		return nil, 0, nil, &Unread{err}
	}
	all := *file
	all.Workspaces = slices.Clone(file.Workspaces)
	for _, s := range stored {
		if has(file, s.Workspace) {
			aside = append(aside, Aside{s.Workspace, true, errors.New("a workspace of this name is in the configuration file and in the database; the file's counts")})
			continue
		}
		w, err := complete(file, s)
		if err != nil {
			aside = append(aside, Aside{s.Workspace, false, err})
			continue
		}
		all.Workspaces = append(all.Workspaces, w)
	}
	return &all, version, aside, nil
}

// complete is a workspace of the database as it is in force with a configuration.
func complete(file *config.Config, s store.StoredWorkspace) (config.Workspace, error) {
	w, err := config.ParseWorkspace(s.Document)
	if err != nil {
		return w, err
	}
	if w.Name != s.Workspace {
		return w, fmt.Errorf("name: is %q in its document", w.Name)
	}
	w, err = file.Stored(w)
	w.Suspended = !s.Suspended.IsZero()
	return w, err
}

func has(c *config.Config, name string) bool {
	return slices.ContainsFunc(c.Workspaces, func(w config.Workspace) bool { return w.Name == name })
}

// Take is told what the configuration file says, and puts that in force together with
// the database. When that fails, what was in force goes on.
func (s *Settings) Take(ctx context.Context, file *config.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(ctx, file)
}

func (s *Settings) take(ctx context.Context, file *config.Config) error {
	c, version, aside, err := Merge(ctx, s.Store, file)
	if err != nil {
		return err
	}
	s.warn(aside)
	if s.Apply != nil {
		if err := s.Apply(c); err != nil {
			return err
		}
	}
	s.file, s.version = file, version
	return nil
}

// warn says once of each workspace that is left aside why it is.
func (s *Settings) warn(aside []Aside) {
	said := map[string]string{}
	for _, a := range aside {
		said[a.Workspace] = a.Err.Error()
		if s.said[a.Workspace] != said[a.Workspace] {
			s.Log.Warn().Err(a.Err).Str("workspace", a.Workspace).Msg("a workspace of the database is not in force")
		}
	}
	s.said = said
}

// Start says what is in force at the start, as [Merge] gave it.
func (s *Settings) Start(file *config.Config, version int64, aside []Aside) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file, s.version = file, version
	s.warn(aside)
}

// Follow puts in force what other servers, or commands, have changed in the database
// since it was looked at last.
func (s *Settings) Follow(ctx context.Context) error {
	version, err := s.Store.SettingsVersion(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if version == s.version {
		return nil
	}
	return s.take(ctx, s.file)
}

// configured is what the file says.
func (s *Settings) configured() *config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file
}

// Names are those of all workspaces, sorted.
func (s *Settings) Names(ctx context.Context) ([]string, error) {
	all, err := s.Workspaces(ctx)
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names, err
}

// Workspaces are all of them, by name.
func (s *Settings) Workspaces(ctx context.Context) ([]Workspace, error) {
	file := s.configured()
	stored, _, err := s.Store.StoredWorkspaces(ctx)
	if err != nil {
		return nil, err
	}
	var all []Workspace
	for i := range file.Workspaces {
		name := file.Workspaces[i].Name
		hidden := slices.ContainsFunc(stored, func(w store.StoredWorkspace) bool { return w.Workspace == name })
		all = append(all, Workspace{Workspace: file.Workspaces[i], Declared: true, Hidden: hidden})
	}
	for _, w := range stored {
		if !has(file, w.Workspace) {
			all = append(all, describe(file, w))
		}
	}
	slices.SortFunc(all, func(a, b Workspace) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// describe is a workspace of the database.
func describe(file *config.Config, s store.StoredWorkspace) Workspace {
	c, err := complete(file, s)
	c.Name = s.Workspace
	w := Workspace{Workspace: c, Suspended: !s.Suspended.IsZero(), Since: s.Suspended, Revision: s.Number, By: s.By.Name, At: s.At}
	if err != nil {
		w.Problem = err.Error()
	}
	return w
}

// Workspace is one of them. The error is [ErrNone].
func (s *Settings) Workspace(ctx context.Context, name string) (Workspace, error) {
	file := s.configured()
	stored, err := s.Store.StoredWorkspace(ctx, name)
	if err != nil && !errors.Is(err, ErrNone) {
		return Workspace{}, err
	}
	for i := range file.Workspaces {
		if file.Workspaces[i].Name == name {
			return Workspace{Workspace: file.Workspaces[i], Declared: true, Hidden: err == nil}, nil
		}
	}
	if err != nil {
		return Workspace{}, ErrNone
	}
	return describe(file, stored), nil
}
