package bridge

import "strings"

// webhooks are the automations that are the same for every server: what the platform's
// agents and people call, and what these have in common.
//
// They keep to what the platform's documentation shows: a text that is one placeholder,
// conditions with comparisons, set, fetch. A header is named only when it has a value,
// since an empty one says something too.
var webhooks = map[string]object{
	"_headers": {
		{"slug", "_headers"},
		{"name", "_headers"},
		{"description", "The headers of a request to the server: its host token, and for whom the request is made."},
		{"private", true},
		{"arguments", object{{"agent", text("The agent that calls")}, {"protocol", text("Version of MCP")}}},
		{"do", []any{
			set("result", object{{"Authorization", "Bearer {{config.hostToken}}"}, {"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"}}),
			conditions(member{"{{agent}}", []any{merge("result", object{{"agent-id", "{{agent}}"}})}}),
			conditions(member{"{{user.id}}", []any{merge("result", object{{"user-id", "{{user.id}}"}})}}),
			conditions(member{"{{protocol}}", []any{merge("result", object{{"mcp-protocol-version", "{{protocol}}"}})}}),
		}},
		{"output", "{{result}}"},
	},
	"_send": {
		{"slug", "_send"},
		{"name", "_send"},
		{"description", "One request to the server. The output has status, headers and body, or no status when there is no answer."},
		{"private", true},
		{"arguments", object{{"method", text("")}, {"path", text("Below the connector URL")}, {"agent", text("The agent that calls")},
			{"protocol", text("Version of MCP")}, {"content", object{{"type", "object"}}}}},
		{"do", []any{
			do("_headers", object{{"agent", "{{agent}}"}, {"protocol", "{{protocol}}"}, {"output", "identity"}}),
			do("fetch", object{{"url", "{{config.serverUrl}}{{path}}"}, {"method", "{{method}}"}, {"headers", "{{identity}}"}, {"body", "{{content}}"},
				{"outputMode", "detailed_response"}, {"emitErrors", false}, {"output", "answer"}}),
		}},
		{"output", "{{answer}}"},
	},
	"_call": {
		{"slug", "_call"},
		{"name", "_call"},
		{"description", "One instruction: Salesforce's own answer, {} when it is empty, or an object with error, which has code and message."},
		{"private", true},
		{"arguments", object{{"operation", text("Name of the instruction")}, {"args", object{{"type", "object"}}}}},
		{"do", []any{
			do("_send", object{{"method", "post"}, {"path", "/instructions/{{operation}}"}, {"agent", "{{config.agentId}}"}, {"content", "{{args}}"}, {"output", "answer"}}),
			conditions(
				member{"{{answer.status}} == 204", []any{set("result", object{})}},
				member{`{{answer.status}} == 201 and {{answer.body}} == ""`, []any{set("result", object{})}},
				member{"{{answer.status}} >= 200 and {{answer.status}} < 300", []any{set("result", "{{answer.body}}")}},
				member{"{{answer.body.error.code}}", []any{set("result", object{{"error", "{{answer.body.error}}"}})}},
				member{"{{answer.status}}", []any{set("result", object{{"error", refusal}})}},
				member{"default", []any{set("result", object{{"error", silence}})}},
			),
		}},
		{"output", "{{result}}"},
	},
	"mcp": {
		{"slug", "mcp"},
		{"name", "mcp"},
		{"description", "The MCP endpoint for agents of Agent Factory. Its calls come with the person whom the platform says is signed in."},
		{"when", object{{"endpoint", true}}},
		{"do", []any{conditions(
			member{`{{config.callers}} == "*"`, []any{set("taken", true)}},
			member{"{{run.sourceWorkspaceId}} and {{run.sourceWorkspaceId}} == {{config.callers}}", []any{set("taken", true)}},
		), conditions(
			member{"{{taken}}", []any{
				do("_send", object{{"method", "post"}, {"path", "/mcp"}, {"agent", `{{headers["agent-id"]}}`}, {"protocol", `{{headers["mcp-protocol-version"]}}`},
					{"content", "{{body}}"}, {"output", "answer"}}),
				conditions(
					member{"{{answer.status}} == 202", []any{reply(202, nil)}},
					member{"{{answer.status}} == 200 or {{answer.body.jsonrpc}}", []any{
						set("$http", object{{"status", "{{answer.status}}"}, {"headers", object{{"content-type", `{{answer.headers["content-type"]}}`}}}}),
						set("result", "{{answer.body}}"),
					}},
					member{"{{answer.status}}", []any{reply(502, jsonHeader), rpcError("{{answer.body.error.message}} The connector answered {{answer.status}}; an administrator checks the app's Connector URL and Host token.")}},
					member{"default", []any{reply(502, jsonHeader), rpcError("The connector does not answer. An administrator checks the app's Connector URL.")}},
				),
			}},
			member{"default", []any{reply(403, jsonHeader),
				rpcError("This endpoint takes calls of Agent Factory's workspace alone. An administrator sets Caller of the MCP endpoint to its id; this call came from workspace \"{{run.sourceWorkspaceId}}\".")}},
		)}},
		{"output", "{{result}}"},
	},
	"oauthStatus": {
		{"slug", "oauthStatus"},
		{"name", "oauthStatus"},
		{"description", "Whether the signed-in person has connected Salesforce. Where that cannot be found out the call itself will say it."},
		{"when", object{{"endpoint", true}}},
		{"do", []any{conditions(
			member{"{{user.id}}", []any{
				do("_send", object{{"method", "get"}, {"path", "/oauth/status"}, {"agent", "{{config.agentId}}"}, {"output", "answer"}}),
				conditions(
					member{"{{answer.status}} == 200", []any{set("result", "{{answer.body}}")}},
					member{"default", []any{set("result", object{{"connected", true}, {"reason", "The connector cannot tell: {{answer.status}} {{answer.body.error.message}}"}})}},
				),
			}},
			member{"default", []any{reply(401, jsonHeader), set("result", object{{"connected", false}, {"reason", "Sign in first."}})}},
		)}},
		{"output", "{{result}}"},
	},
	"oauthConnect":    person("oauthConnect", "Sends the signed-in person's browser to where they connect Salesforce.", "connect_url", "Connect Salesforce"),
	"oauthDisconnect": person("oauthDisconnect", "Sends the signed-in person's browser to where they disconnect Salesforce.", "disconnect_url", "Disconnect Salesforce"),
	"testAuth": {
		{"slug", "testAuth"},
		{"name", "testAuth"},
		{"description", "Whether the workspace gets tokens that the org takes: ok and baseUrl, or error, which says what to mend."},
		{"when", object{{"endpoint", true}}},
		{"do", []any{conditions(
			member{"{{user.id}}", []any{
				do("_send", object{{"method", "post"}, {"path", "/testAuth"}, {"agent", "{{config.agentId}}"}, {"output", "answer"}}),
				conditions(
					member{"{{answer.status}} == 200", []any{set("result", "{{answer.body}}")}},
					member{"{{answer.body.error.message}}", []any{set("result", object{{"ok", false}, {"error", "{{answer.body.error.message}}"}})}},
					member{"{{answer.status}}", []any{set("result", object{{"ok", false}, {"error", "The connector answered {{answer.status}}: check the app's Connector URL and Host token."}})}},
					member{"default", []any{set("result", object{{"ok", false}, {"error", "The connector does not answer: check the app's Connector URL."}})}},
				),
			}},
			member{"default", []any{reply(401, jsonHeader), set("result", object{{"ok", false}, {"error", "Sign in first."}})}},
		)}},
		{"output", "{{result}}"},
	},
}

// refusal and silence are errors in the shape that those of the server have.
var (
	refusal = object{{"code", "connector_refused"}, {"message", "The connector answered {{answer.status}}: {{answer.body}}"}, {"status", "{{answer.status}}"},
		{"hint", "An administrator checks the app's Connector URL and Host token."}}
	silence = object{{"code", "connector_unreachable"}, {"message", "The connector does not answer at {{config.serverUrl}}"},
		{"hint", "Try again later, or have an administrator check the app's Connector URL. Nobody knows whether a change was made: repeat it with the same idempotencyKey."}}
)

// person is a webhook that a person's browser opens. Its page runs nothing, which the
// platform would not let it: the browser goes on by itself, or by the link. The server
// asks the person before anything changes.
func person(slug, description, link, title string) object {
	const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>%TITLE%</title>%HEAD%</head><body><h1>%TITLE%</h1><p>%TEXT%</p></body></html>`
	goOn := strings.NewReplacer("%TITLE%", title, "%HEAD%", `<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url={{answer.body.`+link+`}}">`, "%TEXT%", `<a href="{{answer.body.`+link+`}}" rel="noreferrer">Continue</a>`).Replace(page)
	failed := strings.NewReplacer("%TITLE%", title, "%HEAD%", "", "%TEXT%", "The connector cannot do this now. Tell your administrator: it answered {{answer.status}} {{answer.body.error.code}}.").Replace(page)
	htmlHeader := object{{"content-type", "text/html; charset=utf-8"}, {"cache-control", "no-store"}}
	return object{
		{"slug", slug},
		{"name", slug},
		{"description", description},
		{"when", object{{"endpoint", true}}},
		{"do", []any{conditions(
			member{"{{user.id}}", []any{
				do("_send", object{{"method", "post"}, {"path", "/oauth/connect"}, {"agent", "{{config.agentId}}"}, {"output", "answer"}}),
				conditions(
					member{"{{answer.status}} == 200", []any{reply(200, htmlHeader), set("result", goOn)}},
					member{"default", []any{reply(502, htmlHeader), set("result", failed)}},
				),
			}},
			member{"default", []any{reply(401, object{{"content-type", "text/plain; charset=utf-8"}}), set("result", "Sign in first.")}},
		)}},
		{"output", "{{result}}"},
	}
}

var jsonHeader = object{{"content-type", "application/json"}}

func text(description string) object {
	if description == "" {
		return object{{"type", "string"}}
	}
	return object{{"type", "string"}, {"description", description}}
}

func do(name string, members object) object { return object{{name, members}} }
func conditions(branches ...member) object  { return object{{"conditions", object(branches)}} }
func set(name string, value any) object     { return do("set", object{{"name", name}, {"value", value}}) }
func merge(name string, value object) object {
	return do("set", object{{"name", name}, {"type", "merge"}, {"value", value}})
}

// reply sets status and headers of a webhook's answer.
func reply(status int, headers object) object {
	value := object{{"status", status}}
	if headers != nil {
		value = append(value, member{"headers", headers})
	}
	return set("$http", value)
}

// rpcError is an answer of JSON-RPC, to the message of the webhook.
func rpcError(message string) object {
	return set("result", object{{"jsonrpc", "2.0"}, {"id", "{{body.id}}"}, {"error", object{{"code", -32001}, {"message", message}}}})
}
