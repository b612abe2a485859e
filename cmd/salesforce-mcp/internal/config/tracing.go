package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Tracing says where traces go. The variables of OpenTelemetry's environment
// override it: OTEL_EXPORTER_OTLP_ENDPOINT, …_TRACES_ENDPOINT, …_HEADERS,
// OTEL_TRACES_SAMPLER_ARG, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
type Tracing struct {
	// Endpoint is the base URL of a collector that takes OTLP over HTTP, as in
	// http://127.0.0.1:4318. Default none: there are no traces.
	Endpoint string `yaml:"endpoint"`
	// Sample is the part of traces that is kept, from 0 to 1. Default 1.
	Sample *float64 `yaml:"sample"`

	// From the environment alone.
	URL        string            `yaml:"-"` // of the collector's traces; empty when there are none
	Headers    map[string]string `yaml:"-"` // they may hold a secret
	Attributes map[string]string `yaml:"-"` // of the process

	problems []error // of the environment
}

// tracesPath is where below its endpoint a collector takes traces.
const tracesPath = "/v1/traces"

// environment reads OpenTelemetry's variables.
func (t *Tracing) environment(getenv func(string) string) {
	bad := func(format string, args ...any) { t.problems = append(t.problems, fmt.Errorf(format, args...)) }
	if v := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); v != "" {
		t.Endpoint = v
	}
	if t.Endpoint != "" {
		t.URL = strings.TrimSuffix(t.Endpoint, "/") + tracesPath
	}
	if v := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); v != "" {
		t.URL = v
	}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		t.URL = ""
	}
	if t.URL == "" {
		return
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if getenv(name) == "grpc" {
			bad("%s: grpc is not spoken; give the collector's HTTP endpoint (port 4318 as a rule), and http/json", name)
		}
	}
	if v := getenv("OTEL_TRACES_SAMPLER_ARG"); v != "" {
		part, err := strconv.ParseFloat(v, 64)
		if err != nil {
			bad("OTEL_TRACES_SAMPLER_ARG: %q is no number from 0 to 1", v)
		}
		t.Sample = &part
	}
	var err error
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"} {
		if t.Headers, err = pairs(getenv(name)); err != nil {
			bad("%s: write name=value, and commas between them", name) // not what it says: that is secret
		}
		if len(t.Headers) > 0 {
			break
		}
	}
	if t.Attributes, err = pairs(getenv("OTEL_RESOURCE_ATTRIBUTES")); err != nil {
		bad("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if v := getenv("OTEL_SERVICE_NAME"); v != "" {
		t.Attributes["service.name"] = v
	}
}

// validate returns every problem, each with field and value.
func (t *Tracing) validate() error {
	problems := t.problems
	if t.URL != "" {
		if u, err := url.Parse(t.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			problems = append(problems, fmt.Errorf("tracing.endpoint: %q is no URL of a collector; write it as http://127.0.0.1:4318, and secrets into OTEL_EXPORTER_OTLP_HEADERS", shown(t.URL)))
		}
	}
	if t.Sample != nil && !(*t.Sample >= 0 && *t.Sample <= 1) {
		problems = append(problems, fmt.Errorf("tracing.sample: %v must be from 0 to 1", *t.Sample))
	}
	return errors.Join(problems...)
}

// pairs reads name=value, percent-encoded and separated by commas, as the
// OpenTelemetry specification has them ("Specifying headers via environment
// variables"). The map is never nil.
func pairs(text string) (map[string]string, error) {
	all := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		plain, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			return all, errors.New("write name=value, and commas between them")
		}
		all[name] = plain
	}
	return all, nil
}
