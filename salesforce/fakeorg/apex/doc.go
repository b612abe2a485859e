// Package apex reads Apex and runs a part of it, for the simulated org: anonymous blocks, test methods, and the
// classes they call.
//
// [ParseClass], [ParseTrigger] and [ParseAnonymous] know the whole syntax of the language, so that source which is
// refused by the platform's parser is refused here, in its words where they are known. Types and names are not checked
// when a class is read: nobody here has a list of all that the platform knows.
//
// An [Interpreter] runs what it understands: variables, operators, control flow, exceptions, classes with their
// methods, fields and constructors, String, Integer, Decimal, Date, Datetime, List, Set, Map and sObject values with
// their commonest methods, System, Assert, Test, Math, Database and UserInfo, SOQL and DML. The org behind it is a
// [Platform]. What it meets and does not understand ends the run with an [Error], whose message starts with
// "simulated: ": it is never skipped. Not run are triggers, and not simulated are static initializers with side
// effects on other classes, asynchronous Apex, callouts and e-mail.
package apex
