package app

import "maps"

// inFrench is the French of every text, by the English in the code. Each area has a map
// of its own, beside its pages.
var inFrench = joined(baseFrench, authenticationFrench, endpointFrench, historyFrench, workspacesFrench, agentsFrench, rulesFrench,
	approvalsFrench, returnsFrench, auditFrench, healthFrench, catalogFrench)

func joined(all ...map[string]string) map[string]string {
	joined := map[string]string{}
	for _, some := range all {
		maps.Copy(joined, some)
	}
	return joined
}

var baseFrench = map[string]string{
	"%d day ago":                         "il y a %d jour",
	"%d days ago":                        "il y a %d jours",
	"%d hour ago":                        "il y a %d heure",
	"%d hours ago":                       "il y a %d heures",
	"%d minute ago":                      "il y a %d minute",
	"%d minutes ago":                     "il y a %d minutes",
	"(optional)":                         "(facultatif)",
	"Approvals":                          "Approbations",
	"Audit":                              "Audit",
	"Authentication":                     "Authentification",
	"Authorized agents":                  "Agents autorisés",
	"Begin":                              "Commencer",
	"Catalog":                            "Catalogue",
	"Copied":                             "Copié",
	"Copy":                               "Copier",
	"Done:":                              "Fait :",
	"Error:":                             "Erreur :",
	"Health":                             "État",
	"History":                            "Historique",
	"MCP endpoint":                       "Point d’accès MCP",
	"Not allowed":                        "Non autorisé",
	"Not found":                          "Introuvable",
	"Nothing was saved. Please correct:": "Rien n’a été enregistré. Veuillez corriger :",
	"Open the link that the server printed when it started.": "Ouvrez le lien que le serveur a affiché à son démarrage.",
	"Overview":                   "Vue d’ensemble",
	"Platform":                   "Plateforme",
	"Returns":                    "Retours",
	"Send the form of the page.": "Envoyez le formulaire de la page.",
	"Set up salesforce-mcp":      "Configurer salesforce-mcp",
	"Sign in":                    "Se connecter",
	"Sign out":                   "Se déconnecter",
	"Skip to the content":        "Aller au contenu",
	"Somebody was faster":        "Quelqu’un a été plus rapide",
	"The form cannot be read.":   "Le formulaire est illisible.",
	"The form is too large: it may have 1 MiB.":     "Le formulaire est trop grand : il peut faire 1 Mio.",
	"The server failed":                             "Le serveur a échoué",
	"The server failed; its log has the cause.":     "Le serveur a échoué ; la cause est dans son journal.",
	"There is no such language.":                    "Cette langue n’existe pas.",
	"There is no such page, or you may not see it.": "Cette page n’existe pas, ou vous ne pouvez pas la voir.",
	"This link is not good any more.":               "Ce lien n’est plus valable.",
	"This was not understood":                       "Ceci n’a pas été compris",
	"Users and roles":                               "Utilisateurs et rôles",
	"Warning:":                                      "Attention :",
	"Workspace":                                     "Espace de travail",
	"Workspaces":                                    "Espaces de travail",
	"You have no role in a workspace yet. An admin of the platform can give you one.": "Vous n’avez pas encore de rôle dans un espace de travail. Un administrateur de la plateforme peut vous en donner un.",
	"Your name": "Votre nom",
	"just now":  "à l’instant",
}
