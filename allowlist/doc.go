// Package allowlist answers two questions about every call: who calls, and may
// they.
//
// Who calls is read by a host [Profile]. A host (Agent Factory, Cursor, an
// agent framework) proves itself with a bearer token, with a signed one ([JWT]),
// with a client certificate that a proxy has checked ([ClientCert]), or by being
// the local process at the other end of stdio. Only then are its profile's
// sources read: the agent, the user and the context each come from that proof,
// from request headers, from arguments that the host injects into tools/call, or
// are fixed by the profile.
// Sources that disagree are an error, never a fallback, and the _meta object of
// a request is never read at all.
//
// Arguments are the dangerous source, because a model writes arguments. They
// count only in a profile whose administrator has declared, with
// OverwritesArguments, that the host sets context_id, agent_id and user_id on
// every call whatever the model wrote. There the three keys come together or
// not at all, and they are taken out of the arguments before anything else sees
// them. In every other profile a call that carries one of them is refused.
//
// Whether the caller may is decided by the [Rule] list of its [Workspace]
// through a [Gate]. What no rule names is refused. A rule that names the agent
// wins over the rule for "*", also when it allows less.
//
// All values of this package are configuration: they are filled in and
// validated before the first call and not changed afterwards. Under that
// condition everything here is safe for concurrent use. Only [Keys] remembers
// something: what issuers have published.
package allowlist
