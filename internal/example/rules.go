package example

import "bbjtune/bbj/diag"

// Rule is a kind of finding in an example file. Codes are never given a new
// meaning.
type Rule struct {
	Code, Name string
	Severity   diag.Severity
	// Title says in a few words what is wrong, Why why that matters, and Help
	// what to do.
	Title, Why, Help string
}

// The rules of the format.
var (
	FileName = Rule{"EX101", "file-name", diag.Error, "place or name of an example",
		"The topic folder says what an example is about, and its name is the name by which the data builder and the reports call it.",
		"put the file into a topic folder and name it like-this.md"}
	FrontMatter = Rule{"EX102", "front-matter", diag.Error, "front matter that breaks the format",
		"The front matter decides what an example becomes, and on which side of the split. A misspelt key would be lost without a word.",
		"training-data/FORMAT.md lists the keys and their values"}
	Sections = Rule{"EX103", "sections", diag.Error, "sections that break the format",
		"Question and answer are made of the sections. What stands anywhere else is not trained on.",
		"write ## Code, ## Expected Behavior or ## Expected Output, ## Explanation, in this order"}
	Code = Rule{"EX104", "code", diag.Error, "code fence that breaks the format",
		"A model learns the form of the answer as well: each program is a bbj fence, and says first what it does.",
		"write the program in a ```bbj fence that starts with a REM"}
	Generation = Rule{"EX105", "generation", diag.Error, "code of another generation",
		"The question asks for a program of the generation that the front matter names. Code of another one teaches the model to answer a character program with a window. " +
			"All fits what needs no generation, dwc also what the object GUI uses; code without any sign of a generation, and what runs in all of them, such as INPUT, fits everywhere.",
		"name the generation that the code is written for, or rewrite the code"}
	Expected = Rule{"EX106", "expected-section", diag.Warning, "Expected Output of a window, or Expected Behavior of plain output",
		"Who reviews an example looks for one of two things: what a console program prints, or what a window or a page does.",
		"write ## Expected Behavior for programs with a window or a page, ## Expected Output for console programs"}
	FenceNames = Rule{"EX107", "files", diag.Error, "files of an example without names of their own",
		"The files of a program call each other by name, and the model has to say which is which.",
		"put a line <!-- filename: name.bbj --> before each fence: one plain name for each, without a folder"}
	Unfinished = Rule{"EX108", "unfinished", diag.Error, "placeholder that is not filled in",
		"bbjtune new writes TODO: wherever the author has something to say. A model that is trained on it learns to say TODO.",
		"write what the placeholder asks for, and delete it"}
	Duplicate = Rule{"EX109", "near-duplicate", diag.Warning, "example whose code is nearly that of another",
		"Two examples of one program teach hardly more than one, and weigh as much as two. The data builder keeps them on one side of the split.",
		"keep the better one, or make them differ in more than names and numbers"}
	Encoding = Rule{"EX110", "encoding", diag.Error, "text that is not UTF-8",
		"Bytes that are no character become a replacement sign in the training rows.",
		"save the file as UTF-8"}
)

// Rules lists the rules in the order of their codes.
func Rules() []Rule {
	return []Rule{FileName, FrontMatter, Sections, Code, Generation, Expected, FenceNames, Unfinished, Duplicate, Encoding}
}

// Lookup returns the rule with the code.
func Lookup(code string) (Rule, bool) {
	for _, r := range Rules() {
		if r.Code == code {
			return r, true
		}
	}
	return Rule{}, false
}

// Finding is a finding of the rule; the caller adds the file.
func (r Rule) Finding(at diag.Span, message string) diag.Diagnostic {
	return diag.Diagnostic{Code: r.Code, Name: r.Name, Severity: r.Severity, Family: diag.Format, Span: at, Message: message, Help: r.Help}
}
