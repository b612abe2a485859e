package app

import (
	"strings"

	"salesforce-mcp/salesforce"
)

// A snippet is what to paste into a client. URL, TOKEN and SCOPE stand for what is filled
// in.
type snippet struct{ title, where, text string }

// snippets by client. Sources are the clients' own documents: Claude Code (claude mcp
// add), Cursor (mcp.json), VS Code (.vscode/mcp.json), langchain-mcp-adapters, the
// OpenAI Responses API (tools of type mcp) and the MCP Inspector.
var snippets = []snippet{
	{"Agent Factory", words("Add an MCP capability to the agent, with these values."), `{
  "name": "salesforce",
  "server": "URL",
  "scope": "SCOPE",
  "headers": {"Authorization": "Bearer TOKEN"}
}`},
	{"Claude Code", words("In a shell."), `claude mcp add --transport http salesforce URL --header "Authorization: Bearer TOKEN"`},
	{"Claude Desktop", words("In claude_desktop_config.json, through the program mcp-remote."), `{
  "mcpServers": {
    "salesforce": {
      "command": "npx",
      "args": ["-y", "mcp-remote", "URL", "--header", "Authorization:${AUTH}"],
      "env": {"AUTH": "Bearer TOKEN"}
    }
  }
}`},
	{"Cursor", words("In ~/.cursor/mcp.json."), `{
  "mcpServers": {
    "salesforce": {
      "url": "URL",
      "headers": {"Authorization": "Bearer TOKEN"}
    }
  }
}`},
	{"VS Code", words("In .vscode/mcp.json. It asks for the token once, and keeps it."), `{
  "inputs": [{"type": "promptString", "id": "salesforce-token", "description": "Host token", "password": true}],
  "servers": {
    "salesforce": {
      "type": "http",
      "url": "URL",
      "headers": {"Authorization": "Bearer ${input:salesforce-token}"}
    }
  }
}`},
	{"LangGraph", words("In Python, with langchain-mcp-adapters."), `from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.prebuilt import create_react_agent

client = MultiServerMCPClient({
    "salesforce": {
        "transport": "streamable_http",
        "url": "URL",
        "headers": {"Authorization": "Bearer TOKEN"},
    }
})
agent = create_react_agent("openai:gpt-4.1", await client.get_tools())`},
	{"OpenAI", words("In Python, with the Responses API, which must reach this server from the Internet."), `from openai import OpenAI

response = OpenAI().responses.create(
    model="gpt-4.1",
    tools=[{
        "type": "mcp",
        "server_label": "salesforce",
        "server_url": "URL",
        "headers": {"Authorization": "Bearer TOKEN"},
        "require_approval": "never",
    }],
    input="Which accounts have the highest revenue?",
)
print(response.output_text)`},
	{"MCP Inspector", words("In a shell."), `npx @modelcontextprotocol/inspector --cli URL --transport http --header "Authorization: Bearer TOKEN" --method tools/list`},
	{"curl", words("In a shell. A host that names its agents in a header needs the second -H."), `curl -s URL \
  -H 'Authorization: Bearer TOKEN' -H 'agent-id: AGENT' -H 'Content-Type: application/json' \
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"SELECT Name FROM Account LIMIT 5"}}}'`},
}

// snippets shows what to paste into clients.
func (r *request) snippets(p *page, mcp string, token salesforce.Secret) {
	shown := "YOUR_HOST_TOKEN"
	if token != "" {
		shown = token.Reveal()
	}
	fill := strings.NewReplacer("URL", mcp, "TOKEN", shown, "SCOPE", Scope)
	p.Put(`<section><h2>{}</h2><p>{}</p>`, r.t("What to paste into a client"), r.t("Put the host token in the place of YOUR_HOST_TOKEN. An agent works once it is among the authorized agents."))
	for _, s := range snippets {
		p.Put(`<details><summary>{}</summary><p>{}</p>`, s.title, r.t(s.where))
		p.code(s.title, fill.Replace(s.text))
		p.Put(`</details>`)
	}
	p.Put(`</section>`)
}
