package printable

import (
	"fmt"
	"strings"
)

// JSON writes the dangerous characters of a JSON text as escapes. Foreign text
// stands in strings alone, where an escape says the same.
func JSON(text string) string {
	if !strings.ContainsFunc(text, Dangerous) {
		return text
	}
	var safe strings.Builder
	for _, r := range text {
		if Dangerous(r) {
			fmt.Fprintf(&safe, `\u%04x`, r)
		} else {
			safe.WriteRune(r)
		}
	}
	return safe.String()
}
