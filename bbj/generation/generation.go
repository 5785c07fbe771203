// Package generation says which of BBj's generations a program is written for
// (character screens, Visual PRO/5 mnemonics, BBj's object GUI, the DWC web
// client), and which places in the program say so.
//
// It must not know whether the program compiles.
package generation

import (
	"cmp"
	"slices"
	"strings"

	"bbjtune/bbj/syntax"
)

// Generation names one of BBj's ways to talk to its user.
type Generation string

// The generations, oldest first. All is for programs that need none of them.
const (
	Character Generation = "character"
	VPRO5     Generation = "vpro5"
	GUI       Generation = "bbj-gui"
	DWC       Generation = "dwc"
	All       Generation = "all"
)

// Known lists the four generations, oldest first.
func Known() []Generation { return []Generation{Character, VPRO5, GUI, DWC} }

// Signal is a place in a program that belongs to one generation.
type Signal struct {
	Generation Generation
	At         syntax.Range
	What       string // the name found there
}

// Result is the generation that a program is written for with the places that
// say so, in the order of the text.
type Result struct {
	Written Generation
	Signals []Signal
}

// The names that only one generation uses. Sources: the BBj documentation's
// pages on mnemonics, on SYSGUI programming and on the DWC (BBjWebManager,
// BBjControl's attribute and style methods).
var (
	dwcCalls = set("getwebmanager", "setattribute", "getattribute", "removeattribute", "setstyle", "getstyle",
		"unsetstyle", "addstyle", "addclass", "removeclass", "injectstyle", "injectstyleurl", "injectscript",
		"injectscripturl", "executescript", "executeasyncscript", "addwebcomponent", "setpanelstyle", "setproperty", "settheme", "setdarktheme")
	dwcTypes = set("bbjwebmanager", "bbjwebcomponent")
	guiCalls = set("getsysgui", "opensysgui", "addwindow", "addchildwindow", "setcallback", "addbutton", "addstatictext",
		"addeditbox", "addlistbox", "addgrid", "addinpute", "addinputn", "addcedit", "addmenubar")
	vproFunctions = set("ctrl", "sendmsg", "notice")
	vproMnemonics = set("window", "child-window", "button", "edit", "text", "title", "caption", "focus", "listbox",
		"listbutton", "listedit", "checkbox", "radiobutton", "radiogroup", "scroll", "hscroll", "vscroll", "menubutton",
		"cedit", "tcedit", "txedit", "groupbox", "image", "custom-edit", "inpute", "inputn", "grid", "enable", "disable",
		"hide", "show", "context", "destroy", "beep", "eventmask", "addrecttool", "setmenu", "ledit", "tabctrl")
	charMnemonics = set("cs", "cl", "ce", "cf", "br", "er", "sb", "sf", "bu", "eu", "be", "ee", "rb", "bell", "cb", "ld", "li",
		"eo", "bo", "vt", "up", "down", "@", "box", "fb", "fl", "cr", "lf", "scroll-char", "pushwindow", "popwindow")
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// Of reads the signals of a program. The newest generation with a signal is
// the one it is written for, since newer programs keep using older means
// (MSGBOX, a remark about mnemonics) but not the other way round. A program
// without any signal is written for All.
func Of(p *syntax.Program) Result {
	var r Result
	add := func(g Generation, n syntax.Node, what string) {
		r.Signals = append(r.Signals, Signal{g, n.Span(), what})
	}
	p.Walk(func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			readCall(n, add)
		case *syntax.Mnemonic:
			readMnemonic(n, add)
		case *syntax.TypeRef:
			readType(n, add)
		case *syntax.LineNumber:
			add(Character, n, "line number")
		case *syntax.VerbStmt:
			if n.Word == syntax.INPUT && fromTerminal(n.Chan) {
				add(Character, n, "INPUT")
			}
		}
		return true
	})
	slices.SortStableFunc(r.Signals, func(a, b Signal) int { return cmp.Compare(a.At.Start, b.At.Start) })
	r.Written = newest(r.Signals)
	return r
}

// fromTerminal reports whether an INPUT reads from the terminal: without a
// channel, or from channel 0.
func fromTerminal(channel []syntax.Expr) bool {
	if len(channel) == 0 {
		return true
	}
	if _, isOption := channel[0].(*syntax.Option); isOption {
		return true
	}
	number, ok := channel[0].(*syntax.NumberLit)
	return ok && number.Raw == "0"
}

func readCall(n *syntax.CallExpr, add func(Generation, syntax.Node, string)) {
	if _, name, ok := n.Method(); ok {
		switch lower := strings.ToLower(name.Name); {
		case dwcCalls[lower]:
			add(DWC, name, name.Name)
		case guiCalls[lower]:
			add(GUI, name, name.Name)
		}
		return
	}
	if name, ok := n.Function(); ok {
		switch lower := strings.ToLower(name.Name); {
		case vproFunctions[lower]:
			add(VPRO5, n, name.Name)
		}
	}
}

func readMnemonic(n *syntax.Mnemonic, add func(Generation, syntax.Node, string)) {
	switch lower := strings.ToLower(n.Name); {
	case charMnemonics[lower]:
		add(Character, n, n.Name)
	case vproMnemonics[lower]:
		add(VPRO5, n, n.Name)
	}
}

func readType(n *syntax.TypeRef, add func(Generation, syntax.Node, string)) {
	name := strings.ToLower(n.Name)
	switch {
	case dwcTypes[name]:
		add(DWC, n, n.Name)
	case strings.HasPrefix(name, "bbj") && len(name) > len("bbj") && !slices.Contains(notGUI, name):
		add(GUI, n, n.Name)
	}
}

// notGUI are the BBj types that a program without a user interface uses too.
var notGUI = []string{"bbjapi", "bbjvector", "bbjnumber", "bbjint", "bbjstring", "bbjtemplatedstring", "bbjfilesystem",
	"bbjhashtable", "bbjnamespace", "bbjconfig", "bbjrecordset"}

func newest(signals []Signal) Generation {
	written := All
	rank := -1
	for _, s := range signals {
		if i := slices.Index(Known(), s.Generation); i > rank {
			written, rank = s.Generation, i
		}
	}
	return written
}
