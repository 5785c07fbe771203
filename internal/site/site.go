// Package site makes a site of the repository's Markdown: pages with links between
// them, navigation, an index for full-text search, and what they show. The pages work
// from a server and from a disk, without a network, and can be read without a script.
//
// It knows where the repository keeps its documents, and that their order is that in
// which the README of a folder links to them. It must not know what they say.
package site

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"bbjtune/internal/fault"
)

//go:embed assets
var assets embed.FS

var pageTemplate = template.Must(template.ParseFS(assets, "assets/page.html"))

// sections are the parts of the navigation: files, and folders with all that is in
// them; docs/ and the root are their files alone, * is what is left.
var sections = []struct {
	title   string
	sources []string
	closed  bool    // unless the page that is shown is one of them
	weight  float64 // of its pages in a search: users look for what to do first
}{
	{title: "Start", sources: []string{"README.md", "docs/guide/"}, weight: 1},
	{title: "Fine-tuning", sources: []string{"docs/fine-tuning/"}, weight: 0.9},
	{title: "Reference", sources: []string{"docs/recipes.md", "docs/recipe-rules.md", "training-data/FORMAT.md", "suites/FORMAT.md", "docs/serving.md", "docs/benchmarks.md", "docs/reference/"}, weight: 0.9},
	{title: "Rules of check", sources: []string{"docs/rules/"}, closed: true, weight: 0.8},
	{title: "Design", sources: []string{"docs/design/"}, closed: true, weight: 0.6},
	{title: "Project", sources: []string{"docs/", "", "*"}, weight: 0.4},
}

// Site is all files, by their paths with slashes.
type Site struct {
	files map[string][]byte
	// Outside are the links that lead to files which are not part of the site, each
	// as the page and the path in the repository. They are shown as text.
	Outside [][2]string
	// Broken are the links to headings that are not there, as page and target.
	Broken [][2]string
}

// builder is a site under way.
type builder struct {
	documents fs.FS
	pages     []*document
	bySource  map[string]*document
	shown     map[string]bool // files beside the pages
	site      *Site
}

// Build makes the site of a repository's documents.
func Build(documents fs.FS) (*Site, error) {
	b := &builder{documents: documents, bySource: map[string]*document{}, shown: map[string]bool{}, site: &Site{files: map[string][]byte{}}}
	if err := b.read(); err != nil {
		return nil, err
	}
	menu := b.menu()
	for _, d := range b.pages {
		b.link(d)
	}
	for i, d := range b.pages {
		text, err := b.page(menu, i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.source, err)
		}
		b.site.files[d.place] = text
	}
	b.site.files["search-index.js"] = index(b.pages)
	for _, name := range []string{"site.css", "site.js", "icon.svg"} {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		b.site.files[name] = text
	}
	for _, source := range slices.Sorted(maps.Keys(b.shown)) {
		text, err := fs.ReadFile(documents, source)
		if err != nil {
			return nil, err
		}
		if _, taken := b.site.files[place(source)]; taken {
			return nil, fault.Newf("rename it", "%s would take the place of another file of the site, %s", source, place(source))
		}
		b.site.files[place(source)] = text
	}
	return b.site, nil
}

// read parses every Markdown file.
func (b *builder) read() error {
	taken := map[string]string{}
	return fs.WalkDir(b.documents, ".", func(source string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if strings.HasSuffix(source, ".schema.json") { // editors fetch them
			b.shown[source] = true
		}
		if path.Ext(source) != ".md" {
			return nil
		}
		text, err := fs.ReadFile(b.documents, source)
		if err != nil {
			return err
		}
		d := parse(source, text)
		if other := taken[d.place]; other != "" {
			return fault.Newf("rename one of the two", "%s and %s would be the same page of the site", other, source)
		}
		taken[d.place] = source
		b.bySource[source] = d
		return nil
	})
}

// place is where a file of the repository stands in the site.
func place(source string) string {
	p := strings.TrimPrefix(source, "docs/")
	if path.Base(p) == "README.md" {
		return path.Join(path.Dir(p), "index.html")
	}
	if stem, ok := strings.CutSuffix(p, ".md"); ok {
		return stem + ".html"
	}
	return p
}

// relative is the way from one page to a file of the site.
func relative(from, to string) string {
	up := strings.Repeat("../", strings.Count(from, "/"))
	if dir := path.Dir(from) + "/"; dir != "./" && strings.HasPrefix(to, dir) {
		return strings.TrimPrefix(to, dir)
	}
	return up + to
}

// part is a section of the navigation with its pages.
type part struct {
	title  string
	closed bool
	pages  []*document
}

// menu gives each page its section, and puts all pages in their order.
func (b *builder) menu() []part {
	var list []part
	placed := map[*document]bool{}
	for _, s := range sections {
		p := part{title: s.title, closed: s.closed}
		for _, source := range s.sources {
			for _, d := range b.under(source) {
				if !placed[d] {
					placed[d] = true
					d.weight = s.weight
					p.pages = append(p.pages, d)
				}
			}
		}
		if len(p.pages) > 0 {
			list = append(list, p)
			b.pages = append(b.pages, p.pages...)
		}
	}
	return list
}

// under are the pages that a source of a section names: one file, or those of a
// folder, its README first, then in the order of the links there.
func (b *builder) under(source string) []*document {
	if d := b.bySource[source]; d != nil {
		return []*document{d}
	}
	var found []*document
	for name, d := range b.bySource {
		dir, _ := path.Split(name)
		if inside := source != "" && source != "docs/" && strings.HasPrefix(dir, source); dir == source || inside || source == "*" {
			found = append(found, d)
		}
	}
	var order []string
	if readme := b.bySource[source+"README.md"]; readme != nil {
		order = append([]string{readme.source}, readme.targets()...)
	}
	rank := func(d *document) int {
		if i := slices.Index(order, d.source); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(found, func(x, y *document) int {
		if c := rank(x) - rank(y); c != 0 {
			return c
		}
		return strings.Compare(x.source, y.source)
	})
	return found
}

// menuItem and menuPart are the navigation as one page shows it.
type menuItem struct {
	Title, Link string
	Here        bool
}

type menuPart struct {
	Title string
	Open  bool
	Items []menuItem
}

type pageView struct {
	Title, Root, Place string
	Home               bool
	Menu               []menuPart
	Headings           []heading
	Body               template.HTML
	Previous, Next     *menuItem
}

func (b *builder) page(menu []part, i int) ([]byte, error) {
	d := b.pages[i]
	body, err := d.html()
	if err != nil {
		return nil, err
	}
	// The text of the repository's own Markdown, escaped by the renderer of Markdown.
	v := pageView{Title: d.title, Root: strings.Repeat("../", strings.Count(d.place, "/")), Place: d.place, Home: d.place == "index.html", Headings: d.contents(), Body: template.HTML(body)}
	item := func(o *document) menuItem { return menuItem{o.short(), relative(d.place, o.place), o == d} }
	for _, p := range menu {
		m := menuPart{Title: p.title, Open: !p.closed || slices.Contains(p.pages, d)}
		for _, o := range p.pages {
			m.Items = append(m.Items, item(o))
		}
		if at := slices.Index(p.pages, d); at > 0 {
			previous := item(p.pages[at-1])
			v.Previous = &previous
		}
		if at := slices.Index(p.pages, d); at >= 0 && at+1 < len(p.pages) {
			next := item(p.pages[at+1])
			v.Next = &next
		}
		v.Menu = append(v.Menu, m)
	}
	var out bytes.Buffer
	err = pageTemplate.ExecuteTemplate(&out, "page.html", v)
	return out.Bytes(), err
}
