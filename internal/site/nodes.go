package site

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"

	"bbjtune/internal/highlight"
)

// nodes shows what Markdown's own renderer shows otherwise: code with colours, tables
// that scroll on a phone, headings with a link to themselves, and no HTML of a page.
type nodes struct{}

func (nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, showHeading)
	r.Register(ast.KindFencedCodeBlock, showFence)
	r.Register(ast.KindCodeBlock, showFence)
	r.Register(ast.KindHTMLBlock, showHTML)
	r.Register(ast.KindRawHTML, showHTML)
	r.Register(east.KindTable, showTable)
	r.Register(east.KindTableCell, showCell)
}

func showHeading(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	h := n.(*ast.Heading)
	name := template.HTMLEscapeString(id(h))
	switch {
	case entering:
		fmt.Fprintf(w, `<h%d id="%s">`, h.Level, name)
	case h.Level == 1:
		w.WriteString("</h1>\n")
	default:
		fmt.Fprintf(w, ` <a class="anchor" href="#%s" aria-label="Link to this heading">#</a></h%d>`+"\n", name, h.Level)
	}
	return ast.WalkContinue, nil
}

var fenceTemplate = template.Must(template.New("").Parse(
	`{{define "code"}}{{with .File}}<p class="file">{{.}}</p>
{{end}}<pre class="code" tabindex="0" role="group" aria-label="{{.Label}}"><code>` +
		`{{range $i, $l := .Lines}}{{if $i}}
{{end}}{{range $l}}{{with .Class}}<span class="{{.}}">{{end}}{{.Text}}{{if .Class}}</span>{{end}}{{end}}{{end}}</code></pre>
{{end}}{{define "diagram"}}<figure class="diagram"><a href="{{.Picture}}"><img src="{{.Picture}}" alt="Diagram; its text follows"></a>` +
		`<details><summary>The diagram as text</summary>{{template "code" .}}</details></figure>
{{end}}`))

// labels name the kinds of code for those who do not see it.
var labels = map[string]string{
	"bbj": "BBj code", "python": "Python code", "javascript": "JavaScript code", "json": "JSON", "yaml": "YAML", "markdown": "Markdown",
	"console": "Commands and their output", "mermaid": "Diagram as text", "sh": "Commands",
}

func showFence(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	var lang, picture string
	if f, ok := n.(*ast.FencedCodeBlock); ok {
		lang = string(f.Language(src))
		if i, ok := f.FirstChild().(*ast.Image); ok {
			picture = string(i.Destination)
		}
	}
	label := labels[lang]
	if label == "" {
		label = "Text"
	}
	code := bytes.TrimSuffix(n.Lines().Value(src), []byte("\n"))
	name := "code"
	if picture != "" {
		name = "diagram"
	}
	err := fenceTemplate.ExecuteTemplate(w, name, struct {
		Label, Picture, File string
		Lines                [][]highlight.Piece
	}{label, picture, fileOf(n, src), highlight.Lines(string(code), lang == "bbj")})
	return ast.WalkSkipChildren, err
}

// fileOf is the name of the file that code is to stand in, by the remark before it.
func fileOf(n ast.Node, src []byte) string {
	if before, ok := n.PreviousSibling().(*ast.HTMLBlock); ok {
		if m := fileRemark.FindSubmatch(before.Lines().Value(src)); m != nil {
			return string(m[1])
		}
	}
	return ""
}

var fileRemark = regexp.MustCompile(`^<!-- file: (\S+) -->\n?$`)

// showHTML leaves remarks out, which are for the tests, and shows all else as text.
func showHTML(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	var text []byte
	switch n := n.(type) {
	case *ast.RawHTML:
		text = n.Segments.Value(src)
	case *ast.HTMLBlock:
		text = n.Lines().Value(src)
		if n.HasClosure() {
			text = append(text[:len(text):len(text)], n.ClosureLine.Value(src)...)
		}
	}
	if text = remark.ReplaceAll(text, nil); len(bytes.TrimSpace(text)) > 0 {
		template.HTMLEscape(w, text)
	}
	return ast.WalkSkipChildren, nil
}

var remark = regexp.MustCompile(`(?s)<!--.*?-->\n?`)

func showTable(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString(`<div class="table" tabindex="0" role="group" aria-label="Table"><table>` + "\n")
	} else {
		w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}

// showCell makes no heading of a heading without words, which says nothing of a column.
func showCell(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	c := n.(*east.TableCell)
	tag := "td"
	if c.Parent().Kind() == east.KindTableHeader && c.HasChildren() {
		tag = "th"
	}
	switch {
	case !entering:
		fmt.Fprintf(w, "</%s>\n", tag)
	case c.Alignment == east.AlignNone:
		fmt.Fprintf(w, "<%s>", tag)
	default: // not by a style, which the policy of the pages forbids
		fmt.Fprintf(w, `<%s align="%s">`, tag, c.Alignment)
	}
	return ast.WalkContinue, nil
}
