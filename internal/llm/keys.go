package llm

import (
	"bytes"
	"strings"
)

// ReadEnv reads the values of the known names from a .env file: lines of
// NAME=VALUE, the value plain or in one pair of quotes. Everything else in it is
// none of our business and passed over; nothing is expanded.
func ReadEnv(text []byte, known ...string) map[string]string {
	values := map[string]string{}
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if !ok {
			continue
		}
		for _, k := range known {
			if name == k && k != "" {
				values[k] = unquoted(value)
			}
		}
	}
	return values
}

func unquoted(value string) string {
	if n := len(value); n >= 2 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
		return value[1 : n-1]
	}
	return value
}
