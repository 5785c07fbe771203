package retention_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/retention"
)

func TestReport(t *testing.T) {
	loss := func(perplexity float64) retention.Loss {
		return retention.Loss{Texts: 1, Bytes: 300, Tokens: 100, NLL: 100 * math.Log(perplexity)}
	}
	cases := []struct {
		base, tuned float64
		he          *retention.HumanEval
		want        string
	}{
		{3, 3, nil, "0.0 %"},
		{3, 2.7, nil, "-11.1 %"},
		{3, 3.15, nil, "4.8 %"},
		{3, 3.17, nil, "5.4 %!"},
		{3, 3, &retention.HumanEval{Tasks: 100, Base: 20, Tuned: 19}, "0.0 % 5.0 %"},
		{3, 3, &retention.HumanEval{Tasks: 100, Base: 20, Tuned: 18}, "0.0 % 10.0 %!"},
		{3, 3, &retention.HumanEval{Tasks: 100}, "0.0 % 0.0 %"},
	}
	for _, c := range cases {
		r := retention.New(loss(c.base), loss(c.tuned), c.he, 0.0501)
		var got []string
		alerts := 0
		for _, m := range r.Measures {
			text := strings.Replace(fmt.Sprintf("%.1f %%", 100*m.Drop), "-0.0", "0.0", 1)
			if m.Alert {
				text += "!"
				alerts++
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != c.want || len(r.Alerts()) != alerts {
			t.Errorf("%v to %v, %+v: %q, want %s", c.base, c.tuned, c.he, got, c.want)
		}
	}
	if r := retention.New(loss(3), loss(4), nil, 0); math.Abs(r.Mean[1].Base-math.Log(3)/3) > 1e-9 {
		t.Errorf("per byte %v", r.Mean)
	}
}

func TestParse(t *testing.T) {
	loss := retention.Loss{Texts: 2, Bytes: 300, Tokens: 100, NLL: 150}
	whole, err := json.Marshal(retention.New(loss, loss, &retention.HumanEval{Tasks: 4, Base: 2, Tuned: 1}, 0.05))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := retention.Parse("x", whole); err != nil || len(r.Measures) != 2 || len(r.Alerts()) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	for text, want := range map[string]string{
		"":               "x: unexpected end",
		`{"version": 0}`: "x has version 0, this program reads 1",
		strings.Replace(string(whole), `"tasks":4`, `"tasks":1`, 1): "contradict each other",
	} {
		if _, err := retention.Parse("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestTexts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := retention.Texts(dir); err == nil || fault.Hint(err) == "" {
		t.Errorf("an empty folder: %v", err)
	}
	write("b.py", "b")
	write("a/x.java", "a")
	write("README.md", "no program")
	list, err := retention.Texts(dir)
	if err != nil || fmt.Sprint(list) != "[{a/x.java a} {b.py b}]" {
		t.Errorf("%v, %v", list, err)
	}
	write("c.js", "\xff")
	if _, err := retention.Texts(dir); err == nil || fault.Hint(err) == "" {
		t.Errorf("Latin-1: %v", err)
	}
	if _, err := retention.Texts(filepath.Join(dir, "absent")); err == nil || fault.Hint(err) == "" {
		t.Errorf("no folder: %v", err)
	}
}

func packed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.Bytes()
}

const oneTask = `{"task_id":"HumanEval/0","prompt":"def one():\n","entry_point":"one","test":"def check(f):\n    assert f() == 1\n"}` + "\n"

func TestReadTasks(t *testing.T) {
	list, err := retention.ReadTasks(bytes.NewReader(packed(oneTask + "\n" + oneTask)))
	if err != nil || len(list) != 2 || list[0].ID != "HumanEval/0" {
		t.Errorf("%v, %v", list, err)
	}
	for _, bad := range [][]byte{nil, []byte("x"), packed(""), packed("{}"), packed("[1]"), packed(oneTask)[:40]} {
		if _, err := retention.ReadTasks(bytes.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzReadTasks(f *testing.F) {
	f.Add(packed(oneTask))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := retention.ReadTasks(bytes.NewReader(data))
		if err == nil && len(list) == 0 {
			t.Error("no tasks and no error")
		}
	})
}

// What a program may do in the sandbox, and what it may not.
func TestSandbox(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("needs Linux and python3")
	}
	// A launcher of several Pythons would need what the sandbox takes away.
	real, err := exec.Command(python, "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	python = strings.TrimSpace(string(real))
	script, err := filepath.Abs("../../worker/sandbox.py")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET", "x")
	s := retention.DefaultSandbox(python, script)
	s.CPU, s.Wall = time.Second, 10*time.Second
	if _, err := s.Run(t.Context(), "pass"); err != nil {
		if strings.Contains(err.Error(), "cannot be shut off") {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	tasks, err := retention.ReadTasks(bytes.NewReader(packed(oneTask)))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, program string
		passes        bool
	}{
		{"a right answer", tasks[0].Program("    return 1"), true},
		{"a wrong answer", tasks[0].Program("    return 2"), false},
		{"no program", tasks[0].Program("    return ("), false},
		{"imports", "import math, re, collections, itertools, typing\nassert math.sqrt(4) == 2", true},
		{"prints", "print('x' * 100000)", true},
		{"ends early", "import sys; sys.exit(0)", false},
		{"ends at once", "import os; os._exit(0)", false},
		{"runs for ever", "while True: pass", false},
		{"takes memory", "x = bytearray(2**30)", false},
		{"writes much", "open('f', 'wb').write(b'x' * 2**22)", false},
		{"sees the environment", "import os; assert os.environ.get('SECRET')", false},
		{"sees the folder of the caller", "import os; assert os.path.exists('go.mod') or os.listdir('.')", false},
		{"reaches the network", "import socket; socket.create_connection(('127.0.0.1', 1), 1)", false},
		{"has a network", "import socket; assert len(socket.if_nameindex()) > 1", false},
		{"opens many files", "x = [open('/dev/null') for _ in range(99)]", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := s.Run(t.Context(), c.program); err != nil || got != c.passes {
				t.Errorf("passed %v, err %v, want %v", got, err, c.passes)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, "pass"); err == nil {
		t.Error("it ran after its context had ended")
	}
}
