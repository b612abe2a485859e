package fakeorg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Users of the company an org starts with.
const (
	IntegrationUser = "integration@alderridge.example" // for programs
	AdminUser       = "ada.marlow@alderridge.example"  // the administrator
	ServiceUser     = "sam.okafor@alderridge.example"  // works on cases
	ReturnsUser     = "returns@alderridge.example"     // for programs, and may do nothing but what permission sets say
)

// organizationID is the id of every simulated org.
const organizationID = "00DSm0000000001MAA"

// seeder fills an org with Alder Ridge Tools, a small maker of power tools that sells to shops and builders, and
// takes some of its tools back. Every org starts with the same records under the same ids; their dates are as far
// before the org's clock.
type seeder struct {
	*call
	err error

	users, accounts, contacts, products, entries []string
	pricebook                                    string
}

// values are the fields of a seeded record.
type values map[string]any

func (o *Org) seed() error {
	return o.write(context.Background(), func(db querier) error {
		statements := &prepared{querier: db, statements: map[string]*sql.Stmt{}}
		defer statements.close()
		s := &seeder{call: &call{Request: &http.Request{}, org: o, user: &user{id: makeID("005", 2), username: AdminUser}, db: statements}}
		for _, step := range []func(){s.people, s.catalogue, s.customers, s.sales, s.orders, s.service, s.file, s.processes, s.analytics, s.code, s.returns, s.agents} {
			step()
		}
		return s.err
	})
}

// prepared parses each statement once: that is most of the work of seeding, and nearly all statements are alike.
type prepared struct {
	querier
	statements map[string]*sql.Stmt
}

func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if known := p.statements[query]; known != nil {
		return known, nil
	}
	tx, isTx := p.querier.(*sql.Tx)
	if !isTx {
		return nil, errors.New("not in a transaction")
	}
	statement, err := tx.PrepareContext(ctx, query)
	if err == nil {
		p.statements[query] = statement
	}
	return statement, err
}

// ExecContext runs a statement.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return statement.ExecContext(ctx, args...)
}

// QueryRowContext asks for one row.
func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	statement, err := p.statement(ctx, query)
	if err != nil {
		return p.querier.QueryRowContext(ctx, query, args...) // which tells the error
	}
	return statement.QueryRowContext(ctx, args...)
}

func (p *prepared) close() {
	for _, statement := range p.statements {
		_ = statement.Close() // ends with its transaction anyway
	}
}

// add writes a record that was made some days ago. Unlike a client it may set every field, and to be quick it is not
// checked: a test does that. The first error ends the seeding: later calls do nothing.
func (s *seeder) add(name string, daysAgo int, fields values) string {
	if s.err != nil {
		return ""
	}
	s.at = s.org.now().Add(-time.Duration(daysAgo)*24*time.Hour - time.Hour)
	id, err := s.putRecord(name, fields)
	if err != nil {
		s.err = fmt.Errorf("seed: %w", err)
	}
	return id
}

// day is a date so many days ago.
func (s *seeder) day(ago int) string { return s.org.now().AddDate(0, 0, -ago).Format(time.DateOnly) }

// pick takes an item by a number of any size.
func pick[T any](items []T, n int) T { return items[n%len(items)] }

func (s *seeder) people() {
	profiles := map[string]string{}
	for _, name := range []string{"System Administrator", "Standard User", "Integration User"} {
		profiles[name] = s.add("Profile", 900, values{"Name": name, "UserType": "Standard"})
	}
	for _, p := range []struct{ first, last, username, title, profile string }{
		{"Integration", "User", IntegrationUser, "Integration", "Integration User"},
		{"Ada", "Marlow", AdminUser, "Administrator", "System Administrator"},
		{"Sam", "Okafor", ServiceUser, "Service Agent", "Standard User"},
		{"Lena", "Vogt", "lena.vogt@alderridge.example", "Account Executive", "Standard User"},
		{"Tomás", "Reyes", "tomas.reyes@alderridge.example", "Account Executive", "Standard User"},
		{"Priya", "Nair", "priya.nair@alderridge.example", "Returns Manager", "Standard User"},
	} {
		s.users = append(s.users, s.add("User", 900, values{"FirstName": p.first, "LastName": p.last, "Username": p.username, "Email": p.username,
			"Alias": string([]rune(p.first + p.last)[:5]), "Title": p.title, "ProfileId": profiles[p.profile]}))
	}
	s.add("User", 900, values{"FirstName": "Gil", "LastName": "Former", "Username": "gil.former@alderridge.example",
		"Email": "gil.former@alderridge.example", "Alias": "gform", "ProfileId": profiles["Standard User"], "IsActive": false})
	s.org.minimal = s.add("Profile", 900, values{"Name": minimalProfile, "UserType": "Standard"})
	s.add("User", 900, values{"FirstName": "Returns", "LastName": "User", "Username": ReturnsUser, "Email": ReturnsUser, "Alias": "Retur",
		"Title": "Integration", "ProfileId": s.org.minimal})
	s.add("Organization", 900, values{"Name": "Alder Ridge Tools (simulated)", "City": "Lyon", "Country": "France", "PrimaryContact": "Ada Marlow",
		"OrganizationType": "Developer Edition", "InstanceName": "SIM0", "DefaultLocaleSidKey": "en_US", "LanguageLocaleKey": "en_US"})
}

func (s *seeder) catalogue() {
	s.pricebook = s.add("Pricebook2", 880, values{"Name": "Standard Price Book", "IsActive": true, "IsStandard": true})
	for i, p := range []struct {
		name, family string
		price        float64
	}{
		{"Cordless Drill 18V", "Hardware", 149}, {"Impact Driver 18V", "Hardware", 169}, {"Circular Saw 190", "Hardware", 219},
		{"Angle Grinder 125", "Hardware", 99.5}, {"Orbital Sander", "Hardware", 89}, {"Laser Level", "Hardware", 259},
		{"Battery Pack 5Ah", "Accessories", 79}, {"Rapid Charger", "Accessories", 59.9}, {"Bit Set 40", "Accessories", 34.5},
		{"Drill Chuck", "Spare Parts", 24}, {"Motor Brush Set", "Spare Parts", 12.8}, {"Extended Service Plan", "Services", 49},
	} {
		code := fmt.Sprintf("ART-%03d", 100+i*10)
		id := s.add("Product2", 870, values{"Name": p.name, "ProductCode": code, "StockKeepingUnit": code + "-EU", "Family": p.family,
			"IsActive": true, "QuantityUnitOfMeasure": "Each", "Description": p.name + ", sold by Alder Ridge Tools."})
		s.products = append(s.products, id)
		s.entries = append(s.entries, s.add("PricebookEntry", 870, values{"Pricebook2Id": s.pricebook, "Product2Id": id, "UnitPrice": p.price, "IsActive": true}))
	}
}

// town is where a customer is.
type town struct{ city, code, country, phone string }

var (
	towns = []town{{"Lyon", "69002", "France", "+33 4 72 00 "}, {"Hamburg", "20095", "Germany", "+49 40 300 "}, {"Austin", "78701", "USA", "+1 512 555 "},
		{"Leeds", "LS1 4AP", "UK", "+44 113 496 "}, {"Porto", "4000-322", "Portugal", "+351 22 010 "}, {"Denver", "80202", "USA", "+1 303 555 "}}
	companies = []string{"Harbor & Pine", "Northgate", "Red Oak", "Blue Heron", "Summit", "Old Mill", "Ironbridge", "Lakeside", "Copperfield", "Stonecrop",
		"Windmill", "Foxglove", "Greyfriars", "Bellwether", "Silverleaf", "Tall Pines"}
	trades = []struct{ name, industry string }{{"Hardware", "Retail"}, {"Builders", "Construction"}, {"Joinery", "Manufacturing"}, {"Facility Services", "Consulting"}}
	first  = []string{"Marta", "Jonas", "Aisha", "Pierre", "Olu", "Grace", "Henrik", "Inês", "Dylan", "Yuki", "Noor", "Caleb", "Sofia", "Emil"}
	last   = []string{"Brandt", "Costa", "Delacroix", "Evans", "Fontaine", "Grant", "Hughes", "Ivers", "Jansen", "Keller", "Lopes", "Meyer", "Novak"}
	titles = []string{"Owner", "Purchasing Manager", "Site Manager", "Store Manager", "Accountant"}
)

func (s *seeder) customers() {
	for i := range 64 {
		name, trade, town := pick(companies, i), trades[i/len(companies)], pick(towns, i*5)
		a := values{"Name": name + " " + trade.name, "Industry": trade.industry, "Type": pick([]string{"Customer - Direct", "Customer - Channel", "Prospect"}, i),
			"AccountNumber": fmt.Sprintf("C-%04d", 1000+i), "ExternalId__c": fmt.Sprintf("ERP-%04d", 1000+i), "AnnualRevenue": 250000 + i*i*13700,
			"NumberOfEmployees": 5 + i*3, "Phone": fmt.Sprintf("%s%02d%02d", town.phone, i, 99-i), "Website": fmt.Sprintf("https://www.customer-%02d.example", i),
			"BillingStreet": fmt.Sprintf("%d Workshop Street", 3+i*2), "BillingCity": town.city, "BillingPostalCode": town.code, "BillingCountry": town.country,
			"Rating": pick([]string{"Hot", "Warm", "Cold"}, i), "Tier__c": pick([]string{"Gold", "Silver", "Bronze"}, i/3),
			"Sales_Regions__c": pick([]string{"EMEA", "AMER;EMEA", "AMER", "APAC;EMEA"}, i), "OwnerId": s.users[3+i%2],
			"Legacy_Number__c": fmt.Sprintf("L-%d", 100+i/2)} // two of each, as after a merger
		if i >= 48 {
			a["ParentId"] = s.accounts[i-48]
		}
		s.accounts = append(s.accounts, s.add("Account", 800-i*9, a))
		for j := range 2 {
			n := i*2 + j
			given, family := pick(first, n), pick(last, n)
			s.contacts = append(s.contacts, s.add("Contact", 790-i*9, values{"AccountId": s.accounts[i], "FirstName": given, "LastName": family,
				"Email": fmt.Sprintf("contact%03d@customer-%02d.example", n, i), "Title": pick(titles, n), "Phone": a["Phone"], "MailingCity": town.city,
				"MailingCountry": town.country, "LeadSource": pick([]string{"Web", "Partner Referral", "Phone Inquiry"}, n), "OwnerId": s.users[3+i%2]}))
		}
	}
	for i := range 24 {
		s.add("Lead", 90-i*3, values{"FirstName": pick(first, i*3+1), "LastName": pick(last, i*5+2), "Company": pick(companies, i*7) + " Renovation",
			"Email": fmt.Sprintf("lead%02d@prospect.example", i), "Status": pick([]string{"Open - Not Contacted", "Working - Contacted", "Closed - Not Converted"}, i),
			"LeadSource": pick([]string{"Web", "Purchased List"}, i), "Industry": "Construction", "City": pick(towns, i).city, "Country": pick(towns, i).country,
			"Rating": pick([]string{"Warm", "Cold", "Hot"}, i)})
	}
}

func (s *seeder) sales() {
	stages := []string{"Prospecting", "Qualification", "Needs Analysis", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Won", "Closed Lost"}
	for i := range 56 {
		closing := 200 - i*6 // negative: in the future
		s.add("Opportunity", 260-i*4, values{"AccountId": pick(s.accounts, i*3), "ContactId": pick(s.contacts, i*6), "StageName": pick(stages, i),
			"Name": fmt.Sprintf("%s %s fleet", pick(companies, i*3), pick([]string{"drill", "saw", "grinder"}, i)), "Amount": 4000 + i*i*55,
			"CloseDate": s.day(closing), "Type": pick([]string{"New Customer", "Existing Customer - Upgrade"}, i), "LeadSource": "Web", "OwnerId": s.users[3+i%2]})
	}
}
