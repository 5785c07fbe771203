package bbjtune_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/chat"
	_ "bbjtune/internal/cli" // the program that is run: a change of it makes go test run these tests again
	"bbjtune/internal/recipe"
	"bbjtune/internal/suite"
)

const chapterDir = "docs/fine-tuning"

// chapterPages are the pages of the chapter in reading order.
var chapterPages = []string{
	"README.md", "first-attempt.md", "base-model.md", "training-data.md", "training.md", "evaluation.md", "iteration.md",
}

// A page says by remarks what a fence is: <!-- file: NAME --> makes it a file of
// the folder in which the commands of the page run, <!-- for real --> commands
// that internal/cli runs with a model, <!-- long-running --> commands that are
// not run at all, whose flags are held against the program, <!-- request: PATH -->
// what internal/cli sends to a served model, <!-- message: FILE --> a message that
// stands in that file of the source.
type fence struct {
	lang, text string
	file       string
	request    string
	message    string
	remark     string
	line       int // of the opening marks, from 0
	length     int // lines of text
}

var remark = regexp.MustCompile(`^<!-- (?:(file|request|message): (\S+)|(for real|long-running)) -->$`)

// fences finds the fenced code of a page. Longer marks hold shorter ones.
func fences(text string) []fence {
	var list []fence
	lines := strings.Split(text, "\n")
	before := ""
	for i := 0; i < len(lines); i++ {
		marks := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], "`"))]
		if len(marks) < 3 {
			before = lines[i]
			continue
		}
		f := fence{lang: lines[i][len(marks):], line: i}
		if m := remark.FindStringSubmatch(before); m != nil {
			f.file, f.remark = m[2], m[3]
			switch m[1] {
			case "request":
				f.file, f.request = "", m[2]
			case "message":
				f.file, f.message = "", m[2]
			}
		}
		if f.length = slices.Index(lines[i+1:], marks); f.length < 0 {
			panic(fmt.Sprintf("line %d: a fence without an end", i+1))
		}
		end := i + 1 + f.length
		f.text = strings.Join(lines[i+1:end], "\n") + "\n"
		list = append(list, f)
		i, before = end, ""
	}
	return list
}

// executedPages are those of the chapter and of the guide, whose programs, rows,
// recipes and commands are all tried.
func executedPages() []string { return slices.Concat(chapterPages, guidePages) }

// readPage reads a page by its path from the chapter.
func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chapterDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestChapterHasNoOtherPages(t *testing.T) {
	there, err := filepath.Glob(filepath.Join(chapterDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range there {
		there[i] = filepath.Base(there[i])
	}
	if want := slices.Sorted(slices.Values(chapterPages)); !slices.Equal(there, want) {
		t.Errorf("pages %v, want %v", there, want)
	}
}

// Every program of the chapter is what the page says of it: those in files
// whose name starts with fail have findings, all others have none.
func TestChapterProgramsAreClean(t *testing.T) {
	for _, page := range executedPages() {
		for _, f := range fences(readPage(t, page)) {
			if f.lang != "bbj" {
				continue
			}
			found := check.Source(page, []byte(f.text), check.Options{})
			if bad := strings.HasPrefix(f.file, "fail"); bad != (len(found) > 0) {
				t.Errorf("%s:%d: %v", page, f.line+1, found)
			}
		}
	}
}

// Every row of the chapter is one that training takes.
func TestChapterRowsAreValid(t *testing.T) {
	n := 0
	for _, page := range executedPages() {
		for _, f := range fences(readPage(t, page)) {
			if f.lang != "json" {
				continue
			}
			var row chat.Row
			if err := json.Unmarshal([]byte(f.text), &row); err != nil {
				t.Errorf("%s:%d: %v", page, f.line+1, err)
			} else if err := row.Validate(); err != nil {
				t.Errorf("%s:%d: %v", page, f.line+1, err)
			}
			n++
		}
	}
	if n == 0 {
		t.Error("the chapter shows no row")
	}
}

// chapter is the program and a folder for the commands of one page.
type chapter struct {
	bin, dir string
	waiting  []fence // files that name a run folder, written -<id>
}

// newChapter builds the program. The folder has the recipes and suites of the
// repository and what else is named, and the files that the page makes.
func newChapter(t *testing.T, list []fence, more ...string) chapter {
	t.Helper()
	c := chapter{bin: builtProgram(t), dir: t.TempDir()}
	for _, folder := range append([]string{"recipes", "suites"}, more...) {
		if err := os.CopyFS(filepath.Join(c.dir, folder), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range list {
		if f.file == "" {
			continue
		}
		c.write(t, f)
		if runID.MatchString(f.text) {
			c.waiting = append(c.waiting, f)
		}
	}
	return c
}

// write makes a file of the page; a run folder that is there gets its name.
func (c chapter) write(t *testing.T, f fence) {
	t.Helper()
	text := runID.ReplaceAllStringFunc(f.text, func(name string) string {
		there, err := filepath.Glob(filepath.Join(c.dir, strings.TrimSuffix(name, "<id>")+"*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(there) != 1 {
			return name
		}
		return filepath.ToSlash(filepath.Join(filepath.Dir(name), filepath.Base(there[0])))
	})
	path := filepath.Join(c.dir, filepath.FromSlash(f.file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// programDir is the folder in which TestMain makes room for the program.
var programDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bbjtune-chapter-")
	if err != nil {
		panic(err)
	}
	programDir = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// buildProgram builds the program, once for all tests.
var buildProgram = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "build", "-o", filepath.Join(programDir, "bbjtune"), "./cmd/bbjtune")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	return string(out), err
})

// builtProgram returns the folder that holds the program.
func builtProgram(t *testing.T) string {
	t.Helper()
	if out, err := buildProgram(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return programDir
}

var (
	runID  = regexp.MustCompile(`runs/[a-z]+/[\w-]+-<id>`)
	hashed = regexp.MustCompile(`(runs/[a-z]+/[\w-]+)-[0-9a-f]{12}\b`)
	spent  = regexp.MustCompile(`\((?:\d+h)?(?:\d+m)?\d+s\)`)
)

// pathWithoutCompiler leaves bbjcpl out: the pages show what is printed without.
func pathWithoutCompiler() string {
	folders := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		found, _ := filepath.Glob(filepath.Join(dir, "bbjcpl*"))
		return len(found) > 0
	})
	return strings.Join(folders, string(os.PathListSeparator))
}

// run carries out a command as a user would and returns what the terminal
// shows, and the exit status where it is not 0.
func (c chapter) run(t *testing.T, command string) string {
	t.Helper()
	for _, f := range c.waiting {
		c.write(t, f)
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "PATH="+c.bin+string(os.PathListSeparator)+pathWithoutCompiler(), "NO_COLOR=1",
		"BBJTUNE_CACHE="+filepath.Join(c.dir, "cache"), "BBJCPL=", "BBJ_HOME=")
	out, err := cmd.CombinedOutput()
	text := spent.ReplaceAllString(hashed.ReplaceAllString(string(out), "$1-<id>"), "(0s)")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		text += fmt.Sprintf("(exit status %d)\n", exit.ExitCode())
	} else if err != nil {
		t.Fatal(err)
	}
	return text
}

// The commands of the chapter print what the chapter says.
func TestChapterCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	for _, page := range executedPages() {
		t.Run(page, func(t *testing.T) {
			text := readPage(t, page)
			list := fences(text)
			if !slices.ContainsFunc(list, func(f fence) bool { return f.lang == "console" }) {
				return
			}
			c := newChapter(t, list, foldersOf(page)...)
			if strings.Contains(text, " runs/eval/first ") {
				c.evaluations(t)
			}
			lines := strings.Split(text, "\n")
			said := make([][]string, len(list))
			for i, f := range list {
				if f.lang == "console" {
					said[i] = c.session(t, f)
				}
			}
			for i, f := range slices.Backward(list) {
				if f.lang == "console" {
					lines = slices.Replace(lines, f.line+1, f.line+1+f.length, said[i]...)
				}
			}
			settlePage(t, page, text, strings.Join(lines, "\n"))
		})
	}
}

// evaluations makes the folders runs/eval/first and runs/eval/second, of two
// models that do not exist: the first gives the suite's reference for every fourth
// question and a wrong answer to the others, the second the other way round.
func (c chapter) evaluations(t *testing.T) {
	t.Helper()
	s, err := suite.Load("suites/bbj-core")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(model, question string) string {
		for i, x := range s.Questions() {
			switch {
			case x.Question() != question:
			case (i%4 == 0) == (model == "first"):
				return x.Reference
			default:
				return x.Wrong[0].Answer
			}
		}
		return "I do not know."
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Model    string
			Messages []struct{ Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		text := answer(body.Model, body.Messages[len(body.Messages)-1].Content)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{
			"choices": []any{map[string]any{"finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": text}}},
			"usage":   map[string]int{"completion_tokens": len(text) / 4},
		})
	}))
	defer server.Close()
	for _, model := range []string{"first", "second"} {
		out := c.run(t, "bbjtune eval --url "+server.URL+"/v1 --model "+model+" && mv runs/eval/"+model+"-endpoint-* runs/eval/"+model)
		if strings.Contains(out, "exit status") {
			t.Fatal(out)
		}
	}
}

// session runs the commands of a fence and returns its lines as they should be.
func (c chapter) session(t *testing.T, f fence) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(f.text) {
		command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ")
		if !ok {
			continue
		}
		lines = append(lines, "$ "+command)
		if out := strings.TrimRight(c.run(t, command), "\n"); out != "" {
			lines = append(lines, strings.Split(out, "\n")...)
		}
	}
	return lines
}

// settlePage writes the page with -update, and otherwise fails where it is not
// as it should be.
func settlePage(t *testing.T, page, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(filepath.Join(chapterDir, page), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	is, should := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(is), len(should)) {
		if is[i] != should[i] {
			t.Errorf("%s:%d is stale: run go test . -update\n  has  %s\n  want %s", filepath.Join(chapterDir, page), i+1, is[i], should[i])
			return
		}
	}
	t.Errorf("%s is stale: run go test . -update", filepath.Join(chapterDir, page))
}

// Commands that are not run here exist, with all their flags.
func TestChapterShellLinesAreCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	c := newChapter(t, nil)
	for _, page := range executedPages() {
		for _, f := range fences(readPage(t, page)) {
			if f.lang != "sh" {
				continue
			}
			if f.remark == "" {
				t.Errorf("%s:%d: the fence is neither for real nor long-running", page, f.line+1)
			}
			for line := range strings.Lines(f.text) {
				if strings.ContainsAny(line, "#|;&>$`") {
					t.Fatalf("%s:%d: more than a command: %s", page, f.line+1, line)
				}
				if out := c.dryRun(t, strings.TrimSuffix(line, "\n")); out != "" {
					t.Errorf("%s:%d: %s%s", page, f.line+1, line, out)
				}
			}
		}
	}
}

// Every recipe that no command of the page refuses is a recipe.
func TestChapterRecipesLoad(t *testing.T) {
	for _, page := range executedPages() {
		list := fences(readPage(t, page))
		var commands strings.Builder
		for _, f := range list {
			if f.lang == "console" {
				io.WriteString(&commands, f.text)
			}
		}
		for _, f := range list {
			if f.lang != "yaml" || !strings.Contains(f.text, "base:") || f.file != "" && strings.Contains(commands.String(), f.file) {
				continue
			}
			if _, err := recipe.Parse(page, []byte(f.text)); err != nil {
				t.Errorf("%s:%d: %v", page, f.line+1, err)
			}
		}
	}
}

// The suite that the chapter shows how to write is one, and its case holds.
func TestChapterSuiteLoads(t *testing.T) {
	c := newChapter(t, fences(readPage(t, "evaluation.md")))
	s, err := suite.Load(filepath.Join(c.dir, "suites", "shop"))
	if err != nil {
		t.Fatal(err)
	}
	findings, err := suite.Verify(t.Context(), check.Embedded{}, s.Questions())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("%s:%d: %s", f.File, f.Span.Start.Line, f.Message)
	}
}
