package generation_test

import (
	"testing"

	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
)

func TestOf(t *testing.T) {
	cases := []struct {
		name, program string
		want          generation.Generation
		first         string
	}{
		{"plain", "for i=1 to 3; print i; next i", generation.All, ""},
		{"screen position", "print @(1,2),\"x\"", generation.Character, "@"},
		{"clear screen", "print 'CS'", generation.Character, "CS"},
		{"input from the terminal", "input \"Name: \",n$", generation.Character, "INPUT"},
		{"input from channel 0", "input (0,err=*next)n$", generation.Character, "INPUT"},
		{"input from a file", "input (ch)n$", generation.All, ""},
		{"line numbers", "10 print 1", generation.Character, "line number"},
		{"mnemonic window", "print (sysgui)'WINDOW'(1,2,3,4,\"t\")", generation.VPRO5, "WINDOW"},
		{"ctrl", "x$=ctrl(sysgui,101,1)", generation.VPRO5, "ctrl"},
		{"object window", "w!=BBjAPI().openSysGui(\"X0\").addWindow(1,2,3,4,\"t\")", generation.GUI, "openSysGui"},
		{"declared type", "declare BBjTopLevelWindow w!", generation.GUI, "BBjTopLevelWindow"},
		{"a type without a screen", "declare BBjVector v!", generation.All, ""},
		{"web manager", "BBjAPI().getWebManager().injectStyle(\"a{}\")", generation.DWC, "getWebManager"},
		{"the newest wins", "print 'CS'\nb!.setStyle(\"color\",\"red\")", generation.DWC, "CS"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := generation.Of(syntax.Parse([]byte(c.program)))
			if got.Written != c.want {
				t.Errorf("written for %q, want %q (%v)", got.Written, c.want, got.Signals)
			}
			first := ""
			if len(got.Signals) > 0 {
				first = got.Signals[0].What
			}
			if first != c.first {
				t.Errorf("first signal %q, want %q", first, c.first)
			}
		})
	}
}
