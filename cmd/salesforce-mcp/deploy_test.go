package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// manifest is what the tests look at in a document of Kubernetes.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		MinReplicas int `yaml:"minReplicas"`
		MaxReplicas int `yaml:"maxReplicas"`
		Template    struct {
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
					Startup   probe `yaml:"startupProbe"`
					Readiness probe `yaml:"readinessProbe"`
					Liveness  probe `yaml:"livenessProbe"`
				}
			}
		}
	}
}

type probe struct {
	HTTPGet struct{ Path string } `yaml:"httpGet"`
}

// manifests are the documents of deploy/kubernetes, by kind and name.
func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := map[string]manifest{}
	for _, file := range files {
		d := yaml.NewDecoder(bytes.NewReader([]byte(readFile(t, file))))
		for {
			var m manifest
			err := d.Decode(&m)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all[m.Kind+" "+m.Metadata.Name] = m
		}
	}
	return all
}

// TestDeployConfigurations: the server takes every configuration under deploy, with
// the environment that stands beside it.
func TestDeployConfigurations(t *testing.T) {
	var key bytes.Buffer
	if err := run(t.Context(), []string{"keys", "new"}, os.Getenv, nil, &key, io.Discard); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"kubernetes": manifests(t)["ConfigMap salesforce-mcp"].Data["config.yaml"]}
	files, err := filepath.Glob("../../deploy/compose/config*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		texts[filepath.Base(file)] = readFile(t, file)
	}
	env := map[string]string{
		"SALESFORCE_MCP_DATABASE":            "postgres://salesforce_mcp:x@postgres:5432/salesforce_mcp?sslmode=verify-full",
		"SALESFORCE_MCP_MASTER_KEY":          strings.TrimSpace(key.String()),
		"SALESFORCE_MCP_PUBLIC_URL":          "http://localhost:8080",
		"SALESFORCE_MCP_VAULT_TOKEN":         "x",
		"SALESFORCE_MCP_SALES_CLIENT_SECRET": "",
	}
	for name, text := range texts {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, func(name string) string { return env[name] })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Database == "" || c.Drain < 5*time.Second || len(c.Workspaces) != 1 || c.Workspaces[0].Auth == nil || len(c.Workspaces[0].Rules) == 0 {
			t.Errorf("%s: %+v", name, c)
		}
		if name == "kubernetes" {
			pod := manifests(t)["Deployment salesforce-mcp"].Spec.Template.Spec
			if grace := time.Duration(pod.Grace) * time.Second; grace < c.Drain+30*time.Second+5*time.Second {
				t.Errorf("pods are killed after %v, and need %v to drain and 30 s to end their calls", grace, c.Drain)
			}
		}
	}
}

// TestDeployManifests: what the manifests say of the server is so: its variables
// are known, its probes answer, and its connections fit into Postgres' default.
func TestDeployManifests(t *testing.T) {
	documented := readFile(t, "../../docs/configuration.md")
	for _, file := range []string{"../../deploy/kubernetes/deployment.yaml", "../../deploy/compose/docker-compose.yml"} {
		for _, name := range regexp.MustCompile(`SALESFORCE_MCP_[A-Z_]+`).FindAllString(readFile(t, file), -1) {
			if name == "SALESFORCE_MCP_CONFIG" || name == "SALESFORCE_MCP_VAULT_TOKEN" { // compose's own; documented as …_TOKEN
				continue
			}
			if !strings.Contains(documented, "`"+name+"`") {
				t.Errorf("%s: docs/configuration.md does not know %s", file, name)
			}
		}
	}
	all := manifests(t)
	w := newWorld(t)
	c := all["Deployment salesforce-mcp"].Spec.Template.Spec.Containers[0]
	for _, path := range []string{c.Startup.HTTPGet.Path, c.Readiness.HTTPGet.Path, c.Liveness.HTTPGet.Path} {
		resp, err := http.Get(w.origin + path)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("probe %q: %d", path, resp.StatusCode)
		}
	}
	const each, most, reserved = 12, 100, 3 // docs/deployment.md
	if hpa := all["HorizontalPodAutoscaler salesforce-mcp"].Spec; hpa.MinReplicas < 3 || (hpa.MaxReplicas+1)*each > most-reserved {
		t.Errorf("%d to %d replicas, and one more in a rollout", hpa.MinReplicas, hpa.MaxReplicas)
	}
}
