package chat_test

import (
	"strings"
	"testing"

	"bbjtune/internal/chat"
)

func TestValidate(t *testing.T) {
	m := func(pairs ...string) chat.Row {
		var r chat.Row
		for i := 0; i < len(pairs); i += 2 {
			r.Messages = append(r.Messages, chat.Message{Role: chat.Role(pairs[i]), Content: pairs[i+1]})
		}
		return r
	}
	cases := []struct {
		name string
		row  chat.Row
		want string
	}{
		{"good", m("system", "s", "user", "u", "assistant", "a"), ""},
		{"several turns", m("user", "u", "assistant", "a", "user", "u", "assistant", "a"), ""},
		{"no answer", m("system", "s", "user", "u"), "no assistant message"},
		{"late system", m("user", "u", "system", "s", "assistant", "a"), "message 2: a system message must come first"},
		{"role", m("user", "u", "bot", "a"), `message 2: unknown role "bot"`},
		{"empty", m("user", "", "assistant", "a"), "message 1: empty content"},
		{"twice", m("user", "u", "user", "u", "assistant", "a"), `message 2: role "user" twice in a row`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := c.row.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWriteJSONL(t *testing.T) {
	var b strings.Builder
	if err := chat.WriteJSONL(&b, []chat.Text{{"if a<>b & c"}, {"x\ny"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "{\"text\":\"if a<>b & c\"}\n{\"text\":\"x\\ny\"}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
