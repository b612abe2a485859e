package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/loop"
	returnrecords "salesforce-mcp/tools/returns/records"
)

// newLoop joins what returns need.
func (a *app) newLoop(sealer tools.Sealer) *loop.Loop {
	l := &loop.Loop{
		Connect:   a.orgs.Connect,
		Settings:  a.orgs.returns,
		Permitted: a.mayProcess,
		Approvals: a.store,
		Sealer:    sealer,
		Locks:     a.store,
		Ledger:    a.store,
		Journal:   a.journal,
		Trouble:   func(err error) { a.log.Error().Err(err).Msg("returns cannot go on; they are tried again") },
	}
	harnessed.loop(l)
	return l
}

// mayProcess reports whether the rules let a caller process returns.
func (a *app) mayProcess(caller allowlist.Caller) error {
	for _, op := range tools.All.Operations() {
		if op.Tool == tools.ReturnsTool.Name && op.Action == "process" {
			_, err := a.gate.Allow(caller, op)
			return err
		}
	}
	return errors.New("there is no operation that processes returns")
}

// driveReturns drives runs of returns until ctx ends, and returns when the last worker
// has stopped.
func (a *app) driveReturns(ctx context.Context) {
	engine := a.loop.Engine()
	harnessed.engine(engine)
	var workers sync.WaitGroup
	for range harnessed.workers {
		workers.Go(func() { engine.Work(ctx) })
	}
	workers.Wait()
}

// returns says how a workspace does returns; ok is false when it does none.
func (o *orgs) returns(workspace string) (s loop.Settings, ok bool) {
	r := o.workspace(workspace).Returns
	if r == nil {
		return s, false
	}
	return loop.Settings{Mapping: r.Records, Policy: r.Rules, Gateway: r.Gateway, Company: r.Company, ApproveWithin: r.ApproveWithin, ApprovalProcess: r.ApprovalProcess,
		Open: func(org tools.Org) (gateway.Gateway, error) { return o.gateway(workspace, r, org) }}, true
}

// gateway returns the one with which a workspace pays back.
func (o *orgs) gateway(workspace string, r *config.Returns, org tools.Org) (gateway.Gateway, error) {
	switch r.Gateway {
	case config.GatewaySalesforcePayments:
		return &gateway.SalesforcePayments{Org: org, Currency: r.Records.Currency.Code}, nil
	case config.GatewayRecord:
		return &gateway.Record{Org: org, KeyField: r.Records.Refund.Key}, nil
	}
	key := r.StripeKey
	switch {
	case r.StripeKeyFile != "":
		text, err := os.ReadFile(r.StripeKeyFile)
		if err != nil {
			return nil, err
		}
		key = salesforce.Secret(strings.TrimSpace(string(text)))
	case key == "":
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stored, _, err := o.secrets.Get(ctx, workspace, r.SecretName())
		if errors.Is(err, secrets.ErrNone) {
			return nil, fmt.Errorf("workspace %s has no %s: an administrator gives it with salesforce-mcp secret set %[1]s %[2]s", workspace, r.SecretName())
		}
		if err != nil {
			return nil, err
		}
		key = stored
	}
	return gateway.NewStripe(gateway.StripeOptions{Key: key, HTTP: o.client.HTTP(), URL: r.StripeURL})
}

// checkReturns looks whether the mapping of each workspace fits its org. The error
// names what does not. An org that does not answer is one that is looked at when it
// is used.
func (a *app) checkReturns(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var problems []error
	for i := range a.config.Workspaces {
		w := &a.config.Workspaces[i]
		if w.Returns == nil {
			continue
		}
		err := a.orgs.fits(ctx, w)
		var misfit *returnrecords.Misfit
		switch {
		case errors.As(err, &misfit) && w.Stored: // what one workspace's admin has written keeps no other from being served
			a.log.Error().Err(misfit).Str("workspace", w.Name).Msg("the mapping of returns does not fit the org")
		case errors.As(err, &misfit):
			for _, p := range misfit.Problems {
				problems = append(problems, fmt.Errorf("workspaces[%d].returns.mapping.%s", i, p))
			}
		case err != nil:
			a.log.Warn().Err(err).Str("workspace", w.Name).Msg("the mapping of returns could not be checked against the org")
		}
	}
	return errors.Join(problems...)
}

// fits returns what of a workspace's returns does not fit its org.
func (o *orgs) fits(ctx context.Context, w *config.Workspace) error {
	org, err := o.Connect(ctx, allowlist.Caller{Workspace: w.Name}, func(salesforce.Exchange) {})
	if err != nil {
		return err
	}
	return w.Returns.Records.Check(ctx, org)
}
