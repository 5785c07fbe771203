package check

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Whatever a program holds, checking eight times as much takes about as long as
// checking it eight times. What is quadratic takes eight times as long.
func TestTimeIsLinear(t *testing.T) {
	lines := func(format string) func(int) string {
		return func(n int) string {
			var b strings.Builder
			for i := range n {
				b.WriteString(strings.ReplaceAll(format, "#n", fmt.Sprint(i)) + "\n")
			}
			return b.String()
		}
	}
	inClass := func(format, method string) func(int) string {
		return func(n int) string {
			return "class public A\n" + lines(format)(n) + "method public void run()\n" + lines(method)(n) + "methodend\nclassend\n"
		}
	}
	for name, made := range map[string]func(int) string{
		"calls in a chain":   func(n int) string { return "x!=a!" + strings.Repeat(".b()", n) + "\n" },
		"classes in classes": lines("class public A"),
		"unknown labels":     lines("lab#n: goto nolab#n"),
		"unknown callbacks":  lines("w!=BBjAPI().openSysGui(\"X0\").addWindow(\"\");w!.setCallback(w!.ON_CLOSE,\"no#n\")"),
		"unknown functions":  lines("def fnaa#n(a)=a;x=fnno#n(1)"),
		"unknown methods":    inClass("rem", "#no#n()"),
		"known methods":      inClass("method public void m#n()\nmethodend", "#m#n()"),
		"fields":             inClass("field public BBjString f#n!", "#f#n!.x()"),
		"uncertain values":   lines("v#n!=v!\nw#n!=v#n!"),
		"remarks": func(n int) string {
			return lines("rem bbjtune:ignore BBJ3001 so")(n) + "x=1" + strings.Repeat("\n:+1", n) + "\n"
		},
		"statements":       func(n int) string { return strings.Repeat("a 'x';", n) + "\n" },
		"callbacks":        lines("remove_callback(on_foo)"),
		"braces":           lines("if (x) {\n}"),
		"foreign comments": lines("x=1 // y; class Z"),
	} {
		t.Run(name, func(t *testing.T) {
			// Both measurements are as long where all is well, so that a busy machine
			// disturbs both. The first pair that is good enough ends the test.
			const n = 1000
			short, long := made(n), made(8*n)
			var apart, together time.Duration
			for range 10 {
				apart, together = spent(short, 8), spent(long, 1)
				if together < 4*apart {
					return
				}
			}
			t.Errorf("8 programs in one take %.1f times as long as one by one (%v, %v)", float64(together)/float64(apart), together, apart)
		})
	}
}

func spent(src string, times int) time.Duration {
	start := time.Now()
	for range times {
		Source("x", []byte(src), Options{})
	}
	return time.Since(start)
}
