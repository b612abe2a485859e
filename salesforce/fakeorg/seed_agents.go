package fakeorg

import "fmt"

// Agents of the company an org starts with, by their developer names. The first answers; the others are refused for
// one reason each.
const (
	ServiceAgent  = "Alder_Ridge_Service_Agent" // answers about orders and returns
	WarrantyAgent = "Warranty_Agent"            // has no active version
	PartsAgent    = "Parts_Agent"               // has no user of its own
	DefaultAgent  = "EmployeeCopilot"           // Agentforce (Default), which the Agent API does not serve
)

// agents are the agents and their versions. The last version is the one that may be active.
func (s *seeder) agents() {
	for _, a := range []struct {
		name, label, kind, about string
		user                     int // of people, -1 is none
		versions                 []string
	}{
		{ServiceAgent, "Alder Ridge Service Agent", "ExternalCopilot", "Answers customers about their orders and returns.", 2, []string{"Inactive", "Active"}},
		{WarrantyAgent, "Warranty Agent", "ExternalCopilot", "Will answer about warranty claims.", 2, []string{"Inactive"}},
		{PartsAgent, "Parts Agent", "ExternalCopilot", "Finds spare parts.", -1, []string{"Active"}},
		{DefaultAgent, "Agentforce (Default)", "InternalCopilot", "Helps people at work.", -1, []string{"Active"}},
	} {
		fields := values{"MasterLabel": a.label, "DeveloperName": a.name, "Type": a.kind, "Description": a.about}
		if a.kind == "ExternalCopilot" {
			fields["AgentType"] = "EinsteinServiceAgent"
		}
		if a.user >= 0 {
			fields["BotUserId"] = s.users[a.user]
		}
		id := s.add("BotDefinition", 150, fields)
		for i, status := range a.versions {
			s.add("BotVersion", 150-i*40, values{"BotDefinitionId": id, "DeveloperName": fmt.Sprintf("v%d", i+1), "VersionNumber": i + 1, "Status": status})
		}
	}
}
