package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bbjtune/internal/cli"
	"bbjtune/internal/suite"
)

// chromium finds a browser, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("BBJTUNE_BROWSER"), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("no browser found: the pages of a review are not driven; install chromium, or name one in BBJTUNE_BROWSER")
	return ""
}

// carried carries a command out in this process.
func carried(t *testing.T, dir string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := cli.Main(t.Context(), streams(dir, &out, &errs, args...)); status != 0 {
		t.Fatalf("bbjtune %s: status %d\n%s%s", strings.Join(args, " "), status, out.String(), errs.String())
	}
	return out.String()
}

func streams(dir string, out, errs io.Writer, args ...string) cli.Streams {
	env := func(name string) string {
		if name == "BBJTUNE_CACHE" {
			return filepath.Join(dir, "cache")
		}
		return ""
	}
	return cli.Streams{Args: append([]string{"--runs", filepath.Join(dir, "runs")}, args...), In: strings.NewReader(""), Out: out, Err: errs, Env: env, Now: time.Now, Width: func() int { return 80 }}
}

// browserCases are the cases of the review that browsers judge.
var browserCases = []string{"gui/hello-button", "dwc/counter-page", "control-flow/password-three-tries", "oop/explain-interface-contract"}

// attack is added to the answers of one model: none of it may do anything.
const attack = "\n</code></pre><script>alert(1)</script><img src=x onerror=alert(2)><style>main{display:none}</style><a href=\"javascript:alert(3)\">x</a>\x1b[31m\u202e"

// reviewed makes two evaluations with hostile answers and returns their folders.
func reviewed(t *testing.T, dir string) []string {
	t.Helper()
	return evaluated(t, dir, func(c suite.Case) (string, string) {
		return c.Reference + "\nI am Claude, and model-a-14b." + attack, "The first thing is a window.\n" + c.Wrong[0].Answer + "\n```\n" + attack + "\n```"
	})
}

// evaluated makes two evaluations of what two models are made to answer, and returns
// their folders.
func evaluated(t *testing.T, dir string, answer func(suite.Case) (a, b string)) []string {
	t.Helper()
	const core = "../../suites/bbj-core"
	all, err := suite.Load(core)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]*bytes.Buffer{"model-a-14b": {}, "model-b-7b": {}}
	small := filepath.Join(dir, "suite")
	copyFile(t, filepath.Join(core, "suite.yaml"), filepath.Join(small, "suite.yaml"))
	for _, c := range all.Cases {
		for _, id := range browserCases {
			if c.ID != id {
				continue
			}
			copyFile(t, filepath.Join(core, filepath.FromSlash(c.File)), filepath.Join(small, filepath.FromSlash(c.File)))
			a, b := answer(*c)
			record(t, answers["model-a-14b"], id, a)
			record(t, answers["model-b-7b"], id, b)
		}
	}
	var folders []string
	for _, label := range []string{"model-a-14b", "model-b-7b"} {
		file := filepath.Join(dir, label+".jsonl")
		if err := os.WriteFile(file, answers[label].Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		carried(t, dir, "eval", "--answers", file, "--label", label, "--suite", small)
		found, err := filepath.Glob(filepath.Join(dir, "runs", "eval", label+"-*"))
		if err != nil || len(found) != 1 {
			t.Fatal(err, found)
		}
		folders = append(folders, found[0])
	}
	return folders
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func record(t *testing.T, w io.Writer, id, answer string) {
	t.Helper()
	if err := json.NewEncoder(w).Encode(map[string]string{"case": id, "answer": answer}); err != nil {
		t.Fatal(err)
	}
}

// servedReview is a review that is served until the test ends it.
type servedReview struct {
	links []string
	stop  func()
}

var link = regexp.MustCompile(`http://127\.0\.0\.1:\d+/r/[0-9a-f]{32}`)

func serveReview(t *testing.T, dir, file string, names ...string) servedReview {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	args := []string{"review", "serve", file, "--port", "0"}
	for _, n := range names {
		args = append(args, "--reviewer", n)
	}
	var out, errs safeBuffer
	ended := make(chan int, 1)
	go func() { ended <- cli.Main(ctx, streams(dir, &out, &errs, args...)) }()
	for range 200 {
		if list := link.FindAllString(out.String(), -1); len(list) >= len(names) && strings.Contains(errs.String(), "serving until") {
			return servedReview{list, func() {
				cancel()
				if status := <-ended; status != 0 {
					t.Errorf("review serve ended with %d: %s", status, errs.String())
				}
			}}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("review serve says nothing: %s%s", out.String(), errs.String())
	return servedReview{}
}

// safeBuffer is read while something is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// tab is a browser of one reviewer, with cookies of its own.
type tab struct {
	context.Context
	t    *testing.T
	shot string // folder of the pictures
}

func newTab(t *testing.T, parent context.Context, shots string) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	err := chromedp.Listen(ctx, func(e any) {
		switch e := e.(type) {
		case *page.EventJavascriptDialogOpening:
			if e.Type != page.DialogTypeBeforeunload {
				t.Errorf("an answer ran a script: %s %s", e.Type, e.Message)
			}
			go chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		case *runtime.EventExceptionThrown:
			t.Errorf("the script failed: %s", e.ExceptionDetails.Text)
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.EntryLevelError {
				t.Errorf("the browser complains: %s %s", e.Entry.Text, e.Entry.URL)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return tab{ctx, t, shots}
}

type action = chromedp.Action[chromedp.Void]

// do carries actions out, all of them within half a minute.
func (b tab) do(what string, actions ...action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		at, _ := chromedp.Run(b, chromedp.Location())
		b.screenshot("failed", false)
		b.t.Fatalf("%s: %v (at %s)", what, err, at)
	}
}

// until waits for an expression to be true, also on the page that comes next.
func until(js string) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for {
			if ok, err := chromedp.Evaluate[bool](js)(ctx, t); ok && err == nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not true", js)
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

// on waits for a comparison.
func on(n, of int) action {
	return until(fmt.Sprintf("document.title === '%d of %d' && document.readyState === 'complete'", n, of))
}

// truth evaluates an expression that is true, or says what is wrong.
func (b tab) truth(what, js string) {
	b.t.Helper()
	got, err := chromedp.Run(b, chromedp.Evaluate[any](js))
	if err != nil || got != true {
		b.t.Errorf("%s: %v %v", what, got, err)
	}
}

// screenshot keeps a picture of the page.
func (b tab) screenshot(name string, whole bool) {
	b.t.Helper()
	take := chromedp.CaptureScreenshot()
	if whole {
		take = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(b, take)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.shot, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Errorf("%s: %v", name, err)
	}
}

func looks(width, height int64, scheme string) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

// contrast returns the texts of the page that stand out too little (WCAG 2, level AA).
const contrast = `(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const bad = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest("script, noscript, .off, :disabled, dialog:not([open])")) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(ratio.toFixed(2) + " " + e.tagName + "." + e.className + " " + walk.currentNode.data.trim().slice(0, 30));
  }
  return bad.length ? bad.slice(0, 5).join("; ") : true;
})()`

// labelled says whether everything that can be operated has a name, and everything is
// reached by the keyboard.
const labelled = `(() => {
  const bad = [...document.querySelectorAll("input:not([type=hidden]), textarea, button, a, select, progress, summary")].filter((e) =>
    !(e.labels && e.labels.length && e.labels[0].textContent.trim()) && !e.getAttribute("aria-label") && !e.textContent.trim() && !e.querySelector("img:not([alt=''])"));
  const left = [...document.querySelectorAll("[tabindex]")].filter((e) => e.tabIndex < 0);
  return bad.length + left.length === 0 || bad.concat(left).map((e) => e.outerHTML).slice(0, 3).join(" ");
})()`

const fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"

func (b tab) looksRight(name string, whole bool) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.do(scheme, looks(1440, 900, scheme))
		b.truth(name+", "+scheme+": contrast", contrast)
		b.screenshot(name+"-"+scheme, whole)
	}
	b.do("phone", looks(390, 844, "light"))
	b.truth(name+": fits on a phone", fits)
	b.screenshot(name+"-phone", true)
	b.do("laptop", looks(1440, 900, "light"))
	b.truth(name+": fits on a laptop", fits)
	b.truth(name+": everything has a name", labelled)
}

// A review from its making to its results, by people with real browsers.
func TestReviewInTheBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser")
	}
	path := chromium(t)
	dir, shots := t.TempDir(), t.ArtifactDir()
	folders := reviewed(t, dir)
	file := filepath.Join(dir, "r.sqlite")
	said := carried(t, dir, append([]string{"review", "create", "--suite", filepath.Join(dir, "suite"), "--out", file}, folders...)...)
	if !strings.Contains(said, "4 comparisons of 2 models, 4 prompts") || !strings.Contains(said, "masked: a model's name, 8 times in 4 answers") {
		t.Errorf("create said %s", said)
	}
	site := serveReview(t, dir, file, "Anna Müller", "Ben")

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	defer cancel()
	first, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(first); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	anna, ben := newTab(t, first, shots), newTab(t, first, shots)
	anna.votesByKeyboard(site.links[0])
	anna.reloadsAndTakesBack()
	bothVote(anna, ben, site.links[1])

	// Ben goes on offline, from a file.
	offline := filepath.Join(dir, "ben.html")
	carried(t, dir, "review", "export", file, "--reviewer", "Ben", "--out", offline)
	answers := ben.fillsIn(offline, filepath.Join(dir, "saved"))
	if said := carried(t, dir, "review", "import", file, answers); !strings.Contains(said, "Ben, 2 votes added, 0 changed, 2 there already") {
		t.Errorf("import said %s", said)
	}

	// The review is closed while both look at it, and the results name the models.
	carried(t, dir, "review", "close", file)
	anna.do("reload", chromedp.Reload(), until("document.querySelector('h1').textContent === 'The review is closed'"))
	site.stop()
	said = carried(t, dir, "review", "results", file)
	for _, want := range []string{"4 comparisons of 4 prompts, 8 votes of 2 reviewers", "model-a-14b", "agreement, overall: Krippendorff's alpha", "Anna Müller"} {
		if !strings.Contains(said, want) {
			t.Errorf("results do not say %q: %s", want, said)
		}
	}
	said = carried(t, dir, append([]string{"report", "--review", file}, folders...)...)
	html := regexp.MustCompile(`\S+report\.html`).FindString(said)
	text, err := os.ReadFile(html)
	if err != nil || !strings.Contains(string(text), "What people prefer") || !strings.Contains(string(text), "(4 prompts, 2 reviewers)") {
		t.Errorf("%v: the report does not show the review", err)
	}
	anna.do("the report", chromedp.Navigate("file://"+filepath.ToSlash(html)))
	anna.screenshot("report", true)
}

// votesByKeyboard opens the link and gives the first vote without a mouse.
func (b tab) votesByKeyboard(link string) {
	b.t.Helper()
	b.do("open the link", looks(1440, 900, "light"), chromedp.Navigate(link), chromedp.WaitVisible("#begin"))
	b.looksRight("welcome", false)
	b.do("begin", chromedp.Focus("#begin"), chromedp.KeyEvent(kb.Enter), on(1, 4))
	b.truth("the first question is marked", "document.querySelector('.question.active').dataset.question === 'quality'")
	b.truth("hostile answers change nothing", harmless+" && getComputedStyle(document.querySelector('main')).display !== 'none'")
	b.do("what the compiler says", chromedp.KeyEvent("d"), until("document.querySelectorAll('details[open]').length === 2"))
	b.looksRight("compare", false)
	b.do("help", chromedp.KeyEvent("?"), until("document.getElementById('help').open"))
	b.screenshot("help", false)
	b.do("leave it", chromedp.KeyEvent(kb.Escape), until("!document.getElementById('help').open"))
	b.do("four answers", chromedp.KeyEvent("1"), chromedp.KeyEvent("2"), chromedp.KeyEvent("0"), chromedp.KeyEvent("9"))
	b.truth("they are chosen", "[...document.querySelectorAll('input:checked')].map((e) => e.name + e.value).join() === 'qualityleft,idiomright,documentationtie,overallbad'")
	b.do("mark the second again", chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent("1"))
	b.do("a note", chromedp.KeyEvent("n"), chromedp.KeyEvent("1 of them <b>compiles</b>"))
	b.truth("the note is what was typed", "document.querySelector('textarea').value === '1 of them <b>compiles</b>'")
	b.screenshot("judged", false)
	b.do("save", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)), on(2, 4))
	b.do("look back and forth", chromedp.KeyEvent(kb.ArrowLeft), on(1, 4), chromedp.KeyEvent(kb.ArrowRight), on(2, 4))
}

// harmless holds where nothing of an answer became a part of the page.
const harmless = "document.querySelectorAll('script').length === 1 && !document.querySelector('main img, main style, main a, main iframe')"

// reloadsAndTakesBack reloads in the middle, votes and takes that back.
func (b tab) reloadsAndTakesBack() {
	b.t.Helper()
	b.do("reload", chromedp.Reload(), on(2, 4))
	b.do("vote", chromedp.KeyEvent("1111"), chromedp.KeyEvent(kb.Enter), on(3, 4))
	b.do("undo", chromedp.KeyEvent("u"), on(2, 4))
	b.truth("nothing is chosen", "document.querySelectorAll('input:checked').length === 0")
	b.truth("one is judged", "document.querySelector('.progress').textContent.includes('1 of 4 judged')")
}

// bothVote has Anna end her review by keyboard while Ben begins his with the mouse.
func bothVote(anna, ben tab, link string) {
	ben.t.Helper()
	ben.do("open the link", looks(1440, 900, "light"), chromedp.Navigate(link), chromedp.Click("#begin"), on(1, 4))
	errs := make(chan error, 1)
	go func() {
		var actions []action
		for n := 2; n <= 4; n++ {
			actions = append(actions, on(n, 4), chromedp.KeyEvent("2222"), chromedp.KeyEvent(kb.Enter))
		}
		ctx, cancel := context.WithTimeout(anna, time.Minute)
		defer cancel()
		errs <- chromedp.Do(ctx, append(actions, until("document.querySelector('h1').textContent === 'All done, Anna Müller'"))...)
	}()
	for n := 1; n <= 2; n++ {
		ben.do("vote", on(n, 4))
		for _, q := range []string{"quality", "idiom", "documentation", "overall"} {
			ben.do(q, chromedp.Click(`[data-question=`+q+`] label:first-child`))
		}
		ben.do("save", chromedp.Click(".finish button"))
	}
	ben.do("third", on(3, 4))
	if err := <-errs; err != nil {
		anna.t.Fatalf("Anna votes beside Ben: %v", err)
	}
	anna.looksRight("done", false)
}

// fillsIn answers all comparisons of an offline page by keyboard, and returns the
// file that it saves.
func (b tab) fillsIn(file, saved string) string {
	b.t.Helper()
	if _, err := chromedp.CallBrowser(b, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: saved, BrowserContextID: chromedp.FromContext(b).BrowserContextID,
	}); err != nil {
		b.t.Fatal(err)
	}
	b.do("open the file", chromedp.Navigate("file://"+filepath.ToSlash(file)), chromedp.Click("#begin"), chromedp.WaitVisible("[data-place='1'] .question.active"))
	b.truth("hostile answers change nothing", harmless)
	b.looksRight("offline", false)
	for n := 1; n <= 4; n++ {
		b.do("vote", chromedp.WaitVisible(fmt.Sprintf("[data-place='%d'] .question.active", n)), chromedp.KeyEvent("1111"), chromedp.KeyEvent(kb.Enter))
	}
	b.do("all done", chromedp.WaitVisible("#finish"), chromedp.Click("#save"))
	for range 400 {
		if found, _ := filepath.Glob(filepath.Join(saved, "*.json")); len(found) == 1 {
			return found[0]
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatal("the page saved nothing")
	return ""
}
