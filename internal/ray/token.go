package ray

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
)

// Token is the secret of a cluster. It cannot be printed.
type Token struct {
	// Source says where it is from.
	Source string
	value  string
}

// NewToken makes one of a value.
func NewToken(value, source string) Token { return Token{Source: source, value: value} }

// String keeps the value out of every message.
func (t Token) String() string { return "token of " + t.Source }

// GoString keeps it out of %#v as well.
func (t Token) GoString() string { return t.String() }

// secret is what must be taken out of a text; never the empty string.
func (t Token) secret() string {
	if t.value == "" {
		return "\x00"
	}
	return t.value
}

// FindToken looks where Ray itself does: RAY_AUTH_TOKEN, the file that
// RAY_AUTH_TOKEN_PATH names, ~/.ray/auth_token. None is no error: a cluster may be
// open to all.
func FindToken(env func(string) string) (Token, error) {
	if strings.EqualFold(env("RAY_AUTH_MODE"), "disabled") {
		return Token{}, nil
	}
	if value := strings.TrimSpace(env("RAY_AUTH_TOKEN")); value != "" {
		return checked(value, "RAY_AUTH_TOKEN")
	}
	if path := env("RAY_AUTH_TOKEN_PATH"); path != "" {
		t, err := readToken(path)
		if err != nil {
			return Token{}, fault.Wrap(fmt.Errorf("RAY_AUTH_TOKEN_PATH: %w", err), "name the file that holds the cluster's token")
		}
		return t, nil
	}
	home := env("HOME")
	if home == "" {
		home = env("USERPROFILE")
	}
	if home == "" {
		return Token{}, nil
	}
	t, err := readToken(filepath.Join(home, ".ray", "auth_token"))
	if errors.Is(err, fs.ErrNotExist) {
		return Token{}, nil
	}
	return t, err
}

func readToken(path string) (Token, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Token{}, err
	}
	value := strings.TrimSpace(string(text))
	if value == "" {
		return Token{}, fault.Newf("put the cluster's token into it", "%s is empty", path)
	}
	return checked(value, path)
}

// checked refuses what cannot stand in a header.
func checked(value, source string) (Token, error) {
	for _, r := range value {
		if r <= ' ' || r > '~' {
			return Token{}, fault.Newf("copy it again; a token is one line of letters and digits", "the token of %s holds a space or a character that no token has", source)
		}
	}
	return Token{Source: source, value: value}, nil
}
