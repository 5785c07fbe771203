package serve_test

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/review"
	"bbjtune/internal/review/serve"
	"bbjtune/internal/review/store"
)

// The names of what must stay secret. The answers name them, too.
var secretModels = []review.Model{
	{Name: "zeta-coder-14b", Run: "zeta-coder-14b-0a1b2c3d4e5f", Key: strings.Repeat("0a1b2c3d", 8)},
	{Name: "Omega Nine", Run: "omega-nine-f5e4d3c2b1a0", Key: strings.Repeat("f5e4d3c2", 8)},
}

// planned is a review of n prompts, whose answers say "alpha" and "beta" instead of
// who wrote them.
func planned(n int) (review.Review, review.Mapping) {
	var questions []review.Question
	sources := make([]review.Source, 2)
	for i := range sources {
		sources[i] = review.Source{Model: secretModels[i], Names: []string{"sha256:feedface"}, Answers: map[string]review.Given{}}
	}
	for q := range n {
		id := fmt.Sprintf("gui/case-%d", q)
		questions = append(questions, review.Question{Case: id, Title: "T", Generation: "dwc", Prompt: fmt.Sprintf("Prompt %d <b>", q)})
		for i, word := range []string{"alpha", "beta "} {
			sources[i].Answers[id] = review.Given{Stopped: true, Text: fmt.Sprintf("I am Omega Nine, not zeta-coder-14b (Qwen2.5, sha256:feedface).\n```bbj\nrem by %s\nprint \"%s\"\n```<|im_end|>", secretModels[i].Name, word)}
		}
	}
	r, m, err := review.Plan(questions, sources, 1, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		panic(err)
	}
	r.ID, r.Title, r.Suite = "0123456789abcdef", "Which is better", "bbj-core version 2"
	return r, m
}

type site struct {
	*httptest.Server
	store *store.Store
	now   time.Time
}

func served(t testing.TB, r review.Review, o serve.Options) *site {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.sqlite")
	if err := store.Create(path, r, []byte("sealed"), []byte("secret")); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	x := &site{store: s, now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
	if o.Now == nil {
		o.Now = func() time.Time { return x.now }
	}
	o.Log = log.New(io.Discard, "", 0)
	x.Server = httptest.NewServer(serve.Handler(s, o))
	t.Cleanup(func() { x.Server.Close(); s.Close() })
	return x
}

// browser is a reviewer's.
type browser struct {
	*http.Client
	site *site
	seen *bytes.Buffer // all that was received
}

func (x *site) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}, x, &bytes.Buffer{}}
}

// reviewer is somebody with a link, who has opened it.
func (x *site) reviewer(t testing.TB, name string) *browser {
	t.Helper()
	if _, err := x.store.AddReviewer(name, "token-"+name); err != nil {
		t.Fatal(err)
	}
	b := x.browser(t)
	b.get(t, "/r/token-"+name, http.StatusOK)
	return b
}

// got reads an answer, and keeps all of it.
func (b *browser) got(t testing.TB, res *http.Response, err error, status int) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", res.Request.Method, res.Request.URL, res.StatusCode, status, text)
	}
	fmt.Fprintf(b.seen, "%s\n%v\n%s\n", res.Request.URL, res.Header, text)
	return string(text)
}

func (b *browser) get(t testing.TB, path string, status int) string {
	t.Helper()
	res, err := b.Get(b.site.URL + path)
	return b.got(t, res, err, status)
}

var (
	csrfField  = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)
	shownField = regexp.MustCompile(`name="shown" value="(\d+)"`)
)

// form fills in the page of a comparison.
func form(text string, c review.Choice) url.Values {
	f := url.Values{"quality": {string(c)}, "idiom": {string(c)}, "documentation": {string(c)}, "overall": {string(c)}, "note": {""}}
	for name, field := range map[string]*regexp.Regexp{"csrf": csrfField, "shown": shownField} {
		if m := field.FindStringSubmatch(text); m != nil {
			f.Set(name, m[1])
		}
	}
	return f
}

func (b *browser) post(t testing.TB, path string, f url.Values, status int) string {
	t.Helper()
	res, err := b.PostForm(b.site.URL+path, f)
	return b.got(t, res, err, status)
}

func TestVoting(t *testing.T) {
	r, _ := planned(3)
	x := served(t, r, serve.Options{})
	anna := x.reviewer(t, "Anna")
	page := anna.get(t, "/compare/1", http.StatusOK)
	x.now = x.now.Add(90 * time.Second)
	f := form(page, review.Left)
	f.Set("note", "why\r\nnot <b>")
	// The vote leads to the next comparison.
	if page = anna.post(t, "/compare/1", f, http.StatusOK); !strings.Contains(page, "<title>2 of 3</title>") || !strings.Contains(page, "1 of 3 judged") {
		t.Error(page)
	}
	f.Del("overall")
	if page = anna.post(t, "/compare/2", f, http.StatusUnprocessableEntity); !strings.Contains(page, "answer all four") {
		t.Error(page)
	}
	// Another browser goes on where this one was.
	again := x.browser(t)
	page = again.get(t, "/r/token-Anna", http.StatusOK)
	if !strings.Contains(page, "Welcome back, Anna") || !strings.Contains(page, `href="/compare/2"`) || !strings.Contains(page, "Go on with 2") {
		t.Error(page)
	}
	page = again.get(t, "/compare/1", http.StatusOK)
	if !strings.Contains(page, "why\nnot &lt;b&gt;") || strings.Count(page, " checked") != 4 {
		t.Error(page)
	}
	votes, err := x.store.Votes(1)
	if err != nil || len(votes) != 1 {
		t.Fatal(err, votes)
	}
	place := x.store.Order(1)[0]
	if v := votes[place.Item]; v.Seconds != 90 || v.Swapped != place.Swapped || place.Seen(v.Choices).Overall != review.Left {
		t.Errorf("%+v", v)
	}
	// The rest, from the last to the first that is open.
	anna.post(t, "/compare/3", form(page, review.Tie), http.StatusOK)
	if page = anna.post(t, "/compare/2", form(page, review.Bad), http.StatusOK); !strings.Contains(page, "All done, Anna") {
		t.Error(page)
	}
	if page = anna.post(t, "/undo", form(page+anna.get(t, "/compare/1", 200), ""), http.StatusOK); !strings.Contains(page, "<title>2 of 3</title>") || strings.Count(page, " checked") != 0 {
		t.Error(page)
	}
	if err := x.store.CloseReview(review.Mapping{}, x.now); err != nil {
		t.Fatal(err)
	}
	anna.post(t, "/compare/2", form(page, review.Bad), http.StatusConflict)
	anna.post(t, "/undo", form(page, ""), http.StatusConflict)
	if page = anna.get(t, "/compare/2", http.StatusOK); !strings.Contains(page, "The review is closed") || strings.Contains(page, "alpha") {
		t.Error(page)
	}
}

// Nothing that the server sends tells who wrote what.
func TestBlinding(t *testing.T) {
	const items, reviewers = 10, 30
	r, m := planned(items)
	x := served(t, r, serve.Options{})
	answers := regexp.MustCompile(`(?s)>Answer 1<.*?(alpha|beta ).*>Answer 2<.*?(alpha|beta )`)
	prompt := regexp.MustCompile(`Prompt (\d)`)
	left, early := 0, 0
	sizes := map[string]map[int]bool{}
	var all bytes.Buffer
	for who := range reviewers {
		b := x.reviewer(t, fmt.Sprintf("R%02d", who))
		b.get(t, "/", http.StatusOK)
		for n := 1; n <= items; n++ {
			text := b.get(t, fmt.Sprintf("/compare/%d", n), http.StatusOK)
			sides := answers.FindStringSubmatch(text)
			if sides == nil || sides[1] == sides[2] {
				t.Fatal(text)
			}
			if sides[1] == "alpha" {
				left++
				if n <= items/2 {
					early++
				}
			}
			// The links to the neighbours differ with the place, the rest must not.
			plain := regexp.MustCompile(`(?s)<nav.*?</nav>|<title>.*?</title>|<h1.*?</h1>|action="/compare/\d+"|(id|labelledby|describedby)="[a-z]+-\d+`).ReplaceAllString(text, "")
			which := prompt.FindStringSubmatch(text)[1]
			if sizes[which] == nil {
				sizes[which] = map[int]bool{}
			}
			sizes[which][len(plain)] = true
			if n == 1 {
				page := b.post(t, "/compare/1", form(text, review.Tie), http.StatusOK)
				b.post(t, "/undo", form(page, ""), http.StatusOK)
				b.post(t, "/compare/1", url.Values{}, http.StatusForbidden)
			}
		}
		b.get(t, "/compare/999", http.StatusNotFound)
		b.get(t, "/results", http.StatusNotFound)
		all.Write(b.seen.Bytes())
	}
	text := strings.ToLower(html.UnescapeString(all.String()))
	for _, s := range []string{"zeta", "omega", "0a1b2c3d", "f5e4d3c2", "qwen", "feedface", "sealed", "im_end", "etag", "last-modified"} {
		if i := strings.Index(text, s); i >= 0 {
			t.Errorf("%q is sent: …%s…", s, text[max(0, i-100):min(len(text), i+100)])
		}
	}
	for _, mo := range m.Models {
		if strings.Contains(text, strings.ToLower(mo.Run)) || strings.Contains(text, mo.Key) {
			t.Errorf("%s is sent", mo.Run)
		}
	}
	// Five standard deviations of fair coins.
	if n := float64(items * reviewers); math.Abs(float64(left)-n/2) > 5*math.Sqrt(n/4) || math.Abs(float64(early)-n/4) > 5*math.Sqrt(n/8) {
		t.Errorf("one model is on the left in %d of %.0f, %d of them early", left, n, early)
	}
	for which, s := range sizes {
		if len(s) != 1 {
			t.Errorf("the size of prompt %s depends on the sides: %v", which, s)
		}
	}
}

func TestForgedRequests(t *testing.T) {
	r, _ := planned(2)
	x := served(t, r, serve.Options{})
	anna, ben := x.reviewer(t, "Anna"), x.reviewer(t, "Ben")
	good := form(anna.get(t, "/compare/1", http.StatusOK), review.Left)
	ben.post(t, "/compare/1", good, http.StatusForbidden) // Anna's token
	bad := url.Values{}
	for k, v := range good {
		bad[k] = v
	}
	bad.Set("csrf", strings.Repeat("0", 32))
	anna.post(t, "/compare/1", bad, http.StatusForbidden)
	x.browser(t).post(t, "/compare/1", good, http.StatusForbidden) // no cookie
	anna.post(t, "/compare/0", good, http.StatusNotFound)
	anna.post(t, "/compare/x", good, http.StatusNotFound)
	long := url.Values{"note": {strings.Repeat("x", 1<<20)}}
	anna.post(t, "/compare/1", long, http.StatusBadRequest)
	for name, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		req, err := http.NewRequest("POST", x.URL+"/compare/1", strings.NewReader(good.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set(name, value)
		res, err := anna.Do(req)
		anna.got(t, res, err, http.StatusForbidden)
	}
	if all, err := x.store.All(); err != nil || len(all) != 0 {
		t.Errorf("%v %v", err, all)
	}
	anna.post(t, "/compare/1", good, http.StatusOK)
	if all, err := x.store.All(); err != nil || len(all) != 1 {
		t.Errorf("%v %v", err, all)
	}
}

func TestHeaders(t *testing.T) {
	r, _ := planned(1)
	x := served(t, r, serve.Options{})
	if _, err := x.store.AddReviewer("a", "tok"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/r/tok", "/r/no", "/nothing", "/compare/1"} {
		res, err := http.Get(x.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		h := res.Header
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'; script-src 'self';") || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %v", path, h)
		}
		for _, c := range res.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
				t.Errorf("%s: %v", path, c)
			}
		}
		if path == "/r/tok" && len(res.Cookies()) != 1 {
			t.Error("no cookie")
		}
	}
}

// The assets that pages name are there, and pages hold no script or style of their own.
func TestPagesNameTheirAssets(t *testing.T) {
	r, _ := planned(1)
	x := served(t, r, serve.Options{})
	b := x.reviewer(t, "a")
	text := b.get(t, "/compare/1", http.StatusOK)
	named := regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(text, -1)
	if len(named) != 3 {
		t.Fatalf("%v", named)
	}
	for _, m := range named {
		b.get(t, m[1], http.StatusOK)
	}
	if inline := regexp.MustCompile(`<script>|<style|style=|\son[a-z]+=`).FindString(text); inline != "" {
		t.Errorf("%q in the page", inline)
	}
}

func TestGuessesAreLimited(t *testing.T) {
	r, _ := planned(1)
	x := served(t, r, serve.Options{})
	if _, err := x.store.AddReviewer("a", "tok"); err != nil {
		t.Fatal(err)
	}
	b := x.browser(t)
	for range 10 {
		b.get(t, "/r/guess", http.StatusNotFound)
	}
	b.get(t, "/r/guess", http.StatusTooManyRequests)
	b.get(t, "/r/tok", http.StatusOK) // who has a link is not shut out
	for range 60 {
		b.get(t, "/", http.StatusOK)
	}
	b.get(t, "/", http.StatusTooManyRequests)
	x.now = x.now.Add(10 * time.Second)
	b.get(t, "/", http.StatusOK)
	b.get(t, "/r/guess", http.StatusNotFound)
}

func TestPassword(t *testing.T) {
	r, _ := planned(1)
	x := served(t, r, serve.Options{Password: "open sesame"})
	if _, err := x.store.AddReviewer("Anna", "tok"); err != nil {
		t.Fatal(err)
	}
	b := x.browser(t)
	text := b.get(t, "/r/tok", http.StatusUnauthorized)
	if strings.Contains(text, "Anna") || !strings.Contains(text, `value="/r/tok"`) {
		t.Error(text)
	}
	b.get(t, "/compare/1", http.StatusUnauthorized)
	b.post(t, "/login", url.Values{"password": {"open"}, "next": {"/r/tok"}}, http.StatusUnauthorized)
	text = b.post(t, "/login", url.Values{"password": {"open sesame"}, "next": {"/r/tok"}}, http.StatusOK)
	if !strings.Contains(text, "Welcome, Anna") {
		t.Error(text)
	}
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, next := range []string{"//evil.example", "https://evil.example", "/\\evil.example", "/r//evil", "/r/a?b"} {
		b.post(t, "/login", url.Values{"password": {"open sesame"}, "next": {next}}, http.StatusSeeOther)
	}
	if strings.Contains(b.seen.String(), "Location:[//") || strings.Contains(b.seen.String(), "evil") {
		t.Error("the login leads away")
	}
	for range 3 {
		b.post(t, "/login", url.Values{"password": {"x"}}, http.StatusUnauthorized)
	}
	b.post(t, "/login", url.Values{"password": {"open sesame"}}, http.StatusTooManyRequests)
	other := served(t, r, serve.Options{})
	other.browser(t).post(t, "/login", url.Values{"password": {""}}, http.StatusUnauthorized)
}

// An answer of any size is shown in bounded time and space.
func TestHugeAnswers(t *testing.T) {
	lines := strings.Repeat("print \"<script>\" // \x00\u202e\n", 200000)
	flat := strings.Repeat("x<", 3<<20)
	questions := []review.Question{{Case: "a", Generation: "all", Prompt: "p"}}
	r, _, err := review.Plan(questions, []review.Source{
		{Model: review.Model{Name: "m1"}, Answers: map[string]review.Given{"a": {Text: "```bbj\n" + lines + "```"}}},
		{Model: review.Model{Name: "m2"}, Answers: map[string]review.Given{"a": {Text: flat}}},
	}, 1, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	r.ID = "0123456789abcdef"
	text := served(t, r, serve.Options{}).reviewer(t, "a").get(t, "/compare/1", http.StatusOK)
	if len(text) > 2<<20 || strings.Count(text, "more bytes are not shown") != 2 || strings.Contains(text, "<script>\"") {
		t.Errorf("%d bytes", len(text))
	}
}
