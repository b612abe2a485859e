package salesforce

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// agentRoot is where the Agent API is on its host (Agent API Developer Guide).
const agentRoot = "/einstein/ai-agent/v1"

// AgentHosts are the only hosts of the Agent API. It is the platform's, and not an
// org's: every org's tokens go there, and say themselves whose they are.
var AgentHosts = []string{"https://api.salesforce.com", "https://api.gov.salesforce.com"}

// agentHost is where the agents of an org are reached. Only an org on this machine,
// which [Hosts] has allowed, serves them itself.
func (c *Client) agentHost(org *url.URL) (*url.URL, error) {
	if c.options.Hosts.Loopback && isLoopback(strings.ToLower(org.Hostname())) {
		return org, nil
	}
	if !slices.Contains(AgentHosts, c.options.AgentHost) {
		return nil, fmt.Errorf("the host of the Agent API must be one of %s", strings.Join(AgentHosts, ", "))
	}
	return url.Parse(c.options.AgentHost)
}

// timeout bounds an exchange. An agent's answer, or its error after the platform's own
// limit, is waited for.
func (c *Client) timeout(r *Request) time.Duration {
	if r.Agents {
		return max(c.options.Timeout, c.options.AgentLimit+AgentGrace)
	}
	return c.options.Timeout
}

// AgentGrace is how much longer than an agent may think its answer is waited for.
const AgentGrace = 15 * time.Second

// myDomain makes sure that an instance URL is a My Domain: the Agent API looks the org
// up by it, and knows no other name of it.
func myDomain(instanceURL string) error {
	u, err := url.Parse(instanceURL)
	if err != nil || sharedHost.MatchString(u.Hostname()) {
		return fmt.Errorf("the agents of %q cannot be reached: connect the org by its My Domain, such as https://acme.my.salesforce.com", clip(instanceURL, 100))
	}
	return nil
}
