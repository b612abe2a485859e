package fakeorg

import (
	"fmt"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// insertMember puts new source of a class or trigger into a container.
func insertMember(c *call, o *Object, r record) (string, error) {
	id, err := c.insertRecord(o, r)
	if err != nil {
		return "", err
	}
	_, err = c.db.ExecContext(c.Context(), fmt.Sprintf(`UPDATE %q SET FullName = (SELECT Name FROM %q WHERE Id = ContentEntityId),
		LastSyncDate = CreatedDate WHERE Id = ?`, o.Name, o.Field("ContentEntityId").To[0]), id)
	return id, err
}

// insertContainerRequest asks for the members of a container to be compiled and, unless it is for a check only, to
// become the source of their classes and triggers.
func insertContainerRequest(c *call, o *Object, r record) (string, error) {
	if r.get("MetadataContainerId") == nil && r.get("MetadataContainerMemberId") == nil {
		return "", invalid("REQUIRED_FIELD_MISSING", "Required fields are missing: [MetadataContainerId]", "MetadataContainerId")
	}
	id, err := c.insertRecord(o, r)
	if err != nil {
		return "", err
	}
	c.later(1, func(c *call) error {
		c.tooling = true
		return c.runContainer(o, id)
	})
	return id, nil
}

// member is new source in a container.
type sourceMember struct {
	object       *Object // ApexClass or ApexTrigger
	entity, name string
	body         string
	made         *compiled
	refused      *apex.Error
}

// runContainer compiles the members and keeps their source when all compile.
func (c *call) runContainer(o *Object, id string) error {
	row, err := c.load(o, id)
	if err != nil || row == nil || row["State"] != "Queued" { // deleted or aborted meanwhile
		return err
	}
	members, err := c.membersOf(row)
	if err != nil {
		return err
	}
	failures, successes := []object{}, []object{}
	for i := range members {
		m := &members[i]
		if m.made, m.refused = compile(m.object, m.body); m.refused == nil && m.made.name != m.name {
			m.refused = &apex.Error{Pos: apex.Pos{Line: 1, Column: 1}, Message: "Invalid type name: " + m.made.name + ", it must be " + m.name}
		}
		if m.refused != nil {
			failures = append(failures, m.message(c))
		} else {
			successes = append(successes, m.message(c))
		}
	}
	details := object{{"allComponentMessages", append(append([]object{}, failures...), successes...)}, {"componentFailures", failures},
		{"componentSuccesses", successes}, {"runTestResult", nil}}
	if len(failures) > 0 {
		return c.finishContainer(o, id, "Failed", members[0].refusal(), details)
	}
	checkOnly, _ := row["IsCheckOnly"].(int64)
	for _, m := range members {
		if checkOnly == 0 {
			if err := c.replaceApex(m.object, m.entity, m.made); err != nil {
				return err
			}
		}
	}
	if err := c.sumCoverage(); err != nil {
		return err
	}
	return c.finishContainer(o, id, "Completed", nil, details)
}

// membersOf reads the members a request is about.
func (c *call) membersOf(request stored) ([]sourceMember, error) {
	var members []sourceMember
	for _, kind := range []string{"ApexClass", "ApexTrigger"} {
		rows, err := c.db.QueryContext(c.Context(), fmt.Sprintf(`SELECT m.ContentEntityId, e.Name, m.Body FROM "%sMember" AS m
			JOIN "%[1]s" AS e ON e.Id = m.ContentEntityId AND NOT e.IsDeleted
			WHERE (m.MetadataContainerId = ? OR m.Id = ?) AND NOT m.IsDeleted ORDER BY m.Id`, kind), request["MetadataContainerId"], request["MetadataContainerMemberId"])
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			m := sourceMember{object: c.schema().Object(kind)}
			if err := rows.Scan(&m.entity, &m.name, &m.body); err != nil {
				return nil, firstError(err, rows.Close())
			}
			members = append(members, m)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func (m *sourceMember) refusal() any {
	if m.refused == nil {
		return nil
	}
	return m.refused.Message
}

// message tells how a member compiled, in the form a deploy tells it.
func (m *sourceMember) message(c *call) object {
	component := &component{kind: m.object.Name, fullName: m.name, file: fileOf(m.object.Name, m.name), id: m.entity, changed: true}
	if m.refused != nil {
		component.problem, component.line, component.column = m.refused.Message, m.refused.Line, m.refused.Column
	}
	return component.message(c)
}

func (c *call) finishContainer(o *Object, id, state string, message any, details object) error {
	text, err := encode(details)
	if err != nil {
		return err
	}
	return c.store(o, id, []change{{o.Field("State"), state}, {o.Field("ErrorMsg"), message}, {o.Field("DeployDetails"), string(text)}}, false)
}
