package secrets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/vault/api"

	"salesforce-mcp/salesforce"
)

// Get implements [Store].
func (v *Vault) Get(ctx context.Context, workspace, name string) (salesforce.Secret, int64, error) {
	if err := check(workspace, name); err != nil {
		return "", 0, err
	}
	if err := v.checkMount(ctx); err != nil {
		return "", 0, err
	}
	kept, err := v.readKV(ctx, workspace, name)
	switch {
	case err != nil:
		return "", 0, err
	case kept.Data == nil:
		return "", 0, ErrNone
	case kept.Data.Value == nil:
		return "", 0, &Unavailable{Why: fmt.Sprintf("the secret in Vault has no text in the field \"value\": write it with "+
			"vault kv put -mount=%s %s value=-", v.config.Mount, v.place(workspace, name))}
	}
	return *kept.Data.Value, kept.Metadata.Version, nil
}

// Put implements [Store].
func (v *Vault) Put(ctx context.Context, workspace, name string, value salesforce.Secret, version int64) (int64, error) {
	if err := check(workspace, name); err != nil {
		return 0, err
	}
	if !utf8.ValidString(value.Reveal()) {
		return 0, fmt.Errorf("the secret %q of workspace %q is not UTF-8, and Vault keeps text only", name, workspace)
	}
	if err := v.checkMount(ctx); err != nil {
		return 0, err
	}
	put, err := v.writeKV(ctx, workspace, name, value, version)
	switch {
	case version == Any && errors.Is(err, errNoVersion):
		// The mount or the secret insists on a version: overwrite whatever is
		// there, however often it changes meanwhile.
		for range 100 {
			var there kvAnswer
			if there, err = v.readKV(ctx, workspace, name); err != nil {
				return 0, err
			}
			if put, err = v.writeKV(ctx, workspace, name, value, there.Metadata.Version); !errors.Is(err, ErrChanged) {
				break
			}
		}
	case version == 0 && errors.Is(err, ErrChanged):
		// A secret that was deleted softly still counts for Vault, not for us.
		there, readErr := v.readKV(ctx, workspace, name)
		if readErr != nil {
			return 0, readErr
		}
		if there.Data == nil && there.Metadata.Version > 0 {
			put, err = v.writeKV(ctx, workspace, name, value, there.Metadata.Version)
		}
	}
	return put, err
}

// Delete implements [Store].
func (v *Vault) Delete(ctx context.Context, workspace, name string) error {
	if err := check(workspace, name); err != nil {
		return err
	}
	if err := v.checkMount(ctx); err != nil {
		return err
	}
	path := v.config.Mount + "/metadata/" + v.place(workspace, name)
	_, err := v.ask(ctx, func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		return c.Logical().DeleteWithContext(ctx, path)
	})
	return v.explain(err, "delete", path)
}

// place is where a secret is within the mount.
func (v *Vault) place(workspace, name string) string {
	return v.config.Prefix + "/" + workspace + "/" + name
}

// kvAnswer is what Vault says about the newest version of a secret. Without Data
// there is none: never was (version 0), or was deleted or destroyed.
type kvAnswer struct {
	Data *struct {
		Value *salesforce.Secret `json:"value"`
	} `json:"data"`
	Metadata struct {
		Version int64 `json:"version"`
	} `json:"metadata"`
}

func (v *Vault) readKV(ctx context.Context, workspace, name string) (kvAnswer, error) {
	path := v.config.Mount + "/data/" + v.place(workspace, name)
	var kept kvAnswer
	answer, err := v.get(ctx, path)
	if isStatus(err, http.StatusNotFound) && !saysAnyOf(err, noHandler) {
		err = nil
	}
	if err == nil && answer != nil {
		err = decode(answer.Data, &kept)
	}
	return kept, v.explain(err, "read", path)
}

// errNoVersion is the answer to a write without a version where one must be
// given (cas_required).
var errNoVersion = errors.New("a version must be given")

// writeKV returns the new version. The error is ErrChanged when the newest one
// is not the given one, and errNoVersion when the version may not be Any.
func (v *Vault) writeKV(ctx context.Context, workspace, name string, value salesforce.Secret, version int64) (int64, error) {
	path := v.config.Mount + "/data/" + v.place(workspace, name)
	body := map[string]any{"data": map[string]string{"value": value.Reveal()}}
	if version != Any {
		body["options"] = map[string]int64{"cas": version}
	}
	answer, err := v.write(ctx, path, body)
	// Vault has no codes for these two: the words are those of its KV engine,
	// and the contract test holds them.
	switch {
	case isStatus(err, http.StatusBadRequest) && saysAnyOf(err, "check-and-set parameter did not match"):
		return 0, ErrChanged
	case isStatus(err, http.StatusBadRequest) && saysAnyOf(err, "check-and-set parameter required"):
		return 0, errNoVersion
	case err != nil:
		return 0, v.explain(err, "create or update", path, value)
	case answer == nil:
		return 0, v.notVersion2()
	}
	var put struct {
		Version int64 `json:"version"`
	}
	if err := decode(answer.Data, &put); err != nil || put.Version == 0 {
		return 0, v.notVersion2()
	}
	return put.Version, nil
}

func (v *Vault) notVersion2() error {
	return &Unavailable{Why: fmt.Sprintf("the mount %q of Vault is not the secrets engine KV version 2: enable one there "+
		"(vault secrets enable -path=%[1]s kv-v2), or set mount to the path of one", v.config.Mount)}
}

// checkMount makes sure, once, that the mount is KV version 2: version 1 would
// answer that there is no secret. Every token with a right below the mount may
// ask; it is what Vault's own command asks first.
func (v *Vault) checkMount(ctx context.Context) error {
	if v.mounted.Load() {
		return nil
	}
	path := "sys/internal/ui/mounts/" + v.config.Mount
	answer, err := v.get(ctx, path)
	switch {
	case isStatus(err, http.StatusForbidden):
		return &Unavailable{Why: fmt.Sprintf("Vault has no mount %q, or the token's policies give no access to it: "+
			"enable it (vault secrets enable -path=%[1]s kv-v2), or mend mount or the policies", v.config.Mount)}
	case err != nil:
		return v.explain(err, "read", path)
	case answer == nil:
		return v.explain(errUnreadable, "read", path)
	}
	var mount struct {
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	}
	if err := decode(answer.Data, &mount); err != nil || mount.Type != "kv" || mount.Options["version"] != "2" {
		return v.notVersion2()
	}
	v.mounted.Store(true)
	return nil
}

// Check logs in and looks whether the mount and the policies are such that the
// store works, and that these keys can sign; it changes nothing. Its error says
// what to mend.
func (v *Vault) Check(ctx context.Context, transitKeys ...string) error {
	if err := v.checkMount(ctx); err != nil {
		return err
	}
	needed := map[string][]string{
		v.config.Mount + "/data/" + v.place("any", "secret"):     {"create", "read", "update"},
		v.config.Mount + "/metadata/" + v.place("any", "secret"): {"delete"},
	}
	for _, key := range transitKeys {
		name, _, err := parseTransitKey(key)
		if err != nil {
			return err
		}
		needed[v.signPath(name)] = []string{"update"}
	}
	paths := slices.Sorted(maps.Keys(needed))
	answer, err := v.write(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil || answer == nil {
		return v.explain(err, "write", "sys/capabilities-self")
	}
	var lacking []string
	for _, path := range paths {
		var has []string
		_ = decode(answer.Data[path], &has)
		for _, capability := range needed[path] {
			if !slices.Contains(has, capability) && !slices.Contains(has, "root") {
				lacking = append(lacking, capability+" on "+path)
			}
		}
	}
	if lacking != nil {
		return &Unavailable{Why: "the token's policies in Vault lack " + strings.Join(lacking, ", ")}
	}
	return nil
}
