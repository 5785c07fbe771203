package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/bbj/diag"
	"bbjtune/internal/example"
	"bbjtune/internal/near"
	"bbjtune/internal/render"
)

// Bounds of the search for near-duplicates: of the code that is held for it, and
// of the others that each of many copies is compared with.
const (
	maxLikesBytes = 16 << 20
	maxCompared   = 100
)

// likes holds the code of examples, which is compared when all are read.
type likes struct {
	list  []like
	bytes int
	full  bool
}

type like struct {
	path   string
	code   string // of all fences, as the data builder compares it
	at     diag.Span
	source string // the line that at points to
}

func (l *likes) add(path string, doc []byte, e *example.Example) {
	fences := e.Fences()
	if len(fences) == 0 || l.full {
		return
	}
	var code []string
	for _, f := range fences {
		code = append(code, strings.TrimRight(string(f.Code), "\n")+"\n")
	}
	one := like{path: path, code: strings.Join(code, "\n")}
	if strings.TrimSpace(one.code) == "" {
		return
	}
	if l.bytes += len(one.code); l.bytes > maxLikesBytes {
		l.full = true
		return
	}
	first := fences[0]
	lines := render.NewLines(doc)
	one.source = lines.At(first.Line)
	start := diag.Pos{Line: first.Line, Col: first.Indent + 1}
	one.at = diag.Span{Start: start, End: diag.Pos{Line: start.Line, Col: len(strings.TrimRight(one.source, " \r")) + 1}}
	l.list = append(l.list, one)
}

// seeksDuplicates reports whether near-duplicates are among what is asked for.
func (c *checking) seeksDuplicates() bool {
	return !c.judge.compares && (c.only == "" || c.only == diag.Format)
}

// addDuplicates reports each example whose code is nearly that of one before it,
// in the order of the paths.
func (c *checking) addDuplicates() {
	list := c.likes.list
	slices.SortFunc(list, func(a, b like) int { return strings.Compare(filepath.ToSlash(a.path), filepath.ToSlash(b.path)) })
	texts := make([]string, len(list))
	for i, l := range list {
		texts[i] = l.code
	}
	before := map[int][]int{} // by cluster
	for i, cluster := range near.Clusters(texts) {
		if other, alike := nearestOf(texts, i, before[cluster]); alike >= near.Threshold {
			d := example.Duplicate.Finding(list[i].at, fmt.Sprintf("the code is %d %% like that of %s", int(100*alike), filepath.ToSlash(list[other].path)))
			d.File = list[i].path
			c.findings = append(c.findings, render.Finding{Diagnostic: d, Source: list[i].source})
		}
		if len(before[cluster]) < maxCompared {
			before[cluster] = append(before[cluster], i)
		}
	}
}

// nearestOf finds the text among others that is most like one.
func nearestOf(texts []string, one int, others []int) (other int, alike float64) {
	for _, i := range others {
		if s := near.Similarity(texts[one], texts[i]); s > alike {
			other, alike = i, s
		}
		if alike == 1 {
			break
		}
	}
	return other, alike
}
