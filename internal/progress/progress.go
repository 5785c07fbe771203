// Package progress shows how far long work is: one line that redraws itself on
// a terminal, plain lines now and then elsewhere.
//
// It must not know what the work is. What others wrote is shown through it, so
// it also keeps control characters off the terminal.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Display writes the progress of one task at a time.
type Display struct {
	w        io.Writer
	terminal bool
	colour   bool
	width    func() int
	now      func() time.Time
	tick     <-chan time.Time

	mu   sync.Mutex
	task *Task
}

// Options describe where a display writes.
type Options struct {
	// Terminal allows redrawing, Colour escape sequences for colour.
	Terminal, Colour bool
	// Width returns the number of columns; nil means 80.
	Width func() int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Tick says when the line of a terminal is redrawn although nothing was
	// reported, so that waiting does not look like hanging; nil means never.
	Tick <-chan time.Time
}

// New returns a display that writes to w.
func New(w io.Writer, o Options) *Display {
	if o.Width == nil {
		o.Width = func() int { return 80 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Display{w: w, terminal: o.Terminal, colour: o.Colour, width: o.Width, now: o.Now, tick: o.Tick}
}

// Task is one piece of work under a title.
type Task struct {
	d           *Display
	title       string
	start       time.Time
	done, total float64
	first       float64   // what was done when it was first known how much there is
	began       time.Time // when that was
	detail      string
	updated     time.Time
	drawn       time.Time
	plain       time.Time // the last plain line
	ended       chan struct{}
}

// redrawEvery and plainEvery bound how often a line is written.
const (
	redrawEvery = 100 * time.Millisecond
	plainEvery  = 15 * time.Second
)

// Start begins a task. The one before, if it was not ended, is dropped.
func (d *Display) Start(title string) *Task {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	d.drop()
	title = Printable(title)
	d.task = &Task{d: d, title: title, start: now, plain: now, ended: make(chan struct{})}
	if d.terminal {
		d.task.draw(now)
		go d.task.live()
	} else {
		fmt.Fprintf(d.w, "%s …\n", title)
	}
	return d.task
}

// live redraws the line at every tick, for as long as the task is under way.
func (t *Task) live() {
	for {
		select {
		case <-t.ended:
			return
		case <-t.d.tick:
		}
		t.d.mu.Lock()
		if t.d.task == t {
			t.draw(t.d.now())
		}
		t.d.mu.Unlock()
	}
}

// drop ends the task under way without a word.
func (d *Display) drop() {
	d.clear()
	if d.task != nil {
		close(d.task.ended)
		d.task = nil
	}
}

// Update says that done of total is done; a total of 0 is unknown. detail is
// shown beside it.
func (t *Task) Update(done, total float64, detail string) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	now := t.d.now()
	if total > 0 && t.began.IsZero() {
		t.first, t.began = done, now
	}
	t.done, t.total, t.detail, t.updated = done, total, detail, now
	switch {
	case t.d.task != t:
	case t.d.terminal && now.Sub(t.drawn) >= redrawEvery:
		t.draw(now)
	case !t.d.terminal && now.Sub(t.plain) >= plainEvery:
		t.plain = now
		fmt.Fprintf(t.d.w, "  %s: %s\n", t.title, Printable(t.state(now)))
	}
}

// End closes the task with one line that stays.
func (t *Task) End(format string, args ...any) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if t.d.task == t {
		t.d.drop()
	}
	t.d.clear()
	mark := "✓"
	if t.d.colour {
		mark = "\x1b[32m✓\x1b[0m"
	}
	fmt.Fprintf(t.d.w, "%s %s: %s (%s)\n", mark, t.title, Printable(fmt.Sprintf(format, args...)), Short(t.d.now().Sub(t.start)))
	t.d.redraw()
}

// Drop takes the line away without a word, for a task that failed.
func (t *Task) Drop() {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if t.d.task == t {
		t.d.drop()
	}
}

// Say writes a line that stays.
func (d *Display) Say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
	fmt.Fprintln(d.w, Printable(fmt.Sprintf(format, args...)))
	d.redraw()
}

func (d *Display) redraw() {
	if d.terminal && d.task != nil {
		d.task.draw(d.now())
	}
}

func (d *Display) clear() {
	if d.terminal && d.task != nil {
		fmt.Fprint(d.w, "\r\x1b[K")
	}
}

const barWidth = 24

func (t *Task) draw(now time.Time) {
	t.drawn = now
	line := fmt.Sprintf("  %s  %s", t.title, t.state(now))
	if t.total > 0 {
		full := int(barWidth * min(1, t.done/t.total))
		line = fmt.Sprintf("  %s  %s%s %s", t.title, strings.Repeat("█", full), strings.Repeat("░", barWidth-full), t.state(now))
	}
	fmt.Fprintf(t.d.w, "\r\x1b[K%s", cut(Printable(line), t.d.width()-1))
}

// state is the part of the line that changes: share, time left, detail.
func (t *Task) state(now time.Time) string {
	var parts []string
	elapsed := now.Sub(t.start)
	if t.total > 0 {
		parts = append(parts, fmt.Sprintf("%3.0f %%", 100*min(1, t.done/t.total)))
	}
	// The time stands first: a narrow terminal cuts the end of the line.
	if left, ok := t.left(now); ok {
		parts = append(parts, Short(left)+" left")
	} else {
		parts = append(parts, Short(elapsed))
	}
	if t.detail != "" {
		parts = append(parts, t.detail)
	}
	return strings.Join(parts, " · ")
}

// left estimates the time that the rest takes, once enough is done to tell.
func (t *Task) left(now time.Time) (time.Duration, bool) {
	made, spent := t.done-t.first, t.updated.Sub(t.began)
	if t.total <= t.done || made <= 0 || spent <= 0 || made < enoughToTell*t.total && spent < time.Minute {
		return 0, false
	}
	return max(0, time.Duration(float64(spent)*(t.total-t.done)/made)-now.Sub(t.updated)), true
}

// enoughToTell is the share from which the pace so far says something of the
// rest: what is loaded first would make the first estimates absurd.
const enoughToTell = 0.05

// cut shortens a line to so many characters.
func cut(line string, width int) string {
	if width < 1 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(0, width-1)]) + "…"
}

// Short writes a duration as people say it: 8s, 2m05s, 1h10m.
func Short(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}

// Bytes writes a size as people say it.
func Bytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}
