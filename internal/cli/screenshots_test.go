package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bbjtune/internal/audit/audittest"
	"bbjtune/internal/cli"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
)

// screenshot is a picture that the documentation shows of a page: its size, and what
// brings the page into view.
type screenshot struct {
	width, height int64
	show          func(b tab, dir string)
}

// screenshots are made by make screenshots, into docs.
var screenshots = map[string]screenshot{
	"report.png": {1200, 1110, showReport},
	"review.png": {1280, 900, showReview},
	"site.png":   {1280, 800, showSite},
	"audit.png":  {1200, 900, showAudit},
}

// drawn are the other pictures, with what makes them.
var drawn = map[string]string{
	"data-scaling.svg":              "python3 bench/data.py --plot",
	"fine-tuning/path.svg":          "make diagrams",
	"fine-tuning/training-data.svg": "make diagrams",
	"fine-tuning/training.svg":      "make diagrams",
}

const docs = "../../docs"

// TestScreenshots makes the pictures anew, of real pages. BBJTUNE_DEMO is the folder
// in which a demo was run.
func TestScreenshots(t *testing.T) {
	if os.Getenv("BBJTUNE_DEMO") == "" {
		t.Skip("make screenshots names a folder in BBJTUNE_DEMO")
	}
	for name, s := range screenshots {
		t.Run(name, func(t *testing.T) {
			b := docsTab(t)
			b.do("size", looks(s.width, s.height, "light"))
			s.show(b, t.TempDir())
			b.do("no caret blinks, nothing moves", until("(document.activeElement.blur(), document.getAnimations().every((a) => a.playState === 'finished')) && document.fonts.status === 'loaded'"))
			b.shot = docs
			b.screenshot(strings.TrimSuffix(name, ".png"), false)
		})
	}
}

// showReport opens the last report of the demo.
func showReport(b tab, _ string) {
	b.t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv("BBJTUNE_DEMO"), "runs", "report", "demo-*", "report.html"))
	if err != nil || len(found) == 0 {
		b.t.Fatal("there is no report of a demo: run make demo, or name the folder where it was run, make screenshots DEMO=FOLDER")
	}
	newest := slices.MaxFunc(found, func(x, y string) int { return modified(b.t, x).Compare(modified(b.t, y)) })
	page, err := filepath.Abs(newest)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("the report", chromedp.Navigate("file://"+filepath.ToSlash(page)), until("document.readyState === 'complete'"))
}

func modified(t *testing.T, file string) time.Time {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// showReview opens a comparison of what the suite says of a good and of a bad answer.
// Chance puts comparisons into their order and answers on their sides; reviews are
// made until it is the one that is wanted.
func showReview(b tab, dir string) {
	b.t.Helper()
	folders := evaluated(b.t, dir, func(c suite.Case) (string, string) { return c.Reference, c.Wrong[0].Answer })
	for range 200 {
		file := filepath.Join(b.t.TempDir(), "r.sqlite")
		carried(b.t, dir, append([]string{"review", "create", "--suite", filepath.Join(dir, "suite"), "--out", file}, folders...)...)
		review := serveReview(b.t, dir, file, "Anna")
		b.t.Cleanup(review.stop)
		b.do("begin", chromedp.Navigate(review.links[0]), chromedp.WaitVisible("#begin"), chromedp.Click("#begin"), on(1, 4))
		wanted, err := chromedp.Run(b, chromedp.Evaluate[bool](`(() => {
  const answers = [...document.querySelectorAll("pre.code")].map((e) => e.textContent);
  return answers.length === 2 && answers[0].includes("addEventListener") && answers[1].includes("Greet me");
})()`))
		if err != nil {
			b.t.Fatal(err)
		}
		if wanted {
			b.do("judge", chromedp.KeyEvent("d"), until("document.querySelectorAll('details[open]').length === 2"), chromedp.KeyEvent("2"), chromedp.KeyEvent("2"))
			return
		}
	}
	b.t.Fatal("200 reviews, and none that is wanted")
}

// showSite opens a page of the documentation with a search.
func showSite(b tab, dir string) {
	b.t.Helper()
	folder := filepath.Join(dir, "site")
	carried(b.t, dir, "docs", "--out", folder)
	b.do("search", chromedp.Navigate("file://"+filepath.ToSlash(filepath.Join(folder, "guide", "first-hour.html"))), until("document.readyState === 'complete'"),
		chromedp.SendKeys("#words", "never stops"), until("document.querySelectorAll('#hits a').length > 0"))
}

// showAudit opens the page of rows that have the defects of the first attempt's.
func showAudit(b tab, dir string) {
	b.t.Helper()
	rows, page := filepath.Join(dir, "rows.jsonl"), filepath.Join(dir, "audit.html")
	if err := runs.WriteWith(rows, func(w io.Writer) error { return audittest.Write(w, 1, 9922) }); err != nil {
		b.t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if status := cli.Main(context.Background(), streams(dir, &out, &errs, "data", "audit", rows, "--html", page)); status != 1 {
		b.t.Fatalf("audit ended with %d: %s", status, errs.String())
	}
	b.do("the page", chromedp.Navigate("file://"+filepath.ToSlash(page)), until("document.readyState === 'complete'"))
}

// maxPicture is what a picture may take in the repository and in the program, in bytes.
const maxPicture = 250_000

// Every picture that a page shows is made by a command, and is there for a page.
func TestPicturesAreMade(t *testing.T) {
	shown := map[string]bool{}
	picture := regexp.MustCompile(`\]\(([^)\s]+\.(?:png|svg|jpe?g|gif|webp))\)`)
	err := filepath.WalkDir("../..", func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); e.IsDir() && path != "../.." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"bin", "dist", "runs", "testdata"}, name)) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range picture.FindAllStringSubmatch(string(text), -1) {
			name, err := filepath.Rel(docs, filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1])))
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			shown[name] = true
			if _, made := screenshots[name]; !made && drawn[name] == "" {
				t.Errorf("%s shows %s, which no command makes: list it in screenshots or drawn", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for name := range screenshots {
		made = append(made, name)
	}
	for name := range drawn {
		made = append(made, name)
	}
	for _, name := range made {
		info, err := os.Stat(filepath.Join(docs, filepath.FromSlash(name)))
		switch {
		case err != nil:
			t.Errorf("%s is made, and not there: %v", name, err)
		case info.Size() > maxPicture:
			t.Errorf("%s has %d bytes, more than %d", name, info.Size(), maxPicture)
		case !shown[name]:
			t.Errorf("no page shows %s", name)
		}
	}
}
