package licence_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/internal/licence"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const coder = "Qwen/Qwen2.5-Coder-14B"

func TestOf(t *testing.T) {
	apache, err := licence.Of(coder)
	if err != nil || apache.Name != "Apache-2.0" || !strings.Contains(apache.Text, "Version 2.0, January 2004") {
		t.Fatalf("%v, %+v", err, apache)
	}
	cases := []struct {
		name, hub string
		files     map[string]string
		want      licence.Licence
	}{
		{"nothing is known", "", nil, licence.Licence{}},
		{"a name on the hub without a text here", "Qwen/Qwen2.5-Coder-3B", nil, licence.Licence{Name: "Qwen Research License", From: "the model's card on the hub"}},
		{"files of the folder win", coder, map[string]string{"LICENSE": "mine\r\n", "LICENSE-MODEL.md": "more\n", "NOTICE.txt": "by me\n"},
			licence.Licence{Name: "Apache-2.0", From: "the model's card on the hub", Text: "mine\n\nmore\n", Notice: "by me\n"}},
		{"metadata", coder, map[string]string{"README.md": "\uFEFF---\nlicense: mit\n---\n# x\n"}, licence.Licence{Name: "mit", From: "the model's README.md"}},
		{"metadata with a name", "", map[string]string{"README.md": "---\nlicense: other\nlicense_name: ours\n---\n"}, licence.Licence{Name: "ours", From: "the model's README.md"}},
		{"metadata of a known one", "", map[string]string{"README.md": "---\nlicense: apache-2.0\n---\n"}, licence.Licence{Name: "Apache-2.0", From: "the model's README.md", Text: apache.Text}},
		{"a README without metadata", "", map[string]string{"README.md": "---\nlicense: [\n---\n"}, licence.Licence{}},
		{"a text that is recognised", "", map[string]string{"copying": apache.Text}, licence.Licence{Name: "Apache-2.0", From: "the text in its folder", Text: apache.Text}},
		{"Latin-1", "", map[string]string{"LICENCE": "\xa9 us"}, licence.Licence{From: "the text in its folder", Text: "\uFFFD us"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := licence.Of(c.hub, filepath.Join(t.TempDir(), "absent"), folder(t, c.files))
			if err != nil || got != c.want {
				t.Errorf("%v\ngot  %+v\nwant %+v", err, got, c.want)
			}
		})
	}
}

// A folder of the name, and a file that is too long for a text, say nothing.
func TestOfWhatIsNoText(t *testing.T) {
	dir := folder(t, map[string]string{"LICENSE": strings.Repeat("x", 2<<20)})
	if err := os.Mkdir(filepath.Join(dir, "NOTICE"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := licence.Of("", dir); err != nil || got != (licence.Licence{}) {
		t.Errorf("%v, %+v", err, got)
	}
}

func FuzzOf(f *testing.F) {
	f.Add("---\nlicense: mit\n---\n")
	f.Add("---\nlicense: {a: b}\n---\n")
	f.Add("---\n---")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := licence.Of("", folder(t, map[string]string{"README.md": text, "LICENSE": text})); err != nil {
			t.Error(err)
		}
	})
}
