package example

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/internal/fault"
	"bbjtune/internal/nearest"
)

// Name takes the topic and the file name from TOPIC/NAME, where the end .md may
// be missing.
func Name(text string) (topic, file string, err error) {
	topic, name, ok := strings.Cut(text, "/")
	if !ok || topic == "" || name == "" || strings.Contains(name, "/") {
		return "", "", fault.Newf("write for example gui/open-window", "%q is not TOPIC/NAME", text)
	}
	if !slices.Contains(Topics(), topic) {
		hint := "the topics: " + strings.Join(Topics(), ", ")
		if n := nearest.Name(topic, Topics()); n != "" {
			hint = fmt.Sprintf("did you mean %s/%s?", n, name)
		}
		return "", "", fault.Newf(hint, "there is no topic %q", topic)
	}
	name = strings.TrimSuffix(name, ".md")
	if !kebab.MatchString(name) {
		hint := "write small letters and digits with hyphens between the words"
		if k := kebabed(name); k != "" {
			hint = fmt.Sprintf("did you mean %s/%s?", topic, k)
		}
		return "", "", fault.Newf(hint, "name %q is not kebab-case", name)
	}
	return topic, name + ".md", nil
}

// Complete fills what a front matter leaves open: the type, and the generation that
// a migration goes to or that the topic suggests. The error says what its author
// has to decide or has misspelt.
func (f Front) Complete(topic string) (Front, error) {
	if f.Type == "" {
		f.Type = Completion
	}
	if err := oneOf("type", string(f.Type), names(Types())); err != nil {
		return f, err
	}
	if f.Difficulty != "" {
		if err := oneOf("difficulty", f.Difficulty, Difficulties()); err != nil {
			return f, err
		}
	}
	known := names(generation.Known())
	for i, g := range [...]generation.Generation{f.FromGeneration, f.ToGeneration} {
		word := []string{"from", "to"}[i]
		switch {
		case f.Type != Migration && g != "":
			return f, fault.New("a "+string(f.Type)+" goes "+word+" no other generation", "leave --"+word+" out, or write --type migration")
		case f.Type == Migration && g == "":
			return f, fault.New("a migration needs the generation that it goes "+word, "add --"+word+" with one of "+strings.Join(known, ", "))
		case f.Type == Migration:
			if err := oneOf(word, string(g), known); err != nil {
				return f, err
			}
		}
	}
	if len(f.Generation) == 0 {
		f.Generation = Generations{f.suggested(topic)}
	}
	return f, f.Generation.valid()
}

func (f Front) suggested(topic string) generation.Generation {
	switch {
	case f.Type == Migration:
		return f.ToGeneration
	case topic == "gui":
		return generation.GUI
	case topic == "dwc":
		return generation.DWC
	}
	return generation.All
}

func (g Generations) valid() error {
	all := append([]string{string(generation.All)}, names(generation.Known())...)
	for i, name := range g {
		if err := oneOf("generation", string(name), all); err != nil {
			return err
		}
		if name == generation.All && len(g) > 1 || slices.Contains(g[:i], name) {
			return fault.Newf("name each once, or all alone", "generation is %s", strings.Join(names(g), ", "))
		}
	}
	return nil
}

func oneOf(what, value string, list []string) error {
	if slices.Contains(list, value) {
		return nil
	}
	hint := "write one of " + strings.Join(list, ", ")
	if n := nearest.Name(value, list); n != "" {
		hint = fmt.Sprintf("did you mean %s?", n)
	}
	return fault.Newf(hint, "%s is %q", what, value)
}

// skeletons are programs of each generation that do next to nothing.
var skeletons = map[generation.Generation]string{
	generation.All: `print "TODO: what the program prints"
end
`,
	generation.Character: `print 'CS',@(5,2),"TODO: what stands on the screen"
end
`,
	generation.VPRO5: `sysgui = unt
open (sysgui)"X0"
print (sysgui)'WINDOW'(100,100,340,160,"TODO: the title of the window",$00010003$)
dim event$:tmpl(sysgui)
repeat
    read record (sysgui,siz=len(event$))event$
until event.code$="X"
release
`,
	generation.GUI: `sysgui! = BBjAPI().openSysGui("X0")
window! = sysgui!.addWindow(100,100,340,160,"TODO: the title of the window",$00090083$)
window!.setCallback(window!.ON_CLOSE,"do_close")
process_events
do_close:
release
`,
	generation.DWC: `BBjAPI().getWebManager().setTitle("TODO: the title of the page")
sysgui! = BBjAPI().openSysGui("X0")
window! = sysgui!.addWindow("TODO: the title of the window",$00100083$)
window!.setCallback(window!.ON_CLOSE,"do_close")
process_events
do_close:
release
`,
}

// requests are what the description asks for, by type.
var requests = map[Type]string{
	Completion:    "the program in one or two sentences, as a user would ask for it",
	Comprehension: "the question about the code, as a user would ask it",
	Migration:     "the request to carry the code over, as a user would put it",
	Explanation:   "the subject in one or two sentences, as a user would ask about it",
}

// Skeleton writes an example whose form is right and whose content is left to its
// author: each place that there is something to say begins with TODO. The front
// matter must be complete.
func Skeleton(f Front) []byte {
	var b strings.Builder
	if f.Title == "" {
		f.Title = "TODO: what the example shows, in a few words"
	}
	fmt.Fprintf(&b, "---\ntitle: %s\ntype: %s\ngeneration: %s\n", strconv.Quote(f.Title), f.Type, listed(f.Generation))
	if f.Difficulty != "" {
		fmt.Fprintf(&b, "difficulty: %s\n", f.Difficulty)
	}
	fmt.Fprintf(&b, "tags: [\"TODO: words to find it by\"]\ndescription: \"TODO: %s\"\n", requests[f.Type])
	last := f.Generation[0]
	if f.Type == Migration {
		last = f.ToGeneration
		fmt.Fprintf(&b, "from_generation: %s\nto_generation: %s\n", f.FromGeneration, f.ToGeneration)
	}
	b.WriteString("---\n\n## Code\n\n")
	if f.Type == Migration {
		fmt.Fprintf(&b, "### Before\n\n%s### After\n\n", fenced(f.FromGeneration))
	}
	b.WriteString(fenced(last))
	switch last {
	case generation.All, generation.Character:
		b.WriteString("## Expected Output\n\n```\nTODO: what the program prints\n```\n\n")
	default:
		b.WriteString("## Expected Behavior\n\nTODO: what can be seen, and what happens when the user does something\n\n")
	}
	b.WriteString("## Explanation\n\nTODO: how it works, and why it is written like this\n")
	return []byte(b.String())
}

// listed writes generations as YAML.
func listed(g Generations) string {
	text := strings.Join(names(g), ", ")
	if len(g) > 1 {
		return "[" + text + "]"
	}
	return text
}

func fenced(g generation.Generation) string {
	return "```bbj\nrem TODO: what the program does\n" + skeletons[g] + "```\n\n"
}

// Placeholders counts what is left to fill in.
func Placeholders(text []byte) int { return len(placeholder.FindAll(text, -1)) }
