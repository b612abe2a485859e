package apex

import (
	"errors"
)

// database is Database.insert and the like: without allOrNone failures are in the results.
func database(op string) builtin {
	return builtin{1, 2, func(u *using) Value {
		allOrNone := len(u.args) < 2 || arg[bool](u, 1)
		records, err := u.records(u.at, u.args[0])
		if err != nil {
			u.fail(err)
			return nil
		}
		failures, err := u.dml(u.at, op, "", records, allOrNone)
		if err != nil {
			u.fail(err)
			return nil
		}
		results := &List{Elem: Type{Name: "Database.SaveResult"}}
		for i, record := range records {
			results.Items = append(results.Items, saveResult(record, failures[i]))
		}
		if _, one := u.args[0].(*SObject); one {
			return results.Items[0]
		}
		return results
	}}
}

func saveResult(record *SObject, failure error) *Object {
	id, _ := record.Get("Id")
	reasons := &List{Elem: Type{Name: "Database.Error"}}
	var refused *RowError
	if errors.As(failure, &refused) {
		reasons.Items = append(reasons.Items, &Object{typ: "Database.Error",
			fields: map[string]Value{"message": refused.Message, "statuscode": refused.Code}})
	}
	return &Object{typ: "Database.SaveResult", fields: map[string]Value{"success": failure == nil, "id": id, "errors": reasons}}
}

func field(name string) builtin {
	return builtin{0, 0, func(u *using) Value { return u.self.(*Object).fields[name] }}
}
