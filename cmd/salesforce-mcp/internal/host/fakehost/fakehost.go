// Package fakehost is a host platform for tests: real HTTP, with the documented API
// of package host, and not friendly. It pages in each of the documented forms, counts
// pages from 0 or 1, caps the limit that it is asked for, checks roles or, as the real
// one, does not, refuses names that are taken, and fails in whatever way a test says.
package fakehost

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Form is how lists are answered.
type Form string

// The documented forms.
const (
	Array   Form = "array"
	Items   Form = "items" // with total, page and limit
	Results Form = "results"
	Bare    Form = "bare" // items, and nothing else
)

// User is a person of the platform.
type User struct {
	ID, Email, Org, Role string
}

// Object is an entry of the catalog, an agent or a tool, as it was sent.
type Object = map[string]any

// Host is the platform. Its fields are set before it is asked anything.
type Host struct {
	URL         string // base of the API
	Form        Form   // of lists. Default Items
	FirstPage   int    // the number of the first page: 0 or 1
	MostPerPage int    // whatever limit is asked for. Default 100
	NoPaging    bool   // the first page is the answer for every page
	ChecksRoles bool   // the catalog's writes; the real one is not known to
	Users       map[string]User
	// Before answers in place of the host when it returns true.
	Before func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	entries  []Object
	agents   []Object
	tools    map[string][]Object
	requests []string
	next     int
}

// New starts a host, which ends with the test. Its API is below /v2, as the real
// one's. The token owner-token is of an owner, member-token of somebody without the
// right to publish.
func New(t testing.TB) *Host {
	h := &Host{Form: Items, FirstPage: 1, MostPerPage: 100, tools: map[string][]Object{}, Users: map[string]User{
		"owner-token":  {"u-owner", "owner@example.com", "acme", "org:owner"},
		"admin-token":  {"u-admin", "admin@example.com", "acme", "org:admin"},
		"member-token": {"u-member", "member@example.com", "acme", "org:member"},
	}}
	mux := http.NewServeMux()
	const servers, agents = "/v2/workspaces/slug:capabilities/webhooks/v1/servers", "/v2/workspaces/slug:agent-factory/webhooks/v1/agents"
	mux.HandleFunc("GET /v2/me", h.me)
	mux.HandleFunc("GET "+servers, h.listEntries)
	mux.HandleFunc("POST "+servers, h.addEntry)
	mux.HandleFunc("GET "+servers+"/{id}", h.oneEntry)
	mux.HandleFunc("PATCH "+servers+"/{id}", h.oneEntry)
	mux.HandleFunc("DELETE "+servers+"/{id}", h.oneEntry)
	mux.HandleFunc("GET "+agents, h.listAgents)
	mux.HandleFunc("GET "+agents+"/{agent}/tools", h.listTools)
	mux.HandleFunc("POST "+agents+"/{agent}/tools", h.addTool)
	mux.HandleFunc("DELETE "+agents+"/{agent}/tools/{id}", h.removeTool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.requests = append(h.requests, r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/v2"))
		before := h.Before
		h.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		if _, ok := h.user(r); !ok {
			say(w, http.StatusUnauthorized, Object{"error": "AuthenticationError", "message": "Unauthorized"})
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h.URL = server.URL + "/v2"
	return h
}

// SetBefore changes what answers in place of the host.
func (h *Host) SetBefore(before func(http.ResponseWriter, *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Before = before
}

// AddEntry adds an entry to the catalog and returns its id.
func (h *Host) AddEntry(entry Object) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(&h.entries, entry)
}

// AddAgent adds an agent and returns its id.
func (h *Host) AddAgent(agent Object) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(&h.agents, agent)
}

// AddTool adds a tool to an agent.
func (h *Host) AddTool(agent string, tool Object) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.tools[agent]
	id := h.add(&list, tool)
	h.tools[agent] = list
	return id
}

// Entries returns what is in the catalog.
func (h *Host) Entries() []Object {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.entries)
}

// Tools returns the tools of an agent.
func (h *Host) Tools(agent string) []Object {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.tools[agent])
}

// Requests returns method and address, below the API, of all requests so far.
func (h *Host) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// Entry is one in the catalog that leads to an endpoint.
func Entry(name, endpoint string) Object {
	return Object{"name": name, "display_name": name, "type": "mcp",
		"config_schema": Object{"type": "object", "properties": Object{"server": Object{"type": "string", "default": endpoint}}}}
}

func (h *Host) add(list *[]Object, o Object) string {
	o = maps.Clone(o)
	if o["id"] == nil && o["_id"] == nil {
		h.next++
		o["id"] = fmt.Sprintf("id-%d", h.next)
	}
	*list = append(*list, o)
	return idOf(o)
}

func idOf(o Object) string {
	if id, ok := o["id"].(string); ok {
		return id
	}
	id, _ := o["_id"].(string)
	return id
}

func (h *Host) user(r *http.Request) (User, bool) {
	user, ok := h.Users[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	return user, ok
}

func (h *Host) me(w http.ResponseWriter, r *http.Request) {
	user, _ := h.user(r)
	say(w, http.StatusOK, Object{"id": user.ID, "email": user.Email, "org": Object{"slug": user.Org, "name": user.Org, "role": Object{"slug": user.Role}}})
}

// list answers with one page.
func (h *Host) list(w http.ResponseWriter, r *http.Request, all []Object) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	if limit <= 0 || limit > h.MostPerPage {
		limit = h.MostPerPage
	}
	at := h.FirstPage
	if n, err := strconv.Atoi(q.Get("page")); err == nil {
		at = n
	}
	start := max(at-h.FirstPage, 0) * limit // a page before the first is the first
	if h.NoPaging {
		start = 0
	}
	part := all[min(start, len(all)):min(start+limit, len(all))]
	if part == nil {
		part = []Object{}
	}
	switch h.Form {
	case Array:
		say(w, http.StatusOK, part)
	case Results:
		say(w, http.StatusOK, Object{"results": part})
	case Bare:
		say(w, http.StatusOK, Object{"items": part})
	default:
		say(w, http.StatusOK, Object{"items": part, "total": len(all), "page": at, "limit": limit})
	}
}

func (h *Host) listEntries(w http.ResponseWriter, r *http.Request) {
	var all []Object
	for _, e := range h.entries {
		builtIn, _ := e["built_in"].(bool)
		if kind := r.URL.Query().Get("type"); (kind == "" || e["type"] == kind) && (r.URL.Query().Get("built_in") != "false" || !builtIn) {
			all = append(all, e)
		}
	}
	h.list(w, r, all)
}

// may answers 403 to who may not write the catalog, if the host checks it.
func (h *Host) may(w http.ResponseWriter, r *http.Request) bool {
	user, _ := h.user(r)
	if h.ChecksRoles && user.Role != "org:owner" && user.Role != "org:admin" {
		say(w, http.StatusForbidden, Object{"error": "ForbiddenError", "message": "Forbidden"})
		return false
	}
	return true
}

func (h *Host) addEntry(w http.ResponseWriter, r *http.Request) {
	o, ok := read(w, r, "name", "type")
	if !ok || !h.may(w, r) {
		return
	}
	if slices.ContainsFunc(h.entries, func(e Object) bool { return e["name"] == o["name"] }) {
		say(w, http.StatusConflict, Object{"error": "DUPLICATE_NAME", "message": "name is taken"})
		return
	}
	id := h.add(&h.entries, o)
	say(w, http.StatusCreated, Object{"id": id, "name": o["name"]})
}

func (h *Host) oneEntry(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(h.entries, func(e Object) bool { return idOf(e) == r.PathValue("id") })
	if i < 0 {
		say(w, http.StatusNotFound, Object{"error": "NOT_FOUND"})
		return
	}
	switch r.Method {
	case http.MethodPatch:
		o, ok := read(w, r)
		if !ok || !h.may(w, r) {
			return
		}
		changed := maps.Clone(h.entries[i])
		maps.Copy(changed, o)
		h.entries[i] = changed
	case http.MethodDelete:
		if !h.may(w, r) {
			return
		}
		h.entries = slices.Delete(h.entries, i, i+1)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	say(w, http.StatusOK, h.entries[i])
}

func (h *Host) listAgents(w http.ResponseWriter, r *http.Request) { h.list(w, r, h.agents) }

func (h *Host) agent(w http.ResponseWriter, r *http.Request) (string, bool) {
	id := r.PathValue("agent")
	if !slices.ContainsFunc(h.agents, func(a Object) bool { return idOf(a) == id }) {
		say(w, http.StatusNotFound, Object{"error": "NOT_FOUND"})
		return "", false
	}
	return id, true
}

func (h *Host) listTools(w http.ResponseWriter, r *http.Request) {
	if id, ok := h.agent(w, r); ok {
		h.list(w, r, h.tools[id])
	}
}

func (h *Host) addTool(w http.ResponseWriter, r *http.Request) {
	agent, ok := h.agent(w, r)
	if !ok {
		return
	}
	o, ok := read(w, r, "type")
	if !ok {
		return
	}
	list := h.tools[agent]
	if slices.ContainsFunc(list, func(t Object) bool { return t["name"] == o["name"] }) {
		say(w, http.StatusConflict, Object{"error": "DUPLICATE_NAME"})
		return
	}
	id := h.add(&list, o)
	h.tools[agent] = list
	say(w, http.StatusCreated, Object{"id": id})
}

func (h *Host) removeTool(w http.ResponseWriter, r *http.Request) {
	agent, ok := h.agent(w, r)
	if !ok {
		return
	}
	list := h.tools[agent]
	i := slices.IndexFunc(list, func(t Object) bool { return idOf(t) == r.PathValue("id") })
	if i < 0 {
		say(w, http.StatusNotFound, Object{"error": "NOT_FOUND"})
		return
	}
	h.tools[agent] = slices.Delete(slices.Clone(list), i, i+1)
	w.WriteHeader(http.StatusNoContent)
}

// read reads an object that must have the members.
func read(w http.ResponseWriter, r *http.Request, needs ...string) (Object, bool) {
	var o Object
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		say(w, http.StatusBadRequest, Object{"error": "BAD_REQUEST", "message": err.Error()})
		return nil, false
	}
	for _, name := range needs {
		if o[name] == nil {
			say(w, http.StatusBadRequest, Object{"error": "BAD_REQUEST", "message": name + " is required"})
			return nil, false
		}
	}
	return o, true
}

func say(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content)
}
