package record

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bbjtune/internal/dataset"
)

// rowChange counts the sources of rows that differ between two data folders.
type rowChange struct {
	Added, Removed, Changed, Moved, Same int
	// examples of each, in the order of their names
	added, removed, changed, moved []string
}

// String says it in a line.
func (c rowChange) String() string {
	var parts []string
	for _, p := range []struct {
		n     int
		what  string
		names []string
	}{{c.Added, "added", c.added}, {c.Removed, "removed", c.removed}, {c.Changed, "changed", c.changed}, {c.Moved, "moved between training and validation", c.moved}} {
		if p.n == 0 {
			continue
		}
		text := strings.Join(p.names, ", ")
		if p.n > len(p.names) {
			text += ", …"
		}
		parts = append(parts, fmt.Sprintf("%d %s (%s)", p.n, p.what, text))
	}
	if len(parts) == 0 {
		parts = []string{"no source of a row was added, removed or changed"}
	}
	return strings.Join(parts, "; ") + fmt.Sprintf("; %d as before", c.Same)
}

// source is what the rows of one source come to.
type source struct {
	sum   uint64 // over its rows, in any order
	sides int    // bit 0: training, bit 1: validation
}

// rowNames is how many sources of each kind are named.
const rowNames = 3

// compareRows compares the sources of two data folders by the rows that each has
// become. A folder that is gone is named "".
func compareRows(a, b string) (rowChange, error) {
	var c rowChange
	if a == "" || b == "" {
		gone := "the data folder of A is gone"
		switch {
		case a == "" && b == "":
			gone = "the data folders of both are gone"
		case b == "":
			gone = "the data folder of B is gone"
		}
		return c, errors.New(gone)
	}
	x, err := readRows(a)
	if err != nil {
		return c, err
	}
	y, err := readRows(b)
	if err != nil {
		return c, err
	}
	names := make([]string, 0, len(x))
	for name := range x {
		names = append(names, name)
	}
	for name := range y {
		if _, ok := x[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		c.count(name, x, y)
	}
	return c, nil
}

func (c *rowChange) count(name string, x, y map[string]source) {
	old, inX := x[name]
	now, inY := y[name]
	n, list := &c.Same, new([]string)
	switch {
	case !inX:
		n, list = &c.Added, &c.added
	case !inY:
		n, list = &c.Removed, &c.removed
	case old.sum != now.sum:
		n, list = &c.Changed, &c.changed
	case old.sides != now.sides:
		n, list = &c.Moved, &c.moved
	}
	*n++
	if len(*list) < rowNames {
		*list = append(*list, name)
	}
}

// readRows reads the rows of a data folder, by the sources that they came from.
func readRows(dir string) (map[string]source, error) {
	type place struct {
		file string
		row  int
	}
	sums := map[place]uint64{}
	side := map[string]int{}
	for _, stage := range []int{1, 2} {
		for i, s := range []dataset.Side{dataset.Train, dataset.Valid} {
			name := dataset.Path(stage, s)
			side[name] = 1 << i
			row := 0
			err := eachLine(filepath.Join(dir, filepath.FromSlash(name)), func(line []byte) error {
				row++
				sum := sha256.Sum256(line)
				// The same text in both stages does not cancel out.
				sums[place{name, row}] = binary.BigEndian.Uint64(sum[:8]) * uint64(2*stage+1)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	found := map[string]source{}
	err := eachLine(filepath.Join(dir, "lineage.jsonl"), func(line []byte) error {
		var l dataset.Lineage
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		sum, ok := sums[place{l.File, l.Row}]
		if !ok {
			return fmt.Errorf("it names row %d of %q, which is not there", l.Row, l.File)
		}
		s := found[l.Source]
		s.sum += sum
		s.sides |= side[l.File]
		found[l.Source] = s
		return nil
	})
	return found, err
}

// eachLine hands the lines of a file on, without their ends.
func eachLine(path string, do func([]byte) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file of a run", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	br := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			if err := do(line); err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
