// Package licence finds out under which licence a base model is, and the texts
// that have to go where the model goes: those in its folder, what its metadata
// says, and what is known of the model families that are tuned here.
//
// It reads texts and judges none of them. It must not know what is made of a
// model.
package licence

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Licence is what is known of a model's licence.
type Licence struct {
	// Name is an SPDX name, or what the model calls it; empty where nothing is
	// known.
	Name string
	// From says who says so.
	From string
	// Text is the licence itself, empty where it is not at hand.
	Text string
	// Notice is what the authors want to be passed on beside it.
	Notice string
}

//go:embed Apache-2.0.txt
var apache string

// known are the licences of base models, as their cards on the hub state them.
var known = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`^Qwen/Qwen2\.5-Coder-3B(-Instruct)?$`), "Qwen Research License"},
	{regexp.MustCompile(`^Qwen/Qwen2\.5-Coder-(0\.5|1\.5|7|14|32)B(-Instruct)?$`), "Apache-2.0"},
	{regexp.MustCompile(`^HuggingFaceTB/SmolLM2-`), "Apache-2.0"},
}

// Known returns the licence of a model of the hub, or "".
func Known(hub string) string {
	for _, k := range known {
		if k.pattern.MatchString(hub) {
			return k.name
		}
	}
	return ""
}

// maxText is more than any licence has, in bytes.
const maxText = 1 << 20

// Of finds the licence of a base model: in the folders that there are of it, then
// by its name on the hub. An empty name stands for a model that is not there.
func Of(hub string, folders ...string) (Licence, error) {
	l := Licence{}
	for _, dir := range folders {
		if err := l.read(dir); err != nil {
			return Licence{}, err
		}
	}
	if l.Name == "" && l.Text != "" {
		l.Name, l.From = spdx(l.Text), "the text in its folder"
	}
	if l.Name == "" && Known(hub) != "" {
		l.Name, l.From = Known(hub), "the model's card on the hub"
	}
	if l.Text == "" && strings.EqualFold(l.Name, "Apache-2.0") {
		l.Name, l.Text = "Apache-2.0", apache
	}
	return l, nil
}

// spdx recognises the one licence whose text is here.
func spdx(text string) string {
	if strings.Contains(text, "Apache License") && strings.Contains(text, "Version 2.0, January 2004") {
		return "Apache-2.0"
	}
	return ""
}

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([._-].*)?$`)
	noticeFile  = regexp.MustCompile(`(?i)^notice([._-].*)?$`)
)

// read adds what a model's folder says. One that is not there says nothing.
func (l *Licence) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		into := (*string)(nil)
		switch name := e.Name(); {
		case licenceFile.MatchString(name):
			into = &l.Text
		case noticeFile.MatchString(name):
			into = &l.Notice
		case name == "README.md" && l.Name == "":
			text, err := readText(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			if l.Name = metadata(text); l.Name != "" {
				l.From = "the model's README.md"
			}
		}
		if into == nil {
			continue
		}
		text, err := readText(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		*into = join(*into, text)
	}
	return nil
}

// readText reads what a text can be; the hub's cache links to its files.
func readText(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxText {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the licence: %w", err)
	}
	return strings.ToValidUTF8(strings.ReplaceAll(string(text), "\r\n", "\n"), "\uFFFD"), nil
}

// join puts texts of several files one after the other.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return strings.TrimRight(a, "\n") + "\n\n" + b
}

// metadata returns the licence in the front matter of a model card.
func metadata(text string) string {
	rest, found := strings.CutPrefix(strings.TrimPrefix(text, "\uFEFF"), "---\n")
	head, _, closed := strings.Cut(rest, "\n---")
	if !found || !closed {
		return ""
	}
	var front struct {
		License any    `yaml:"license"`
		Name    string `yaml:"license_name"`
	}
	if yaml.NewDecoder(bytes.NewReader([]byte(head))).Decode(&front) != nil {
		return ""
	}
	id, _ := front.License.(string)
	switch {
	case strings.EqualFold(id, "apache-2.0"):
		return "Apache-2.0"
	case strings.EqualFold(id, "other"):
		return front.Name
	}
	return id
}
