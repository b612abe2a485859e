package app

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

// assets are the files that pages load. htmx is of npm's htmx.org 2.0.11, under the Zero
// Clause BSD licence beside it.
//
//go:embed assets/*
var assets embed.FS

var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// serveAsset serves one of the assets. Browsers ask each time whether it is still the
// same.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	kind, ok := assetTypes[path.Ext(r.URL.Path)]
	content, err := assets.ReadFile(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || !ok {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(content)
}
