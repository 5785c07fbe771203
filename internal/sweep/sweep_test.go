package sweep_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bbjtune/internal/stats"
	"bbjtune/internal/sweep"
)

func grid(t *testing.T, texts ...string) []sweep.Variant {
	t.Helper()
	var settings []sweep.Setting
	for _, text := range texts {
		s, err := sweep.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		settings = append(settings, s)
	}
	list, err := sweep.Grid(settings)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestGrid(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
	}{
		{[]string{"lora.r=16"}, "r=16"},
		{[]string{"stage2.learning_rate=5e-5, 1e-4", "lora.r=16,32"},
			"learning_rate=5e-5 r=16|learning_rate=5e-5 r=32|learning_rate=1e-4 r=16|learning_rate=1e-4 r=32"},
		{[]string{"lora.targets=all-linear,[q_proj, v_proj]", "seed=1"}, "targets=all-linear seed=1|targets=[q_proj, v_proj] seed=1"},
		{[]string{"stage1.epochs=1,2", "stage2.epochs=3"}, "stage1.epochs=1 stage2.epochs=3|stage1.epochs=2 stage2.epochs=3"},
	} {
		var names []string
		for _, v := range grid(t, c.set...) {
			names = append(names, v.String())
		}
		if got := strings.Join(names, "|"); got != c.want {
			t.Errorf("%v gives\n%s, want\n%s", c.set, got, c.want)
		}
	}
}

func TestSettingsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "r", "=1", "lora..r=1", ".r=1", "r=", "r=1,,2", "r=1,1", "r={a: 1}", "r=[1", "r=\"x"} {
		if s, err := sweep.ParseSetting(text); err == nil {
			t.Errorf("%q was read as %v", text, s)
		}
	}
	for _, list := range [][]sweep.Setting{
		nil,
		{{Key: "lora.r", Values: []string{"1"}}, {Key: "lora.r", Values: []string{"2"}}},
		{{Key: "lora", Values: []string{"[]"}}, {Key: "lora.r", Values: []string{"2"}}},
		{{Key: "a", Values: make([]string, 17)}, {Key: "b", Values: make([]string, 17)}},
	} {
		if v, err := sweep.Grid(list); err == nil {
			t.Errorf("%v gives %v", list, v)
		}
	}
}

func TestVariantRecipe(t *testing.T) {
	v := grid(t, "stage2.learning_rate=5e-5", "stage2.epochs=2", "lora.targets=[q_proj]", "seed=7")[0]
	text, err := v.Recipe("demo", "/recipes/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := "extends: /recipes/demo.yaml\nlora:\n    targets: [q_proj]\nname: demo\nseed: 7\nstage2:\n    epochs: 2\n    learning_rate: 5e-5\nversion: 1\n"
	if string(text) != want {
		t.Errorf("recipe\n%swant\n%s", text, want)
	}
}

func TestTable(t *testing.T) {
	loss := 0.51234
	list := grid(t, "lora.r=16,32,64,8")
	table := &sweep.Table{Version: sweep.TableVersion, Recipe: "demo", Rows: []sweep.Row{
		{Changed: list[0], Run: "runs/train/demo-1", Loss: &loss, Scores: []sweep.Score{{Metric: "compile@1", Proportion: stats.NewProportion(8, 10)}}},
		{Changed: list[1], Failed: "the loss | is\nnot a number"},
		{Changed: list[2], Run: "runs/train/demo-3", Stopped: &sweep.Stop{Evaluation: 3, Step: 60, Loss: &loss, Place: 4, Of: 6, Keep: 2}},
		{Changed: list[3], Run: "runs/train/demo-4", Stopped: &sweep.Stop{Evaluation: 3, Step: 60, Place: 5, Of: 6, Keep: 2}},
	}}
	var text, markdown bytes.Buffer
	if err := table.Text(&text); err != nil {
		t.Fatal(err)
	}
	if err := table.Markdown(&markdown); err != nil {
		t.Fatal(err)
	}
	const early = " stopped early at evaluation 3: place %d of the 6 that had come so far, of which 2 could go on"
	if want := "changed  valid loss         compile@1                    run\n" +
		"r=16     0.5123             80.0 % (49.0 to 94.3, n 10)  runs/train/demo-1\n" +
		"r=32     -                  -                            failed: the loss | is not a number\n" +
		"r=64     0.5123 at step 60  -                            runs/train/demo-3" + fmt.Sprintf(early, 4) + "\n" +
		"r=8      -                  -                            runs/train/demo-4" + fmt.Sprintf(early, 5) + "\n"; text.String() != want {
		t.Errorf("text\n%swant\n%s", text.String(), want)
	}
	if want := "| changed | valid loss | compile@1 | run |\n| --- | --- | --- | --- |\n" +
		"| r=16 | 0.5123 | 80.0 % (49.0 to 94.3, n 10) | runs/train/demo-1 |\n" +
		"| r=32 | - | - | failed: the loss \\| is not a number |\n" +
		"| r=64 | 0.5123 at step 60 | - | runs/train/demo-3" + fmt.Sprintf(early, 4) + " |\n" +
		"| r=8 | - | - | runs/train/demo-4" + fmt.Sprintf(early, 5) + " |\n"; markdown.String() != want {
		t.Errorf("markdown\n%swant\n%s", markdown.String(), want)
	}
	got, err := json.Marshal(table.Rows[0])
	if want := `{"changed":[{"key":"lora.r","value":"16"}],"run":"runs/train/demo-1","valid_loss":0.51234,"scores":[{"metric":"compile@1","k":8,"n":10,"rate":0.8,`; err != nil || !strings.HasPrefix(string(got), want) {
		t.Errorf("JSON %s (%v), want %s…", got, err, want)
	}
	if table.Failed() != 1 || table.Stopped() != 2 {
		t.Errorf("%d failed, %d stopped", table.Failed(), table.Stopped())
	}
	// A reader of the JSON must not take it for a training's last loss.
	got, err = json.Marshal(table.Rows[3])
	if want := `{"changed":[{"key":"lora.r","value":"8"}],"run":"runs/train/demo-4","stopped":{"evaluation":3,"step":60,"valid_loss":null,"place":5,"of":6,"keep":2}}`; err != nil || string(got) != want {
		t.Errorf("JSON %s (%v), want %s", got, err, want)
	}
}
