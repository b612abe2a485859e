package fakeorg

import (
	"crypto/sha1" //nolint:gosec // a name for a version, nothing is kept secret by it
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// version is which state of a record a client has, for conditional requests.
type version struct {
	etag     string // for Account only, as on the platform
	modified time.Time
}

func versionOf(o *Object, row stored) version {
	text, _ := row["SystemModstamp"].(string)
	modified, err := time.Parse(storedTime, text)
	if err != nil {
		modified = time.Unix(0, 0)
	}
	v := version{modified: modified}
	if o.Name == "Account" {
		content, err := json.Marshal(row)
		if err == nil {
			sum := sha1.Sum(content) //nolint:gosec // see above
			v.etag = base64.StdEncoding.EncodeToString(sum[:])
		}
	}
	return v
}

func (v version) header() http.Header {
	h := http.Header{"Last-Modified": {v.modified.Format(http.TimeFormat)}}
	if v.etag != "" {
		h.Set("ETag", `"`+v.etag+`"`)
	}
	return h
}

// has reports whether a header lists the version's entity tag. A tag of a compressed answer ends in -gzip.
func (v version) has(header string) bool {
	for _, tag := range list(header) {
		tag = strings.TrimSuffix(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), "-gzip")
		if tag == "*" || tag == v.etag {
			return true
		}
	}
	return false
}

// check returns 304 or an error when the conditions of a request do not hold, else 0.
func (v version) check(r *http.Request) (int, error) {
	changed := &fault{status: http.StatusPreconditionFailed, code: "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", noField: true,
		message: "The record has been modified since the time or version given in the request"}
	if match := r.Header.Get("If-Match"); match != "" && v.etag != "" && !v.has(match) {
		return 0, changed
	}
	if text := r.Header.Get("If-Unmodified-Since"); text != "" {
		since, err := http.ParseTime(text)
		if err != nil && r.Method != http.MethodGet {
			return 0, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "If-Unmodified-Since: %q is not a date of HTTP", text)
		}
		if err == nil && v.modified.After(since) {
			return 0, changed
		}
	}
	if r.Method != http.MethodGet {
		return 0, nil
	}
	if match := r.Header.Get("If-None-Match"); match != "" && v.etag != "" && v.has(match) {
		return http.StatusNotModified, nil
	}
	if since, err := http.ParseTime(r.Header.Get("If-Modified-Since")); err == nil && !v.modified.After(since) {
		return http.StatusNotModified, nil
	}
	return 0, nil
}

// checkVersion refuses a write whose condition does not hold.
func (c *call) checkVersion(o *Object, id string) error {
	if c.Header.Get("If-Match") == "" && c.Header.Get("If-Unmodified-Since") == "" {
		return nil
	}
	row, err := c.load(o, id)
	if err != nil || row == nil {
		return err // a missing record is refused by the write itself
	}
	_, err = versionOf(o, row).check(c.Request)
	return err
}
