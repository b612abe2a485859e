package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// attempts is how often a change is made again that another one came before.
const attempts = 8

// Change changes the settings of a workspace: change is given them as they were written,
// without defaults, and may be called several times. What comes of it is checked like
// the file, kept as one revision more, recorded in the audit trail, and in force here
// when Change returns, on other servers within a second. That nothing changes is no
// error, and no revision.
//
// The error is [ErrNone], [ErrDeclared], an [*Invalid], or what change returns.
func (s *Settings) Change(ctx context.Context, name string, by Author, change func(*config.Workspace) error) error {
	return s.change(ctx, name, by, "change", change)
}

func (s *Settings) change(ctx context.Context, name string, by Author, action string, change func(*config.Workspace) error) error {
	file := s.configured()
	if has(file, name) {
		return ErrDeclared
	}
	for range attempts {
		stored, err := s.Store.StoredWorkspace(ctx, name)
		if err != nil {
			return err
		}
		w, err := config.ParseWorkspace(stored.Document)
		if err != nil {
			return fmt.Errorf("revision %d of workspace %s cannot be read: %w", stored.Number, name, err)
		}
		if err := change(&w); err != nil {
			return err
		}
		if w.Name != name {
			return &Invalid{[]Problem{{"name", "a workspace keeps its name: URLs, secrets and the audit trail have it"}}}
		}
		document, err := s.document(file, w)
		if err != nil {
			return err
		}
		if string(document) == string(stored.Document) {
			return nil
		}
		diff := Diff(string(stored.Document), string(document))
		next := store.Revision{Workspace: name, Number: stored.Number, By: by, What: summary(diff), Document: document}
		if err := s.keep(ctx, action, next, diff); !errors.Is(err, store.ErrChanged) {
			return err
		}
	}
	return store.ErrChanged
}

// document is what is kept of settings, if they are valid.
func (s *Settings) document(file *config.Config, w config.Workspace) ([]byte, error) {
	if _, err := file.Stored(w); err != nil {
		return nil, invalid(err)
	}
	document, err := w.Document()
	if err != nil {
		return nil, invalid(err)
	}
	again, err := config.ParseWorkspace(document)
	if err == nil {
		_, err = file.Stored(again)
	}
	if err != nil {
		return nil, fmt.Errorf("the settings cannot be kept: %w", err)
	}
	return document, nil
}

// keep records a revision and keeps it.
func (s *Settings) keep(ctx context.Context, action string, r store.Revision, diff []Line) error {
	args := map[string]any{"revision": r.Number + 1, "changes": changes(diff)}
	return s.recorded(ctx, r.Workspace, r.By, action, args, func() error {
		_, err := s.Store.PutWorkspace(ctx, r)
		return err
	})
}

// recorded changes workspaces between an intent and an outcome in the audit trail, and
// puts that in force. What cannot be recorded is not done.
func (s *Settings) recorded(ctx context.Context, workspace string, by Author, action string, args map[string]any, work func() error) (err error) {
	effects := map[string]string{"create": "add", "delete": "remove", "forget secret": "remove"}
	intent, err := s.Journal.Begin(ctx, audit.Entry{Workspace: workspace, User: by.ID, By: by.Name, Surface: "app", Tool: "settings", Action: action,
		Effect: cmp.Or(effects[action], "set"), Decision: audit.DecisionAllowed, Arguments: audit.Redact(args, nil)})
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	out := audit.Outcome{Status: audit.Unknown, Code: "interrupted", Message: "the server was interrupted"} // unless it is set below
	defer func() { err = errors.Join(err, intent.End(ctx, out)) }()
	if err = work(); err != nil {
		out = audit.Outcome{Status: audit.Failed, Code: "failed", Message: err.Error()}
		return err
	}
	out = audit.Outcome{Status: audit.OK}
	if err := s.Follow(context.WithoutCancel(ctx)); err != nil { // it is kept all the same
		s.Log.Error().Err(err).Str("workspace", workspace).Msg("a change of settings is kept, and not in force yet; it is tried again")
	}
	return nil
}

// Create makes a workspace in the database. The error is an [*Invalid], also when the
// name is taken or was.
func (s *Settings) Create(ctx context.Context, by Author, w config.Workspace) error {
	file := s.configured()
	taken := &Invalid{[]Problem{{"name", store.ErrNameIsUsed.Error()}}}
	used, err := s.Store.NameIsUsed(ctx, w.Name)
	if err != nil {
		return err
	}
	if used || has(file, w.Name) {
		return taken
	}
	document, err := s.document(file, w)
	if err != nil {
		return err
	}
	err = s.keep(ctx, "create", store.Revision{Workspace: w.Name, By: by, What: "created", Document: document}, Diff("", string(document)))
	if errors.Is(err, store.ErrNameIsUsed) {
		return taken
	}
	return err
}

// Suspend has a workspace refuse every call, until Resume.
func (s *Settings) Suspend(ctx context.Context, by Author, name string) error {
	return s.suspend(ctx, by, name, "suspend")
}

// Resume ends what Suspend began.
func (s *Settings) Resume(ctx context.Context, by Author, name string) error {
	return s.suspend(ctx, by, name, "resume")
}

func (s *Settings) suspend(ctx context.Context, by Author, name, action string) error {
	if err := s.changeable(ctx, name); err != nil {
		return err
	}
	return s.recorded(ctx, name, by, action, nil, func() error { return s.Store.SuspendWorkspace(ctx, name, action == "suspend") })
}

// changeable is ErrNone or ErrDeclared for a workspace that is not there, or not here.
func (s *Settings) changeable(ctx context.Context, name string) error {
	if has(s.configured(), name) {
		return ErrDeclared
	}
	_, err := s.Store.StoredWorkspace(ctx, name)
	return err
}

// ErrNotSuspended is the error for the deletion of a workspace that takes calls.
var ErrNotSuspended = errors.New("suspend the workspace first: it may be in the middle of calls")

// Delete forgets the settings and the secrets of a suspended workspace. Its audit trail
// stays, and its name is not given again.
func (s *Settings) Delete(ctx context.Context, by Author, name string) error {
	if has(s.configured(), name) {
		return ErrDeclared
	}
	w, err := s.Store.StoredWorkspace(ctx, name)
	if err != nil {
		return err
	}
	if w.Suspended.IsZero() {
		return ErrNotSuspended
	}
	return s.recorded(ctx, name, by, "delete", map[string]any{"revision": w.Number}, func() error {
		if c, err := config.ParseWorkspace(w.Document); err == nil { // elsewhere than in the database
			for _, secret := range c.Credentials() {
				if err := s.Secrets.Delete(ctx, name, secret.Name); err != nil {
					return err
				}
			}
		}
		return s.Store.DeleteWorkspace(ctx, name)
	})
}

// History are the latest revisions of a workspace, the newest first, without their
// documents.
func (s *Settings) History(ctx context.Context, name string) ([]store.Revision, error) {
	if err := s.changeable(ctx, name); err != nil {
		return nil, err
	}
	return s.Store.Revisions(ctx, name, 0, 500)
}

// At is a workspace as a revision has it: as it was written, without defaults. The
// error is [ErrNone] when there is no such revision.
func (s *Settings) At(ctx context.Context, name string, revision int64) (config.Workspace, error) {
	r, err := s.Revision(ctx, name, revision)
	if err != nil {
		return config.Workspace{}, err
	}
	return config.ParseWorkspace(r.Document)
}

// Revision is one of a workspace, with its document.
func (s *Settings) Revision(ctx context.Context, name string, revision int64) (store.Revision, error) {
	if err := s.changeable(ctx, name); err != nil {
		return store.Revision{}, err
	}
	r, ok, err := s.Store.Revision(ctx, name, revision)
	if err == nil && !ok {
		err = ErrNone
	}
	return r, err
}

// Restore makes an earlier revision the present one: as one revision more, checked as
// any other. What is revoked since then comes back with it, tokens of hosts too.
func (s *Settings) Restore(ctx context.Context, name string, by Author, revision int64) error {
	before, err := s.At(ctx, name, revision)
	if err != nil {
		return err
	}
	return s.change(ctx, name, by, fmt.Sprintf("restore revision %d", revision), func(w *config.Workspace) error {
		*w = before
		return nil
	})
}

// summary says in few words what a change is about: the sections it is in.
func summary(diff []Line) string {
	var sections []string
	section := ""
	for _, l := range diff {
		if name, _, ok := strings.Cut(l.Text, ":"); ok && name != "" && strings.TrimLeft(name, " -") == name {
			section = name
		}
		if l.Sign != Same && section != "" && (len(sections) == 0 || sections[len(sections)-1] != section) {
			sections = append(sections, section)
		}
	}
	return strings.Join(sections, ", ")
}

// changes are the lines of a difference that are not the same.
func changes(diff []Line) string {
	var b strings.Builder
	for _, l := range diff {
		if l.Sign != Same {
			b.WriteString(string(l.Sign) + l.Text + "\n")
		}
	}
	return b.String()
}
