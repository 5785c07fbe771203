package site

import (
	"encoding/json"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// entry is what stands below one heading, for the search.
type entry struct {
	Page    int    `json:"p"`
	Anchor  string `json:"a,omitempty"`
	Heading string `json:"h,omitempty"`
	Text    string `json:"t"`
}

// index is the script that gives the search all text. It is a script, since a page
// from a disk may read no other file.
func index(pages []*document) []byte {
	type name struct {
		Link  string `json:"l"`
		Title string `json:"n"`
		// Weight is how much a place on the page counts beside those on others.
		Weight float64 `json:"w"`
	}
	var all struct {
		Pages   []name  `json:"pages"`
		Entries []entry `json:"entries"`
	}
	for i, d := range pages {
		all.Pages = append(all.Pages, name{d.place, d.short(), d.weight})
		all.Entries = append(all.Entries, d.entries(i)...)
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return append(append([]byte("var searchIndex = "), text...), ";\n"...)
}

// entries cuts a page at its headings.
func (d *document) entries(page int) []entry {
	list := []entry{{Page: page}}
	var body []string
	flush := func() {
		list[len(list)-1].Text = strings.Join(body, " ")
		body = nil
	}
	for n := d.root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		switch {
		case !ok:
			if text := plain(n, d.text); text != "" {
				body = append(body, text)
			}
		case h.Level > 1:
			flush()
			list = append(list, entry{Page: page, Anchor: id(h), Heading: plain(h, d.text)})
		}
	}
	flush()
	return list
}
