package review

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"bbjtune/internal/fault"
)

// KeySize is the size in bytes of what opens a seal.
const KeySize = 32

// keyHead is the first line of a key file.
const keyHead = "bbjtune review key, version 1: without it the review cannot be closed"

// FormatKey is the text of a key file.
func FormatKey(key []byte) []byte {
	return []byte(keyHead + "\n" + base64.StdEncoding.EncodeToString(key) + "\n")
}

// ParseKey reads it back. name is what errors call it.
func ParseKey(name string, text []byte) ([]byte, error) {
	head, rest, _ := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if head != keyHead || err != nil || len(key) != KeySize {
		return nil, fault.Newf("name the file that review create wrote beside the review", "%s is no key of a review", name)
	}
	return key, nil
}

// Seal encrypts the mapping (AES-256 in GCM, whose nonce may be fixed since a key
// seals once). What reviewers see is sealed with it: a review whose items were
// changed does not open.
func Seal(r Review, m Mapping, key []byte) ([]byte, error) {
	gcm, err := sealer(key)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	shown, err := digest(r)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(nil, make([]byte, gcm.NonceSize()), text, shown), nil
}

// Unseal opens the mapping of a review.
func Unseal(r Review, sealed, key []byte) (Mapping, error) {
	var m Mapping
	gcm, err := sealer(key)
	if err != nil {
		return m, err
	}
	shown, err := digest(r)
	if err != nil {
		return m, err
	}
	text, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), sealed, shown)
	if err != nil {
		return m, fault.New("the key does not open the seal: it is another review's, or the review was changed", "name the key that review create wrote for this review")
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, err
	}
	return m, m.fits(r)
}

// fits reports a mapping that is not one of the review.
func (m Mapping) fits(r Review) error {
	if len(m.Items) != len(r.Items) {
		return fmt.Errorf("the mapping has %d items, the review %d", len(m.Items), len(r.Items))
	}
	for i, a := range m.Items {
		if min(a.X, a.Y) < 0 || max(a.X, a.Y) >= len(m.Models) || a.X == a.Y {
			return fmt.Errorf("item %d of the mapping names models that are not there", i+1)
		}
	}
	return nil
}

func sealer(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// digest is the hash of all that reviewers see.
func digest(r Review) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}
