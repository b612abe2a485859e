package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
)

// A described is what a user is told of an object.
type described struct {
	soql.SObject
	KeyPrefix string // of the IDs of its records; "" where they have none of their own

	cascades []string // objects whose records are removed with it
}

// UnmarshalJSON reads the answer to GET /sobjects/{name}/describe.
func (d *described) UnmarshalJSON(text []byte) error {
	var more struct {
		KeyPrefix          string
		ChildRelationships []struct {
			ChildSObject  string
			CascadeDelete bool
		}
	}
	if err := errors.Join(json.Unmarshal(text, &d.SObject), json.Unmarshal(text, &more)); err != nil {
		return err
	}
	d.KeyPrefix = more.KeyPrefix
	for _, c := range more.ChildRelationships {
		if c.CascadeDelete {
			d.cascades = append(d.cascades, c.ChildSObject)
		}
	}
	return nil
}

// field returns the field of that name, or nil.
func (d *described) field(name string) *soql.Field {
	for i := range d.Fields {
		if strings.EqualFold(d.Fields[i].Name, name) {
			return &d.Fields[i]
		}
	}
	return nil
}

const (
	schemaLife = 5 * time.Minute // how long a description is taken for true
	mostFields = 100_000         // that are remembered of all objects together: some 20 MB
	mostMisses = 20              // names of no object that an agent may ask for in that time
)

// A described object is remembered for each user by itself: two may see different
// fields, and two workspaces have different orgs.
type schemaKey struct{ workspace, host, user, path string }

// Schemas remembers for some minutes what users are told of objects. The zero value
// is ready for use, a nil one remembers nothing; it is safe for concurrent use.
type Schemas struct {
	mu     sync.Mutex
	known  map[schemaKey]remembered
	fields int
	misses map[allowlist.Caller]misses
}

// misses are the names of no object that an agent has asked for lately. To ask takes
// nothing of its budget, which an intent does.
type misses struct {
	n     int
	until time.Time
}

// miss counts such a name. It returns how long the agent has to wait when there were
// too many.
func (s *Schemas) miss(c allowlist.Caller, another bool) (wait time.Duration) {
	if s == nil {
		return 0
	}
	c.Context = ""
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.misses[c]
	if !now.Before(m.until) {
		m = misses{until: now.Add(schemaLife)}
	}
	if another {
		if s.misses == nil || len(s.misses) >= mostFields {
			s.misses = map[allowlist.Caller]misses{}
		}
		m.n++
		s.misses[c] = m
	}
	if m.n < mostMisses {
		return 0
	}
	return m.until.Sub(now)
}

type remembered struct {
	object   *described        // of one object; nil where there is none of this name
	prefixes map[string]string // of all of them: names by the prefix of their IDs
	until    time.Time
}

func (s *Schemas) get(key schemaKey) (remembered, bool) {
	if s == nil {
		return remembered{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.known[key]
	return r, ok && time.Now().Before(r.until)
}

func (s *Schemas) put(key schemaKey, r remembered) {
	r.until = time.Now().Add(schemaLife)
	if s == nil {
		return
	}
	size := 1 + len(r.prefixes)
	if r.object != nil {
		size += len(r.object.Fields) + len(r.object.ChildRelationships)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || s.fields+size > mostFields {
		s.known, s.fields = map[schemaKey]remembered{}, 0
	}
	s.known[key] = r
	s.fields += size
}

// describe returns what the caller is told of an object, as it was some minutes
// ago. The error is soql.ErrNoSObject when there is none of this name.
func (r *reach) describe(name string) (*described, error) {
	if !nameRE.MatchString(name) {
		return nil, soql.ErrNoSObject
	}
	path := "/sobjects/" + strings.ToLower(name) + "/describe"
	if r.op.tool == toolingTool {
		path = "/tooling" + path
	}
	found, err := r.ask(path, func(body []byte) (remembered, error) {
		var object described
		err := json.Unmarshal(body, &object)
		return remembered{object: &object}, err
	})
	if err == nil && found.object == nil {
		err = soql.ErrNoSObject
	}
	return found.object, err
}

// objectOf tells by an ID of which object it is, "" when that cannot be told. An ID
// of 18 characters means the same record in any case, and its prefix then another.
func (r *reach) objectOf(id string) (string, error) {
	if _, err := salesforce.To18(id); err != nil {
		return "", nil
	}
	found, err := r.ask("/sobjects", func(body []byte) (remembered, error) {
		var all struct {
			SObjects []struct{ Name, KeyPrefix string }
		}
		err := json.Unmarshal(body, &all)
		prefixes := map[string]string{}
		for _, o := range all.SObjects {
			if _, twice := prefixes[o.KeyPrefix]; twice || o.KeyPrefix == "" {
				o.Name = ""
			}
			prefixes[o.KeyPrefix] = o.Name
		}
		return remembered{prefixes: prefixes}, err
	})
	return found.prefixes[id[:3]], err
}

// ask gets a description with the caller's own credentials, or has it. What
// Salesforce does not have is remembered too.
func (r *reach) ask(path string, read func([]byte) (remembered, error)) (remembered, error) {
	key := schemaKey{r.caller.Workspace, r.caller.Host, r.caller.User, path}
	if found, ok := r.server.Schemas.get(key); ok {
		return found, nil
	}
	if wait := r.server.Schemas.miss(r.caller, false); wait > 0 {
		return remembered{}, &Error{Code: RateLimited, RetryAfter: max(1, int(wait.Seconds())), Message: fmt.Sprintf("this agent has named %d objects that the org does not have; nothing was sent", mostMisses),
			Hint: "Look up which objects there are (tool sobjects, action describeGlobal) instead of guessing."}
	}
	if r.org == nil {
		org, err := r.server.Orgs.Connect(r.ctx, r.caller, r.sent.add)
		if err != nil {
			return remembered{}, err
		}
		r.org = prompt{org}
	}
	resp, err := r.org.Do(r.ctx, &salesforce.Request{Method: http.MethodGet, Path: path, Semantics: salesforce.Safe})
	var theirs *salesforce.Error
	var found remembered
	switch {
	case errors.As(err, &theirs) && theirs.Class == salesforce.ClassNotFound:
		r.server.Schemas.miss(r.caller, true)
	case err != nil:
		return remembered{}, fmt.Errorf("ask what the call touches: %w", err)
	default:
		if found, err = read(resp.Body); err != nil {
			return remembered{}, fmt.Errorf("read what %s is: %w", path, err)
		}
	}
	r.server.Schemas.put(key, found)
	return found, nil
}
