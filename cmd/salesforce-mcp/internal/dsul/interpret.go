package dsul

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An Instance is an app that is installed in a workspace. It interprets the app's
// automations as the platform's documentation says: a path that leads nowhere is
// absent, a text that is one placeholder has the value's type, and absent members are
// left out of what is sent.
type Instance struct {
	App     *App
	Config  map[string]any // of the instance; else the app's own
	Secrets map[string]any // of the workspace. One that is not there stays as it is written
	Global  map[string]any // such as workspaceId
	HTTP    *http.Client
	// Empty makes a path that leads nowhere an empty text instead of absent. The
	// documentation has both, so an app must work with either.
	Empty bool
}

// A Caller is who an automation runs for.
type Caller struct {
	User   map[string]any // such as id; empty for nobody
	Source string         // run.sourceWorkspaceId: the workspace that calls, as the runtime says
}

// A Request is what a webhook gets.
type Request struct {
	Method  string
	Headers map[string]string // those that begin with x- are not passed on, as on the platform
	Query   map[string]any
	Body    any // the JSON of it
}

// A Response is what a webhook answers.
type Response struct {
	Status  int
	Headers map[string]string
	Body    any // nil for none
}

// Call calls a public automation with arguments, as an automation of the workspace
// does: Salesforce.runQuery.
func (i *Instance) Call(ctx context.Context, slug string, args map[string]any, as Caller) (any, error) {
	a := i.App.Automations[slug]
	if a == nil || a.Private {
		return nil, fmt.Errorf("the app has no public automation %q", slug)
	}
	f := i.frame(as)
	v, err := f.call(ctx, a, args)
	return present(v), err
}

// Webhook sends a request to a webhook.
func (i *Instance) Webhook(ctx context.Context, slug string, r Request, as Caller) (Response, error) {
	a := i.App.Automations[slug]
	if a == nil || !a.Endpoint {
		return Response{}, fmt.Errorf("the app has no webhook %q", slug)
	}
	headers := map[string]any{}
	for name, value := range r.Headers {
		if name = strings.ToLower(name); !strings.HasPrefix(name, "x-") {
			headers[name] = value
		}
	}
	f := i.frame(as)
	vars := map[string]any{"method": r.Method, "headers": headers, "query": r.Query, "body": r.Body}
	v, err := f.run(ctx, a, vars)
	if err != nil {
		return Response{}, err
	}
	out := Response{Status: http.StatusOK, Headers: map[string]string{}, Body: present(v)}
	if reply, ok := f.reply.(map[string]any); ok {
		if n, ok := number(reply["status"]); ok {
			out.Status = int(n)
		}
		given, _ := reply["headers"].(map[string]any)
		for name, value := range given {
			out.Headers[strings.ToLower(name)] = inText(present(value))
		}
	}
	return out, nil
}

// present is nil for what is absent.
func present(v any) any {
	if _, is := v.(absent); is {
		return nil
	}
	return v
}

// frame is one run of an automation and those that it calls.
type frame struct {
	instance *Instance
	shared   map[string]any // contexts that all automations see
	reply    any            // of the webhook: $http
	depth    int
}

func (i *Instance) frame(as Caller) *frame {
	config := maps.Clone(i.App.Config)
	if config == nil {
		config = map[string]any{}
	}
	maps.Copy(config, i.Config)
	for name, value := range config {
		if text, ok := value.(string); ok {
			config[name] = i.bound(text)
		}
	}
	run := map[string]any{}
	if as.Source != "" {
		run["sourceWorkspaceId"] = as.Source
	}
	user := as.User
	if user == nil {
		user = map[string]any{}
	}
	return &frame{instance: i, shared: map[string]any{"config": config, "user": user, "run": run, "global": i.Global}}
}

// bound is the value of a configuration that refers to a secret, or the text itself
// where there is none such.
func (i *Instance) bound(text string) any {
	name, ok := strings.CutPrefix(text, "{{secret.")
	if name, closed := strings.CutSuffix(name, "}}"); ok && closed {
		if v, known := i.Secrets[name]; known {
			return v
		}
	}
	return text
}

// call runs an automation with arguments. Those that are absent are not there.
func (f *frame) call(ctx context.Context, a *Automation, args map[string]any) (any, error) {
	if f.depth++; f.depth > 20 {
		return nil, errors.New("automations call each other without end")
	}
	defer func() { f.depth-- }()
	vars := map[string]any{}
	for name, value := range args {
		if !slices.Contains(a.Arguments, name) {
			return nil, fmt.Errorf("%s has no argument %q", a.Slug, name)
		}
		vars[name] = value
	}
	return f.run(ctx, a, vars)
}

// errEnded is how break ends an automation.
var errEnded = errors.New("the automation has ended")

func (f *frame) run(ctx context.Context, a *Automation, vars map[string]any) (any, error) {
	if err := f.list(ctx, a.do, vars); err != nil && !errors.Is(err, errEnded) {
		return nil, fmt.Errorf("%s: %w", a.Slug, err)
	}
	if a.output == nil {
		return absent{}, nil
	}
	return f.value(a.output, vars)
}

// value is a node with its placeholders filled, and without what is absent.
func (f *frame) value(node *yaml.Node, vars map[string]any) (any, error) {
	v, err := value(node, f.resolver(vars))
	return without(v), err
}

func (f *frame) resolver(vars map[string]any) func(path) (any, error) {
	return func(p path) (any, error) {
		in := vars
		if _, own := vars[p.root()]; !own {
			in = f.shared
		}
		v, err := p.of(in)
		switch {
		case err == nil:
			return v, nil
		case f.instance.Empty:
			return "", nil
		}
		return absent{}, nil
	}
}

// without leaves absent members out, as what is written as JSON does.
func without(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if _, is := member.(absent); !is {
				out[name] = without(member)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = without(present(item))
		}
		return out
	}
	return v
}

// list runs instructions one after the other.
func (f *frame) list(ctx context.Context, do *yaml.Node, vars map[string]any) error {
	for _, node := range do.Content {
		name, body, err := instruction(node)
		if err == nil {
			err = f.one(ctx, name, body, vars)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *frame) one(ctx context.Context, name string, body *yaml.Node, vars map[string]any) error {
	switch name {
	case "break":
		return errEnded
	case "conditions":
		for i := 0; i < len(body.Content); i += 2 {
			is := body.Content[i].Value == "default"
			if !is {
				var err error
				if is, err = holds(body.Content[i].Value, f.resolver(vars)); err != nil {
					return err
				}
			}
			if is {
				return f.list(ctx, body.Content[i+1], vars)
			}
		}
		return nil
	}
	given, err := f.value(body, vars)
	if err != nil {
		return err
	}
	members := given.(map[string]any)
	switch name {
	case "set":
		return f.set(members, vars)
	case "fetch":
		return f.fetch(ctx, members, vars)
	}
	output, _ := members["output"].(string)
	delete(members, "output")
	v, err := f.call(ctx, f.instance.App.Automations[name], members)
	if err == nil && output != "" {
		vars[output] = v
	}
	return err
}

// set gives a name a value, or with type merge adds members to the object that it has.
func (f *frame) set(members, vars map[string]any) error {
	name, _ := members["name"].(string)
	if !nameRE.MatchString(name) {
		return fmt.Errorf("set: %q is no name", name)
	}
	v, has := members["value"]
	if !has {
		v = absent{}
	}
	switch {
	case name == "$http":
		f.reply = v
		return nil
	case members["type"] == "merge":
		merged := map[string]any{}
		before, _ := vars[name].(map[string]any)
		more, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("set %s: merge needs an object", name)
		}
		maps.Copy(merged, before)
		maps.Copy(merged, more)
		v = merged
	case members["type"] != nil && members["type"] != "replace":
		return fmt.Errorf("set %s: the type %v is not known here", name, members["type"])
	}
	vars[name] = v
	return nil
}

// fetch sends a request. That there is no answer is not an error of the automation:
// the output says so.
func (f *frame) fetch(ctx context.Context, members, vars map[string]any) error {
	address, _ := members["url"].(string)
	if query, ok := members["query"].(map[string]any); ok && len(query) > 0 {
		values := url.Values{}
		for name, v := range query {
			values.Set(name, inText(v))
		}
		address += "?" + values.Encode()
	}
	method, _ := members["method"].(string)
	var content io.Reader
	switch body := members["body"].(type) {
	case nil:
	case string:
		content = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	output, _ := members["output"].(string)
	answer := func(v any) {
		if output != "" {
			vars[output] = v
		}
	}
	r, err := http.NewRequestWithContext(ctx, strings.ToUpper(method), address, content)
	if err != nil {
		answer(map[string]any{"error": map[string]any{"message": err.Error()}})
		return nil
	}
	r.Header.Set("X-Prismeai-Workspace-Id", inText(f.instance.Global["workspaceId"])) // as the platform does
	headers, _ := members["headers"].(map[string]any)
	for name, v := range headers {
		r.Header.Set(name, inText(v))
	}
	resp, err := f.instance.HTTP.Do(r)
	if err != nil {
		answer(map[string]any{"error": map[string]any{"message": err.Error()}})
		return nil
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var body any = string(text)
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType == "application/json" && len(text) > 0 {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&body); err != nil {
			return fmt.Errorf("fetch %s: %w", address, err)
		}
	}
	if members["outputMode"] != "detailed_response" {
		answer(body)
		return nil
	}
	got := map[string]any{}
	for name := range resp.Header {
		got[strings.ToLower(name)] = resp.Header.Get(name)
	}
	answer(map[string]any{"status": json.Number(fmt.Sprint(resp.StatusCode)), "headers": got, "body": body})
	return nil
}
