package fakeorg

import (
	"slices"
	"strings"
	"time"
)

// describeReport is what describe and everything that changes a report answer with.
func (c *call) describeReport(t *reportType, m *reportMetadata) object {
	return object{{"attributes", c.reportAttributes(m)}, {"reportExtendedMetadata", extendedMetadata(t, m)}, {"reportMetadata", m},
		{"reportTypeMetadata", t.metadata(c.now())}}
}

// extendedMetadata says what the names of columns and summaries in a definition mean.
func extendedMetadata(t *reportType, m *reportMetadata) object {
	aggregates, details, groupings := object{}, object{}, object{}
	for _, name := range m.Aggregates {
		if a, err := aggregateOf(t, name); err == nil {
			aggregates = append(aggregates, member{name, object{{"acrossGroupingContext", nil}, {"dataType", a.dataType()}, {"downGroupingContext", nil},
				{"label", a.label()}}})
		}
	}
	for _, name := range m.DetailColumns {
		details = append(details, member{name, t.columns[name].info()})
	}
	for _, levels := range [][]reportGrouping{m.GroupingsDown, m.GroupingsAcross} {
		for level, g := range levels {
			groupings = append(groupings, member{g.Name, append(t.columns[g.Name].info(), member{"groupingLevel", level})})
		}
	}
	return object{{"aggregateColumnInfo", aggregates}, {"detailColumnInfo", details}, {"groupingColumnInfo", groupings}}
}

// info is what an answer says of a column.
func (c *reportColumn) info() object {
	values := []object{}
	if c.field.Type == "boolean" {
		for _, value := range []string{"True", "False"} {
			values = append(values, object{{"apiName", value}, {"label", value}, {"name", value}})
		}
	}
	for _, value := range c.field.Values {
		values = append(values, object{{"apiName", value}, {"label", value}, {"name", value}})
	}
	return object{{"dataType", c.dataType()}, {"entityColumnName", c.of.Name + "." + c.field.Name}, {"filterValues", values},
		{"filterable", c.filterable()}, {"inactiveFilterValues", []any{}}, {"isLookup", strings.Contains(c.Path, ".") && c.field.NameField},
		{"label", c.Label}, {"uniqueCountable", !longText(c.field)}}
}

// metadata describes a type of report.
func (t *reportType) metadata(now time.Time) object {
	categories := []object{}
	for _, section := range t.Sections {
		columns := object{}
		for _, c := range section.Columns {
			var most any
			if c.field.Text() && !longText(c.field) {
				most = c.field.Length
			}
			columns = append(columns, member{c.Name, append(c.info(), member{"allowedInCustomDetailFormula", true}, member{"bucketable", false},
				member{"fieldToFieldFilterable", false}, member{"isCustom", custom(c.field.Name)}, member{"maxLength", most})})
		}
		categories = append(categories, object{{"columns", columns}, {"label", section.Label}, {"labelSuffix", nil}})
	}
	granularityInfos := []object{}
	for _, g := range granularities {
		granularityInfos = append(granularityInfos, object{{"label", g.label}, {"value", g.name}})
	}
	scopes := []object{{{"allowsDivision", false}, {"label", "All " + strings.ToLower(t.Label)}, {"value", "organization"}}}
	if t.object.Field("OwnerId") != nil {
		scopes = append([]object{{{"allowsDivision", false}, {"label", "My " + strings.ToLower(t.Label)}, {"value", "user"}}}, scopes...)
	}
	return object{{"categories", categories}, {"dataTypeFilterOperatorMap", operatorMap()}, {"dateGranularityInfos", granularityInfos},
		{"divisionInfo", nil}, {"hasOuterJoin", len(t.Parents) > 0}, {"isExternalObjectReport", false}, {"isHistorical", false},
		{"objectRelationships", []any{}}, {"objects", []object{{{"apiName", t.Object}, {"label", t.object.Label}}}},
		{"scopeInfo", object{{"defaultValue", "organization"}, {"values", scopes}}}, {"standardDateFilterDurationGroups", durationInfos(now)},
		{"standardFilterInfos", t.standardFilterInfos()}, {"supportsJoinedFormat", false}}
}

// operatorMap lists the operators of filters by the type of column.
func operatorMap() object {
	operators := object{}
	for _, typ := range []string{"date", "string", "double", "picklist", "textarea", "percent", "int", "url", "datetime", "boolean", "phone",
		"currency", "id", "email", "multipicklist"} {
		infos := []object{}
		for _, operator := range filterOperators {
			if slices.Contains(operatorsOf(typ), operator.name) {
				infos = append(infos, object{{"label", operator.label}, {"name", operator.name}})
			}
		}
		operators = append(operators, member{typ, infos})
	}
	return operators
}

// durationInfos lists the durations of the standard date filter with their days. Custom has a day and the one before,
// as in a recorded answer.
func durationInfos(now time.Time) []object {
	groups := []object{}
	for _, group := range durationGroups {
		durations := []object{}
		for _, duration := range group.durations {
			first, last, known := durationRange(duration[1], now)
			if !known {
				first, last = now, now.AddDate(0, 0, -1)
			}
			durations = append(durations, object{{"endDate", last.Format(time.DateOnly)}, {"label", duration[0]},
				{"startDate", first.Format(time.DateOnly)}, {"value", duration[1]}})
		}
		groups = append(groups, object{{"label", group.label}, {"standardDateFilterDurations", durations}})
	}
	return groups
}

func (t *reportType) standardFilterInfos() any {
	if len(t.StandardFilters) == 0 {
		return nil
	}
	infos := object{}
	for _, info := range t.StandardFilters {
		values := []object{}
		for _, value := range info.Values {
			values = append(values, object{{"label", value.Label}, {"name", value.Name}})
		}
		infos = append(infos, member{info.Name, object{{"filterValues", values}, {"label", info.Label}, {"type", "PICKLIST"}}})
	}
	return infos
}
