package generation_test

import (
	"strings"
	"testing"

	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
)

func TestContradiction(t *testing.T) {
	const gui = "w!=BBjAPI().openSysGui(\"X0\").addWindow(1,2,3,4,\"t\")"
	cases := []struct {
		name, declared, program string
		want                    string // the name found, or nothing
	}{
		{"all without a signal", "all", "print 1", ""},
		{"all that asks", "all", "10 input n$\n20 print 'RB'", ""},
		{"all on the screen", "all", "print 'CS'", "CS"},
		{"all with a window", "all", gui, "openSysGui"},
		{"character with a window", "character", gui, "openSysGui"},
		{"vpro5 with objects", "vpro5", gui, "openSysGui"},
		{"a newer one among the signals is named", "character", "print 'CS'\n" + gui, "openSysGui"},
		{"bbj-gui with the page", "bbj-gui", gui + "\nBBjAPI().getWebManager().setTitle(\"t\")", "getWebManager"},
		{"one of several fits", "bbj-gui dwc", gui + "\nBBjAPI().getWebManager().setTitle(\"t\")", ""},
		{"none of several fits", "character vpro5", gui, "openSysGui"},
		{"dwc uses the object GUI", "dwc", gui, ""},
		{"bbj-gui with mnemonics", "bbj-gui", "print (sysgui)'WINDOW'(1,2,3,4,\"t\")", "WINDOW"},
		{"dwc with mnemonics", "dwc", "x$=ctrl(sysgui,101,1)", "ctrl"},
		{"mnemonics beside objects", "dwc", gui + "\nprint (sysgui)'BEEP'", ""},
		{"bbj-gui on the screen", "bbj-gui", "print 'RB',@(1,2),\"x\"", "@"},
		{"bbj-gui that asks", "bbj-gui", "10 input n$\n20 print 'RB'", ""},
		{"vpro5 code with the screen", "vpro5", "print 'CS'\nprint (sysgui)'WINDOW'(1,2,3,4,\"t\")", ""},
		{"positions on paper", "all", "print (printer)@(10),\"x\"", ""},
		{"positions on channel 0", "all", "print (0)@(10),\"x\"", "@"},
		{"any generation without a signal", "dwc", "print 1", ""},
		{"an attribute of who knows what", "all", "x$=node!.getAttribute(\"id\")", ""},
		{"a style of who knows what in a window", "bbj-gui", gui + "\nfont!.setStyle(1)", ""},
		{"an attribute of a control", "bbj-gui", gui + "\nb!=w!.addButton(\"OK\")\nb!.setAttribute(\"theme\",\"x\")", "setAttribute"},
		{"an attribute of a control just made", "bbj-gui", gui + "\nw!.addButton(\"OK\").setAttribute(\"theme\",\"x\")", "setAttribute"},
		{"an attribute of a declared control", "bbj-gui", "declare BBjButton b!\nb!.setAttribute(\"theme\",\"x\")", "setAttribute"},
		{"an attribute of a field", "bbj-gui", "class public A\nfield private BBjButton b!\nmethod public void m()\n#b!.setStyle(\"a\",\"b\")\nmethodend\nclassend", "setStyle"},
		{"a type that is seen", "all", "declare BBjTopLevelWindow w!", "BBjTopLevelWindow"},
		{"a type that is not", "all", "declare BBjThinClient c!", ""},
		{"nothing declared", "", gui, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var declared []generation.Generation
			for _, g := range strings.Fields(c.declared) {
				declared = append(declared, generation.Generation(g))
			}
			_, s, ok := generation.Contradiction(declared, syntax.Parse([]byte(c.program)))
			if s.What != c.want || ok != (c.want != "") {
				t.Errorf("found %q, want %q", s.What, c.want)
			}
		})
	}
}

// The files of a program are judged as one, and the place is in the right file.
func TestContradictionInSeveralFiles(t *testing.T) {
	first := syntax.Parse([]byte("print 'CS'"))
	second := syntax.Parse([]byte("declare BBjWindow w!"))
	if i, s, ok := generation.Contradiction([]generation.Generation{generation.Character}, first, second); !ok || i != 1 || s.What != "BBjWindow" {
		t.Errorf("found %d %v %v", i, s, ok)
	}
	if _, s, ok := generation.Contradiction([]generation.Generation{generation.GUI}, first, second); ok {
		t.Errorf("found %v", s)
	}
}
