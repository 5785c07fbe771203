package coverage

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bbjtune/bbj/check"
	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
	"bbjtune/internal/backport"
)

// Evidence says what code that is in use consists of: it decides what is
// important to show.
type Evidence struct {
	// Repositories are those that were counted, sorted.
	Repositories []string
	Programs     int
	Names        map[Name]Usage
	// Kinds counts the programs of each generation and topic.
	Kinds map[Kind]int
}

// Usage is how often code in use has a name.
type Usage struct {
	Repositories int `json:"repositories"`
	Programs     int `json:"programs"`
	Uses         int `json:"uses"`
}

// Kind is a kind of program.
type Kind struct{ Generation, Topic string }

// Repository is a folder of BBj source.
type Repository struct {
	Name     string
	Programs []string
}

// Gather counts what repositories use. A program that several of them hold
// counts once, and one that cannot be read whole does not count.
func Gather(list []Repository) *Evidence {
	e := &Evidence{Names: map[Name]Usage{}, Kinds: map[Kind]int{}}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Repository) int { return strings.Compare(a.Name, b.Name) })
	seen := map[string]bool{}
	for _, r := range list {
		e.Repositories = append(e.Repositories, r.Name)
		here := map[Name]bool{}
		for _, text := range r.Programs {
			prog := syntax.Parse([]byte(text))
			if seen[text] || len(prog.Errors) > 0 {
				continue
			}
			seen[text] = true
			e.add(prog, here)
		}
	}
	return e
}

// add counts a program; here holds what its repository has used already.
func (e *Evidence) add(prog *syntax.Program, here map[Name]bool) {
	e.Programs++
	topic, _ := backport.Topic([]*syntax.Program{prog})
	e.Kinds[Kind{string(generation.Of(prog).Written), topic}]++
	for name, uses := range tallyOf([]*syntax.Program{prog}).certain {
		u := e.Names[name]
		u.Programs++
		u.Uses += uses
		if !here[name] {
			here[name] = true
			u.Repositories++
		}
		e.Names[name] = u
	}
}

// Encode writes the evidence as the text that [Public] is read from.
func (e *Evidence) Encode() []byte {
	var b bytes.Buffer
	b.WriteString("# How often public BBj code uses what bbj/api knows, and of what kinds its programs are. Counts alone; made by\n" +
		"# internal/coverage/gen. A method counts where the class of its object is certain.\n")
	for _, r := range e.Repositories {
		fmt.Fprintf(&b, "repository\t%s\n", r)
	}
	fmt.Fprintf(&b, "programs\t%d\n# kind of program: generation, topic, programs\n", e.Programs)
	for _, k := range slices.SortedFunc(maps.Keys(e.Kinds), func(x, y Kind) int {
		return strings.Compare(x.Generation+"\t"+x.Topic, y.Generation+"\t"+y.Topic)
	}) {
		fmt.Fprintf(&b, "kind\t%s\t%s\t%d\n", k.Generation, k.Topic, e.Kinds[k])
	}
	b.WriteString("# what, name, repositories, programs, uses\n")
	for _, n := range slices.SortedFunc(maps.Keys(e.Names), compareNames) {
		u := e.Names[n]
		fmt.Fprintf(&b, "%s\t%s\t%d\t%d\t%d\n", n.Kind, n, u.Repositories, u.Programs, u.Uses)
	}
	return b.Bytes()
}

//go:embed usage.tsv
var usageText string

// Public is the evidence of public repositories.
var Public = sync.OnceValue(func() *Evidence {
	e, err := decode(usageText)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return e
})

func decode(text string) (*Evidence, error) {
	e := &Evidence{Names: map[Name]Usage{}, Kinds: map[Kind]int{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if strings.HasPrefix(line, "#") {
			continue
		}
		if err := e.line(strings.Split(strings.TrimRight(line, "\r\n"), "\t")); err != nil {
			return nil, fmt.Errorf("usage.tsv:%d: %w", number, err)
		}
	}
	return e, nil
}

func (e *Evidence) line(f []string) (err error) {
	count := func(text string) int {
		n, failed := strconv.Atoi(text)
		if failed != nil || n < 0 {
			err = fmt.Errorf("%q is no count", text)
		}
		return n
	}
	switch {
	case len(f) == 2 && f[0] == "repository":
		e.Repositories = append(e.Repositories, f[1])
	case len(f) == 2 && f[0] == "programs":
		e.Programs = count(f[1])
	case len(f) == 4 && f[0] == "kind":
		e.Kinds[Kind{f[1], f[2]}] = count(f[3])
	case len(f) == 5 && slices.Contains(kinds, check.UseKind(f[0])):
		n := Name{Kind: check.UseKind(f[0]), Name: f[1]}
		if class, method, ok := strings.Cut(f[1], "."); ok {
			n.Class, n.Name = class, method
		}
		e.Names[n] = Usage{count(f[2]), count(f[3]), count(f[4])}
	default:
		return fmt.Errorf("%d fields that say nothing", len(f))
	}
	return err
}
