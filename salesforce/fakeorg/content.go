package fakeorg

import (
	"crypto/md5" //nolint:gosec // ContentVersion.Checksum is MD5
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
)

// blob answers with the bytes of a field.
func (c *call) blob(o *Object, f *Field, id string) (*answer, error) {
	var bytes []byte
	err := c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT %q FROM %q WHERE Id = ?`, f.Name, o.Name), id).Scan(&bytes)
	if err == nil && bytes == nil {
		return nil, noResource()
	}
	return &answer{status: http.StatusOK, body: bytes, header: http.Header{"Content-Type": {"application/octetstream"}}}, err
}

// publish completes a new ContentVersion: it belongs to a document, a new one unless the create named one, and the
// first version may be linked to a record at once.
func (c *call) publish(id string) error {
	var title, file, document, location string
	var data []byte
	err := c.db.QueryRowContext(c.Context(), `SELECT Title, coalesce(PathOnClient, ''), coalesce(ContentDocumentId, ''), coalesce(FirstPublishLocationId, ''), VersionData
		FROM ContentVersion WHERE Id = ?`, id).Scan(&title, &file, &document, &location, &data)
	if err != nil {
		return err
	}
	extension := strings.TrimPrefix(path.Ext(file), ".")
	kind := strings.ToUpper(extension)
	if kind == "" {
		kind = "UNKNOWN"
	}
	if document == "" {
		if document, err = c.newDocument(title, location); err != nil {
			return err
		}
	}
	sum := md5.Sum(data) //nolint:gosec // see above
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`UPDATE ContentVersion SET IsLatest = 0 WHERE ContentDocumentId = ?`, []any{document}},
		{`UPDATE ContentVersion SET ContentDocumentId = ?1, FileType = ?2, FileExtension = ?3, ContentSize = ?4, Checksum = ?5, IsLatest = 1,
			VersionNumber = (SELECT count(*) + 1 FROM ContentVersion WHERE ContentDocumentId = ?1 AND Id <> ?6) WHERE Id = ?6`,
			[]any{document, kind, extension, len(data), hex.EncodeToString(sum[:]), id}},
		{`UPDATE ContentDocument SET LatestPublishedVersionId = ?, FileType = ?, FileExtension = ?, ContentSize = ?, Title = ? WHERE Id = ?`,
			[]any{id, kind, extension, len(data), title, document}},
	} {
		if _, err := c.db.ExecContext(c.Context(), step.statement, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// newDocument makes the document of a first version, shared with its owner and with the record given.
func (c *call) newDocument(title, location string) (string, error) {
	documents, links := c.org.schema.Object("ContentDocument"), c.org.schema.Object("ContentDocumentLink")
	id := c.org.newID(documents)
	err := c.store(documents, id, []change{{documents.Field("Title"), title}, {documents.Field("OwnerId"), c.user.id}}, true)
	if err != nil {
		return "", err
	}
	for _, share := range []struct{ entity, kind string }{{c.user.id, "I"}, {location, "V"}} {
		if share.entity == "" || share.entity == c.user.id && share.kind == "V" {
			continue
		}
		err := c.store(links, c.org.newID(links), []change{{links.Field("LinkedEntityId"), share.entity}, {links.Field("ContentDocumentId"), id},
			{links.Field("ShareType"), share.kind}, {links.Field("Visibility"), "AllUsers"}}, true)
		if err != nil {
			return "", err
		}
	}
	return id, nil
}

// readParts decodes a record sent as multipart/form-data: one part has the fields as JSON, and each part with a file
// name is the blob field it is named after.
func (c *call) readParts() (record, error) {
	malformed := func(err error) error {
		return refuse(http.StatusBadRequest, "INVALID_MULTIPART_REQUEST", "the body is not a multipart form: %v", err)
	}
	parts, err := c.MultipartReader()
	if err != nil {
		return nil, malformed(err)
	}
	var r record
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, malformed(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return nil, malformed(err)
		}
		if part.FileName() != "" {
			r = append(r, input{name: part.FormName(), value: base64.StdEncoding.EncodeToString(body)})
			continue
		}
		fields, err := decodeRecord(body)
		if err != nil {
			return nil, err
		}
		r = append(r, fields...)
	}
}
