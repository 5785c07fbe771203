// Package suite reads an evaluation suite: cases in Markdown with a prompt,
// the checks that a right answer passes, a reference answer that does and
// wrong answers that do not, and questions of fact in YAML, as suites/FORMAT.md
// says. It also decides whether an answer passes, and whether a suite keeps what
// it says of its own answers.
//
// It must not know models or statistics.
package suite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/internal/example"
	"bbjtune/internal/fault"
	"bbjtune/internal/strictyaml"
)

// FormatVersion is the newest version of the format that can be read. Version 1
// had neither prefixes nor facts, and one right answer a case.
const FormatVersion = 2

// Suite is a folder of cases and facts.
type Suite struct {
	Head
	Cases []*Case
	// Facts are the questions of fact, which are scored for themselves.
	Facts []*Case
}

// Questions are all that a model is asked: the cases, then the facts.
func (s *Suite) Questions() []*Case { return slices.Concat(s.Cases, s.Facts) }

// Head is what suite.yaml holds.
type Head struct {
	Name    string `yaml:"name"`
	Title   string `yaml:"title"`
	Version int    `yaml:"version"`
	// Format is the version of the format, 0 for the first.
	Format      int    `yaml:"format"`
	Description string `yaml:"description"`
}

// Front is the front matter of a case.
type Front struct {
	Title      string                `yaml:"title"`
	Type       example.Type          `yaml:"type"`
	Generation generation.Generation `yaml:"generation"`
	Difficulty string                `yaml:"difficulty"`
	Tags       []string              `yaml:"tags"`
	Review     bool                  `yaml:"review"`
	Checks     []Check               `yaml:"checks"`
}

// Fact is the type of a question of fact. No file of a case has it.
const Fact example.Type = "fact"

// Case is one question with what is needed to judge its answer.
type Case struct {
	// ID is the path below cases/ without .md, for example gui/hello-button, or
	// that of a fact, facts/strings/chr-of-65.
	ID string
	// File is the path below the suite's folder, with slashes.
	File  string
	Topic string
	Front
	Prompt string
	// Prefix and Suffix are the program before and behind the place that the
	// answer fills; both are "" where it writes the whole.
	Prefix, Suffix string
	Reference      string
	// Right are more answers that pass.
	Right []string
	Wrong []Wrong
	// Line is where the reference stands in the file.
	Line int
}

// Wrong is an answer that must not pass.
type Wrong struct {
	Answer string
	// Check is the number of the check that it fails, from 1. Without one, API
	// says that it compiles and names something that does not exist, else it
	// does not compile.
	Check int
	API   bool
	Why   string
	// Line is where it stands in the file.
	Line int
}

// WantsCode reports whether the answer must be a program.
func (c *Case) WantsCode() bool { return c.Type != example.Comprehension && c.Type != Fact }

// Load reads the suite in dir. The first case that breaks the format is its error.
func Load(dir string) (*Suite, error) {
	s, broken, err := Read(dir)
	if err == nil && len(broken) > 0 {
		err = broken[0].Err
	}
	if err != nil {
		return nil, fault.Wrap(err, "suites/FORMAT.md says what a case looks like")
	}
	return s, nil
}

// Broken is a file of a suite that breaks the format.
type Broken struct {
	File string // below the suite's folder, with slashes
	Err  error
}

// Read reads the suite in dir, and lists the files that it leaves out because they
// break the format.
func Read(dir string) (*Suite, []Broken, error) {
	s, err := readHead(dir)
	if err != nil {
		return nil, nil, err
	}
	cases, err := walk(dir, "cases", ".md", func(rel, name string, text []byte) error {
		c, err := ParseCase(rel, name, text)
		if err == nil {
			err = s.admits(c, name)
		}
		if err == nil {
			s.Cases = append(s.Cases, c)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	facts, err := walk(dir, "facts", ".yaml", func(rel, name string, text []byte) error {
		list, err := ParseFacts(rel, name, text)
		if err == nil && s.Format < 2 {
			err = fault.Newf("write format: 2 into suite.yaml", "%s: facts belong to format 2", name)
		}
		s.Facts = append(s.Facts, list...)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	broken := append(cases, facts...)
	if len(s.Questions()) == 0 && len(broken) == 0 {
		return nil, nil, fault.Newf("suites/FORMAT.md says what a case looks like", "%s holds no case", filepath.Join(dir, "cases"))
	}
	return s, broken, nil
}

func readHead(dir string) (*Suite, error) {
	name := filepath.Join(dir, "suite.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("read the suite: %w", err), "name a folder that holds a suite.yaml; suites/FORMAT.md says what a suite looks like")
	}
	s := &Suite{}
	if err := strictyaml.Decode(name, 1, text, &s.Head); err != nil {
		return nil, err
	}
	if s.Format < 0 || s.Format > FormatVersion {
		return nil, fault.Newf("a newer bbjtune reads it", "%s: format is %d, this program reads 1 to %d", name, s.Format, FormatVersion)
	}
	return s, nil
}

// admits reports a case that the suite's format does not have yet.
func (s *Suite) admits(c *Case, name string) error {
	if (c.Prefix+c.Suffix != "" || len(c.Right) > 0) && s.Format < 2 {
		return fault.Newf("write format: 2 into suite.yaml", "%s: sections \"## Prefix\", \"## Suffix\" and \"## Right\" belong to format 2", name)
	}
	return nil
}

// walk calls read with every file of an ending in a folder of the suite, and
// returns those that it refuses.
func walk(dir, folder, ending string, read func(rel, name string, text []byte) error) (broken []Broken, err error) {
	root := filepath.Join(dir, folder)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a suite may have either of the folders
	}
	// Over a DirFS, so that a folder that is a link is followed.
	err = fs.WalkDir(os.DirFS(root), ".", func(rel string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(rel, ending) {
			return err
		}
		name := filepath.Join(root, filepath.FromSlash(rel))
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := read(rel, name, text); err != nil {
			broken = append(broken, Broken{path.Join(folder, rel), err})
		}
		return nil
	})
	return broken, err
}
