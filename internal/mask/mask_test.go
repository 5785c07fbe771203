package mask_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bbjtune/internal/mask"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostile is what a token may hold: markup, escape sequences, marks of direction.
const hostile = "</span><script>alert(1)</script>\x1b[2J\u202e"

// sample is a report with every kind of figure in it.
func sample() *mask.Report {
	spread := mask.Spread{Min: 2, Median: 40, Max: 118, Mean: 44.5, Width: 5, Bins: []int{1, 0, 0, 3, 9, 12, 4, 0, 1}}
	split := mask.Split{
		Split: "train", File: "runs/data/x/stage2/train.jsonl", Read: 1234, Rows: 1229, DroppedOverlong: 3, Truncated: 1,
		Tokens: 120000, TrainedTokens: 80000, MaskedTokens: 40000, Trained: spread, Masked: spread,
		ZeroRows: 2, ZeroLines: []int{7, 19}, PromptTrained: 40, PromptLines: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, StopUntrained: 1, StopLines: []int{12},
		BatchEfficiency: 0.943,
	}
	valid := split
	valid.Split, valid.File, valid.ZeroRows, valid.ZeroLines, valid.PromptTrained, valid.PromptLines = "valid", "runs/data/x/stage2/valid.jsonl", 0, nil, 0, nil
	valid.StopUntrained, valid.StopLines = 0, nil
	packed := valid
	packed.Packing = &mask.Packing{Sequences: 60, Efficiency: 0.983, Possible: 0.9999}
	return &mask.Report{Version: mask.Version, Recipe: "shop", Base: "some/model", Stages: []*mask.Stage{
		{Stage: "stage1", Loss: "full", Format: "text", MaxLength: 512, Overlong: "truncate", ZeroRows: "refuse", Packing: "bfd", BatchSize: 2, Train: packed, Valid: packed},
		{Stage: "stage2", Loss: "completion", Format: "messages", MaxLength: 512, Overlong: "drop", ZeroRows: "refuse", Packing: "none", BatchSize: 4, Train: split, Valid: valid,
			Rows: []mask.Row{{Line: 4, Tokens: []mask.Token{
				{ID: 1, Text: "<|im_start|>"}, {ID: 2, Text: "user"}, {ID: 3, Text: "\n"}, {ID: 4, Text: hostile}, {ID: 5, Text: ""}, {ID: 6, Text: "ß"},
				{ID: 7, Text: "print", Trained: true}, {ID: 8, Text: " \"a\"\t", Trained: true}, {ID: 9, Text: "\n\n", Trained: true}, {ID: 10, Text: "<|im_end|>", Trained: true}, {ID: 3, Text: "\n"},
			}}},
			Refused: "runs/data/x/stage2/train.jsonl line 7 has no token to train on, and 1 more like it", Hint: "mend the row"},
	}}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run go test ./internal/mask -update and read the change\n%s", path, got)
	}
}

func TestText(t *testing.T) {
	var plain, coloured bytes.Buffer
	if err := sample().Text(&plain, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", plain.Bytes())
	if strings.ContainsAny(plain.String(), "\x1b\u202e") {
		t.Error("a token reaches the terminal as it is")
	}
	if err := sample().Text(&coloured, true); err != nil {
		t.Fatal(err)
	}
	bare := coloured.String()
	for _, code := range []string{"\x1b[32m", "\x1b[2m", "\x1b[31m", "\x1b[0m"} {
		if !strings.Contains(bare, code) {
			t.Errorf("the colour %q is not used", code)
		}
		bare = strings.ReplaceAll(bare, code, "")
	}
	if bare != plain.String() {
		t.Error("with colour it says something else")
	}
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := sample().HTML(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.html", b.Bytes())
	for _, bad := range []string{"<script", "\x1b", "\u202e", "http://", "https://", "NaN"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
}

// Every figure of a split shows: changing it changes the text.
func TestTextShowsEveryFigure(t *testing.T) {
	show := func(r *mask.Report) string {
		var b bytes.Buffer
		if err := r.Text(&b, false); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	plain := show(sample())
	kind := reflect.TypeFor[mask.Split]()
	for i := range kind.NumField() {
		r := sample()
		for _, s := range r.Stages {
			f := reflect.ValueOf(&s.Train).Elem().Field(i)
			switch v := f.Addr().Interface().(type) {
			case *int:
				*v += 1111
			case *float64:
				*v /= 2
			case **mask.Packing:
				*v = nil
			case *[]int:
				*v = append([]int{99}, *v...)
			case *mask.Spread:
				v.Median++
			}
		}
		if name := kind.Field(i).Name; show(r) == plain && name != "Split" && name != "File" {
			t.Errorf("%s shows nowhere", name)
		}
	}
}

// The types and worker/masks.py must name the same keys.
func TestKeysMatchTheWorker(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	script := "import dataclasses, json, sys; sys.path.insert(0, '../../worker'); import masks\n" +
		"kinds = (masks.Inspection, masks.Split, masks.Packing, masks.Spread, masks.Row, masks.Token)\n" +
		"print(json.dumps([[f.name for f in dataclasses.fields(k)] for k in kinds]))\n"
	out, err := exec.Command(python, "-B", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var theirs [][]string
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	for i, kind := range []reflect.Type{reflect.TypeFor[mask.Stage](), reflect.TypeFor[mask.Split](), reflect.TypeFor[mask.Packing](), reflect.TypeFor[mask.Spread](), reflect.TypeFor[mask.Row](), reflect.TypeFor[mask.Token]()} {
		var ours []string
		for j := range kind.NumField() {
			ours = append(ours, kind.Field(j).Tag.Get("json"))
		}
		slices.Sort(ours)
		slices.Sort(theirs[i])
		if !slices.Equal(ours, theirs[i]) {
			t.Errorf("%s has %v, the worker %v", kind.Name(), ours, theirs[i])
		}
	}
}

func TestReadStage(t *testing.T) {
	s, err := mask.ReadStage([]byte(`{"stage": "stage2", "train": {"file": "/far/away/train.jsonl"}, "valid": {"file": "/far/away/valid.jsonl"},
		"refused": "/far/away/train.jsonl line 3 has no token to train on"}`), "stage2/train.jsonl", "stage2/valid.jsonl")
	if err != nil || s.Train.File != "stage2/train.jsonl" || s.Valid.File != "stage2/valid.jsonl" || s.Refused != "stage2/train.jsonl line 3 has no token to train on" {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := mask.ReadStage([]byte(`[]`), "a", "b"); err == nil {
		t.Error("a list is taken")
	}
}

// Whatever the worker says, both forms can be written, and nothing of it
// commands a terminal or a browser.
func FuzzForms(f *testing.F) {
	seed, err := json.Marshal(sample().Stages[1])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"train":{"packing":{"sequences":1}},"valid":{"packing":{}},"rows":[{"tokens":[{"text":"\u001b[2J"}]}]}`))
	f.Add([]byte(`{"train":{"trained":{"bins":[-1,9000000000],"width":-3}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := mask.ReadStage(text, "t", "v")
		if err != nil {
			return
		}
		r := &mask.Report{Stages: []*mask.Stage{s}}
		var plain, page bytes.Buffer
		if err := r.Text(&plain, false); err != nil {
			t.Fatal(err)
		}
		if err := r.HTML(&page); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(plain.String(), "\x1b\u009b\u202e") || strings.Contains(page.String(), "<script") {
			t.Errorf("%q\n%q", plain.String(), page.String())
		}
	})
}
