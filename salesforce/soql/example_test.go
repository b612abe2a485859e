package soql_test

import (
	"errors"
	"fmt"

	"salesforce-mcp/salesforce/soql"
)

// What a query touches, query by query: a visitor keeps the queries it is in.
func ExampleWalk() {
	q, err := soql.Parse("SELECT Name, Owner.Email, (SELECT LastName FROM Contacts) FROM Account WHERE Id IN (SELECT AccountId FROM Case)")
	if err != nil {
		fmt.Println(err)
		return
	}
	var open []soql.Node
	soql.Walk(q, func(n soql.Node) bool {
		if n == nil {
			open = open[:len(open)-1]
			return false
		}
		open = append(open, n)
		if path, ok := n.(soql.Path); ok {
			for i := len(open) - 1; i >= 0; i-- {
				if in, isQuery := open[i].(*soql.Query); isQuery {
					fmt.Printf("%s: %s at %d\n", in.From.Path, path, path.Pos())
					break
				}
			}
		}
		return true
	})
	// Output:
	// Account: Name at 7
	// Account: Owner.Email at 13
	// Contacts: LastName at 34
	// Contacts: Contacts at 48
	// Account: Account at 63
	// Account: Id at 77
	// Case: AccountId at 91
	// Case: Case at 106
}

func ExampleError_Context() {
	_, err := soql.Parse("SELECT Name\nFROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'")
	var malformed *soql.Error
	if errors.As(err, &malformed) {
		fmt.Println(malformed.Context())
	}
	// Output:
	// WHERE Name = 'a' AND Name = 'b' OR Name = 'c'
	//                                 ^
	// ERROR at Row:2:Column:46
	// unexpected token: 'OR'
}

func ExampleQuote() {
	fmt.Println("SELECT Id FROM Contact WHERE LastName = " + soql.Quote(`O'Neil \ Sons`))
	fmt.Println("SELECT Id FROM Contact WHERE LastName LIKE '%" + soql.QuoteLike("100%") + "%'")
	fmt.Println("FIND {" + soql.EscapeSearch("Harbor & Pine (Lyon)") + "} RETURNING Account")
	// Output:
	// SELECT Id FROM Contact WHERE LastName = 'O\'Neil \\ Sons'
	// SELECT Id FROM Contact WHERE LastName LIKE '%100\%%'
	// FIND {Harbor \& Pine \(Lyon\)} RETURNING Account
}
