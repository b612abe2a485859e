package fakeorg

import "strings"

// standardActions are the actions of the platform that the org knows, by name.
var standardActions = map[string]func(*call, actionInputs) (object, error){
	"chatterPost": chatterPost,
	"emailSimple": emailSimple,
	"submit":      submitAction,
}

// chatterPost posts to the feed of a record, or of the user with a name.
func chatterPost(c *call, in actionInputs) (object, error) {
	subject := in.text("subjectNameOrId")
	if u, err := c.org.findUser(c.Context(), c.db, subject); err == nil {
		subject = u.id
	}
	o := c.org.schema.Object("FeedItem")
	id, err := c.create(o, []change{{o.Field("ParentId"), subject}, {o.Field("Body"), in["text"]}})
	return object{{"feedItemId", id}}, err
}

// mailRecipients is how many people an email may have.
const mailRecipients = 5

// emailSimple writes an email down as an EmailMessage, so that it can be queried: nothing is sent. The platform would
// keep it only with logEmailOnSend.
func emailSimple(c *call, in actionInputs) (object, error) {
	to := append(list(in.text("emailAddresses")), in.texts("emailAddressesArray")...)
	if recipient := in.text("recipientId"); recipient != "" {
		address, err := c.addressOf(recipient)
		if err != nil {
			return nil, err
		}
		to = append(to, address)
	}
	if len(to) == 0 || len(to) > mailRecipients {
		return nil, invalid("INVALID_ARGUMENT", "An email has one to five recipients")
	}
	for _, address := range to {
		if !isEmail(address) {
			return nil, invalid("INVALID_EMAIL_ADDRESS", "Invalid email address: "+address)
		}
	}
	p, err := c.person()
	if err != nil {
		return nil, err
	}
	mail := record{{name: "Subject", value: in["emailSubject"]}, {name: "ToAddress", value: strings.Join(to, "; ")}, {name: "FromName", value: p.name},
		{name: "FromAddress", value: p.email}, {name: "MessageDate", value: c.now().Format(storedTime)}}
	body := "TextBody"
	if rich, _ := booleanColumn(in["sendRichBody"]); rich == true {
		body = "HtmlBody"
	}
	mail = append(mail, input{name: body, value: in["emailBody"]})
	if about := in.text("relatedRecordId"); about != "" {
		mail = append(mail, input{name: "RelatedToId", value: about})
		if o := c.org.schema.ObjectOf(about); o != nil && o.Name == "Case" {
			mail = append(mail, input{name: "ParentId", value: about})
		}
	}
	_, err = c.insert(c.org.schema.Object("EmailMessage"), mail)
	return nil, err
}

// addressOf is the email address of a contact, lead or user.
func (c *call) addressOf(given string) (string, error) {
	id, err := rowID(given)
	if err != nil {
		return "", err
	}
	o := c.org.schema.ObjectOf(id)
	if o == nil || o.Name != "Contact" && o.Name != "Lead" && o.Name != "User" {
		return "", invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return c.firstText(`SELECT coalesce(Email, '') FROM "`+o.Name+`" WHERE Id = ? AND NOT IsDeleted`, id)
}

// submitAction submits a record for approval.
func submitAction(c *call, in actionInputs) (object, error) {
	a, err := c.submit(approvalRequest{ContextID: in.text("objectId"), Comments: in.text("comment"), ContextActorID: in.text("submitterId"),
		NextApproverIDs: in.texts("nextApproverIds"), ProcessDefinitionNameOrID: in.text("processDefinitionNameOrId"), SkipEntryCriteria: in["skipEntryCriteria"]})
	if err != nil {
		return nil, err
	}
	return object{{"actorIds", append([]string{}, a.actors...)}, {"entityId", a.record}, {"instanceId", a.instance}, {"instanceStatus", a.status},
		{"newWorkItemIds", append([]string{}, a.items...)}}, nil
}
