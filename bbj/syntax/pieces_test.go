package syntax_test

import (
	"fmt"
	"strings"
	"testing"

	"bbjtune/bbj/syntax"
)

func TestPieces(t *testing.T) {
	const src = "rem hi <b>\nprint \"a\",x+$0A$\nwindow! = sysgui!.addWindow(1).close\nprint 'CS' ~ \"open\n"
	names := map[syntax.Role]string{
		syntax.AsVerb: "verb", syntax.AsName: "name", syntax.AsObject: "object", syntax.AsNumber: "number", syntax.AsText: "text",
		syntax.AsMnemonic: "mnemonic", syntax.AsRemark: "remark", syntax.AsBroken: "broken",
	}
	var got []string
	for role, text := range syntax.Pieces([]byte(src)) {
		if role != syntax.AsPlain {
			got = append(got, fmt.Sprintf("%s:%s", names[role], text))
		}
	}
	want := `remark:rem hi <b>|verb:print|text:"a"|name:x|number:$0A$|object:window!|object:sysgui!|name:addWindow|number:1|name:close|verb:print|mnemonic:'CS'|broken:~|broken:"open`
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func FuzzPieces(f *testing.F) {
	for _, s := range []string{"print 1\n", "\ufeffrem\r\n: x\n10 : y", "\"\x00\xff", "'", "$", "::a::", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var b strings.Builder
		for _, text := range syntax.Pieces(src) {
			if text == "" {
				t.Fatal("an empty piece")
			}
			b.WriteString(text)
		}
		if b.String() != string(src) {
			t.Errorf("%q became %q", src, b.String())
		}
	})
}
