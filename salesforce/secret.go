package salesforce

import (
	"fmt"
	"io"
	"log/slog"
)

// mask is what a secret prints as.
const mask = "•••"

// Secret is a token, key or password. It prints as ••• wherever values are
// printed, logged or marshalled: by fmt with any verb but %p, which go vet refuses
// for a text, by encoding/json and other encoders of text, by slog and by zerolog. Unmarshalling fills it like
// any string. The empty Secret prints the same, so that a log does not tell
// whether one is set.
//
// Two places are beyond its reach: fmt prints unexported struct fields without
// asking their type, and encoding/json writes map keys of kind string as they
// are. So a Secret is kept in exported fields and is never a map key.
type Secret string

// Reveal returns the secret itself. It is the only way out by intent; each
// call is a place to look at in a review.
func (s Secret) Reveal() string { return string(s) }

// String returns the mask.
func (Secret) String() string { return mask }

// GoString returns the mask, for %#v.
func (Secret) GoString() string { return mask }

// Format writes the mask whatever the verb and flags, %x and %q included.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// MarshalJSON returns the mask as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalText returns the mask, to YAML and XML among others.
func (Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns the mask to log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(mask) }
