package fakeorg

import (
	"time"
)

// leadLimit is how many leads a call may convert.
const leadLimit = 100

// convertLeads is the SOAP operation convertLead: one result for each of the leads, which fail one by one.
func convertLeads(c *call, asked *xmlElement) ([]xmlNode, error) {
	given := asked.all("leadConverts")
	if err := checkCount(len(given), leadLimit); err != nil {
		return nil, err
	}
	var results []xmlNode
	for _, one := range given {
		l := &leadConversion{call: c, asked: one}
		results = append(results, xmlNode{"result", l.result(c.within(l.convert))})
	}
	return results, nil
}

// leadConversion turns a lead into an account, a contact and usually an opportunity.
type leadConversion struct {
	*call
	asked                                *xmlElement
	lead                                 string
	row                                  stored
	owner, account, contact, opportunity string
}

// result has the elements in the order of the WSDL.
func (l *leadConversion) result(err error) []xmlNode {
	if err != nil {
		f := asFault(err)
		failure := []xmlNode{}
		for _, field := range f.fields {
			failure = append(failure, xmlLeaf("fields", field))
		}
		failure = append(failure, xmlLeaf("message", f.message), xmlLeaf("statusCode", f.code))
		return []xmlNode{orNil("accountId", ""), orNil("contactId", ""), {"errors", failure}, orNil("leadId", l.lead), orNil("opportunityId", ""), xmlLeaf("success", false)}
	}
	return []xmlNode{xmlLeaf("accountId", l.account), xmlLeaf("contactId", l.contact), xmlLeaf("leadId", l.lead), orNil("opportunityId", l.opportunity), xmlLeaf("success", true)}
}

func orNil(tag, text string) xmlNode {
	if text == "" {
		return xmlNode{tag: tag + ` xsi:nil="true"`}
	}
	return xmlLeaf(tag, text)
}

func (l *leadConversion) convert() error {
	for _, step := range []func() error{l.findLead, l.checkStatus, l.findOwner, l.findTargets, l.intoAccount, l.intoContact, l.intoOpportunity, l.close} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *leadConversion) findLead() (err error) {
	if l.lead, err = l.reference("leadId", "Lead"); err != nil {
		return err
	}
	if l.lead == "" {
		return invalid("REQUIRED_FIELD_MISSING", "Required fields are missing: [leadId]", "leadId")
	}
	if err := l.notConverted(l.lead); err != nil {
		return err
	}
	l.row, err = l.load(l.org.schema.Object("Lead"), l.lead)
	return err
}

// reference reads the id of an existing record of that object, or gives "" when the request has none.
func (l *leadConversion) reference(name, object string) (string, error) {
	given := l.asked.value(name)
	if given == "" {
		return "", nil
	}
	id, err := rowID(given)
	if err != nil {
		return "", err
	}
	o := l.org.schema.Object(object)
	if l.org.schema.ObjectOf(id) != o {
		return "", invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id: "+given+" is not of type "+object)
	}
	return id, inBody(l.mustExist(o, id))
}

// checkStatus wants one of the statuses for converted leads.
func (l *leadConversion) checkStatus() error {
	status := l.asked.value("convertedStatus")
	found, err := l.firstText(`SELECT Id FROM LeadStatus WHERE ApiName = ? AND IsConverted`, status)
	if err == nil && found == "" {
		err = invalid("INVALID_STATUS", "invalid convertedStatus: "+status, "Status")
	}
	return err
}

// findOwner is who owns what is created: the lead's owner, unless another is given.
func (l *leadConversion) findOwner() (err error) {
	l.owner, _ = l.row["OwnerId"].(string)
	if given := l.asked.value("ownerId"); given != "" {
		l.owner, err = l.activeUser(given)
	}
	return err
}

// findTargets reads what the lead is to be merged into.
func (l *leadConversion) findTargets() (err error) {
	if l.account, err = l.reference("accountId", "Account"); err != nil {
		return err
	}
	if l.contact, err = l.reference("contactId", "Contact"); err != nil {
		return err
	}
	if l.opportunity, err = l.reference("opportunityId", "Opportunity"); err != nil {
		return err
	}
	if l.contact == "" {
		return nil
	}
	of, err := l.firstText(`SELECT coalesce(AccountId, '') FROM Contact WHERE Id = ?`, l.contact)
	if err == nil && (l.account == "" || of != l.account) {
		err = invalid("FIELD_INTEGRITY_EXCEPTION", "the contact must belong to the account that accountId names", "contactId")
	}
	return err
}

// Which field of a lead goes where, as the platform maps its own fields.
var (
	leadToAccount = map[string]string{"Company": "Name", "Phone": "Phone", "Website": "Website", "Industry": "Industry", "Rating": "Rating",
		"AnnualRevenue": "AnnualRevenue", "NumberOfEmployees": "NumberOfEmployees", "LeadSource": "AccountSource", "Street": "BillingStreet",
		"City": "BillingCity", "State": "BillingState", "PostalCode": "BillingPostalCode", "Country": "BillingCountry"}
	leadToContact = map[string]string{"LastName": "LastName", "FirstName": "FirstName", "Salutation": "Salutation", "Title": "Title", "Email": "Email",
		"Phone": "Phone", "LeadSource": "LeadSource", "Description": "Description", "Street": "MailingStreet", "City": "MailingCity",
		"State": "MailingState", "PostalCode": "MailingPostalCode", "Country": "MailingCountry"}
	leadToOpportunity = map[string]string{"LeadSource": "LeadSource"}
)

// into makes a record of the lead, or fills the empty fields of the one that is there.
func (l *leadConversion) into(object, id string, mapping map[string]string, more values) (string, error) {
	o := l.org.schema.Object(object)
	var row stored
	if id != "" {
		var err error
		if row, err = l.load(o, id); err != nil {
			return "", err
		}
	}
	fields := values{}
	for from, to := range mapping {
		if value := l.row[from]; value != nil && row[to] == nil {
			fields[to] = value
		}
	}
	if id == "" {
		fields["OwnerId"] = l.owner
	}
	for name, value := range more {
		fields[name] = value
	}
	changes, err := o.columns(fields)
	switch {
	case err != nil:
		return "", err
	case id == "":
		return l.create(o, changes)
	case len(changes) == 0:
		return id, nil
	}
	return id, l.edit(o, id, changes)
}

func (l *leadConversion) intoAccount() (err error) {
	l.account, err = l.into("Account", l.account, leadToAccount, nil)
	return err
}

func (l *leadConversion) intoContact() (err error) {
	more := values{}
	if l.contact == "" {
		more["AccountId"] = l.account
	}
	if l.flag("overwriteLeadSource") && l.row["LeadSource"] != nil {
		more["LeadSource"] = l.row["LeadSource"]
	}
	l.contact, err = l.into("Contact", l.contact, leadToContact, more)
	return err
}

// intoOpportunity makes the opportunity. Unless it has a name it is called after the company; it closes with the
// quarter.
func (l *leadConversion) intoOpportunity() (err error) {
	name := l.asked.value("opportunityName")
	if l.flag("doNotCreateOpportunity") {
		if name != "" || l.opportunity != "" {
			return invalid("INVALID_ARGUMENT", "opportunityName and opportunityId must be empty when doNotCreateOpportunity is true")
		}
		return nil
	}
	more := values{}
	if l.opportunity == "" {
		if name == "" {
			company, _ := l.row["Company"].(string)
			name = string([]rune(company)[:min(len([]rune(company)), l.org.schema.Object("Opportunity").Field("Name").Length)])
		}
		stage := l.org.schema.Object("Opportunity").Field("StageName").Values[0]
		more = values{"Name": name, "AccountId": l.account, "ContactId": l.contact, "StageName": stage, "CloseDate": endOfQuarter(l.now()).Format(time.DateOnly)}
	}
	l.opportunity, err = l.into("Opportunity", l.opportunity, leadToOpportunity, more)
	return err
}

func endOfQuarter(day time.Time) time.Time {
	last := (day.Month()-1)/3*3 + 3
	return time.Date(day.Year(), last+1, 0, 0, 0, 0, 0, time.UTC)
}

// close makes the lead a converted one and gives its tasks to what has become of it.
func (l *leadConversion) close() error {
	status, err := l.firstText(`SELECT ApiName FROM LeadStatus WHERE ApiName = ?`, l.asked.value("convertedStatus"))
	if err != nil {
		return err
	}
	done := values{"IsConverted": true, "Status": status, "ConvertedDate": l.now().Format(time.DateOnly), "ConvertedAccountId": l.account, "ConvertedContactId": l.contact}
	about := l.account
	if l.opportunity != "" {
		done["ConvertedOpportunityId"], about = l.opportunity, l.opportunity
	}
	if err := l.setFields("Lead", l.lead, done); err != nil {
		return err
	}
	_, err = l.db.ExecContext(l.Context(), `UPDATE Task SET WhoId = ?, WhatId = coalesce(WhatId, ?) WHERE WhoId = ?`, l.contact, about, l.lead)
	if err != nil || !l.flag("sendNotificationEmail") {
		return err
	}
	_, err = emailSimple(l.call, actionInputs{"recipientId": l.owner, "emailSubject": "A lead of yours has been converted", "emailBody": "Its account is " + l.account + ".",
		"relatedRecordId": l.account})
	return err
}

func (l *leadConversion) flag(name string) bool {
	value := l.asked.value(name)
	return value == "true" || value == "1"
}
