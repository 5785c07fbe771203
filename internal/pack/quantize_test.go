package pack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/pack"
)

// role, set in the environment, turns the test binary into a llama-quantize that
// copies, fails, writes half, or takes forever.
const role = "PACK_TEST_ROLE"

func TestMain(m *testing.M) {
	how := os.Getenv(role)
	if how == "" {
		os.Exit(m.Run())
	}
	fmt.Println("main: build = 9190 (abcdef)")
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	switch how {
	case "half":
		data = data[:len(data)/2]
	case "fail":
		fmt.Fprintln(os.Stderr, "failed to quantize: no room for "+os.Args[3])
		os.Exit(1)
	case "hang":
		time.Sleep(time.Minute)
	}
	if err := os.WriteFile(os.Args[2], data, 0o644); err != nil {
		os.Exit(1)
	}
}

func TestLlamaQuantize(t *testing.T) {
	source := filepath.Join(t.TempDir(), "f16.gguf")
	if _, err := pack.ToGGUF(t.Context(), llama().write(t), source, meta); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ role, form, tool, message string }{
		{"copy", "f16", "llama.cpp b9190 (" + filepath.Base(os.Args[0]) + ")", ""},
		{"copy", "q4_k_m", "", "was to write Q4_K_M and wrote F16"},
		{"half", "f16", "", "the file is no GGUF, or damaged"},
		{"fail", "q4_k_m", "", "failed to quantize: no room for Q4_K_M"},
	}
	for _, c := range cases {
		t.Run(c.role+" "+c.form, func(t *testing.T) {
			t.Setenv(role, c.role)
			out := filepath.Join(t.TempDir(), "q4.gguf")
			writeFile(t, out+".part", []byte("debris"))
			var log bytes.Buffer
			tool, err := pack.LlamaQuantize(t.Context(), os.Args[0], source, out, c.form, &log)
			if tool != c.tool || (err == nil) != (c.message == "") {
				t.Fatalf("tool %q, err = %v", tool, err)
			}
			if err != nil && !strings.Contains(err.Error()+fault.Hint(err), c.message) {
				t.Errorf("err = %v (hint: %s)", err, fault.Hint(err))
			}
			if left, _ := filepath.Glob(out + "*"); len(left) != map[bool]int{true: 1}[err == nil] {
				t.Errorf("left: %v", left)
			}
			if !strings.Contains(log.String(), "build = 9190") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func TestLlamaQuantizeIsStopped(t *testing.T) {
	t.Setenv(role, "hang")
	source := filepath.Join(t.TempDir(), "f16.gguf")
	writeFile(t, source, []byte("GGUF"))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	if _, err := pack.LlamaQuantize(ctx, os.Args[0], source, source+".q8", "q8_0", io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if _, err := pack.LlamaQuantize(t.Context(), filepath.Join(t.TempDir(), "absent"), source, source+".q8", "q8_0", io.Discard); err == nil || fault.Hint(err) == "" {
		t.Errorf("err = %v", err)
	}
}
