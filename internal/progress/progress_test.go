package progress_test

import (
	"strings"
	"testing"
	"time"

	"bbjtune/internal/progress"
)

// clock moves by hand.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) forward(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func TestPlainLinesElsewhere(t *testing.T) {
	var out strings.Builder
	c := newClock()
	d := progress.New(&out, progress.Options{Now: c.now})
	d.Start("\x1b[31mtitle\u202e") // foreign text, too
	if want := "�[31mtitle� …\n"; out.String() != want {
		t.Errorf("title %q, want %q", out.String(), want)
	}
	out.Reset()
	task := d.Start("stage 1")
	for i := range 5 {
		task.Update(float64(i), 4, "loss 1.25")
		c.forward(10 * time.Second)
	}
	d.Say("note")
	task.End("loss %.2f", 0.5)
	want := "stage 1 …\n" +
		"  stage 1:  50 % · 20s left · loss 1.25\n" +
		"  stage 1: 100 % · 40s · loss 1.25\n" +
		"note\n" +
		"✓ stage 1: loss 0.50 (50s)\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("escape sequences in plain output")
	}
}

func TestTerminalRedrawsOneLine(t *testing.T) {
	var out strings.Builder
	c := newClock()
	d := progress.New(&out, progress.Options{Terminal: true, Now: c.now, Width: func() int { return 60 }})
	task := d.Start("eval")
	c.forward(time.Second)
	task.Update(30, 60, "tuned")
	c.forward(time.Millisecond)
	task.Update(31, 60, "too soon to be drawn")
	c.forward(time.Second)
	task.Update(45, 60, "a detail that is far too long for the line it stands on")
	task.End("done")
	lines := strings.Split(out.String(), "\r\x1b[K")
	want := []string{"", "  eval  0s", "  eval  ████████████░░░░░░░░░░░░  50 % · 1s · tuned", "  eval  ██████████████████░░░░░░  75 % · 1s left · a detai…", "✓ eval: done (2s)\n"}
	if len(lines) != len(want) {
		t.Fatalf("drawn %q", lines)
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("drawing %d: got %q, want %q", i, lines[i], want[i])
		}
	}
}

// A line that nothing is reported to still shows that time passes.
func TestTerminalTicks(t *testing.T) {
	var out strings.Builder
	c, tick := newClock(), make(chan time.Time)
	d := progress.New(&out, progress.Options{Terminal: true, Now: c.now, Tick: tick, Width: func() int { return 60 }})
	task := d.Start("eval")
	c.forward(3 * time.Second)
	tick <- c.t
	tick <- c.t // the one before is drawn
	task.End("done")
	if want := "\r\x1b[K  eval  0s\r\x1b[K  eval  3s"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("drawn %q", out.String())
	}
}

func TestTheFirstEstimateIsNotAbsurd(t *testing.T) {
	var out strings.Builder
	c := newClock()
	d := progress.New(&out, progress.Options{Now: c.now})
	task := d.Start("eval")
	task.Update(0, 100, "")
	c.forward(30 * time.Second) // the model is loaded
	task.Update(1, 100, "")
	c.forward(15 * time.Second)
	task.Update(10, 100, "")
	task.Drop()
	if want := "eval …\n  eval:   1 % · 30s\n  eval:  10 % · 6m45s left\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

// What comes before the first step is no part of the pace, and is named meanwhile.
func TestThePaceIsThatOfTheSteps(t *testing.T) {
	var out strings.Builder
	c := newClock()
	d := progress.New(&out, progress.Options{Now: c.now})
	task := d.Start("stage 1")
	c.forward(5 * time.Minute)
	task.Update(0, 0, "validation")
	c.forward(5 * time.Minute)
	task.Update(41, 100, "loss 2.00") // 40 are of an earlier start
	c.forward(time.Minute)
	task.Update(51, 100, "loss 1.00")
	task.Drop()
	if want := "stage 1 …\n  stage 1: 5m00s · validation\n  stage 1:  41 % · 10m00s · loss 2.00\n  stage 1:  51 % · 4m54s left · loss 1.00\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		8 * time.Second: "8s", 125 * time.Second: "2m05s", 70 * time.Minute: "1h10m", 1500 * time.Millisecond: "2s",
	} {
		if got := progress.Short(d); got != want {
			t.Errorf("Short(%v) = %q, want %q", d, got, want)
		}
	}
}
