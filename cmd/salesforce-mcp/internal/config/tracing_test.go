package config_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestTracing: OpenTelemetry's variables say where traces go, and the file where
// they are silent; what cannot be is said, without the headers, which are secret.
func TestTracing(t *testing.T) {
	const in = "tracing: {endpoint: 'http://collector:4318/', sample: 0.25}\n"
	for name, tt := range map[string]struct {
		file        string
		environment map[string]string
		want        string // URL, part, headers, attributes
		problem     string
	}{
		"none":               {"", nil, " <nil> map[] map[]", ""},
		"the file":           {in, nil, "http://collector:4318/v1/traces 0.25 map[] map[]", ""},
		"an endpoint":        {in, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://other:4318"}, "https://other:4318/v1/traces 0.25 map[] map[]", ""},
		"one for traces":     {"", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://other/in"}, "https://other/in <nil> map[] map[]", ""},
		"all":                {in, map[string]string{"OTEL_TRACES_SAMPLER_ARG": "0.5", "OTEL_SERVICE_NAME": "sf", "OTEL_RESOURCE_ATTRIBUTES": "service.name=x,env=a%20b", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s%3D1, b=2"}, "http://collector:4318/v1/traces 0.5 map[api-key:s=1 b:2] map[env:a b service.name:sf]", ""},
		"disabled":           {in, map[string]string{"OTEL_SDK_DISABLED": "true"}, " 0.25 map[] map[]", ""},
		"grpc":               {in, map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not spoken"},
		"no URL":             {"tracing: {endpoint: 'collector:4318'}\n", nil, "", "tracing.endpoint: \"collector:4318/v1/traces\" is no URL"},
		"a password":         {"tracing: {endpoint: 'http://me:s3cret@collector'}\n", nil, "", "tracing.endpoint: \"http://•••@collector/v1/traces\""},
		"too much":           {"tracing: {endpoint: 'http://c', sample: 1.5}\n", nil, "", "tracing.sample: 1.5 must be from 0 to 1"},
		"headers of no form": {in, map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "s3cret"}, "", "OTEL_EXPORTER_OTLP_HEADERS: write name=value"},
	} {
		c, err := load(t, map[string]string{"config.yaml": tt.file + strings.Replace(sales, " %s", "", 1)}, tt.environment)
		if tt.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v, want %s", name, err, tt.problem)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sample := "<nil>"
		if c.Tracing.Sample != nil {
			sample = fmt.Sprint(*c.Tracing.Sample)
		}
		if got := fmt.Sprintf("%s %s %v %v", c.Tracing.URL, sample, c.Tracing.Headers, c.Tracing.Attributes); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestMetricsListen: an address without a host is on this machine alone.
func TestMetricsListen(t *testing.T) {
	for text, want := range map[string]string{":9464": "127.0.0.1:9464", "0.0.0.0:9464": "0.0.0.0:9464", "9464": ""} {
		c, err := load(t, map[string]string{"config.yaml": "metricsListen: '" + text + "'\n" + strings.Replace(sales, " %s", "", 1)}, nil)
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), `metricsListen: "9464" is no address`)):
			t.Errorf("%s: %v", text, err)
		case want != "" && (err != nil || c.MetricsListen != want):
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
}
