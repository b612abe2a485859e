// Package policy decides what becomes of a return: approve it, deny it, or let a
// person decide.
//
// A policy is a YAML file of rules in CEL, the Common Expression Language
// (https://cel.dev), over [Facts]:
//
//	limits:
//	  amount: {USD: 20000}
//	  confidence: 0.8
//	rules:
//	  - name: late
//	    when: order.daysSinceDelivery > 30
//	    verdict: deny
//	    reason: The order was delivered more than 30 days before the return was asked for.
//
// [Parse] checks every expression against the types of the facts ([Vocabulary]), so
// that a wrong one is refused when it is saved. [Policy.Decide] tries all the rules.
// A denial beats a review and a review beats an approval. Where no rule fires, a rule
// cannot be decided, or the money does not add up, a person decides.
//
// Nothing that a customer or a model writes is a fact: facts are truth values, whole
// numbers, dates, and words that an administrator of the org listed ([Choice]). So
// what a case says cannot move what is decided about it (promise P16). The agent's
// confidence is no fact either: it can turn an approval into a review, and nothing
// else.
//
// Expressions are data of an administrator and bounded all the same: in size and
// nesting when they are parsed, in cost and time when they run (attack 43).
//
// A [Policy] does not change and is safe for concurrent use.
package policy

//go:generate go test . -run TestDocumentedFacts -update
