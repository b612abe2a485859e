package fakeorg

import "strconv"

// What an answer says of a job depends on the request: less after a change, more for one job than in a list. The
// members are those of recorded answers and of the examples in the Bulk API 2.0 guide.

// changedInfo is the answer to a PATCH.
func (j *bulkJob) changedInfo() object {
	number, _ := strconv.ParseFloat(j.version[1:], 64) // v62.0, as routes have checked
	o := object{{"id", j.id}, {"operation", j.Operation}, {"object", j.object.Name}, {"createdById", j.user},
		{"createdDate", j.created.Format(shownTime)}, {"systemModstamp", j.changed.Format(shownTime)}, {"state", j.state}}
	if j.ExternalIDFieldName != "" {
		o = append(o, member{"externalIdFieldName", j.ExternalIDFieldName})
	}
	if j.AssignmentRuleID != "" {
		o = append(o, member{"assignmentRuleId", j.AssignmentRuleID})
	}
	return append(o, object{{"concurrencyMode", "Parallel"}, {"contentType", j.ContentType}, {"apiVersion", double(number)}}...)
}

// createdInfo is the answer to the request that made the job.
func (j *bulkJob) createdInfo() object { return append(j.changedInfo(), j.format()...) }

// listed is an entry of a list.
func (j *bulkJob) listed() object {
	return append(append(j.changedInfo(), member{"jobType", j.kind}), j.format()...)
}

// format is how the job's data is written, and where an open job takes it.
func (j *bulkJob) format() object {
	var o object
	if j.state == jobOpen {
		o = object{{"contentUrl", "services/data/" + j.version + "/jobs/ingest/" + j.id + "/batches"}}
	}
	return append(o, object{{"lineEnding", j.LineEnding}, {"columnDelimiter", j.ColumnDelimiter}}...)
}

// whole is all there is to say. An open job has processed nothing, and does not say so.
func (j *bulkJob) whole() object {
	o := j.listed()
	if j.state != jobOpen {
		o = append(o, member{"numberRecordsProcessed", j.processed})
	}
	if j.kind == ingestType && j.state != jobOpen {
		o = append(o, member{"numberRecordsFailed", j.failed})
	}
	o = append(o, object{{"retries", 0}, {"totalProcessingTime", j.total.Milliseconds()}}...)
	if j.kind == ingestType { // no record of the org has a trigger
		o = append(o, object{{"apiActiveProcessingTime", j.active.Milliseconds()}, {"apexProcessingTime", 0}}...)
	} else {
		o = append(o, member{"isPkChunkingSupported", true})
	}
	if j.problem != "" {
		o = append(o, member{"errorMessage", j.problem})
	}
	return o
}
