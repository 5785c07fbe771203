package fault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"bbjtune/internal/fault"
)

func TestHint(t *testing.T) {
	inner := fault.New("no such recipe", "list them with ls recipes")
	cases := []struct {
		name string
		err  error
		want string
	}{
		{"plain", errors.New("x"), ""},
		{"direct", inner, "list them with ls recipes"},
		{"through fmt", fmt.Errorf("run: %w", inner), "list them with ls recipes"},
		{"the inner hint wins", fault.Wrap(inner, "another"), "list them with ls recipes"},
		{"disk full", &fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}, "free disk space and run the same command again; it goes on where it stopped"},
		{"permission", fmt.Errorf("open: %w", fs.ErrPermission), "check the permissions of that file or folder"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := fault.Hint(c.err); got != c.want {
				t.Errorf("Hint = %q, want %q", got, c.want)
			}
		})
	}
}

func TestWrapKeepsNil(t *testing.T) {
	if fault.Wrap(nil, "hint") != nil {
		t.Error("Wrap(nil) is not nil")
	}
}

func TestNewfUnwraps(t *testing.T) {
	err := fault.Newf("do this", "read x: %w", fs.ErrNotExist)
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "read x: file does not exist" {
		t.Errorf("got %v", err)
	}
}
