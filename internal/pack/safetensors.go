package pack

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ollama/ollama/convert"
	"github.com/ollama/ollama/fs/ggml"
	"github.com/x448/float16"

	"bbjtune/internal/fault"
)

// This reader takes the place of convert's own, which holds each tensor two or
// three times in memory (5 GB for the embedding of a 14B model), keeps BF16 as
// it is, cannot be interrupted, and writes infinities without a word.

// maxHeader bounds the JSON at the start of a safetensors file; a 14B model
// needs 60 kB.
const maxHeader = 64 << 20

// pieceSize is how many bytes of a tensor are converted at a time.
const pieceSize = 1 << 20

// weights is the opened *.safetensors of one folder.
type weights struct {
	dir   string
	files []*os.File
}

// openWeights opens all files and checks that none is missing.
func openWeights(dir string) (*weights, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if err := checkIndex(dir); err != nil {
		return nil, err
	}
	w := &weights{dir: dir}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".safetensors" {
			continue
		}
		f, err := os.Open(filepath.Join(dir, file.Name()))
		if err != nil {
			w.Close()
			return nil, err
		}
		w.files = append(w.files, f)
	}
	if len(w.files) == 0 {
		return nil, fault.New(fmt.Sprintf("the model folder %s has no *.safetensors", dir), "download or save the weights in that format")
	}
	return w, nil
}

// checkIndex reports a part of a split model that is not there.
func checkIndex(dir string) error {
	const name = "model.safetensors.index.json"
	if !exists(dir, name) {
		return nil
	}
	var index struct {
		Files map[string]string `json:"weight_map"`
	}
	if err := readJSON(filepath.Join(dir, name), &index); err != nil {
		return err
	}
	for _, file := range slices.Sorted(maps.Values(index.Files)) {
		if !exists(dir, file) {
			return fault.New(fmt.Sprintf("%s is missing in %s", file, dir), "the folder is incomplete; download or save the model again")
		}
	}
	return nil
}

func (w *weights) Close() {
	for _, f := range w.files {
		f.Close()
	}
}

// tensors lists the tensors under their GGUF names, which come from replacing
// pairs of strings. They read from the folder when they are written, and stop
// when ctx ends.
func (w *weights) tensors(ctx context.Context, pairs []string) ([]convert.Tensor, error) {
	rename := strings.NewReplacer(pairs...)
	seen := map[string]bool{}
	var all []convert.Tensor
	for _, f := range w.files {
		entries, err := readHeader(f)
		if err != nil {
			return nil, fault.Wrap(fmt.Errorf("%s: %w", f.Name(), err), "the file is damaged or incomplete; download or save the model again")
		}
		for _, e := range entries {
			name := rename.Replace(e.name)
			if seen[name] {
				return nil, fault.New(fmt.Sprintf("the tensor %s is twice in %s", e.name, w.dir), "remove the files that do not belong to the model")
			}
			seen[name] = true
			data := io.NewSectionReader(f, e.start, e.size)
			all = append(all, &tensor{ctx: ctx, name: name, shape: e.Shape, dtype: e.Type, data: data})
		}
	}
	return all, nil
}

// entry is one tensor in the header of a safetensors file.
type entry struct {
	name        string
	start, size int64 // in bytes of the file
	Type        string
	Shape       []uint64
}

// elementSize is in bytes.
var elementSize = map[string]int64{"F32": 4, "F16": 2, "BF16": 2}

// readHeader returns what the file holds, sorted by name, and checks that all
// of it is there.
func readHeader(f *os.File) ([]entry, error) {
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var length uint64
	if err := binary.Read(f, binary.LittleEndian, &length); err != nil || length > maxHeader || int64(length) > stat.Size()-8 {
		return nil, errors.New("this is no safetensors file, or it is cut short")
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, err
	}
	var header map[string]struct {
		Type    string   `json:"dtype"`
		Shape   []uint64 `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, fmt.Errorf("the header is no JSON: %w", err)
	}
	delete(header, "__metadata__")
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(header)) {
		h := header[name]
		e := entry{name, 8 + int64(length) + h.Offsets[0], h.Offsets[1] - h.Offsets[0], h.Type, h.Shape}
		if err := e.check(stat.Size()); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (e entry) check(fileSize int64) error {
	element, ok := elementSize[e.Type]
	if !ok || len(e.Shape) == 0 {
		return fault.New(fmt.Sprintf("the tensor %s has the unsupported type %s", e.name, e.Type), "save the model in 16 or 32 bit first")
	}
	elements := int64(1)
	for _, n := range e.Shape {
		elements *= int64(n)
	}
	if e.size != elements*element || e.start < 8 || e.start+e.size > fileSize {
		return fmt.Errorf("the tensor %s does not fit into the file", e.name)
	}
	return nil
}

// tensor is one tensor of a file; it implements convert.Tensor.
type tensor struct {
	ctx     context.Context // WriteTo has no room for one
	name    string
	shape   []uint64
	dtype   string
	data    *io.SectionReader
	reorder convert.Repacker
}

func (t *tensor) Name() string                   { return t.name }
func (t *tensor) Shape() []uint64                { return t.shape }
func (t *tensor) SetRepacker(r convert.Repacker) { t.reorder = r }

// Clone implements convert.Tensor.
func (t *tensor) Clone() convert.Tensor {
	c := *t
	c.shape = slices.Clone(t.shape)
	return &c
}

// Kind is F32 for vectors, which are few and sensitive, and F16 for the rest,
// as llama.cpp's own converter has it.
func (t *tensor) Kind() uint32 {
	if len(t.shape) == 1 {
		return uint32(ggml.TensorTypeF32)
	}
	return uint32(ggml.TensorTypeF16)
}

// WriteTo writes the tensor in its Kind. A tensor that is reordered passes
// through memory whole, the others piece by piece.
func (t *tensor) WriteTo(w io.Writer) (int64, error) {
	in := make([]byte, min(pieceSize, t.data.Size()))
	if t.reorder != nil {
		in = make([]byte, t.data.Size())
	}
	var written int64
	for at := int64(0); at < t.data.Size(); at += int64(len(in)) {
		if err := t.ctx.Err(); err != nil {
			return written, err
		}
		in = in[:min(int64(len(in)), t.data.Size()-at)]
		if _, err := t.data.ReadAt(in, at); err != nil && !errors.Is(err, io.EOF) {
			return written, fmt.Errorf("read %s: %w", t.name, err)
		}
		out, err := t.convert(in)
		if err != nil {
			return written, err
		}
		n, err := w.Write(out)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// convert turns bytes of the file into bytes of the GGUF.
func (t *tensor) convert(in []byte) ([]byte, error) {
	values := decode(t.dtype, in)
	if t.reorder != nil {
		var err error
		if values, err = t.reorder(t.name, values, t.shape); err != nil {
			return nil, fmt.Errorf("reorder %s: %w", t.name, err)
		}
	}
	out, ok := encode(t.Kind(), values)
	if !ok {
		return nil, fault.New(fmt.Sprintf("the tensor %s holds a value that is no number, or too large for 16 bit", t.name),
			"the training diverged; train again with a lower learning rate")
	}
	return out, nil
}

func decode(dtype string, in []byte) []float32 {
	values := make([]float32, int64(len(in))/elementSize[dtype])
	for i := range values {
		switch dtype {
		case "F32":
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(in[4*i:]))
		case "F16":
			values[i] = float16.Frombits(binary.LittleEndian.Uint16(in[2*i:])).Float32()
		case "BF16": // the upper half of an F32
			values[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(in[2*i:])) << 16)
		}
	}
	return values
}

// encode reports false for infinities and what is no number.
func encode(kind uint32, values []float32) ([]byte, bool) {
	if kind == uint32(ggml.TensorTypeF32) {
		out := make([]byte, 4*len(values))
		for i, v := range values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, false
			}
			binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(v))
		}
		return out, true
	}
	out := make([]byte, 2*len(values))
	for i, v := range values {
		h := float16.Fromfloat32(v)
		if !h.IsFinite() {
			return nil, false
		}
		binary.LittleEndian.PutUint16(out[2*i:], h.Bits())
	}
	return out, true
}
