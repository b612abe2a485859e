package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

// rereadEvery is how often the configuration file is read to see whether it has
// changed.
const rereadEvery = 500 * time.Millisecond

// follow reads the configuration file, with the policies of returns that it names, and
// the settings in the database again and again until ctx ends. When they have changed,
// what the workspaces say (hosts, rules, credentials) holds from then on for every call,
// those of open connections too. A file that is not valid changes nothing.
func (a *app) follow(ctx context.Context, load func() (*config.Config, error), file string) {
	// The first time it may have changed since the server read it.
	var last [sha256.Size]byte
	first := true
	problem := "" // with the database, as it was logged
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := ""
		if err := a.settings.Follow(ctx); err != nil && ctx.Err() == nil {
			if now = err.Error(); now != problem {
				a.log.Error().Err(err).Msg("the settings in the database cannot be read; those of before go on, and it is tried again")
			}
		}
		problem = now
		sum, err := digest(append([]string{file}, a.orgs.policyFiles()...)...)
		if err != nil || sum == last {
			continue // while it is replaced it may not be there
		}
		c, err := load()
		if err == nil {
			a.quiet.Store(first)
			err = a.settings.Take(ctx, c)
			a.quiet.Store(false)
		}
		var away *settings.Unread
		if errors.As(err, &away) {
			continue // it is read again
		}
		last, first = sum, false
		if err != nil {
			a.log.Error().Err(err).Msg("the changed configuration is not valid; the one of before goes on")
		}
	}
}

// digest is that of files together.
func digest(files ...string) (sum [sha256.Size]byte, err error) {
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return sum, err
		}
		one := sha256.Sum256(text)
		all = append(all, one[:]...)
	}
	return sha256.Sum256(all), nil
}

// policyFiles are those of the workspaces' policies of returns.
func (o *orgs) policyFiles() (files []string) {
	for _, name := range slices.Sorted(maps.Keys(*o.workspaces.Load())) {
		if r := o.workspace(name).Returns; r != nil && r.Policy != "" {
			files = append(files, r.Policy)
		}
	}
	return files
}

// take puts the workspaces of a configuration in the place of those that the app
// has. Of anything else that has changed the log says that it needs a restart.
func (a *app) take(c *config.Config) error {
	if err := a.gate.Replace(policies(c, a.keys)...); err != nil {
		return err
	}
	a.orgs.replace(c.Workspaces)
	if fields := needRestart(a.config, c); fields != nil {
		a.log.Warn().Strs("needRestart", fields).Msg("the configuration has changed where the server reads it at the start only")
	}
	if !a.quiet.Load() {
		warnOfAll(c, a.log)
		a.log.Info().Int("workspaces", len(c.Workspaces)).Msg("the configuration has changed")
	}
	return nil
}

// needRestart names the fields in which a configuration differs from the one that
// the server was started with, and which are read at the start only.
func needRestart(started, now *config.Config) (fields []string) {
	before, after := reflect.ValueOf(started).Elem(), reflect.ValueOf(now).Elem()
	for i := range before.NumField() {
		field := before.Type().Field(i)
		if field.Name != "Workspaces" && !reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface()) {
			fields = append(fields, field.Tag.Get("yaml"))
		}
	}
	audited := func(c *config.Config) map[string]any {
		logs := map[string]any{}
		for _, w := range c.Workspaces {
			if w.AuditLog != nil {
				logs[w.Name] = *w.AuditLog
			}
		}
		return logs
	}
	if !reflect.DeepEqual(audited(started), audited(now)) {
		fields = append(fields, "workspaces.auditLog")
	}
	return fields
}

// policies are the hosts and rules of a configuration's workspaces.
func policies(c *config.Config, keys issuers) []*allowlist.Workspace {
	all := make([]*allowlist.Workspace, len(c.Workspaces))
	for i := range c.Workspaces {
		all[i] = &c.Workspaces[i].Workspace
		all[i].Keys = keys.of(&c.Workspaces[i])
	}
	return all
}

// warnOfAll warns of rules for all agents.
func warnOfAll(c *config.Config, log zerolog.Logger) {
	for _, w := range c.Workspaces {
		if slices.ContainsFunc(w.Rules, func(r allowlist.Rule) bool { return r.Agent == "*" && !r.Off }) {
			log.Warn().Str("workspace", w.Name).Msg("a rule allows all agents: whoever holds the host token may call")
		}
	}
}
