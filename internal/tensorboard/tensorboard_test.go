package tensorboard_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"bbjtune/internal/tensorboard"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 500e6, time.UTC)

func write(t *testing.T, dir string, first, last int) string {
	t.Helper()
	w, err := tensorboard.Create(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(first, start); err != nil {
		t.Fatal(err)
	}
	for step := first; step <= last; step++ {
		if err := w.Scalar("loss/train", step, 1/float64(step+1), start.Add(time.Duration(step)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*tfevents*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	return files[len(files)-1]
}

// fields reads a message into its fields, each written out.
func fields(t *testing.T, data []byte) map[protowire.Number]string {
	t.Helper()
	found := map[protowire.Number]string{}
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		data = data[n:]
		switch kind {
		case protowire.Fixed64Type:
			v, m := protowire.ConsumeFixed64(data)
			found[number], n = fmt.Sprintf("%.3f", math.Float64frombits(v)), m
		case protowire.Fixed32Type:
			v, m := protowire.ConsumeFixed32(data)
			found[number], n = fmt.Sprintf("%.3f", math.Float32frombits(v)), m
		case protowire.VarintType:
			v, m := protowire.ConsumeVarint(data)
			found[number], n = fmt.Sprint(v), m
		case protowire.BytesType:
			v, m := protowire.ConsumeBytes(data)
			found[number], n = string(v), m
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		data = data[n:]
	}
	return found
}

// records takes a file apart, and checks every checksum the plain way.
func records(t *testing.T, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(data []byte, stored uint32) {
		sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
		if want := (sum>>15 | sum<<17) + 0xa282ead8; stored != want {
			t.Errorf("checksum %x, want %x", stored, want)
		}
	}
	var list [][]byte
	for len(text) > 0 {
		n := int(binary.LittleEndian.Uint64(text))
		check(text[:8], binary.LittleEndian.Uint32(text[8:]))
		data := text[12 : 12+n]
		check(data, binary.LittleEndian.Uint32(text[12+n:]))
		list, text = append(list, data), text[16+n:]
	}
	return list
}

func TestFileDecodes(t *testing.T) {
	var got []string
	for _, data := range records(t, write(t, t.TempDir(), 0, 2)) {
		e := fields(t, data)
		switch {
		case e[3] != "":
			got = append(got, e[1]+" version "+e[3])
		case e[7] != "":
			got = append(got, e[1]+" start "+e[2]+" status "+fields(t, []byte(e[7]))[1])
		default:
			v := fields(t, []byte(fields(t, []byte(e[5]))[1]))
			got = append(got, strings.Join([]string{e[1], e[2], v[1], v[2]}, " "))
		}
	}
	want := []string{
		"1793534400.500 version brain.Event:2", "1793534400.500 start 0 status 1",
		"1793534400.500 0 loss/train 1.000", "1793534401.500 1 loss/train 0.500", "1793534402.500 2 loss/train 0.333",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEarlierAttemptsStay(t *testing.T) {
	dir := t.TempDir()
	first, second := write(t, dir, 0, 5), write(t, dir, 3, 8)
	if first >= second {
		t.Errorf("%s does not come before %s", first, second)
	}
}

func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tensorboard.Create(file, start); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// TensorBoard itself reads what two attempts wrote, where a Python that has it
// is named.
func TestTensorBoardReads(t *testing.T) {
	python := os.Getenv("BBJTUNE_TENSORBOARD_PYTHON")
	if python == "" {
		t.Skip("BBJTUNE_TENSORBOARD_PYTHON names no Python with the package tensorboard")
	}
	dir := t.TempDir()
	write(t, dir, 0, 5)
	write(t, dir, 3, 8)
	out, err := exec.Command(python, "-c", `import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1]); a.Reload()
print(a.Tags()["scalars"], [(e.step, round(e.value, 3)) for e in a.Scalars("loss/train")])`, dir).Output()
	want := "['loss/train'] [(0, 1.0), (1, 0.5), (2, 0.333), (3, 0.25), (4, 0.2), (5, 0.167), (6, 0.143), (7, 0.125), (8, 0.111)]\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}
