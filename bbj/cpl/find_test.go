package cpl_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bbjtune/bbj/cpl"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	program := func(path string) string {
		t.Helper()
		path = filepath.Join(dir, path)
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	given, named := program("given/cpl"), program("named/cpl")
	home, onPath := program("home/bin/bbjcpl"), program("path/bbjcpl")
	tests := []struct {
		name, given string
		env         map[string]string
		path, want  string
	}{
		{"given before all", given, map[string]string{"BBJCPL": named, "BBJ_HOME": dir + "/home"}, dir + "/path", given},
		{"BBJCPL before BBJ_HOME", "", map[string]string{"BBJCPL": named, "BBJ_HOME": dir + "/home"}, dir + "/path", named},
		{"BBJ_HOME before PATH", "", map[string]string{"BBJ_HOME": dir + "/home"}, dir + "/path", home},
		{"PATH", "", nil, dir + "/path", onPath},
		{"BBJ_HOME without it", "", map[string]string{"BBJ_HOME": dir}, dir + "/path", onPath},
		{"a name on PATH", "bbjcpl", nil, dir + "/path", onPath},
		{"nowhere", "", nil, dir, ""},
		{"given, absent", dir + "/absent", nil, dir + "/path", "error: find the compiler " + dir + "/absent: "},
		{"BBJCPL, absent", "", map[string]string{"BBJCPL": dir + "/absent"}, dir + "/path", "error: find the compiler BBJCPL=" + dir + "/absent: "},
		{"a folder", dir, nil, dir + "/path", "error: find the compiler " + dir + ": "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			got, err := cpl.Find(tt.given, func(name string) string { return tt.env[name] })
			switch message, failing := strings.CutPrefix(tt.want, "error: "); {
			case failing:
				if err == nil || !strings.HasPrefix(err.Error(), message) || errors.Is(err, cpl.ErrNotFound) {
					t.Errorf("%q, %v", got, err)
				}
			case tt.want == "":
				if !errors.Is(err, cpl.ErrNotFound) {
					t.Errorf("%q, %v", got, err)
				}
			case got != tt.want || err != nil:
				t.Errorf("%q, %v, want %s", got, err, tt.want)
			}
		})
	}
}
