package salesforce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"
)

func TestSecretDoesNotPrint(t *testing.T) {
	const canary = "canary-5f2c"
	secret := Secret(canary)
	holder := struct {
		S Secret
		P *Secret
		M map[string]Secret
	}{secret, &secret, map[string]Secret{"k": secret}}

	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08.3s", "%T%[1]v"} {
		for _, value := range []any{secret, &secret, holder, []Secret{secret}, fmt.Errorf("x: %v", secret)} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
	}
	fmt.Fprintln(&printed, secret, holder.S, secret.String(), secret.GoString())
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		text, err := marshal(holder)
		if err != nil {
			t.Error(err)
		}
		printed.Write(text)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", secret, "holder", holder)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", secret, "holder", holder.S)
	z := zerolog.New(&logged)
	z.Info().Interface("secret", secret).Any("holder", holder).Stringer("s", secret).Msgf("%v", secret)
	printed.Write(logged.Bytes())

	if strings.Contains(printed.String(), canary) || strings.Contains(printed.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret shows in:\n%s", printed.String())
	}
	if !strings.Contains(logged.String(), mask) {
		t.Errorf("the mask is missing in:\n%s", logged.String())
	}
	if secret.Reveal() != canary {
		t.Error("Reveal does not return the secret")
	}
}

func TestSecretIsReadLikeText(t *testing.T) {
	var fromJSON, fromYAML struct{ Key Secret }
	if err := json.Unmarshal([]byte(`{"Key":"abc"}`), &fromJSON); err != nil || fromJSON.Key.Reveal() != "abc" {
		t.Errorf("JSON: %q, %v", fromJSON.Key.Reveal(), err)
	}
	if err := yaml.Unmarshal([]byte("key: abc"), &fromYAML); err != nil || fromYAML.Key.Reveal() != "abc" {
		t.Errorf("YAML: %q, %v", fromYAML.Key.Reveal(), err)
	}
}
