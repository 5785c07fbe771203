package coverage_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/internal/chat"
	"bbjtune/internal/coverage"
	"bbjtune/internal/dataset"
	"bbjtune/internal/example"
)

var update = flag.Bool("update", false, "write the golden files anew")

func load(t *testing.T, dir string) []*example.Example {
	t.Helper()
	list, findings, err := example.Load(dir)
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	return list
}

func itemsOf(list []*example.Example) []coverage.Item {
	var items []coverage.Item
	for _, e := range list {
		items = append(items, coverage.OfExample(e))
	}
	return items
}

// small is evidence that stays as it is.
func small() *coverage.Evidence {
	return coverage.Gather([]coverage.Repository{
		{Name: "a", Programs: []string{
			"w!=BBjAPI().openSysGui(\"X0\").addWindow(1,1,1,1,\"\")\nw!.addButton(1,\"x\")\nw!.addGrid(1,1,1,1,1)\nw!.setCallback(w!.ON_RESIZE,\"x\")",
			"print pos(\"a\"=\"b\")", "mkdir \"x\"\nmkdir \"y\""}},
		{Name: "b", Programs: []string{"mkdir \"z\"", "print pos(\"a\"=\"b\")", "x++", "class public A\nclassend"}},
	})
}

// rows are some that say all, some, and nothing.
func rows(t *testing.T, list []*example.Example) []coverage.Item {
	t.Helper()
	var items []coverage.Item
	add := func(prompt, answer string) {
		line, err := json.Marshal(chat.Row{Messages: []chat.Message{{Role: chat.User, Content: prompt}, {Role: chat.Assistant, Content: answer}}})
		if err != nil {
			t.Fatal(err)
		}
		it, problem := coverage.OfRow(line)
		if problem != "" {
			t.Fatal(problem)
		}
		items = append(items, it)
	}
	for _, e := range list {
		add(dataset.Conversation(e, 2))
	}
	add("What is PRINT?", "A verb.")
	add("Say it.", "```bbj\nprint 1\n```")
	return items
}

// settle compares with a golden file.
func settle(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")), got) {
		t.Errorf("%s is stale: run go test ./internal/coverage -update", path)
	}
}

func TestGolden(t *testing.T) {
	list := load(t, "testdata/data")
	r := coverage.Measure(append(itemsOf(list), rows(t, list)...), small())
	// The thousands of names that neither the data nor the evidence has would
	// hide the rest.
	r.Names = slices.DeleteFunc(r.Names, func(s coverage.Showing) bool {
		return s.Shown+s.Perhaps+s.Used.Programs == 0 && s.Name.Name != "XKEYED"
	})
	var text, page bytes.Buffer
	if err := r.Text(&text, false); err != nil {
		t.Fatal(err)
	}
	settle(t, "report.txt", text.Bytes())
	for line := range strings.Lines(text.String()) {
		if len([]rune(line)) > 101 {
			t.Errorf("more than 100 columns: %s", line)
		}
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	settle(t, "report.json", append(data, '\n'))
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	settle(t, "report.html", page.Bytes())
}

// The page holds all and asks for nothing.
func TestPageStandsAlone(t *testing.T) {
	var page bytes.Buffer
	if err := coverage.Measure(itemsOf(load(t, "testdata/data")), coverage.Public()).HTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<script", "://", "src=", "url(", "@import"} {
		if bytes.Contains(page.Bytes(), []byte(part)) {
			t.Errorf("the page has %s", part)
		}
	}
}

func TestTheOrderOfItemsDoesNotMatter(t *testing.T) {
	list := load(t, "../../training-data")
	items := append(itemsOf(list), rows(t, list[:50])...)
	want := coverage.Measure(items, coverage.Public())
	rng := rand.New(rand.NewPCG(3, 3))
	for range 2 {
		rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		if !reflect.DeepEqual(coverage.Measure(items, coverage.Public()), want) {
			t.Fatal("the order shows in the report")
		}
	}
}

var frontLine = regexp.MustCompile(`(?m)^(type|generation|difficulty): *(.*)$`)

// The table says what the front matter of the files says, read another way.
func TestCellsAreWhatTheFilesSay(t *testing.T) {
	want := map[string]int{}
	files, err := filepath.Glob("../../training-data/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[string]string{}
		for _, m := range frontLine.FindAllStringSubmatch(strings.SplitN(string(text), "\n---", 2)[0], -1) {
			keys[m[1]] = strings.Trim(m[2], ` "[]`)
		}
		for g := range strings.SplitSeq(keys["generation"], ",") {
			want[strings.Join([]string{keys["type"], strings.TrimSpace(g), keys["difficulty"], filepath.Base(filepath.Dir(f))}, " ")]++
		}
	}
	r := coverage.Measure(itemsOf(load(t, "../../training-data")), coverage.Public())
	if r.Examples != len(files) {
		t.Errorf("%d examples, %d files", r.Examples, len(files))
	}
	for _, c := range r.Cells {
		key := strings.Join([]string{c.Type, c.Generation, c.Difficulty, c.Topic}, " ")
		if c.Have != want[key] {
			t.Errorf("%s: %d, want %d", key, c.Have, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// How often a name is shown is how often it stands in the code, counted without
// the parser.
func TestNamesAreCountedAsTheyStand(t *testing.T) {
	list := load(t, "../../training-data")
	var code strings.Builder
	for _, e := range list {
		for _, f := range e.Fences() {
			code.Write(f.Code)
		}
	}
	r := coverage.Measure(itemsOf(list), coverage.Public())
	for _, c := range []struct {
		kind          check.UseKind
		name, pattern string
	}{
		{check.UseMethod, "addButton", `(?i)\.addButton\(`},
		{check.UseMethod, "setCallback", `(?i)\.setCallback\(`},
		{check.UseMethod, "openSysGui", `(?i)\.openSysGui\(`},
		{check.UseMethod, "setAttribute", `(?i)\.setAttribute\(`},
		{check.UseEvent, "ON_CLOSE", `(?i)\.ON_CLOSE\b`},
		{check.UseFunction, "BBJAPI", `(?i)\bBBjAPI\(`},
		{check.UseVerb, "PROCESS_EVENTS", `(?im)^\s*process_events\b`},
		{check.UseVerb, "SQLOPEN", `(?im)^\s*(?:\d+\s+)?(?:[^"\n]*(?:;|\bthen)\s*)?sqlopen\b`},
		{check.UseClass, "BBjGridExWidget", `(?i)BBjGridExWidget`},
	} {
		got, perhaps := 0, 0
		for _, s := range r.Names {
			if s.Kind == c.kind && s.Name.Name == c.name {
				got, perhaps = got+s.Shown, s.Perhaps
			}
		}
		if want := len(regexp.MustCompile(c.pattern).FindAllString(code.String(), -1)); got+perhaps != want {
			t.Errorf("%s %s: %d, and %d perhaps, want %d", c.kind, c.name, got, perhaps, want)
		}
	}
}

func TestSumsReconcile(t *testing.T) {
	r := coverage.Measure(itemsOf(load(t, "../../training-data")), coverage.Public())
	known := 0
	for _, k := range r.API {
		if k.Known != k.Shown+k.Perhaps+k.Never || k.Missing > k.Never || k.Shown == 0 {
			t.Errorf("%+v", k)
		}
		known += k.Known
	}
	if known != len(r.Names) || len(r.Names) != len(coverage.Names()) {
		t.Errorf("%d names, %d known", len(r.Names), known)
	}
	missing := 0
	for _, k := range r.API {
		missing += k.Missing
	}
	if missing != len(r.Next.Names) {
		t.Errorf("%d missing, %d to write next", missing, len(r.Next.Names))
	}
	if len(r.Next.Cells) == 0 || r.Next.Cells[0].Want <= float64(r.Next.Cells[0].Have) {
		t.Errorf("next: %+v", r.Next.Cells)
	}
}

// What cannot be is nowhere in the data, but for examples of several
// generations.
func TestWhatCannotBeIsNot(t *testing.T) {
	for _, e := range load(t, "../../training-data") {
		if len(e.Generation) == 1 && !coverage.Possible(string(e.Type), string(e.Generation[0]), e.Topic) {
			t.Errorf("%s: %s, %s, %s cannot be, it is said", e.Path, e.Type, e.Generation[0], e.Topic)
		}
	}
}

func TestRowsSayWhatIsCertain(t *testing.T) {
	list := load(t, "../../training-data")
	same := 0
	for i, it := range rows(t, list)[:len(list)] {
		e := list[i]
		if it.Type != string(e.Type) || it.Difficulty != coverage.Unknown || !it.Row {
			t.Errorf("%s is taken for %+v", e.Path, it)
		}
		if it.Topic == e.Topic {
			same++
		} else if it.Topic != coverage.Unknown {
			same--
		}
	}
	if same*4 < len(list) { // a window or a page may be about anything
		t.Errorf("the topics of %d of %d rows are known", same, len(list))
	}
	if _, problem := coverage.OfRow([]byte("x")); problem == "" {
		t.Error("x is a row")
	}
}
