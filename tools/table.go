package tools

// All is the table: every tool of the server, in the order it is listed.
var All = NewTable(Records, Query, CompositeRecords, Composite, Versions, SObjects, BulkIngest, BulkQuery, Tooling, Process, QuickActions, Analytics, Metadata, Events, AgentforceTool, ReturnsTool, ApprovalsTool)

// Parameters that more than one tool uses.
var (
	sObjectName = Param{Name: "sObjectName", Type: "string", Form: SObjectName, Doc: "API name, as in Account or Invoice__c"}
	fields      = Param{Name: "fields", Type: "string", Form: FieldList, Doc: "comma-separated field names"}
	external    = Param{Name: "externalIdField", Type: "string", Form: FieldName, Doc: "external ID field"}
)
