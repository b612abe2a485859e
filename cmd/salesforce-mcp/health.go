package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"salesforce-mcp/audit"
	configapp "salesforce-mcp/cmd/salesforce-mcp/internal/app"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
)

// trailPages gives the configuration app the audit trail, and how the server is.
func (a *app) trailPages(pages *configapp.App) {
	pages.Trail = a.store
	pages.Verifier = &trail.Verifier{Log: a.store, Secrets: a.secrets, Checkpoints: a.config.Audit.Checkpoints}
	pages.SecondPlace = a.config.Audit.Checkpoints != ""
	pages.AuditKey = func(ctx context.Context) (string, error) {
		key, err := trail.Key(ctx, a.secrets)
		if err != nil {
			return "", err
		}
		return key.Public(), nil
	}
	started := time.Now()
	pages.Health = func(ctx context.Context) (*configapp.Health, error) { return a.health(ctx, started) }
}

// health is how the server is.
func (a *app) health(ctx context.Context, started time.Time) (*configapp.Health, error) {
	h := &configapp.Health{Started: started, Database: databasePlace(a.config), Ready: a.ready(ctx)}
	h.Secrets, h.SecretsOK = a.secretsHealth(ctx)
	version, err := a.store.EngineVersion(ctx)
	if err != nil {
		return nil, err
	}
	h.Engine = strings.TrimSpace(map[string]string{"sqlite": "SQLite", "postgres": "Postgres"}[a.store.Engine()] + " " + version)
	if h.Replicas, err = a.store.Replicas(ctx); err != nil {
		return nil, err
	}
	if h.Recovered, err = a.store.Recovered(ctx, time.Now().Add(-30*24*time.Hour)); err != nil {
		return nil, err
	}
	for _, o := range a.orgs.client.Orgs() {
		h.Orgs = append(h.Orgs, configapp.OrgHealth{Origin: o.Origin, BreakerOpen: o.LeftAlone, Used: o.Used, Allowed: o.Allowed})
	}
	slices.SortFunc(h.Orgs, func(a, b configapp.OrgHealth) int { return strings.Compare(a.Origin, b.Origin) })
	if err := a.trailHealth(ctx, h); err != nil {
		return nil, err
	}
	return h, a.workspacesHealth(ctx, h)
}

// secretsHealth says where secrets are kept, and why they cannot be read.
func (a *app) secretsHealth(ctx context.Context) (where string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	switch kept := a.secrets.(type) {
	case *secrets.Vault:
		return "Vault, " + a.config.Secrets.Vault.Address, kept.Check(ctx, a.config.TransitKeys()...)
	case *secrets.Sealed:
		return "database, sealed; " + a.config.Secrets.KeysFrom(), kept.Check(ctx)
	}
	return "", nil
}

// trailHealth is how far signatures, the index and sinks are.
func (a *app) trailHealth(ctx context.Context, h *configapp.Health) error {
	signatures, err := a.store.Signatures(ctx)
	if err != nil {
		return err
	}
	for _, s := range signatures {
		left, err := a.store.Unindexed(ctx, s.Workspace)
		if err != nil {
			return err
		}
		h.Signatures = append(h.Signatures, configapp.SignatureHealth{Workspace: s.Workspace, Size: s.Size, Unsigned: s.Unsigned, Signed: s.At, Indexing: left})
	}
	lags, err := trail.Lags(ctx, a.store, sinksOf(a.places))
	if err != nil {
		return err
	}
	for _, l := range lags {
		one := configapp.SinkHealth{Sink: l.Sink, Workspace: l.Workspace, Arrived: l.Arrived, Waiting: l.Waiting}
		if l.Waiting > 0 {
			leaves, err := a.store.Leaves(ctx, l.Workspace, l.Arrived, 1)
			if err != nil {
				return err
			}
			var e audit.Entry
			if len(leaves) > 0 && json.Unmarshal(leaves[0].Entry, &e) == nil {
				one.Oldest = e.Time
			}
		}
		h.Sinks = append(h.Sinks, one)
	}
	return nil
}

// workspacesHealth is how the calls of each workspace go.
func (a *app) workspacesHealth(ctx context.Context, h *configapp.Health) (err error) {
	for name := range *a.orgs.workspaces.Load() {
		w := configapp.WorkspaceHealth{Name: name, Mode: a.orgs.auth(name).Mode}
		s := a.orgs.resolver.Standing(name)
		w.Connections, w.Tokens, w.LoggedIn = s.Connections, s.Tokens, s.LoggedIn
		if s.Err != nil {
			w.LoginProblem = s.Err.Error()
		}
		if w.OK, w.Failed, w.FailedCode, err = a.store.LastCalls(ctx, name); err != nil {
			return err
		}
		if w.Used, w.Allowed, w.UsedAt, err = a.store.LastUsage(ctx, name); err != nil {
			return err
		}
		if used, allowed, ok := a.orgs.client.Limits(s.InstanceURL); ok && s.InstanceURL != "" && w.UsedAt.Before(time.Now().Add(-time.Hour)) {
			w.Used, w.Allowed, w.UsedAt = int64(used), int64(allowed), time.Now()
		}
		h.Workspaces = append(h.Workspaces, w)
	}
	slices.SortFunc(h.Workspaces, func(a, b configapp.WorkspaceHealth) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// usageEvery is how often the use of orgs' API calls is noted.
const usageEvery = 20 * time.Second

// noteUsage keeps what orgs say about their API calls, for the charts, until the returned
// function is called.
func (a *app) noteUsage(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(usageEvery)
		defer tick.Stop()
		told := map[string][2]int{}
		for ended := false; !ended; {
			select {
			case <-ctx.Done():
				ended = true // and once more
			case <-tick.C:
			}
			once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			if err := a.noteUsageOnce(once, told); err != nil {
				a.log.Warn().Err(err).Msg("cannot keep how many API calls are used")
			}
			cancel()
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// noteUsageOnce keeps what has changed since it was told.
func (a *app) noteUsageOnce(ctx context.Context, told map[string][2]int) error {
	for name := range *a.orgs.workspaces.Load() {
		at := a.orgs.resolver.Standing(name).InstanceURL
		if at == "" {
			continue
		}
		used, allowed, ok := a.orgs.client.Limits(at)
		if now := [2]int{used, allowed}; !ok || told[name] == now {
			continue
		} else if err := a.store.NoteUsage(ctx, name, time.Now(), int64(used), int64(allowed)); err != nil {
			return fmt.Errorf("of workspace %s: %w", name, err)
		} else {
			told[name] = now
		}
	}
	return nil
}
