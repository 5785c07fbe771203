package ray

import (
	"errors"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Known are the clusters that the user has named: a file with an address a line.
// Without one an address is only what some recipe or folder says.
type Known struct {
	// Path is the file's.
	Path string
}

// Has reports whether an address is among them. Lines that are none are passed over.
func (k Known) Has(address string) (bool, error) {
	text, err := os.ReadFile(k.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if SameAddress(strings.TrimSpace(line), address) {
			return true, nil
		}
	}
	return false, nil
}

// Add adds an address. Lines are added and never rewritten, so that two processes lose
// none.
func (k Known) Add(address string) error {
	if err := os.MkdirAll(filepath.Dir(k.Path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(k.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(address + "\n")
	return errors.Join(err, f.Close())
}

// SameAddress reports whether two addresses, as users write them, are of one dashboard:
// the same scheme, host, port and path.
func SameAddress(a, b string) bool {
	first, err := ReadAddress(a)
	if err != nil {
		return false
	}
	second, err := ReadAddress(b)
	return err == nil && first == second
}

// Loopback reports whether an address of [ReadAddress] does not leave this machine.
func Loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}
