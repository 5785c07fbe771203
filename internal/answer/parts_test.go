package answer_test

import (
	"reflect"
	"testing"

	"bbjtune/internal/answer"
)

func TestParts(t *testing.T) {
	for _, x := range []struct {
		text string
		want []answer.Part
	}{
		{"", nil},
		{"Sorry.", []answer.Part{{Text: "Sorry."}}},
		{"print 1\nend", []answer.Part{{Code: true, Text: "print 1\nend"}}},
		{"<think>x</think>So:\r\n```BBj\r\nprint 1\r\n```\r\nIt prints.<|im_end|>", []answer.Part{
			{Text: "So:"}, {Code: true, Lang: "bbj", Text: "print 1"}, {Text: "It prints."},
		}},
		{"```python\nx = 1\n```\nx = 2", []answer.Part{{Code: true, Lang: "python", Text: "x = 1"}, {Text: "x = 2"}}},
		{"a\n```\n\n```\nprint 1", []answer.Part{{Text: "a"}, {Text: "print 1"}}},
		{"```\nopen", []answer.Part{{Code: true, Text: "open"}}},
	} {
		if got := answer.Parts(x.text); !reflect.DeepEqual(got, x.want) {
			t.Errorf("%q: %+v", x.text, got)
		}
	}
}
