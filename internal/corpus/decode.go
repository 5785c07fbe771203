package corpus

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// decoded is a file as text: UTF-8 with LF line ends.
type decoded struct {
	text string
	// encoding and ends say what the file has instead, if it is not that.
	encoding, ends string
	tokenised      bool
	broken         bool // UTF-16 that ends in the middle of a character or holds none
}

const utf8Mark = "\xef\xbb\xbf"

// decode reads UTF-8, UTF-16 with a byte order mark, and where the bytes are
// neither Windows-1252, of which Latin-1 is a part. Files that grew over years hold
// both, so that UTF-8 is told line by line.
func decode(raw []byte) decoded {
	var d decoded
	switch {
	case bytes.HasPrefix(raw, []byte("<<bbj>>")), bytes.HasPrefix(raw, []byte("<<bbx>>")):
		d.tokenised = true
		return d
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}):
		d.encoding = "UTF-16, little-endian"
		d.text, d.broken = decode16(raw[2:], func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 })
	case bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		d.encoding = "UTF-16, big-endian"
		d.text, d.broken = decode16(raw[2:], func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 })
	default:
		d.text, d.encoding = decode8(raw)
	}
	d.text, d.ends = lineEnds(d.text)
	return d
}

func decode16(raw []byte, unit func([]byte) uint16) (text string, broken bool) {
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = unit(raw[2*i:])
	}
	text = string(utf16.Decode(units))
	return text, len(raw)%2 != 0 || strings.ContainsRune(text, utf8.RuneError)
}

func decode8(raw []byte) (text, encoding string) {
	if rest, ok := bytes.CutPrefix(raw, []byte(utf8Mark)); ok {
		raw, encoding = rest, "UTF-8 with a byte order mark"
	}
	if utf8.Valid(raw) {
		return string(raw), encoding
	}
	var b strings.Builder
	mixed := false
	for line := range bytes.Lines(raw) {
		if utf8.Valid(line) {
			mixed = mixed || !ascii(line)
			b.Write(line)
			continue
		}
		for _, c := range line {
			b.WriteRune(charmap.Windows1252.DecodeByte(c))
		}
	}
	if mixed {
		return b.String(), "UTF-8 in some lines, Windows-1252 in others"
	}
	return b.String(), "Windows-1252"
}

func ascii(line []byte) bool {
	return !bytes.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf })
}

// dosEnd is the mark that DOS put at the end of a text file.
const dosEnd = "\x1a"

// crlf is the line end of Windows; a transfer may have doubled the CR.
var crlf = regexp.MustCompile(`\r+\n`)

// lineEnds makes all line ends LF. A CR ends a line only where an LF follows it or
// no line of the file ends otherwise.
func lineEnds(text string) (plain, was string) {
	var found []string
	if trimmed := strings.TrimRight(text, dosEnd); trimmed != text {
		text, found = trimmed, append(found, "end-of-file mark of DOS")
	}
	switch {
	case !strings.Contains(text, "\r"):
	case !strings.Contains(text, "\n"):
		text, found = strings.ReplaceAll(text, "\r", "\n"), append(found, "CR line ends")
	case strings.Contains(text, "\r\n"):
		text, found = crlf.ReplaceAllString(text, "\n"), append(found, "CRLF line ends")
	}
	return text, strings.Join(found, ", ")
}

// unfit is why a file cannot be a text at all, or nothing.
func (d decoded) unfit() verdict {
	switch {
	case d.tokenised:
		return verdict{"tokenised", "tokenised program", 0}
	case d.broken:
		return verdict{"binary", "broken UTF-16", 0}
	case strings.IndexByte(d.text, 0) >= 0:
		return verdict{"binary", "holds NUL bytes", 0}
	case controls(d.text)*100 > len(d.text):
		return verdict{"binary", "holds many control characters", 0}
	case strings.TrimSpace(d.text) == "":
		return verdict{"empty", "empty", 0}
	}
	return verdict{}
}

// controls counts the control characters that no text has.
func controls(text string) int {
	n := 0
	for i := range len(text) {
		if c := text[i]; c < ' ' && strings.IndexByte("\t\n\v\f\r\x1b\x1a", c) < 0 {
			n++
		}
	}
	return n
}
