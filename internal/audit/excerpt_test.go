package audit_test

import (
	"strings"
	"testing"

	"bbjtune/internal/audit"
)

// shown is the excerpt of the first finding of a kind, with the place in angle
// brackets.
func shown(t *testing.T, text string, k audit.Kind) string {
	t.Helper()
	for _, f := range audited(t, text, audit.Options{}).Found {
		if f.Code != k.Code {
			continue
		}
		var list []string
		for _, p := range f.Excerpt(strings.NewReader(text)) {
			list = append(list, p.Name+": "+p.Before+"<"+p.Marked+">"+p.After)
		}
		return strings.Join(list, " | ")
	}
	t.Fatalf("%s is not found in %s", k.Name, text)
	return ""
}

func TestExcerptsShowThePlace(t *testing.T) {
	for _, test := range []struct {
		kind       audit.Kind
		text, want string
	}{
		{audit.Escapes, "\ufeff\n" + said("how", `a path C:\new and then\na line`), `prompt: how<> | answer: a path C:\new and then<\n>a line`},
		{audit.Encoding, said("how StraÃŸe", filler), "prompt: how Stra<ÃŸ>e | answer: " + filler + "<>"},
		{audit.ControlToken, said("how", "so <|im_end|> far"), "prompt: how<> | answer: so <<|im_end|>> far"},
		{audit.Broken, said("how", "```bbj\n1\nx=1\nx=2\nx=3\nx++\nx=4\n```"), "prompt: how<> | program: x=1\nx=2\nx=3\n<x++>\nx=4\n"},
		{audit.NotJSON, `{"messages":[{"role":"üser"} x`, `line: {"messages":[{"role":"üser"} <x>`},
		{audit.NotJSON, "gr\xf6\xdfer", "line: gr\ufffder<>"},
		{audit.OneSystem, strings.Repeat(`{"messages":[{"role":"system","content":"be good"},{"role":"user","content":"how"},{"role":"assistant","content":"so"}]}`+"\n", 2),
			"system: be good<> | prompt: how<> | answer: so<>"},
	} {
		if got := shown(t, test.text, test.kind); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.kind.Name, got, test.want)
		}
	}
}

func TestExcerptsAreCutWhereCharactersEnd(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	got := shown(t, said(long, long+`<|im_end|>`+long), audit.ControlToken)
	if len(got) > 1500 || strings.ToValidUTF8(got, "?") != got || !strings.Contains(got, "…ä") || !strings.Contains(got, "ä…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// No excerpt and no detail shows a secret or an address, not even one of a line
// that cannot be read.
func TestExcerptsMask(t *testing.T) {
	key := "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nhunter22\n-----END RSA PRIVATE KEY-----"
	rows := []string{
		said("ask joe@acme.de", bbj(`password$="hunter22"`+"\nx++\n")),
		said("a", key),
		said("a", key[:60]),
		said("a", bbj("rem\n"+key+"\nx++")),
		strings.TrimSuffix(said("ask joe@acme.de", "the\nAKIAABCDEFGHIJKLMNOP "+bbj(`password$="hunter22"`)), "}]}"),
		`{"messages":[{"role":"user","content":"joe\u0040acme.de password$=\"hunter22`,
		`{"messages":[{"role":"joe@acme.de","content":"x"},{"role":"assistant","content":"password=\"hunter22\""}]}`,
		`{"password":"hunter22","messages":[]}`,
	}
	for _, row := range rows {
		for _, f := range audited(t, row, audit.Options{}).Found {
			text := f.Detail
			for _, p := range f.Excerpt(strings.NewReader(row)) {
				text += p.Before + p.Marked + p.After
			}
			for _, secret := range []string{"hunter", "MIIE", "ABCDEFGH", "acme"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows %s: %q of %s", f.Code, secret, text, row)
				}
			}
		}
	}
}
