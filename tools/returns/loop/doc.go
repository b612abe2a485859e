// Package loop is the flow of a return, from a case to the money and the records.
//
//	claim     the case says that somebody works on it
//	evaluate  the facts are read, the policy decides, and both are frozen
//	approval  facts and policy once more; where they are not sure, a person decides
//	refund    the money goes back: from here on there is no way back
//	records   case, order, return order, refund and task, all or none
//	release   other returns of the order may go on
//	document  the receipt, or the label of a replacement, on the case
//	event     others are told
//
// What decides is the policy, over facts that no customer's words can become, and
// persons. An agent says which case, what for, and how sure it is: nothing that it
// says is an amount, a payment, or an approval.
//
// Returns of one order take turns. The order is locked from the moment when its facts
// are read for the last time until its records are written, however long that is: what
// one return has paid back, the next one sees.
package loop
