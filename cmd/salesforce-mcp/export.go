package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/metadata"
	"salesforce-mcp/salesforce"
	mapped "salesforce-mcp/tools/returns/records"
)

func (e *env) export() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what other systems import",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.exportPackage(), e.exportCatalog(), e.exportServerJSON(), e.exportDSUL())
	return cmd
}

func (e *env) exportPackage() *cobra.Command {
	var file, workspace, out string
	var without []string
	cmd := &cobra.Command{
		Use:   "package [--config FILE [--workspace NAME]] [--out FILE]",
		Short: "Write the metadata package that an org needs for returns and for the audit log",
		Long: `Write a package for Salesforce's Metadata API, as a zip: the external ids that
returns are found again by, the platform event, the object Audit_Log__c, and two
permission sets with what the user of the connection needs, and no more. It follows
the mapping and the gateway of the workspace; without a configuration it is that of
the standard objects and of refunds by Salesforce's payments. The same input is the
same bytes. See docs/returns-permissions.md.`,
		Example: `  salesforce-mcp export package --config config.yaml --workspace sales --out returns.zip
  sf project deploy start --metadata-dir returns.zip --single-package`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := &config.Workspace{APIVersion: salesforce.DefaultVersion}
			if file == "" && workspace != "" {
				return errors.New("--workspace: is a workspace of a configuration; give --config too")
			}
			if file != "" {
				c, err := config.Load(file, e.getenv)
				if err != nil {
					return err
				}
				if w, err = oneWorkspace(withStored(cmd.Context(), c), workspace); err != nil {
					return err
				}
			}
			p, err := packageOf(w, without)
			if err != nil {
				return err
			}
			text, err := p.Zip()
			if err != nil {
				return err
			}
			if out == "" {
				_, err = e.stdout.Write(text)
				return err
			}
			return os.WriteFile(out, text, 0o644) //nolint:gosec // there is no secret in it
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file; default the standard objects")
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace; default the only one of the configuration")
	cmd.Flags().StringVar(&out, "out", "", "file of the zip; default stdout")
	cmd.Flags().StringSliceVar(&without, "without", nil,
		`fields to leave out of the permission set, such as Task.Subject: those of which a deploy says "You cannot deploy to a required field"`)
	return cmd
}

// oneWorkspace is the workspace of a name, or without one the only one.
func oneWorkspace(c *config.Config, name string) (*config.Workspace, error) {
	if name == "" && len(c.Workspaces) == 1 {
		return &c.Workspaces[0], nil
	}
	if name == "" {
		return nil, fmt.Errorf("the configuration has %d workspaces; say with --workspace of which one", len(c.Workspaces))
	}
	return c.Workspace(name)
}

// packageOf is what the org of a workspace needs. A workspace without returns or
// without an audit log is given those of the standard.
func packageOf(w *config.Workspace, without []string) (*metadata.Package, error) {
	p := &metadata.Package{Version: w.APIVersion}
	mapping, gateway := mapped.Default(), config.GatewaySalesforcePayments
	if w.Returns != nil {
		mapping, gateway = w.Returns.Records, w.Returns.Gateway
	}
	if err := p.Returns(mapping, gateway, without...); err != nil {
		return nil, fmt.Errorf("--without: %w", err)
	}
	object, fields := "Audit_Log__c", map[string]string(nil)
	if w.AuditLog != nil {
		object, fields = w.AuditLog.Object, w.AuditLog.Fields
	}
	p.AuditLog(object, fields)
	return p, nil
}
