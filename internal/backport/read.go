package backport

import (
	"regexp"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/answer"
	"bbjtune/internal/audit"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
	"bbjtune/internal/markdown"
)

// Reading is an example as far as a row says it.
type Reading struct {
	example.Example
	// Exact reports that the data builder makes the same row of it again.
	Exact bool
	// TopicCertain reports that the code leaves no doubt about the topic.
	TopicCertain bool
	// Needs lists what a reviewer has yet to write or to confirm.
	Needs []string

	wording int // where it is exact
}

// Read takes a question and its answer for an example: for the one that they
// were made of where the words are those of the data builder, and otherwise for
// the type that their shape fits. The reason says why no example holds them.
func Read(prompt, said string) (r *Reading, reason string) {
	r = &Reading{}
	if e, n, ok := dataset.FromConversation(prompt, said); ok {
		r.Example, r.Exact, r.wording = *e, true, n
	} else if reason := r.free(prompt, said); reason != "" {
		return nil, reason
	}
	r.settle(prompt)
	return r, ""
}

// free reads a row in any words.
func (r *Reading) free(prompt, said string) (reason string) {
	form := audit.FormOf(said)
	if form == audit.Mixed {
		return "code stands outside of a fence: bbjtune data clean puts it into one"
	}
	code, prose := programIn(said)
	if form == audit.Raw {
		code, prose = said, ""
	}
	shown, words := programIn(prompt)
	prose = blankLines.ReplaceAllString(prose, "\n\n")
	switch {
	case strings.TrimSpace(code) == "" && shown == "":
		return "holds no program in a fence, and an example is about one"
	case strings.TrimSpace(code) == "":
		r.Type, r.Code, r.Explanation, r.Description = example.Comprehension, fence(shown), said, words
	case shown != "" && r.migration(words, shown, code):
		r.Explanation, r.Description = prose, words
	case asksForProgram(prompt) || leadIn(prose):
		r.Type, r.Code, r.Description = example.Completion, fence(code), prompt
		if !leadIn(prose) {
			r.Explanation = prose
		}
	default:
		r.Type, r.Code, r.Explanation, r.Description = example.Explanation, fence(code), prose, prompt
	}
	if r.Type != example.Comprehension && otherLanguage(said) {
		r.need("a decision on the code in another language, which is left out")
	}
	return ""
}

// blankLines stay behind where code was taken out.
var blankLines = regexp.MustCompile(`\n(?:[ \t]*\n)+`)

// migration takes two programs for before and after if the question names where
// to, the old one is written for something else, and the new one for that.
func (r *Reading) migration(words, shown, code string) bool {
	to := target(words)
	from := generation.Of(syntax.Parse([]byte(shown))).Written
	written := generation.Of(syntax.Parse([]byte(code))).Written
	if to == "" || !carries.MatchString(words) || from == generation.All || from == to || written != to {
		return false
	}
	r.Type, r.Before, r.After, r.FromGeneration, r.ToGeneration = example.Migration, fence(shown), fence(code), from, to
	return true
}

var (
	carries = regexp.MustCompile(`(?i)\b(migrat|convert|port|rewrit|moderni[sz]|carry|translat|turn|chang|mov)\w*`)
	targets = []struct {
		words *regexp.Regexp
		means generation.Generation
	}{
		{regexp.MustCompile(`(?i)\b(?:to|for|into|in|using)\b[^.?!]*\b(?:DWC|dynamic web client)\b`), generation.DWC},
		{regexp.MustCompile(`(?i)\b(?:to|for|into|in|using)\b[^.?!]*\b(?:bbj gui|object gui|bbj objects?|bbjwindow|sysgui objects?)\b`), generation.GUI},
		{regexp.MustCompile(`(?i)\b(?:to|for|into|in|using)\b[^.?!]*\bvisual pro/?5\b`), generation.VPRO5},
		{regexp.MustCompile(`(?i)\b(?:to|for|into|in|using)\b[^.?!]*\bcharacter[- ]mode\b`), generation.Character},
	}
)

// target is the one generation that a question asks to carry a program to, or
// "".
func target(words string) generation.Generation {
	var found generation.Generation
	for _, t := range targets {
		if t.words.MatchString(words) {
			if found != "" {
				return ""
			}
			found = t.means
		}
	}
	return found
}

// programIn splits a text into the program that it shows and its words. The program
// stands in fences that are marked as BBj, else in those that name no language.
func programIn(text string) (code, words string) {
	list := answer.Marked(text)
	if len(list) == 0 {
		list = answer.Unmarked(text)
	}
	if len(list) == 0 {
		return "", text
	}
	for i := range list {
		list[i] = strings.Trim(list[i], "\n")
	}
	return strings.Join(list, "\n"), strings.TrimSpace(answer.Extract(text).Prose)
}

var asksFor = regexp.MustCompile(`(?i)^\W*(?:please |can you |could you |in bbj[:,]? |using bbj[:,]? )*(?:write|create|make|build|develop|implement|generate|program|give me|i need|i want|show me (?:a|an|the) (?:program|code|example)|code)\b`)

// asksForProgram tells a task from a question: its answer is the program, and
// the prose beside it explains that.
func asksForProgram(prompt string) bool { return asksFor.MatchString(prompt) }

// leadIn reports whether the prose of an answer is none, or no more than "Here
// is the program:", which says nothing.
func leadIn(prose string) bool {
	prose = strings.TrimSpace(prose)
	return prose == "" || len(prose) < 80 && leading.MatchString(prose)
}

var leading = regexp.MustCompile(`(?i)^(?:sure|certainly|of course|here|below|this|the following|you can use)\b[^\n]*[:.!]$`)

var marked = regexp.MustCompile("(?m)^[ \t]*(?:```+|~~~+)[ \t]*[A-Za-z]")

// otherLanguage reports whether an answer marks more fences than those of BBj.
func otherLanguage(said string) bool {
	return len(marked.FindAllString(said, -1)) > len(answer.Marked(said))
}

func fence(code string) []markdown.Fence {
	return []markdown.Fence{{Lang: "bbj", Code: []byte(strings.Trim(code, "\n") + "\n")}}
}

func (r *Reading) need(what string) { r.Needs = append(r.Needs, what) }

// settle derives what the row does not carry, where that is certain, and asks
// the reviewer for the rest.
func (r *Reading) settle(prompt string) {
	var programs []*syntax.Program
	code := r.Code
	if r.Type == example.Migration {
		code = r.After
	}
	for _, f := range code {
		programs = append(programs, syntax.Parse(f.Code))
	}
	r.Topic, r.TopicCertain = Topic(programs)
	r.generation(prompt, programs)
	r.title(prompt)
	if r.Description == "" && (r.Type == example.Migration || r.Type == example.Explanation) {
		r.need("description")
	}
	if r.Explanation == "" {
		r.Explanation = "TODO: explain the program: why it is written so, and what is easily missed."
		r.need("explanation")
	}
	if !r.TopicCertain {
		r.need("topic (the folder is a guess)")
	}
	r.need("difficulty")
	for _, f := range r.Fences() {
		if !example.SaysWhat(f.Code) {
			r.need("REM at the start of the code")
			break
		}
	}
	r.need(expected)
}

// expected is what every draft needs: no row says what its program shows.
const expected = "what to expect"

// generation reads the code where the question names none.
func (r *Reading) generation(prompt string, programs []*syntax.Program) {
	switch {
	case r.Type == example.Migration:
		r.Generation = example.Generations{r.ToGeneration}
		if r.FromGeneration == "" {
			r.FromGeneration = generation.Of(syntax.Parse(r.Before[0].Code)).Written
		}
		if r.FromGeneration == generation.All || r.FromGeneration == r.ToGeneration {
			// Nothing in it tells: such programs are mostly of the oldest kind.
			r.FromGeneration = oldest(r.ToGeneration)
			r.need("from_generation (a guess)")
		}
	case len(r.Generation) == 0:
		g := newest(programs)
		r.Generation = example.Generations{g}
		if again, _ := dataset.Conversation(&r.Example, r.wording); r.Exact && again != prompt {
			// Had it been for that one alone, the question would name it.
			r.Generation = beside[g]
			r.need("generation (the question leaves it open)")
		}
	}
}

func oldest(but generation.Generation) generation.Generation {
	if but == generation.Character {
		return generation.VPRO5
	}
	return generation.Character
}

// beside are the generations that run a program of each.
var beside = map[generation.Generation]example.Generations{
	generation.Character: {generation.Character, generation.VPRO5},
	generation.VPRO5:     {generation.VPRO5, generation.GUI},
	generation.GUI:       {generation.GUI, generation.DWC},
	generation.DWC:       {generation.GUI, generation.DWC},
}

// newest is the generation that programs are written for together.
func newest(programs []*syntax.Program) generation.Generation {
	found := generation.All
	rank := -1
	for _, p := range programs {
		for i, g := range generation.Known() {
			if g == generation.Of(p).Written && i > rank {
				found, rank = g, i
			}
		}
	}
	return found
}
