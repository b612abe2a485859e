package config

import (
	"errors"
	"fmt"

	"salesforce-mcp/allowlist"
)

// Audit says where the audit trail is kept beside the database.
type Audit struct {
	// Checkpoints is a file to which each signed checkpoint is added: a second
	// place, on another machine's disk if it can be, without which nobody sees
	// that the whole database was replaced. Default none.
	Checkpoints string `yaml:"checkpoints"`
	// File is a file to which each entry is added, for programs that collect
	// them. Default none.
	File string `yaml:"file"`
	// FileMaxBytes is the size at which File is put aside and a new one begun.
	// Default 100 MB.
	FileMaxBytes int64 `yaml:"fileMaxBytes"`
	// FileKeep is how many of those put aside are kept. Default 10.
	FileKeep int `yaml:"fileKeep"`
	// Networks are where the webhook may be, beside public addresses. Default
	// none.
	Networks allowlist.Networks `yaml:"networks"`
	// Syslog is a collector to which each entry is sent. Default none.
	Syslog *Syslog `yaml:"syslog"`
	// Webhook is where entries are posted. Default none.
	Webhook *Webhook `yaml:"webhook"`
}

// defaults makes paths absolute.
func (a *Audit) defaults(dir string) {
	paths := []*string{&a.Checkpoints, &a.File}
	if a.Syslog != nil {
		a.Syslog.defaults()
		paths = append(paths, &a.Syslog.CAFile, &a.Syslog.CertFile, &a.Syslog.KeyFile)
	}
	if a.Webhook != nil {
		paths = append(paths, &a.Webhook.CAFile)
	}
	for _, path := range paths {
		if *path != "" {
			*path = absolute(dir, *path)
		}
	}
}

// validate returns every problem.
func (a *Audit) validate(loopback, secrets bool) error {
	problems := []error{a.validateFile(), a.Networks.Validate("audit.networks")}
	if a.Syslog != nil {
		problems = append(problems, a.Syslog.validate())
	}
	if a.Webhook != nil {
		problems = append(problems, a.Webhook.validate(loopback, secrets, a.Networks))
	}
	return errors.Join(problems...)
}

func (a *Audit) validateFile() error {
	switch {
	case a.FileMaxBytes < 0 || a.FileMaxBytes > 0 && a.FileMaxBytes < 1024:
		return fmt.Errorf("audit.fileMaxBytes: %d must be 1024 or more", a.FileMaxBytes)
	case a.FileKeep < 0:
		return fmt.Errorf("audit.fileKeep: %d must not be negative", a.FileKeep)
	case a.File == "" && (a.FileMaxBytes != 0 || a.FileKeep != 0):
		return fmt.Errorf("audit.file: is needed for fileMaxBytes and fileKeep")
	case a.File != "" && a.File == a.Checkpoints:
		return fmt.Errorf("audit.file: %q is the file of the checkpoints too; give each its own", a.File)
	}
	return nil
}
