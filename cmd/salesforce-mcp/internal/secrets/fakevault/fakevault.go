// Package fakevault is the part of HashiCorp Vault's HTTP API that package
// secrets uses, with what a test needs to set it up, for tests that are run
// every day. A contract test holds it to a real Vault 1.21.1.
//
// What it leaves out: standby nodes, leases of anything but tokens, namespaces (it
// keeps the last one that was asked for), and most fields that nobody here reads.
package fakevault

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Vault is a Vault in memory. It is a handler, safe for concurrent use.
type Vault struct {
	Root      string // the root token
	UnsealKey string

	mu        sync.Mutex
	sealed    bool
	namespace string
	counts    map[string]int // requests by METHOD path
	tokens    map[string]*token
	policies  map[string][]rule
	mounts    map[string]engine // by path, with a slash behind
	wrapped   map[string]map[string]any
}

// New returns a Vault as a dev server is after its start: unsealed, with a KV
// version 2 at secret.
func New() *Vault {
	v := &Vault{
		Root: "hvs.root-" + rand.Text(), UnsealKey: rand.Text(), counts: map[string]int{}, tokens: map[string]*token{},
		policies: map[string][]rule{"default": parsePolicy(defaultPolicy)}, wrapped: map[string]map[string]any{},
		mounts: map[string]engine{"secret/": newKV("2")},
	}
	v.tokens[v.Root] = &token{id: v.Root, policies: []string{"root"}}
	return v
}

// Namespace returns the namespace of the last request.
func (v *Vault) Namespace() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.namespace
}

// Count returns how many requests there were, such as "PUT auth/approle/login".
func (v *Vault) Count(request string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.counts[request]
}

// An engine is what is mounted at a path.
type engine interface {
	// serve answers a request below the mount, or returns nil for a path it does
	// not know. Body is empty for a GET.
	serve(v *Vault, method, path string, body map[string]any) *answer
	kind() (kind, version string)
}

// answer is an answer of Vault.
type answer struct {
	status int
	errors []string
	data   any
	auth   map[string]any
	whole  map[string]any // instead of the others
}

func refuse(status int, errors ...string) *answer { return &answer{status: status, errors: errors} }

var (
	denied    = refuse(http.StatusForbidden, "permission denied")
	forbidden = refuse(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n") // of a good token
	badToken  = refuse(http.StatusForbidden, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
	done      = &answer{status: http.StatusNoContent}
	nothing   = refuse(http.StatusNotFound)
	ok        = func(data any) *answer { return &answer{status: http.StatusOK, data: data} }
)

func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{}
	_ = json.NewDecoder(r.Body).Decode(&body) // none is as good
	v.mu.Lock()
	defer v.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	v.namespace = r.Header.Get("X-Vault-Namespace")
	v.counts[r.Method+" "+path]++
	a := v.answer(r, path, body)
	if ttl := r.Header.Get("X-Vault-Wrap-TTL"); ttl != "" && a.data != nil {
		write(w, a.status, v.wrap(a, duration(ttl)))
		return
	}
	status, shown := a.json()
	write(w, status, shown)
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body)
	}
}

func (a *answer) json() (int, any) {
	switch {
	case a.status == http.StatusNoContent:
		return a.status, nil
	case a.whole != nil:
		return a.status, a.whole
	case a.data == nil && a.auth == nil:
		return a.status, map[string]any{"errors": append([]string{}, a.errors...)}
	}
	return a.status, map[string]any{"request_id": rand.Text(), "lease_id": "", "renewable": false, "lease_duration": 0,
		"data": a.data, "wrap_info": nil, "warnings": nil, "auth": a.auth}
}

func (v *Vault) answer(r *http.Request, path string, body map[string]any) *answer {
	switch {
	case path == "sys/unseal":
		v.sealed = v.sealed && body["key"] != v.UnsealKey
		return &answer{status: http.StatusOK, whole: map[string]any{"sealed": v.sealed}}
	case v.sealed:
		return refuse(http.StatusServiceUnavailable, "Vault is sealed")
	}
	mount, under := v.mountOf(path)
	if under == "login" && strings.HasPrefix(mount, "auth/") {
		return orUnsupported(v.mounts[mount].serve(v, r.Method, under, body))
	}
	id := r.Header.Get("X-Vault-Token")
	if id == "" {
		return denied
	}
	if path == "sys/wrapping/unwrap" {
		return v.unwrap(id)
	}
	t := v.tokens[id]
	if t == nil || t.ended() {
		return badToken
	}
	if rest, found := strings.CutPrefix(path, "sys/internal/ui/mounts/"); found {
		return v.aboutMount(t, rest)
	}
	if !v.allows(t, r.Method, path) {
		return forbidden
	}
	switch {
	case strings.HasPrefix(path, "sys/"):
		return orUnsupported(v.system(t, r.Method, path, body))
	case strings.HasPrefix(path, "auth/token/"):
		return orUnsupported(v.token(t, strings.TrimPrefix(path, "auth/token/"), body))
	case mount == "":
		return refuse(http.StatusNotFound, "no handler for route \""+path+"\". route entry not found.")
	}
	return orUnsupported(v.mounts[mount].serve(v, r.Method, under, body))
}

func orUnsupported(a *answer) *answer {
	if a == nil {
		return refuse(http.StatusNotFound, "1 error occurred:\n\t* unsupported path\n\n")
	}
	return a
}

func (v *Vault) mountOf(path string) (mount, under string) {
	for _, mount := range slices.Sorted(maps.Keys(v.mounts)) {
		if under, found := strings.CutPrefix(path, mount); found {
			return mount, under
		}
	}
	return "", ""
}

// aboutMount tells those who have a right below a mount what is there.
func (v *Vault) aboutMount(t *token, path string) *answer {
	mount, found := v.mounts[path+"/"]
	if !found || !slices.Contains(t.policies, "root") && !slices.ContainsFunc(v.rules(t), func(r rule) bool { return strings.HasPrefix(r.path, path+"/") }) {
		return refuse(http.StatusForbidden, "preflight capability check returned 403, please ensure client's policies grant access to path \""+path+"/\"")
	}
	kind, version := mount.kind()
	var options map[string]any
	if version != "" {
		options = map[string]any{"version": version}
	}
	return ok(map[string]any{"type": kind, "options": options, "path": path + "/"})
}

func (v *Vault) system(t *token, method, path string, body map[string]any) *answer {
	place, name, _ := cutLast(path)
	switch {
	case path == "sys/seal":
		v.sealed = true
		return done
	case path == "sys/capabilities-self":
		all := map[string]any{}
		for _, path := range list(body["paths"]) {
			all[path] = v.capabilities(t, path)
		}
		return ok(all)
	case place == "sys/policies/acl":
		v.policies[name] = parsePolicy(text(body["policy"]))
		return done
	case place == "sys/mounts" && method == http.MethodDelete:
		delete(v.mounts, name+"/")
		return done
	case place == "sys/mounts" && body["type"] == "kv":
		options, _ := body["options"].(map[string]any)
		v.mounts[name+"/"] = newKV(text(options["version"]))
		return done
	case place == "sys/mounts" && body["type"] == "transit":
		v.mounts[name+"/"] = transit{}
		return done
	case place == "sys/auth" && body["type"] == "approle":
		v.mounts["auth/"+name+"/"] = appRoles{}
		return done
	case place == "sys/auth" && strings.HasSuffix(text(body["type"]), "kubernetes"):
		v.mounts["auth/"+name+"/"] = &kubernetes{roles: map[string]map[string]any{}}
		return done
	}
	return nil
}

func (v *Vault) wrap(a *answer, ttl time.Duration) any {
	id := "hvs.wrap-" + rand.Text()
	v.wrapped[id] = map[string]any{"data": a.data, "until": time.Now().Add(ttl)}
	return map[string]any{"data": nil, "wrap_info": map[string]any{"token": id, "ttl": ttl.Seconds()}, "auth": nil}
}

func (v *Vault) unwrap(id string) *answer {
	kept, found := v.wrapped[id]
	delete(v.wrapped, id)
	if !found || time.Now().After(kept["until"].(time.Time)) {
		return refuse(http.StatusBadRequest, "wrapping token is not valid or does not exist")
	}
	return ok(kept["data"])
}

func text(v any) string { s, _ := v.(string); return s }

// list is a list of texts, as a JSON array or with commas between.
func list(v any) []string {
	if s, isText := v.(string); isText {
		return strings.Split(s, ",")
	}
	var all []string
	items, _ := v.([]any)
	for _, item := range items {
		all = append(all, text(item))
	}
	return all
}

// duration is a time as Vault writes them: 30s, or a number of seconds.
func duration(v any) time.Duration {
	if n, isNumber := v.(float64); isNumber {
		return time.Duration(n) * time.Second
	}
	d, _ := time.ParseDuration(text(v))
	return d
}

func cutLast(path string) (before, after string, found bool) {
	i := strings.LastIndex(path, "/")
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}
