package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Bounds of redacted arguments, in bytes.
const (
	maxArguments = 64 << 10 // of the whole JSON object
	maxString    = 4 << 10  // of one string; a longer one is cut
	keptString   = 256      // of a string that is cut, what is kept
	maxName      = 128      // of a name; a longer one is cut
	maxDepth     = 64       // of nested objects and arrays

	// digestFrom is the length from which a redacted value gets a digest. What
	// is shorter could be found by trying: a password, a birthday, a token.
	digestFrom = 64
)

// redacted stands in the place of a secret value.
type redacted struct {
	Redacted bool   `json:"redacted"`
	SHA256   string `json:"sha256,omitempty"` // of the JSON of the value, when it has 64 bytes or more
	Bytes    int    `json:"bytes"`            // length of that JSON
}

// truncated stands in the place of a value that is too large to keep.
type truncated struct {
	Truncated bool   `json:"truncated"`
	Start     string `json:"start,omitempty"` // of a string: its first characters
	SHA256    string `json:"sha256"`          // of the JSON of the value, its secrets redacted
	Bytes     int    `json:"bytes"`           // length of that JSON
}

// Redact returns the arguments of a call as the journal keeps them: a JSON
// object of the same shape, at most 64 KiB long.
//
// A value whose name is among secret, at any depth and in any case (Salesforce
// field names have none), becomes {"redacted":true,"bytes":n}, with a "sha256"
// when it is long enough that nobody finds it by trying. A string longer than
// 4 KiB becomes {"truncated":true,"start":…,"sha256":…,"bytes":n}, so that it
// can still be proven which document was sent, and the largest arguments are
// replaced in the same way until the object fits. Digest and length are those
// of the value's JSON as this package writes it: names in order, nothing
// escaped for HTML.
func Redact(args map[string]any, secret []string) json.RawMessage {
	hidden := make(map[string]bool, len(secret))
	for _, name := range secret {
		hidden[strings.ToLower(name)] = true
	}
	kept := make(map[string]json.RawMessage, len(args))
	for name, value := range redactObject(args, hidden, 0) {
		kept[name] = encode(value)
	}
	return fit(kept)
}

// Names returns the arguments of a call as the journal keeps them when nothing
// is known about their meaning, as those of an unknown operation: a JSON object
// of their names, every value redacted.
func Names(args map[string]any) json.RawMessage {
	kept := make(map[string]json.RawMessage, len(args))
	for name, value := range args {
		kept[shorten(name)] = encode(redacted{Redacted: true, Bytes: len(encode(value))})
	}
	return fit(kept)
}

// redactValue returns the value with secrets and long strings replaced.
func redactValue(value any, hidden map[string]bool, depth int) any {
	if depth > maxDepth {
		return cut(encode(value), "")
	}
	switch value := value.(type) {
	case map[string]any:
		return redactObject(value, hidden, depth)
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = redactValue(element, hidden, depth+1)
		}
		return list
	case string:
		if len(value) > maxString {
			return cut(encode(value), strings.ToValidUTF8(value[:keptString], ""))
		}
	}
	return value
}

// redactObject returns a copy of the object with secrets and long strings
// replaced.
func redactObject(object map[string]any, hidden map[string]bool, depth int) map[string]any {
	kept := make(map[string]any, len(object))
	for name, value := range object {
		if hidden[strings.ToLower(name)] {
			kept[shorten(name)] = hide(encode(value))
		} else {
			kept[shorten(name)] = redactValue(value, hidden, depth+1)
		}
	}
	return kept
}

// fit returns the object with its largest values cut until it is small enough,
// or, when there are too many of them, cut as a whole.
func fit(object map[string]json.RawMessage) json.RawMessage {
	size := func(name string) int { return len(object[name]) }
	total := len(encode(object))
	largest := slices.SortedFunc(maps.Keys(object), func(a, b string) int {
		if size(a) != size(b) {
			return size(b) - size(a)
		}
		return strings.Compare(a, b)
	})
	for _, name := range largest {
		if total <= maxArguments {
			break
		}
		short := encode(cut(object[name], ""))
		total -= size(name) - len(short)
		object[name] = short
	}
	whole := encode(object)
	if len(whole) > maxArguments {
		return encode(cut(whole, ""))
	}
	return whole
}

// hide returns what stands in the place of a secret.
func hide(value json.RawMessage) redacted {
	if len(value) < digestFrom {
		return redacted{Redacted: true, Bytes: len(value)}
	}
	return redacted{Redacted: true, SHA256: digest(value), Bytes: len(value)}
}

// cut returns what stands in the place of a value that is too large.
func cut(value json.RawMessage, start string) truncated {
	return truncated{Truncated: true, Start: start, SHA256: digest(value), Bytes: len(value)}
}

func digest(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}

// shorten bounds the name of a member.
func shorten(name string) string {
	if len(name) > maxName {
		return strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return name
}

// encode returns the value as JSON. What JSON cannot say (no caller sends it)
// becomes the string "unreadable".
func encode(value any) json.RawMessage {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return json.RawMessage(`"unreadable"`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
