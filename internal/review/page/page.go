// Package page shows the comparisons of a review as HTML: the prompt, two answers
// with BBj coloured by our own lexer, what the front end says of each, and the
// questions to the reviewer. One set of templates makes the pages of the server and
// the single file that is filled in offline.
//
// Answers are hostile text: html/template escapes all of it, what would be invisible
// is shown, and the pages run no script but the one that they name. It must not know
// who wrote what; nothing of it is given to this package.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"strings"
	"sync"

	"bbjtune/bbj/check"
	"bbjtune/bbj/diag"
	"bbjtune/internal/answer"
	"bbjtune/internal/highlight"
	"bbjtune/internal/printable"
	"bbjtune/internal/review"
)

//go:embed assets
var assets embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"see": printable.Visible}).ParseFS(assets, "assets/*.html"))

// Asset is a file that pages name: its path below /static/ has the hash of its
// content, so that a browser may keep it for ever.
type Asset struct {
	Name, Type string
	Content    []byte
}

func asset(name, kind string) Asset {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	stem, ending, _ := strings.Cut(name, ".")
	return Asset{stem + "-" + hex.EncodeToString(sum[:5]) + "." + ending, kind, text}
}

var (
	style  = asset("review.css", "text/css; charset=utf-8")
	script = asset("review.js", "text/javascript; charset=utf-8")
	alone  = asset("offline.js", "text/javascript; charset=utf-8")
	icon   = asset("icon.svg", "image/svg+xml")
)

// Assets are the files that the server's pages name.
func Assets() []Asset { return []Asset{style, script, icon} }

// Pages makes the pages of one review. What is costly is made once.
type Pages struct {
	review  *review.Review
	prompts []func() template.HTML
	answers [][2]func() template.HTML // X and Y
}

// New prepares the pages of a review.
func New(r *review.Review) *Pages {
	p := &Pages{review: r}
	for _, item := range r.Items {
		p.prompts = append(p.prompts, sync.OnceValue(func() template.HTML { return made("prompt", parts(item.Prompt)) }))
		p.answers = append(p.answers, [2]func() template.HTML{
			sync.OnceValue(func() template.HTML { return made("answer", shown(item.X)) }),
			sync.OnceValue(func() template.HTML { return made("answer", shown(item.Y)) }),
		})
	}
	return p
}

// made is what a template makes. It is HTML since a template made it.
func made(name string, data any) template.HTML {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		panic(err) // the templates are ours, and a buffer takes all
	}
	return template.HTML(b.String())
}

// part is a stretch of text or of code.
type part struct {
	Code, BBj bool
	Lang      string
	Lines     [][]highlight.Piece
	Text      string
}

// parts cuts a text at its code fences.
func parts(text string) []part {
	var list []part
	for _, a := range answer.Parts(text) {
		p := part{Code: a.Code, BBj: a.IsBBj(), Lang: a.Lang, Text: a.Text}
		if p.Code {
			p.Lines = highlight.Lines(a.Text, p.BBj)
		}
		list = append(list, p)
	}
	return list
}

// findingsShown is how many findings of an answer are shown.
const findingsShown = 40

// answerView is an answer with what the front end says of its program.
type answerView struct {
	review.Answer
	Parts    []part
	Program  bool // there is one
	Findings []finding
	More     int
}

type finding struct {
	Line          int
	Error         bool
	Message, Help string
	Text          string // the line
}

func shown(a review.Answer) answerView {
	v := answerView{Answer: a, Parts: parts(a.Text)}
	code := a.Program
	if code == "" {
		code = answer.Extract(a.Text).Code
	}
	if v.Program = code != ""; !v.Program {
		return v
	}
	source := strings.Split(code, "\n")
	found := check.Source("", []byte(code), check.Options{Strict: true})
	v.More = max(0, len(found)-findingsShown)
	for _, d := range found[:len(found)-v.More] {
		f := finding{Line: d.Span.Start.Line, Error: d.Severity == diag.Error, Message: d.Message, Help: d.Help}
		if f.Line >= 1 && f.Line <= len(source) {
			f.Text = strings.TrimSpace(source[f.Line-1])
			f.Text = f.Text[:min(len(f.Text), 200)]
		}
		v.Findings = append(v.Findings, f)
	}
	return v
}

// Question is a dimension as the reviewer is asked about it.
type Question struct {
	Name        review.Dimension
	Title, Hint string
	Chosen      review.Choice
}

var titles = map[review.Dimension]string{
	review.Quality: "Code quality", review.Idiom: "Idiomatic", review.Documentation: "Documentation", review.Overall: "Overall",
}

// idioms say what is idiomatic in a generation.
var idioms = map[string]string{
	"dwc":       "Written for the DWC: getWebManager and callbacks, not PRINT (sysgui)'WINDOW'",
	"bbj-gui":   "Written for BBj GUI: BBjSysGui, its controls and callbacks",
	"vpro5":     "Written for Visual PRO/5: a SYSGUI channel, mnemonics, an event loop",
	"character": "Written for character mode: PRINT @(x,y), no GUI calls",
	"all":       "Reads as BBj in any generation: no detours, no habits of other languages",
}

// Generations are the names of the generations for readers.
var generations = map[string]string{
	"dwc": "DWC", "bbj-gui": "BBj GUI", "vpro5": "Visual PRO/5", "character": "Character mode", "all": "Any generation",
}

func questions(generation string, chosen review.Choices) []Question {
	hints := map[review.Dimension]string{
		review.Quality:       "Objects with !, fields with #, REM where it helps, errors handled",
		review.Idiom:         idioms[generation],
		review.Documentation: "Does the text say what the code does, and why",
		review.Overall:       "Which one would you rather be given",
	}
	var list []Question
	for _, d := range review.Dimensions() {
		list = append(list, Question{d, titles[d], hints[d], chosen.Of(d)})
	}
	return list
}

// Head is what all pages of the server show.
type Head struct {
	Title    string // of the page
	Review   string // the title of the review
	Reviewer string // the name
	Style    string
	Script   string
	Icon     string
	CSRF     string
	Done, Of int
}

// Head makes the head of a page.
func (p *Pages) Head(title string) Head {
	return Head{Title: title, Review: p.review.Title, Of: len(p.review.Items), Style: "/static/" + style.Name, Script: "/static/" + script.Name, Icon: "/static/" + icon.Name}
}

// Comparison is one comparison as a reviewer sees it.
type Comparison struct {
	Head
	Number      int // its place, from 1
	Generation  string
	Prompt      template.HTML
	Left, Right template.HTML
	Questions   []Question
	Note        string
	MaxNote     int
	// Shown is when the page was made, in milliseconds.
	Shown int64
	// Previous and Next are places, 0 where there is none.
	Previous, Next int
	// Judged says that there is a vote, Problem what was wrong with the last one.
	Judged  bool
	Problem string
	Undo    bool
}

// Comparison fills in what is shown of a place.
func (p *Pages) Comparison(number int, at review.Place, seen review.Choices) Comparison {
	item := p.review.Items[at.Item-1]
	left, right := p.answers[at.Item-1][0], p.answers[at.Item-1][1]
	if at.Swapped {
		left, right = right, left
	}
	c := Comparison{
		Number: number, Generation: generations[item.Generation], Prompt: p.prompts[at.Item-1](), Left: left(), Right: right(),
		Questions: questions(item.Generation, seen), MaxNote: review.MaxNote, Previous: number - 1,
	}
	if number < len(p.review.Items) {
		c.Next = number + 1
	}
	return c
}

// Write makes a whole page: compare, overview, login or message.
func (p *Pages) Write(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, name, data)
	return b.Bytes(), err
}

// Overview is a reviewer's own page: how far the review is.
type Overview struct {
	Head
	Places []PlaceView
	// Next is the place to go on with, 0 when all are judged.
	Next   int
	Closed bool
}

// PlaceView is a comparison in the list of all.
type PlaceView struct {
	Number int
	Judged bool
}

// Message is a page that says one thing.
type Message struct {
	Head
	Heading, Text string
	// Back is where a link leads, if there is one.
	Back, BackText string
}

// Login is the page that asks for the password.
type Login struct {
	Head
	Next  string
	Wrong bool
}

// Offline is the one file for a reviewer. token is the reviewer's; the file has the
// comparisons in that reviewer's order.
func (p *Pages) Offline(who review.Reviewer, order []review.Place) ([]byte, error) {
	type view struct {
		Head
		ID, Token   string
		Version     int
		CSS         template.CSS
		JS          template.JS
		Policy      string
		Comparisons []Comparison
	}
	js := string(script.Content) + string(alone.Content)
	v := view{Head: p.Head(p.review.Title), ID: p.review.ID, Token: who.Token, Version: review.Version, CSS: template.CSS(style.Content), JS: template.JS(js)}
	v.Reviewer = who.Name
	v.Policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src " + source(string(style.Content)) + "; script-src " + source(js)
	for i, at := range order {
		v.Comparisons = append(v.Comparisons, p.Comparison(i+1, at, review.Choices{}))
	}
	return p.Write("offline", v)
}

// source names a script or a style by its hash, for a content security policy.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
