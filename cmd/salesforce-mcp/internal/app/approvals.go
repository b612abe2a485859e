package app

var approvalsRoutes []route

var approvalsFrench map[string]string
