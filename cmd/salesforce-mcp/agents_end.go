package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"salesforce-mcp/salesforce"
)

const (
	// agentsLook is how often sessions with agents are looked for that are idle.
	agentsLook = 10 * time.Second
	// agentsPresence is how long a server is taken to go on with sessions after it last
	// said that it is there.
	agentsPresence = 3 * agentsLook
	// agentsEnd bounds the end of all sessions when the server stops.
	agentsEnd = 20 * time.Second
	// agentsAtOnce is how many are then ended at once.
	agentsAtOnce = 10
)

// tendAgents ends sessions with agents that are idle, until the returned function is
// called, when all calls are over. That ends all sessions, unless there is another
// server of the database, which goes on with them.
func (a *app) tendAgents(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	me, problem := uuid.NewString(), ""
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(agentsLook)
		defer tick.Stop()
		for {
			now := ""
			err := a.store.SayPresent(ctx, me, agentsPresence)
			if err == nil {
				err = a.endIdle(ctx)
			}
			if err != nil && ctx.Err() == nil {
				if now = err.Error(); now != problem {
					a.log.Error().Err(err).Msg("idle sessions with agents cannot be ended; it is tried again")
				}
			}
			problem = now
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		work.Wait()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), agentsEnd)
		defer cancel()
		others, err := a.store.SayGone(last, me)
		if err == nil && !others {
			err = a.endAgents(last)
		}
		if err != nil {
			a.log.Error().Err(err).Msg("not all sessions with agents were ended; those that are left end when they are idle")
		}
	}
}

// endIdle ends the sessions that are idle now.
func (a *app) endIdle(ctx context.Context) error {
	workspaces, err := a.store.TalkingWorkspaces(ctx)
	if err != nil {
		return err
	}
	for _, workspace := range workspaces {
		for found := true; found; {
			if found, err = a.server.EndIdle(ctx, workspace, a.orgs.workspace(workspace).AgentSettings().Idle, salesforce.EndExpiration); err != nil {
				return err
			}
		}
	}
	return nil
}

// endAgents ends all sessions.
func (a *app) endAgents(ctx context.Context) error {
	workspaces, err := a.store.TalkingWorkspaces(ctx)
	if err != nil {
		return err
	}
	failed := make([]error, agentsAtOnce)
	for _, workspace := range workspaces {
		var work sync.WaitGroup
		for i := range agentsAtOnce {
			work.Go(func() {
				for found := true; found && failed[i] == nil; {
					found, failed[i] = a.server.EndIdle(ctx, workspace, 0, salesforce.EndOther)
				}
			})
		}
		work.Wait()
	}
	return errors.Join(failed...)
}
