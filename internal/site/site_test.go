package site_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"bbjtune"
	"bbjtune/internal/site"
)

func build(t *testing.T, files map[string]string) *site.Site {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := site.Build(tree)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func article(t *testing.T, s *site.Site, name string) string {
	t.Helper()
	_, text, found := strings.Cut(string(s.File(name)), "<article>\n")
	text, _, ends := strings.Cut(text, "</article>")
	if !found || !ends {
		t.Fatalf("%s has no article; there are %v", name, s.Files())
	}
	return text
}

func TestMarkdownBecomesPages(t *testing.T) {
	tests := []struct{ name, markdown, want string }{
		{"anchors are those of GitHub", "## What *exists*, and `a.b`\n## What exists and ab\n",
			`<h2 id="what-exists-and-ab">What <em>exists</em>, and <code>a.b</code> <a class="anchor" href="#what-exists-and-ab" aria-label="Link to this heading">#</a></h2>
<h2 id="what-exists-and-ab-1">What exists and ab <a class="anchor" href="#what-exists-and-ab-1" aria-label="Link to this heading">#</a></h2>
`},
		{"BBj has colours", "```bbj\nrem <b>\nprint 1\n```\n",
			`<pre class="code" tabindex="0" role="group" aria-label="BBj code"><code><span class="r">rem &lt;b&gt;</span>
<span class="k">print</span> <span class="d">1</span></code></pre>
`},
		{"code has the name of its file", "<!-- file: src/<b>.bbj -->\n```sh\nx\n```\n\n<!-- long-running -->\n```sh\ny\n```\n",
			`<p class="file">src/&lt;b&gt;.bbj</p>
<pre class="code" tabindex="0" role="group" aria-label="Commands"><code>x</code></pre>
<pre class="code" tabindex="0" role="group" aria-label="Commands"><code>y</code></pre>
`},
		{"remarks vanish, HTML is text", "<!-- file: x -->\n\na <b onclick=\"x\">\n\n<script>alert(1)</script>\n",
			"<p>a &lt;b onclick=&#34;x&#34;&gt;</p>\n&lt;script&gt;alert(1)&lt;/script&gt;\n"},
		{"what follows a remark stays", "<!-- one\n-->two\n\na <!-- x --> b\n\n<script>\nalert(1)\n</script>\n",
			"two\n<p>a  b</p>\n&lt;script&gt;\nalert(1)\n&lt;/script&gt;\n"},
		{"no scripts in links", "[x](javascript:alert(1))\n", "<p><a href=\"\">x</a></p>\n"},
		{"tables have no styles", "| a |   |\n| --: | --- |\n| 1 | 2 |\n",
			"<div class=\"table\" tabindex=\"0\" role=\"group\" aria-label=\"Table\"><table>\n<thead>\n<tr>\n<th align=\"right\">a</th>\n<td></td>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td align=\"right\">1</td>\n<td>2</td>\n</tr>\n</tbody>\n</table></div>\n"},
		{"links lead to pages, files and places", "[a](../guide/b.md#two) [b](../../README.md) [c](../x.json) [d](#one) [e](https://example.org/x.md) [f](../guide/) [g](#one:)\n\n## One\n",
			`<p><a href="../guide/b.html#two">a</a> <a href="../index.html">b</a> <a href="../x.json">c</a> <a href="#one">d</a> <a href="https://example.org/x.md">e</a> <a href="../guide/index.html">f</a> <a href="#one:">g</a></p>
<h2 id="one">One <a class="anchor" href="#one" aria-label="Link to this heading">#</a></h2>
`},
		{"a way out becomes text", "see [the *code*](../../internal/x.go)\n", "<p>see the <em>code</em></p>\n"},
		{"a diagram is its picture", "```mermaid\nflowchart\n  a --> b\n```\n\n[The same as a picture](p.svg)\n",
			`<figure class="diagram"><a href="p.svg"><img src="p.svg" alt="Diagram; its text follows"></a><details><summary>The diagram as text</summary><pre class="code" tabindex="0" role="group" aria-label="Diagram as text"><code>flowchart
  a --&gt; b</code></pre>
</details></figure>
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := build(t, map[string]string{
				"README.md": "# Home\n", "docs/guide/README.md": "# Guide\n", "docs/guide/b.md": "# B\n\n## Two\n", "docs/x.json": "{}",
				"docs/fine-tuning/p.svg": "<svg/>", "docs/fine-tuning/a.md": tt.markdown,
			})
			if got := article(t, s, "fine-tuning/a.html"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if len(s.Broken) > 0 && s.Broken[0][1] != "docs/fine-tuning/a.md#one:" {
				t.Error(s.Broken)
			}
		})
	}
}

func TestBrokenAnchorsAreListed(t *testing.T) {
	s := build(t, map[string]string{"README.md": "[x](#nowhere) [y](docs/a.md#gone)\n", "docs/a.md": "# A\n"})
	if len(s.Broken) != 2 || s.Broken[1] != [2]string{"README.md", "docs/a.md#gone"} {
		t.Error(s.Broken)
	}
}

func TestTwoPagesOfOneNameAreRefused(t *testing.T) {
	_, err := site.Build(fstest.MapFS{"README.md": {}, "docs/README.md": {}})
	if err == nil || !strings.Contains(err.Error(), "README.md and docs/README.md would be the same page") {
		t.Error(err)
	}
}

func TestAFileInThePlaceOfAnotherIsRefused(t *testing.T) {
	for _, files := range []fstest.MapFS{
		{"README.md": {Data: []byte("[x](docs/site.css)\n")}, "docs/site.css": {}},
		{"README.md": {Data: []byte("[x](x.json) [y](docs/x.json)\n")}, "x.json": {Data: []byte("1")}, "docs/x.json": {Data: []byte("2")}},
	} {
		if _, err := site.Build(files); err == nil || !strings.Contains(err.Error(), "would take the place of another file") {
			t.Error(err)
		}
	}
}

// The pages of a folder stand in the order in which its README links to them.
func TestOrderOfPages(t *testing.T) {
	s := build(t, map[string]string{
		"README.md": "# Home\n", "docs/guide/README.md": "# Guide\n\n[second](z.md), [third](b.md#x)\n", "docs/guide/a.md": "# A\n", "docs/guide/b.md": "# B\n\n## X\n", "docs/guide/z.md": "# Z\n",
		"elsewhere/left.md": "# Left\n",
	})
	items := regexp.MustCompile(`<li><a href="([^"]+)"`).FindAllStringSubmatch(string(s.File("guide/b.html")), -1)
	var got []string
	for _, m := range items {
		got = append(got, m[1])
	}
	if want := "../index.html index.html z.html b.html a.html ../elsewhere/left.html"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// The repository's own documents: every link leads somewhere, nothing comes from
// elsewhere, and the same input makes the same bytes.
func TestTheRepositoryAsASite(t *testing.T) {
	s, err := site.Build(bbjtune.Documents)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range s.Broken {
		t.Errorf("%s links to %s, which has no such heading", b[0], b[1])
	}
	for _, o := range s.Outside {
		if _, err := os.Stat(filepath.Join("../..", filepath.FromSlash(o[1]))); err != nil {
			t.Errorf("%s links to %s, which is not there", o[0], o[1])
		}
	}
	loaded := regexp.MustCompile(`(?:src|<link[^>]* href)="([^"]*)"`)
	away := regexp.MustCompile(`href="([A-Za-z][A-Za-z0-9+.-]*:[^"]*|//[^"]*)"`)
	style := regexp.MustCompile(`<[^>]* (?:style|on[a-z]+)=`)
	for _, name := range s.Files() {
		if filepath.Ext(name) != ".html" {
			continue
		}
		for _, m := range loaded.FindAllSubmatch(s.File(name), -1) {
			if file := filepath.ToSlash(filepath.Join(filepath.Dir(name), string(m[1]))); s.File(file) == nil {
				t.Errorf("%s loads %s, which is not of the site", name, m[1])
			}
		}
		for _, m := range away.FindAllSubmatch(s.File(name), -1) {
			if u, err := url.Parse(string(m[1])); err != nil || u.Scheme != "https" || !strings.Contains(u.Host, ".") || u.User != nil || strings.ContainsAny(u.Path, " \"") {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
		if m := style.Find(s.File(name)); m != nil {
			t.Errorf("%s has what the policy forbids: %s", name, m)
		}
	}
	again, err := site.Build(bbjtune.Documents)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.Files() {
		if !bytes.Equal(s.File(name), again.File(name)) {
			t.Errorf("%s differs from one time to the next", name)
		}
	}
	if n := len(s.Files()); n < 70 || s.File("fine-tuning/path.svg") == nil || s.File("recipe.schema.json") == nil {
		t.Errorf("%d files: %v", n, s.Files())
	}
}

func TestHandler(t *testing.T) {
	s := build(t, map[string]string{"README.md": "# Home\n[l](LICENSE) ![p](docs/p.svg)\n", "docs/guide/README.md": "# Guide\n", "LICENSE": "free", "docs/p.svg": "<svg/>"})
	h := s.Handler()
	for _, tt := range []struct {
		method, path string
		status       int
		kind, body   string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "<h1 id=\"home\">Home</h1>"},
		{"GET", "/guide/", 200, "text/html; charset=utf-8", "Guide"},
		{"GET", "/guide", 301, "", ""},
		{"GET", "/LICENSE", 200, "text/plain; charset=utf-8", "free"},
		{"GET", "/p.svg", 200, "image/svg+xml", "<svg/>"},
		{"HEAD", "/site.js", 200, "text/javascript; charset=utf-8", ""},
		{"GET", "/../site_test.go", 404, "", "no such page"},
		{"GET", "//example.org/guide", 404, "", ""},
		{"POST", "/", 405, "", ""},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tt.method, "http://127.0.0.1/", nil)
		r.URL.Path = tt.path
		h.ServeHTTP(w, r)
		if w.Code != tt.status || tt.kind != "" && w.Header().Get("Content-Type") != tt.kind || !strings.Contains(w.Body.String(), tt.body) || tt.method == http.MethodHead && w.Body.Len() > 0 {
			t.Errorf("%s %s: %d %v %s", tt.method, tt.path, w.Code, w.Header(), w.Body)
		}
		if p := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'; style-src ") || strings.Contains(p, "script-src 'unsafe") {
			t.Errorf("%s: policy %q", tt.path, p)
		}
	}
}

func TestWrite(t *testing.T) {
	s := build(t, map[string]string{"README.md": "# Home\n", "docs/a.md": "# A\n"})
	dir := t.TempDir()
	for _, name := range []string{"new", "deep/er", "empty"} {
		if name == "empty" {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Write(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, name, "a.html")); err != nil || !bytes.Equal(text, s.File("a.html")) {
			t.Error(name, err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		t.Log(err) // Windows lets only some make links
	}
	for _, taken := range []string{filepath.Join(dir, "new"), file, link} {
		if _, err := os.Lstat(taken); err != nil {
			continue
		}
		if err := s.Write(taken); err == nil || !strings.Contains(err.Error(), "not an empty folder") {
			t.Errorf("%s: %v", taken, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
