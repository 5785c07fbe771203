package record

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxDepth bounds the nesting of settings that are looked into.
const maxDepth = 8

// flatten writes the values of a JSON object out by their dotted keys.
func flatten(text json.RawMessage) (map[string]string, error) {
	out := map[string]string{}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, err
	}
	flattenInto(out, "", top, 0)
	return out, nil
}

func flattenInto(out map[string]string, prefix string, object map[string]json.RawMessage, depth int) {
	for key, value := range object {
		var inner map[string]json.RawMessage
		if bytes.HasPrefix(bytes.TrimSpace(value), []byte("{")) && depth < maxDepth && json.Unmarshal(value, &inner) == nil {
			flattenInto(out, prefix+key+".", inner, depth+1)
			continue
		}
		out[prefix+key] = plain(value)
	}
}

// plain writes a JSON value as a reader expects it: strings and lists of them
// without quotes.
func plain(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil && !bytes.Equal(bytes.TrimSpace(value), []byte("null")) {
		return s
	}
	var list []string
	if json.Unmarshal(value, &list) == nil && len(list) > 0 {
		return strings.Join(list, ", ")
	}
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return string(value)
	}
	return b.String()
}
