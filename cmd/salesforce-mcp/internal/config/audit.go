package config

import "fmt"

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
}

// defaults makes paths absolute.
func (a *Audit) defaults(dir string) {
	for _, path := range []*string{&a.Checkpoints, &a.File} {
		if *path != "" {
			*path = absolute(dir, *path)
		}
	}
}

func (a *Audit) validate() error {
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
