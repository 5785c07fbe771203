package parity

import (
	"fmt"
	"strings"
)

// Judge holds a report against the limits.
func (r *Report) Judge(l Limits) []Gate {
	list := []Gate{}
	for _, f := range r.Files {
		gate := func(passed bool, name, format string, args ...any) {
			list = append(list, Gate{name, f.Name, passed, fmt.Sprintf(format, args...)})
		}
		gate(f.PromptsEqual == f.Cases, "the same prompt tokens", "%d of %d prompts", f.PromptsEqual, f.Cases)
		gate(f.Modelfile == f.Cases, "the same prompts by the Modelfile", "%d of %d prompts", f.Modelfile, f.Cases)
		if f.Full() {
			gate(f.Lost == 0, "stops where the adapter does", "%d of %d", f.ReferenceStopped-f.Lost, f.ReferenceStopped)
			gate(f.Prefix >= l.MinPrefix, fmt.Sprintf("equal prefix at least %.1f %%", 100*l.MinPrefix), "%.1f %% of %d tokens%s", 100*f.Prefix, f.Tokens, f.ties())
		}
		gate(float64(f.Stopped) >= l.MinStopped*float64(f.Cases)-1e-9, fmt.Sprintf("at least %.0f %% of the answers stop", 100*l.MinStopped),
			"%d of %d, the adapter's %d%s", f.Stopped, f.Cases, f.ReferenceStopped, f.lost())
		if r.Compile.N > 0 {
			// In whole cases: a difference of rates is off by a rounding.
			drop := f.Paired.OnlyB - f.Paired.OnlyA
			gate(float64(drop) <= l.MaxDrop*float64(f.Paired.N)+1e-9, fmt.Sprintf("compile@1 at most %.1f points lower", 100*l.MaxDrop),
				"%+.1f points on %d programs, p = %.3f%s", 100*f.Paired.Difference, f.Paired.N, f.Paired.P, f.chance(drop))
		}
	}
	return list
}

// Full reports whether the file has the weights in 16 bit or more.
func (f File) Full() bool { return strings.HasPrefix(f.Form, "f") || strings.HasPrefix(f.Form, "bf") }

// ties says how many of the differences hung on rounding.
func (f File) ties() string {
	if parted := f.Cases - f.Identical; parted > 0 {
		return fmt.Sprintf("; %d of %d answers that part do so at a near tie", f.NearTies, parted)
	}
	return ""
}

// chance says of a lower rate whether it may be one.
func (f File) chance(drop int) string {
	if drop > 0 && f.Paired.P >= 0.05 {
		return ": that may be chance; more prompts would tell (--prompts 0 puts all)"
	}
	return ""
}

// lost says how many answers go on that the adapter ends. A file of fewer bits is
// not held to that: its answers are others.
func (f File) lost() string {
	if f.Lost > 0 {
		return fmt.Sprintf("; %d that the adapter ends", f.Lost) + map[bool]string{true: " goes on", false: " go on"}[f.Lost == 1]
	}
	return ""
}
