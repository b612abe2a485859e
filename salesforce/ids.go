package salesforce

import "errors"

// To18 returns the 18-character form of a record id of 15 or 18 characters.
func To18(id string) (string, error) { return "", errors.New("not yet") }

// ValidID reports whether id is a record id of 15 characters, or of 18 whose
// checksum is right.
func ValidID(id string) bool { _, err := To18(id); return err == nil }
