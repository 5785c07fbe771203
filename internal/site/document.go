package site

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(nodes{}, 100))),
)

// document is one Markdown file.
type document struct {
	source, place string // in the repository, in the site
	title         string
	weight        float64 // in a search
	text          []byte
	root          ast.Node
	ids           map[string]bool
}

// heading is a heading below the title.
type heading struct {
	Level    int
	ID, Text string
}

func parse(source string, src []byte) *document {
	src = bytes.ReplaceAll(bytes.TrimPrefix(src, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	d := &document{source: source, place: place(source), text: src, ids: map[string]bool{}}
	d.root = markdown.Parser().Parse(text.NewReader(src), parser.WithContext(parser.NewContext(parser.WithIDs(anchors(d.ids)))))
	d.title = strings.TrimSuffix(path.Base(source), ".md")
	for n := d.root.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok && h.Level == 1 {
			d.title = plain(h, src)
			break
		}
	}
	return d
}

// short is the name of a page in the navigation.
func (d *document) short() string {
	if d.source == "README.md" {
		return "Overview"
	}
	return d.title
}

// contents are the headings of the second and the third level.
func (d *document) contents() []heading {
	var list []heading
	for n := d.root.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok && (h.Level == 2 || h.Level == 3) {
			list = append(list, heading{h.Level, id(h), plain(h, d.text)})
		}
	}
	return list
}

func (d *document) html() (string, error) {
	var b strings.Builder
	err := markdown.Renderer().Render(&b, d.text, d.root)
	return b.String(), err
}

// targets are the files of the repository that a page links to, in their order.
func (d *document) targets() []string {
	var list []string
	for _, n := range d.links() {
		if file, _, ok := d.target(n); ok && file != d.source {
			list = append(list, file)
		}
	}
	return list
}

// links are the links and the pictures of a page.
func (d *document) links() []ast.Node {
	var list []ast.Node
	ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if k := n.Kind(); entering && (k == ast.KindLink || k == ast.KindImage) {
			list = append(list, n)
		}
		return ast.WalkContinue, nil
	})
	return list
}

func destination(n ast.Node) *[]byte {
	if i, ok := n.(*ast.Image); ok {
		return &i.Destination
	}
	return &n.(*ast.Link).Destination
}

// scheme starts a link to elsewhere.
var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// target is the file in the repository that a link names, and the place in it. Links
// to elsewhere have none.
func (d *document) target(n ast.Node) (file, fragment string, ok bool) {
	dest := string(*destination(n))
	if scheme.MatchString(dest) || strings.HasPrefix(dest, "//") {
		return "", "", false
	}
	file, fragment, _ = strings.Cut(dest, "#")
	if file == "" {
		return d.source, fragment, true
	}
	return path.Join(path.Dir(d.source), file), fragment, true
}

// link makes the links of a page those of the site.
func (b *builder) link(d *document) {
	pictures(d)
	for _, n := range d.links() {
		file, fragment, ok := d.target(n)
		if !ok {
			continue
		}
		if readme := path.Join(file, "README.md"); b.bySource[readme] != nil {
			file = readme
		}
		to := b.bySource[file]
		switch info, err := fs.Stat(b.documents, file); {
		case to != nil:
			if fragment != "" && !to.ids[fragment] {
				b.site.Broken = append(b.site.Broken, [2]string{d.source, file + "#" + fragment})
			}
		case err != nil || info.IsDir():
			b.site.Outside = append(b.site.Outside, [2]string{d.source, file})
			unlink(n)
			continue
		default:
			b.shown[file] = true
		}
		way := ""
		if to != d {
			way = relative(d.place, place(file))
		}
		if fragment != "" {
			way += "#" + fragment
		}
		*destination(n) = []byte(way)
	}
}

// unlink leaves what a link says in its place.
func unlink(n ast.Node) {
	for c := n.FirstChild(); c != nil; c = n.FirstChild() {
		n.Parent().InsertBefore(n.Parent(), n, c)
	}
	n.Parent().RemoveChild(n.Parent(), n)
}

// pictures finds the diagrams that have a picture of themselves: it is shown in the
// place of their text, and the paragraph that links to it is taken away.
func pictures(d *document) {
	for n := d.root.FirstChild(); n != nil; n = n.NextSibling() {
		f, ok := n.(*ast.FencedCodeBlock)
		if !ok || string(f.Language(d.text)) != "mermaid" || f.NextSibling() == nil {
			continue
		}
		p := f.NextSibling()
		if l, ok := p.FirstChild().(*ast.Link); ok && l.NextSibling() == nil && path.Ext(string(l.Destination)) == ".svg" {
			picture := ast.NewImage(ast.NewLink())
			picture.Destination = l.Destination
			f.AppendChild(f, picture)
			d.root.RemoveChild(d.root, p)
		}
	}
}

// plain is the text below a node without its marks, in one line.
func plain(n ast.Node, src []byte) string {
	var b strings.Builder
	ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(util.UnescapePunctuations(n.Segment.Value(src)))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(src))
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			b.Write(n.Lines().Value(src))
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

func id(h *ast.Heading) string {
	v, _ := h.AttributeString("id")
	text, _ := v.([]byte)
	return string(text)
}

// anchors names headings as GitHub does, so that a link holds in both.
type anchors map[string]bool

func (a anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(string(value))) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		}
	}
	name := b.String()
	for i := 1; a[name]; i++ {
		name = fmt.Sprintf("%s-%d", b.String(), i)
	}
	a[name] = true
	return []byte(name)
}

func (a anchors) Put(value []byte) { a[string(value)] = true }
