// Package coverage says what a set of training data shows and what it does not:
// how many examples there are of each type, generation, difficulty and topic,
// which verbs, functions, classes, methods and events of bbj/api stand in their
// code, and what to write next. What is important is not taste: code in use
// decides, that of public repositories or of the user's own.
//
// It must not know files, flags or terminals.
package coverage
