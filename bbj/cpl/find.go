package cpl

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// ErrNotFound says that no compiler was named and none was found.
var ErrNotFound = errors.New("bbjcpl is neither named nor found")

// Find returns the path of the compiler: the given one, else that of the
// environment variable BBJCPL, else bin/bbjcpl below BBJ_HOME, else the first
// on PATH. A path or name that was given in the first two ways must be right:
// another compiler would judge by other rules. On Windows the ending .exe may be
// left out.
func Find(given string, env func(string) string) (string, error) {
	if given != "" {
		return named(given, given)
	}
	if path := env("BBJCPL"); path != "" {
		return named(path, "BBJCPL="+path)
	}
	if home := env("BBJ_HOME"); home != "" {
		if path, err := exec.LookPath(filepath.Join(home, "bin", "bbjcpl")); err == nil {
			return filepath.Abs(path)
		}
	}
	if path, err := exec.LookPath("bbjcpl"); err == nil {
		return filepath.Abs(path)
	}
	return "", ErrNotFound
}

func named(path, said string) (string, error) {
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("find the compiler %s: %w", said, errors.Unwrap(err))
	}
	return filepath.Abs(found)
}
