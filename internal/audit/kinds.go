package audit

// Severity says how bad a kind of defect is.
type Severity string

// The severities: an error keeps a row from being of use, a warning is worth a
// look, a note is worth knowing.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Kind is a kind of defect. Codes are never given a new meaning.
type Kind struct {
	Code     string   `json:"code"`
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"`
	Why      string   `json:"why"`
	Help     string   `json:"help"`
}

// The kinds.
var (
	NotJSON = Kind{"DA101", "not-json", Error, "line that is no JSON object with messages",
		"a file of rows holds one object a line", `write {"messages":[{"role":…,"content":…},…]} on one line`}
	Roles = Kind{"DA102", "roles", Error, "roles that are unknown, missing or out of order",
		"a conversation is system (or not), then user and assistant in turns", "put the turns into order, or take the row out"}
	Empty = Kind{"DA103", "empty", Error, "message without content",
		"an empty answer teaches the model to say nothing", "take the row out"}
	ControlToken = Kind{"DA104", "control-token", Error, "message that spells out a token of the chat template",
		"it would forge a turn", "take the token out"}
	Encoding = Kind{"DA105", "encoding", Warning, "characters that went through a wrong encoding",
		"the model learns to write them", "convert the file from its real encoding"}

	Repeated = Kind{"DA201", "repeated-prompt", Warning, "prompt that occurs several times with the same answer",
		"what is seen several times an epoch is learned by heart", "keep one"}
	Conflict = Kind{"DA202", "conflicting-answers", Error, "prompt that occurs several times with different answers",
		"the model is taught both", "keep the one that compiles and is right"}
	NearPrompt = Kind{"DA203", "near-prompt", Warning, "prompt that is nearly another one",
		"it counts like a repetition, and may leak over the split", "keep one, or let the split keep them together"}
	Contaminated = Kind{"DA204", "contaminated", Error, "row that resembles an evaluation case or contains one",
		"what is trained on cannot be measured with", "take the row out"}

	Escapes = Kind{"DA301", "literal-escape", Error, `\n, \t or \" spelled out where the character itself is meant`,
		"a backslash is a plain character in BBj: the model learns to write it into programs", "put the real character there"}
	Unfenced = Kind{"DA302", "unfenced-code", Warning, "code outside of a fence",
		"a model that saw code with and without fences cannot know which to give, and a program cannot be taken out of its answer",
		"put the code into a ```bbj fence"}
	TooShort = Kind{"DA303", "too-short", Warning, "answer of 10 characters or fewer",
		"it teaches next to nothing", "write a whole answer, or take the row out"}
	Short = Kind{"DA304", "short", Note, "answer under 50 characters",
		"it teaches little", "see whether it says what a user would want to know"}
	Long = Kind{"DA305", "long", Note, "answer over 1000 characters",
		"it may not fit into the length that is trained on", "count it with --tokenizer and --max-tokens"}
	Truncated = Kind{"DA306", "truncated", Error, "row that is longer than the length that is trained on",
		"it is dropped, or its answer is cut and the model learns to stop in the middle", "shorten it, or raise max_length"}
	OneSystem = Kind{"DA307", "one-system-prompt", Warning, "the same system prompt in all rows",
		"the model may tie what it learned to that sentence", "vary it: three to five ways to say it"}

	Broken = Kind{"DA401", "does-not-compile", Error, "code that does not compile",
		"the model learns to write it", "correct the program, or take the row out"}
	Fabricated = Kind{"DA402", "fabricated-api", Error, "code that names what does not exist",
		"it compiles, and fails when it runs", "name what exists: bbjtune check says where"}
	OtherGeneration = Kind{"DA403", "other-generation", Warning, "code written for another generation than the prompt asks for",
		"the model learns that the word in the prompt does not matter", "correct the prompt or the code"}

	Secret = Kind{"DA501", "secret", Error, "what looks like a key or a password",
		"a model repeats what it saw", "put a placeholder there, and change the secret"}
	Personal = Kind{"DA502", "personal-data", Warning, "e-mail address",
		"a model repeats what it saw", "put one at example.com there"}
)

// Kinds lists all kinds in the order of their codes.
func Kinds() []Kind {
	return []Kind{
		NotJSON, Roles, Empty, ControlToken, Encoding, Repeated, Conflict, NearPrompt, Contaminated,
		Escapes, Unfenced, TooShort, Short, Long, Truncated, OneSystem, Broken, Fabricated, OtherGeneration, Secret, Personal,
	}
}

var byCode = func() map[string]Kind {
	m := map[string]Kind{}
	for _, k := range Kinds() {
		m[k.Code] = k
	}
	return m
}()

// Lookup returns the kind with the code.
func Lookup(code string) (Kind, bool) {
	k, ok := byCode[code]
	return k, ok
}
