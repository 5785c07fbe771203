// Package fault carries the second half of a good error: the hint that says
// what to do. Every error that a user can cause is made or wrapped here where
// the remedy is known; the command layer prints message and hint.
//
// It must not know what went wrong, only how to say what to do about it.
package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// hinted is an error with advice. Its message stays that of the cause.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// New returns an error of one lower-case sentence with a hint.
func New(message, hint string) error {
	return &hinted{errors.New(message), hint}
}

// Newf formats the message; the hint is taken as it stands.
func Newf(hint, format string, args ...any) error {
	return &hinted{fmt.Errorf(format, args...), hint}
}

// Wrap adds a hint to err. It returns nil for a nil err, and keeps the hint
// that err already carries: the one nearer to the cause knows more.
func Wrap(err error, hint string) error {
	if err == nil || Hint(err) != "" {
		return err
	}
	return &hinted{err, hint}
}

// Hint returns the advice that err carries, or advice for the file system
// errors that have the same remedy everywhere, or "".
func Hint(err error) string {
	var h *hinted
	switch {
	case errors.As(err, &h):
		return h.hint
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free disk space and run the same command again; it goes on where it stopped"
	case errors.Is(err, syscall.EFBIG):
		return "the disk, or a limit of the system (ulimit -f), allows no file so large; raise it, or choose another folder with --runs"
	case errors.Is(err, fs.ErrPermission):
		return "check the permissions of that file or folder"
	}
	return ""
}
