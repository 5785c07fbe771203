package syntax

import "testing"

func TestLogicalLine(t *testing.T) {
	p := Parse([]byte("x=1\nprint \"a\n:b\",\n0010:1\ny=2\n:+1"))
	for line, want := range map[int][2]int{1: {1, 1}, 2: {2, 4}, 3: {2, 4}, 4: {2, 4}, 5: {5, 6}, 6: {5, 6}} {
		if first, last := p.LogicalLine(line); first != want[0] || last != want[1] {
			t.Errorf("line %d: %d to %d, want %v", line, first, last, want)
		}
	}
}

func TestNextStatement(t *testing.T) {
	p := Parse([]byte("\xef\xbb\xbfrem a\n10 start: rem b\n;\n20 x=1; rem c\nrem d\n30\n"))
	for line, want := range map[int]int32{1: 30, 2: 30, 4: 30, 5: -1} {
		got, ok := p.NextStatement(line, int32(len(p.Src)))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("from line %d: %d, want %d", line, got, want)
		}
	}
	if _, ok := p.NextStatement(1, 30); ok {
		t.Error("found a statement behind the end")
	}
	if _, ok := Parse(nil).NextStatement(1, 9); ok {
		t.Error("found a statement in nothing")
	}
}
