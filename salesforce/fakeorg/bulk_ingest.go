package fakeorg

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// formLimit is how many characters of data a job may bring along when it is created as a form.
const formLimit = 100_000

// createIngestJob is POST /jobs/ingest: a job that waits for its data, or as a form one that has it already.
func createIngestJob(c *call) (*answer, error) {
	spec, data, err := c.readIngestJob()
	if err != nil {
		return nil, err
	}
	if err := spec.complete("insert", "update", "upsert", "delete", "hardDelete"); err != nil {
		return nil, err
	}
	o, err := spec.ingestObject(c.schema())
	if err != nil {
		return nil, err
	}
	j := c.addJob(ingestType, spec, o, jobOpen)
	if data != nil {
		j.load.upload = data
		j.start(c)
	}
	return ok(j.createdInfo())
}

// readIngestJob reads the job, and its data if the body is a form with the parts job and content.
func (c *call) readIngestJob() (spec bulkSpec, data []byte, err error) {
	if !strings.HasPrefix(c.Header.Get("Content-Type"), "multipart/form-data") {
		if err := c.sends("json"); err != nil {
			return spec, nil, err
		}
		return spec, nil, readBulk(c.Body, &spec)
	}
	parts, err := c.MultipartReader()
	for err == nil {
		part, next := parts.NextPart()
		if errors.Is(next, io.EOF) {
			break
		}
		switch err = next; {
		case err != nil:
		case part.FormName() == "job":
			err = readBulk(part, &spec)
		case part.FormName() == "content":
			data, err = io.ReadAll(part)
		}
	}
	var f *fault
	switch {
	case err != nil && !errors.As(err, &f):
		return spec, nil, refuse(http.StatusBadRequest, "INVALID_MULTIPART_REQUEST", "the body is not a multipart form: %v", err)
	case err != nil:
		return spec, nil, err
	case data == nil:
		return spec, nil, bulkError("ClientInputError", "the part content is missing")
	case len([]rune(string(data))) > formLimit: // that there is this limit is documented, the words are not
		return spec, nil, bulkError("ClientInputError", "the part content has more than %d characters", formLimit)
	}
	return spec, data, nil
}

// ingestObject finds the object of a job, and checks the field records are known by.
func (s *bulkSpec) ingestObject(schema *Schema) (*Object, error) {
	o := schema.Object(s.Object)
	switch {
	case o == nil:
		return nil, bulkError("InvalidJob", "InvalidJob : Unable to find object: %s", s.Object)
	case o.ReadOnly:
		return nil, notInBulk(o)
	case s.Operation != "upsert":
		s.ExternalIDFieldName = ""
	case s.ExternalIDFieldName == "":
		return nil, bulkError("InvalidJob", "InvalidJob : External ID was blank for %s. An External ID must be specified for upsert.", o.Name)
	default:
		f, err := externalField(o, s.ExternalIDFieldName)
		if err != nil {
			return nil, bulkError("InvalidJob", "InvalidJob : Field name provided, %s does not match an External ID for %s", s.ExternalIDFieldName, o.Name)
		}
		s.ExternalIDFieldName = f.Name
	}
	return o, nil
}

// notInBulk is the error about an object that there are no jobs for.
func notInBulk(o *Object) *fault {
	return bulkError("InvalidEntity", "Entity '%s' is not supported by the Bulk API.", o.Name)
}

// uploadJobData is PUT /jobs/ingest/{id}/batches.
func uploadJobData(c *call) (*answer, error) {
	j, err := c.bulkJob(ingestType)
	if err != nil {
		return nil, err
	}
	if err := c.sends("csv"); err != nil {
		return nil, err
	}
	switch {
	case j.state != jobOpen:
		return nil, j.already("Uploading to")
	case j.load.upload != nil: // a user was told so, with this code
		const twice = "Found multipe contents for job: <%s>, please 'Close' / 'Abort' / 'Delete' the current Job " + //nolint:misspell // the platform's spelling
			"then create a new Job and make sure you only do 'PUT' once on a given Job."
		return nil, bulkError("BULK_API_ERROR", twice, j.id[:15])
	}
	if j.load.upload, err = io.ReadAll(c.Body); err != nil { // not nil, even if it is empty
		return nil, err
	}
	return &answer{status: http.StatusCreated}, nil
}

// updateIngestJob is PATCH /jobs/ingest/{id}: it starts or aborts the job.
func updateIngestJob(c *call) (*answer, error) {
	j, err := c.bulkJob(ingestType)
	if err != nil {
		return nil, err
	}
	state, err := c.readState()
	if err != nil {
		return nil, err
	}
	switch {
	case state == jobAborted:
		err = j.abort(c)
	case state != jobUploaded:
		err = badValue("state", state)
	case j.state != jobOpen:
		err = j.already("Closing")
	default:
		j.start(c)
	}
	if err != nil {
		return nil, err
	}
	return ok(j.changedInfo())
}

// bulkResults finds a job whose results can be asked for: one that has ended. What the platform says of others was not
// found.
func (c *call) bulkResults() (*bulkJob, error) {
	j, err := c.bulkJob(ingestType)
	if err == nil && !j.ended() {
		err = bulkError("InvalidJobState", "The job has no results yet: its state is %s", j.state)
	}
	return j, err
}

// successfulResults is GET /jobs/ingest/{id}/successfulResults.
func successfulResults(c *call) (*answer, error) {
	j, err := c.bulkResults()
	if err != nil {
		return nil, err
	}
	return csvAnswer(j.resultHeader("sf__Created"), j.load.succeeded), nil
}

// failedResults is GET /jobs/ingest/{id}/failedResults.
func failedResults(c *call) (*answer, error) {
	j, err := c.bulkResults()
	if err != nil {
		return nil, err
	}
	return csvAnswer(j.resultHeader("sf__Error"), j.load.failed), nil
}

// unprocessedRecords is GET /jobs/ingest/{id}/unprocessedrecords: the upload without what has been done of it.
func unprocessedRecords(c *call) (*answer, error) {
	j, err := c.bulkResults()
	if err != nil {
		return nil, err
	}
	l := j.load
	return csvAnswer(l.upload[:l.header], l.upload[l.next:]), nil
}

// resultHeader is the first row of results: two names in quotes, then the names of the upload as they were.
func (j *bulkJob) resultHeader(second string) []byte {
	w := j.writer()
	w.cell("sf__Id")
	w.cell(second)
	for _, name := range j.load.names {
		w.bare(name)
	}
	w.end()
	return w.Bytes()
}
