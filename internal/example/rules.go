package example

// Rule is a kind of finding in an example file. Codes are never given a new
// meaning.
type Rule struct {
	Code, Name, Help string
}

// The rules of the format.
var (
	FileName    = Rule{"EX101", "file-name", "put the file into a topic folder and name it like-this.md"}
	FrontMatter = Rule{"EX102", "front-matter", "training-data/FORMAT.md lists the keys and their values"}
	Sections    = Rule{"EX103", "sections", "write ## Code, ## Expected Behavior or ## Expected Output, ## Explanation, in this order"}
	Code        = Rule{"EX104", "code", "write the program in a ```bbj fence that starts with a REM"}
)

// Lookup returns the rule with the code.
func Lookup(code string) (Rule, bool) {
	for _, r := range []Rule{FileName, FrontMatter, Sections, Code} {
		if r.Code == code {
			return r, true
		}
	}
	return Rule{}, false
}
