// Package markdown reads a Markdown file into front matter, sections and code
// fences, each with its place in the file, so that a finding inside a fence
// points into the Markdown.
//
// It must not know which keys or sections a document ought to have.
package markdown

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"bbjtune/internal/fault"
)

// Document is one file.
type Document struct {
	// Name is what errors call the file.
	Name string
	// Front is the YAML between the --- lines; FrontLine is the line of
	// the file on which it begins.
	Front     []byte
	FrontLine int
	// Sections are the parts under level-2 headings, in order.
	Sections []Section
}

// Section is a heading with what follows it up to the next heading of its
// level or above.
type Section struct {
	Title string
	Line  int
	// Text is the body as it stands in the file, subsections included,
	// without white space around it.
	Text string
	// Fences are the code fences directly in this section, not those of
	// its subsections.
	Fences []Fence
	// Subsections are the parts under headings one level below.
	Subsections []Section
}

// Fence is a code block between ``` lines.
type Fence struct {
	// Lang is the first word after the opening ```, in lower case.
	Lang string
	// Filename is the name from a <!-- filename: NAME --> line before the
	// fence, or "", and FilenameLine the line of the file on which it stands.
	Filename     string
	FilenameLine int
	Code         []byte
	// Line is the line of the file on which the code begins, and Indent how
	// many bytes of its lines stand left of the code.
	Line, Indent int
	// Open says that no ``` line ends the code: it goes on to the end of the file.
	Open bool
}

// Section returns the first section of that title, without regard to case.
func (d *Document) Section(title string) (Section, bool) {
	for _, s := range d.Sections {
		if strings.EqualFold(s.Title, title) {
			return s, true
		}
	}
	return Section{}, false
}

// AllFences returns the fences of a section and of all its subsections.
func (s Section) AllFences() []Fence {
	list := s.Fences
	for _, sub := range s.Subsections {
		list = append(list[:len(list):len(list)], sub.AllFences()...)
	}
	return list
}

// Prose is the section's text without its fences and comments.
func (s Section) Prose() string {
	return strings.TrimSpace(proseDrop.ReplaceAllString(s.Text, ""))
}

var (
	proseDrop = regexp.MustCompile("(?ms)^```.*?^```[ \t]*$\n?|<!--.*?-->\n?")
	filename  = regexp.MustCompile(`<!--\s*filename:\s*(.*?)\s*-->`)
)

// Parse splits a document. CRLF line ends are read as LF.
func Parse(name string, content []byte) (*Document, error) {
	src := bytes.ReplaceAll(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")), []byte("\r\n"), []byte("\n"))
	d := &Document{Name: name}
	body := 0
	if bytes.HasPrefix(src, []byte("---\n")) {
		// From the line break on, since the front matter may be empty, and with
		// one at the end, since the text behind it may be.
		open := len("---")
		end := bytes.Index(append(src[open:len(src):len(src)], '\n'), []byte("\n---\n"))
		if end < 0 {
			return nil, fault.Newf("end it with a line of three dashes", "%s:1: front matter without an end", name)
		}
		d.Front, d.FrontLine = src[open+1:max(open+1, open+end+1)], 2
		body = min(open+end+len("\n---\n"), len(src))
	}
	// The parser sees blanks where the front matter stood, so that its
	// offsets are those of the file.
	masked := slices.Clone(src)
	for i := range body {
		if masked[i] != '\n' {
			masked[i] = ' '
		}
	}
	r := reader{src: masked, lines: lineStarts(src)}
	r.read(goldmark.DefaultParser().Parse(text.NewReader(masked)))
	d.Sections = r.sections(2)
	return d, nil
}

// block is one heading, fence or comment in the order of the file.
type block struct {
	heading int // level, or 0
	start   int // offset of the line on which the block begins
	end     int // offset behind a heading's line
	title   string
	fence   *Fence
}

type reader struct {
	src    []byte
	lines  []int
	blocks []block
}

func (r *reader) read(root ast.Node) {
	var pending Fence // what a comment says of the next fence
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			if n.Lines().Len() == 0 {
				continue
			}
			seg := n.Lines().At(0)
			start := bytes.LastIndexByte(r.src[:seg.Start], '\n') + 1
			end := len(r.src)
			if i := bytes.IndexByte(r.src[seg.Stop:], '\n'); i >= 0 {
				end = seg.Stop + i + 1
			}
			r.blocks = append(r.blocks, block{heading: n.Level, start: start, end: end, title: strings.TrimSpace(string(seg.Value(r.src)))})
			pending = Fence{}
		case *ast.HTMLBlock:
			for i := range n.Lines().Len() {
				seg := n.Lines().At(i)
				if m := filename.FindSubmatch(seg.Value(r.src)); m != nil {
					pending = Fence{Filename: string(m[1]), FilenameLine: r.line(seg.Start)}
				}
			}
		default:
			pending = r.readFences(n, pending)
		}
	}
}

// readFences takes the fences in a block, which is one or holds some, as a list
// does, and returns what is pending behind it.
func (r *reader) readFences(n ast.Node, pending Fence) Fence {
	if f, ok := n.(*ast.FencedCodeBlock); ok {
		r.blocks = append(r.blocks, block{start: f.Pos(), fence: r.fence(f, pending)})
		return Fence{}
	}
	if n.Type() == ast.TypeBlock {
		for child := n.FirstChild(); child != nil; child = child.NextSibling() {
			pending = r.readFences(child, pending)
		}
	}
	return pending
}

func (r *reader) fence(n *ast.FencedCodeBlock, f Fence) *Fence {
	f.Lang = strings.ToLower(string(n.Language(r.src)))
	var code bytes.Buffer
	_, behind, _ := bytes.Cut(r.src[n.Pos():], []byte("\n"))
	for i := range n.Lines().Len() {
		seg := n.Lines().At(i)
		if i == 0 {
			f.Line = r.line(seg.Start)
			f.Indent = seg.Start - r.lines[f.Line-1]
		}
		code.Write(seg.Value(r.src))
		behind = r.src[seg.Stop:]
	}
	f.Code = code.Bytes()
	if f.Line == 0 {
		f.Line = r.line(n.Pos()) + 1
	}
	f.Open = len(bytes.TrimSpace(behind)) == 0
	return &f
}

// sections cuts the blocks at headings of the level.
func (r *reader) sections(level int) []Section {
	var list []Section
	for i := 0; i < len(r.blocks); i++ {
		if r.blocks[i].heading != level {
			continue
		}
		end := i + 1
		for end < len(r.blocks) && (r.blocks[end].heading == 0 || r.blocks[end].heading > level) {
			end++
		}
		stop := len(r.src)
		if end < len(r.blocks) {
			stop = r.blocks[end].start
		}
		list = append(list, r.section(r.blocks[i], r.blocks[i+1:end], stop))
		i = end - 1
	}
	return list
}

func (r *reader) section(head block, inside []block, stop int) Section {
	s := Section{Title: head.title, Line: r.line(head.start), Text: strings.TrimSpace(string(r.src[head.end:stop]))}
	sub := reader{src: r.src[:stop], lines: r.lines}
	for i, b := range inside {
		if b.heading != 0 {
			sub.blocks = inside[i:]
			break
		}
		s.Fences = append(s.Fences, *b.fence)
	}
	s.Subsections = sub.sections(head.heading + 1)
	return s
}

func (r *reader) line(offset int) int {
	lo, hi := 0, len(r.lines)
	for lo < hi {
		mid := (lo + hi) / 2
		if r.lines[mid] <= offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func lineStarts(src []byte) []int {
	starts := []int{0}
	for i, c := range src {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}
