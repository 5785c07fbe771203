package cli_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bbjtune/internal/cli"
)

// axeHash is that of axe.min.js in version 4.14.1 of axe-core, which make a11y fetches.
const axeHash = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

// landmarks says whether the parts of a page can be told apart by those who do not
// see it: one main part with one title, no name for two things, no level left out.
const landmarks = `(() => {
  const bad = [];
  if (!document.documentElement.lang || !document.title) bad.push("no language or title");
  if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) bad.push("not one main part with one title");
  const navs = [...document.querySelectorAll("nav, section, form[role]")].map((e) => e.getAttribute("aria-label") ?? e.getAttribute("role"));
  if (navs.includes(null) || new Set(navs).size !== navs.length) bad.push("parts without a name of their own: " + navs);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) bad.push("an id twice");
  const images = [...document.querySelectorAll("img")].filter((e) => !e.alt);
  if (images.length) bad.push("a picture without words: " + images[0].src);
  let level = 1;
  for (const h of document.querySelectorAll("article :is(h1, h2, h3, h4, h5, h6)")) {
    if (+h.tagName[1] > level + 1) bad.push("a level is left out before " + h.textContent);
    level = +h.tagName[1];
  }
  return bad.length === 0 || bad.join("; ");
})()`

// The site in a browser: served, and from a disk.
func TestDocsInTheBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser")
	}
	b := docsTab(t)
	folder := filepath.Join(t.TempDir(), "site")
	carried(t, t.TempDir(), "docs", "--out", folder)
	for base, pages := range map[string][]string{
		servedDocs(t): {"index.html", "fine-tuning/training-data.html", "rules/BBJ1008.html"},
		"file://" + filepath.ToSlash(folder) + "/": {"recipes.html", "guide/reference.html"},
	} {
		name, _, _ := strings.Cut(base, ":")
		for _, page := range pages {
			b.opens(base + page)
			b.truth(page+": landmarks", landmarks)
			b.truth(page+": pictures", "[...document.images].every((i) => i.naturalWidth > 0)")
			b.looksRight(name+"-"+strings.TrimSuffix(filepath.Base(page), ".html"), false)
		}
		b.searches(base)
		b.do("menu of a phone", looks(390, 844, "dark"), chromedp.Click(".menu"), until("getComputedStyle(document.getElementById('pages')).display === 'block'"))
		b.screenshot(name+"-menu", false)
		b.truth("contrast of the menu", contrast)
		b.do("leave it", chromedp.Click(".close"), until("getComputedStyle(document.getElementById('pages')).display === 'none'"))
		b.do("dark by choice", looks(1440, 900, "light"), chromedp.Click("#theme"), chromedp.Click("#theme"), until("getComputedStyle(document.body).backgroundColor === 'rgb(19, 22, 26)'"))
		b.do("by the system again", chromedp.Click("#theme"), until("getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'"))
	}
}

// opens opens a page, the best of three times within a second: the machine may be busy.
func (b tab) opens(url string) {
	b.t.Helper()
	best := 1e9
	for range 3 {
		b.do("open", looks(1440, 900, "light"), chromedp.Navigate(url), until("performance.timing.loadEventEnd > 0"))
		took, err := chromedp.Run(b, chromedp.Evaluate[float64]("performance.timing.loadEventEnd - performance.timing.navigationStart"))
		if err != nil {
			b.t.Fatal(err)
		}
		if best = min(best, took); best < 1000 {
			b.t.Logf("%s opens in %.0f ms", url, best)
			return
		}
	}
	b.t.Errorf("%s takes %.0f ms to open", url, best)
}

// searches looks for words, and goes where they were found.
func (b tab) searches(base string) {
	b.t.Helper()
	b.do("search", chromedp.Navigate(base+"rules/BBJ1008.html"), until("document.readyState === 'complete'"),
		until("(document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true})), document.activeElement.id === 'words')"), chromedp.SendKeys("#words", "alignment tax"), until("document.querySelectorAll('#hits a').length > 0"))
	b.truth("best place first", `document.querySelector("#hits a").href.includes("base-model.html#")`)
	b.truth("contrast of what was found", contrast)
	b.screenshot("search", false)
	b.do("go there", chromedp.SendKeys("#words", "\r"), until("location.href.includes('fine-tuning/base-model.html#')"))
	b.do("nothing there", chromedp.SendKeys("#words", "qqqq <b>"), until("document.getElementById('count').textContent.startsWith('Nothing')"))
	b.truth("words of no page", "document.querySelectorAll('#hits a').length === 0")
	b.do("not all there", looked("qqqq alignment tax"), until("document.getElementById('count').textContent.endsWith('the nearest:')"))
	for words, want := range firstHits {
		b.do(words, looked(words))
		b.truth(words, fmt.Sprintf("document.querySelector('#hits a').href.endsWith(%q) || [...document.querySelectorAll('#hits a')].map((e) => e.href).slice(0, 3).join(' ')", want))
	}
}

// looked searches for words in the place of those that stand there.
func looked(words string) action {
	return until(fmt.Sprintf(`((input, hits) => {
  if (input.value === %[1]q) return hits.children.length > 0;
  input.value = %[1]q;
  hits.replaceChildren();
  input.dispatchEvent(new Event("input"));
  return false;
})(document.getElementById("words"), document.getElementById("hits"))`, words))
}

// firstHits are words that people look for, with the place that helps them most.
var firstHits = map[string]string{
	"loss is 0":               "guide/troubleshooting.html#the-loss-is-0",
	"out of memory":           "guide/troubleshooting.html#out-of-memory",
	"never stops":             "guide/troubleshooting.html#the-model-never-stops",
	"answers in python":       "guide/troubleshooting.html#it-answers-in-python",
	"BBJCPL not found":        "guide/troubleshooting.html#bbjcpl-not-found",
	"bbj3001":                 "rules/BBJ3001.html",
	"learning rate":           "recipe-rules.html#rc201-learning-rate",
	"quantize":                "guide/reference.html#bbjtune-pack",
	"how do I install python": "guide/install.html#the-python-environment",
	"claude":                  "guide/evaluation.html#2-the-models",
	"SBOM":                    "guide/install.html#from-an-archive",
}

// axeScript is axe, where make a11y has fetched it.
func axeScript(t *testing.T) string {
	t.Helper()
	path := os.Getenv("BBJTUNE_AXE")
	if path == "" {
		t.Skip("make a11y names axe.min.js in BBJTUNE_AXE")
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(axe); hex.EncodeToString(sum[:]) != axeHash {
		t.Fatalf("%s is another version of axe", path)
	}
	return string(axe)
}

// byAxe holds what the browser shows against the rules of axe.
func (b tab) byAxe(axe, what string) {
	b.t.Helper()
	b.do("axe", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[any]("window.axeFound = undefined; "+axe+"; axe.run({preload: false}).then((r) => { window.axeFound = r; }); true")(ctx, t)
		return err
	}), until("!!window.axeFound"))
	b.truth(what, `axeFound.violations.length === 0 && axeFound.passes.length > 10 || axeFound.violations.map((v) => v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map((n) => n.html).join(" ")).join("; ") || axeFound.passes.length + " rules looked at anything"`)
}

// allLooks are those in which a page is read.
var allLooks = map[string]action{"light": looks(1440, 900, "light"), "dark": looks(1440, 900, "dark"), "phone": looks(390, 844, "light")}

// unfolded holds when nothing of a page is folded away.
const unfolded = "document.readyState === 'complete' && [...document.querySelectorAll('details')].every((e) => (e.open = true))"

// filesByAxe holds pages from a disk against axe, in all looks.
func (b tab) filesByAxe(axe string, pages []string) {
	b.t.Helper()
	for _, page := range pages {
		for name, look := range allLooks {
			b.do("open", look, chromedp.Navigate("file://"+filepath.ToSlash(page)), until(unfolded))
			b.byAxe(axe, page+", "+name)
		}
	}
	b.t.Logf("%d pages, %d looks each", len(pages), len(allLooks))
}

// Every page of the documentation, in both lights and on a phone, by axe.
func TestDocsByAxe(t *testing.T) {
	axe, b := axeScript(t), docsTab(t)
	folder := filepath.Join(t.TempDir(), "site")
	carried(t, t.TempDir(), "docs", "--out", folder)
	pages, _ := filepath.Glob(filepath.Join(folder, "*.html"))
	below, _ := filepath.Glob(filepath.Join(folder, "*", "*.html"))
	if pages = append(pages, below...); len(pages) < 60 {
		t.Fatalf("%d pages", len(pages))
	}
	b.filesByAxe(axe, pages)
	b.do("a search", looks(1440, 900, "light"), chromedp.Navigate("file://"+filepath.ToSlash(filepath.Join(folder, "index.html"))), until("document.readyState === 'complete'"),
		chromedp.SendKeys("#words", "INPUT"), until("document.querySelectorAll('#hits a').length > 0"))
	b.byAxe(axe, "what a search found")
}

// The pages that commands write, as the golden files of their packages have them, and
// those of a review, with hostile answers.
func TestPagesByAxe(t *testing.T) {
	axe, b := axeScript(t), docsTab(t)
	var pages []string
	for _, golden := range []string{"audit/page/testdata/page.html", "mask/testdata/report.html", "report/testdata/report.html"} {
		page, err := filepath.Abs(filepath.Join("..", filepath.FromSlash(golden)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	dir := t.TempDir()
	folders := reviewed(t, dir)
	file, offline := filepath.Join(dir, "r.sqlite"), filepath.Join(dir, "offline.html")
	carried(t, dir, append([]string{"review", "create", "--suite", filepath.Join(dir, "suite"), "--out", file}, folders...)...)
	carried(t, dir, "review", "export", file, "--reviewer", "Ben", "--out", offline)
	review := serveReview(t, dir, file, "Anna")
	defer review.stop()
	for name, look := range allLooks {
		b.do("welcome", look, chromedp.Navigate(review.links[0]), chromedp.WaitVisible("#begin"))
		b.byAxe(axe, "welcome, "+name)
		b.do("begin", chromedp.Click("#begin"), on(1, 4), chromedp.KeyEvent("d"), until("document.querySelectorAll('details[open]').length === 2"))
		b.byAxe(axe, "a comparison, "+name)
		b.do("help", chromedp.KeyEvent("?"), until("document.getElementById('help').open"))
		b.byAxe(axe, "the keys, "+name)
	}
	b.do("vote", chromedp.KeyEvent(kb.Escape), until("!document.getElementById('help').open"), chromedp.KeyEvent("1111"), chromedp.KeyEvent("n"), chromedp.KeyEvent("a note"),
		chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)), on(2, 4))
	carried(t, dir, "review", "close", file)
	said := carried(t, dir, append([]string{"report", "--review", file}, folders...)...)
	b.filesByAxe(axe, append(pages, offline, regexp.MustCompile(`\S+report\.html`).FindString(said)))
}

func docsTab(t *testing.T) tab {
	t.Helper()
	path := chromium(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	first, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(first); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return newTab(t, first, t.ArtifactDir())
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)

// servedDocs serves the documentation until the test ends.
func servedDocs(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out, errs safeBuffer
	ended := make(chan int, 1)
	go func() { ended <- cli.Main(ctx, streams(t.TempDir(), &out, &errs, "docs")) }()
	t.Cleanup(func() {
		cancel()
		if status := <-ended; status != 0 {
			t.Errorf("docs ended with %d: %s", status, errs.String())
		}
	})
	for range 200 {
		if url := address.FindString(out.String()); url != "" {
			return url
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(fmt.Sprint("docs says nothing: ", out.String(), errs.String()))
	return ""
}
