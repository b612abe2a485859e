package fakevault

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// appRoles is the auth method AppRole: roles by name.
type appRoles map[string]*appRole

type appRole struct {
	id        string
	settings  map[string]any
	secretIDs map[string]int // uses left; below 0 for no bound
	wrong     []time.Time
}

// Vault locks a role after lockAfter wrong secret ids for lockFor.
const (
	lockAfter = 5
	lockFor   = 15 * time.Minute
)

func (appRoles) kind() (string, string) { return "approle", "" }

func (a appRoles) serve(v *Vault, method, path string, body map[string]any) *answer {
	if path == "login" {
		return a.login(v, body)
	}
	parts := strings.Split(path, "/")
	if len(parts) < 2 || parts[0] != "role" {
		return nil
	}
	role := a[parts[1]]
	switch {
	case len(parts) == 2 && method != http.MethodGet:
		a[parts[1]] = &appRole{id: rand.Text(), settings: body, secretIDs: map[string]int{}}
		return done
	case role == nil || len(parts) != 3:
		return nothing
	case parts[2] == "role-id":
		return ok(map[string]any{"role_id": role.id})
	case parts[2] == "secret-id":
		id, uses := rand.Text(), -1
		if n, bound := role.settings["secret_id_num_uses"].(float64); bound && n > 0 {
			uses = int(n)
		}
		role.secretIDs[id] = uses
		return ok(map[string]any{"secret_id": id, "secret_id_accessor": rand.Text(), "secret_id_num_uses": max(uses, 0), "secret_id_ttl": 0})
	}
	return nil
}

func (a appRoles) login(v *Vault, body map[string]any) *answer {
	const wrong = "invalid role or secret ID"
	for _, role := range a {
		if role.id != body["role_id"] {
			continue
		}
		if role.settings["bind_secret_id"] != false {
			if n := len(role.wrong); n >= lockAfter && time.Since(role.wrong[n-1]) < lockFor {
				return denied
			}
			if text(body["secret_id"]) == "" {
				return refuse(http.StatusBadRequest, "missing secret_id")
			}
			left := role.secretIDs[text(body["secret_id"])]
			if left == 0 {
				role.wrong = append(role.wrong, time.Now())
				return refuse(http.StatusBadRequest, wrong)
			}
			role.wrong, role.secretIDs[text(body["secret_id"])] = nil, left-1
		}
		return v.issue(list(role.settings["token_policies"]), duration(role.settings["token_ttl"]), duration(role.settings["token_max_ttl"]), true)
	}
	return refuse(http.StatusBadRequest, wrong)
}

// kubernetes is the auth method Kubernetes. It has tokens reviewed by the
// cluster's API.
type kubernetes struct {
	host  string
	roles map[string]map[string]any
}

func (*kubernetes) kind() (string, string) { return "kubernetes", "" }

func (k *kubernetes) serve(v *Vault, _, path string, body map[string]any) *answer {
	name, isRole := strings.CutPrefix(path, "role/")
	switch {
	case path == "config":
		k.host = text(body["kubernetes_host"])
		return done
	case isRole:
		k.roles[name] = body
		return done
	case path != "login":
		return nil
	}
	role := k.roles[text(body["role"])]
	if role == nil {
		return refuse(http.StatusBadRequest, "invalid role name \""+text(body["role"])+"\"")
	}
	user := k.review(text(body["jwt"]))
	parts := strings.Split(user, ":") // system:serviceaccount:NAMESPACE:NAME
	switch {
	case len(parts) != 4:
		return denied
	case !slices.Contains(list(role["bound_service_account_namespaces"]), parts[2]):
		return refuse(http.StatusForbidden, "namespace not authorized")
	case !slices.Contains(list(role["bound_service_account_names"]), parts[3]):
		return refuse(http.StatusForbidden, "service account name not authorized")
	}
	return v.issue(list(role["token_policies"]), duration(role["token_ttl"]), duration(role["token_max_ttl"]), true)
}

// review asks Kubernetes whose a token is.
func (k *kubernetes) review(jwt string) string {
	ask, _ := json.Marshal(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]any{"token": jwt}})
	r, err := http.Post(k.host+"/apis/authentication.k8s.io/v1/tokenreviews", "application/json", bytes.NewReader(ask))
	if err != nil {
		return ""
	}
	defer func() { _ = r.Body.Close() }()
	var review struct {
		Status struct {
			Authenticated bool
			User          struct{ Username string }
		}
	}
	if json.NewDecoder(r.Body).Decode(&review) != nil || !review.Status.Authenticated {
		return ""
	}
	return review.Status.User.Username
}
