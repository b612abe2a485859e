package soql

import (
	"errors"
	"strings"
)

// mirrors are the sObjects that show records of others under their own name. (Object Reference; those of lists and
// archives show records of any sObject.)
var mirrors = map[string][]string{
	"activityhistory":         {"Task", "Event"},
	"openactivity":            {"Task", "Event"},
	"lookedupfromactivity":    {"Task", "Event"},
	"attachedcontentdocument": {"ContentDocument"},
	"combinedattachment":      {"Attachment", "ContentDocument", "Note"},
	"noteandattachment":       {"Attachment", "Note"},
	"processinstancehistory":  {"ProcessInstanceStep", "ProcessInstanceWorkitem"},
	"feedtrackedchange":       {Any},
	"fieldhistoryarchive":     {Any},
	"name":                    {Any},
	"recentlyviewed":          {Any},
}

// followers are the ends of the names of sObjects that the platform keeps beside another one: AccountHistory has old and new
// values of fields of Account, Item__History those of Item__c. A share tells only that a row is there.
var followers = []struct{ suffix, field string }{{"FieldHistory", Any}, {"History", Any}, {"Feed", Any}, {"ChangeEvent", Any}, {"Share", ""}}

// mirrored reads what an sObject shows of others.
func (r *reader) mirrored(o *sObject, at int) error {
	for _, name := range mirrors[lower(o.Name)] {
		r.add(Read{SObject: name, Field: Any, Use: Filtered, At: at})
	}
	for _, f := range followers {
		base, ok := strings.CutSuffix(o.Name, f.suffix)
		if !ok {
			continue
		}
		if custom, ok := strings.CutSuffix(base, "__"); ok {
			base = custom + "__c"
		}
		followed, err := r.sObject(Name{Text: base, At: at})
		if unknown := (*NameError)(nil); errors.As(err, &unknown) {
			continue // LoginHistory follows nothing
		}
		if err != nil {
			return err
		}
		r.add(Read{SObject: followed.Name, Field: f.field, Use: Filtered, At: at})
	}
	return nil
}
