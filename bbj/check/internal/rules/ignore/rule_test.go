package ignore

import (
	"testing"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/check/internal/rules/blocks"
	"bbjtune/bbj/check/internal/rulestest"
	"bbjtune/bbj/diag"
)

// The rules about blocks find what there is to silence. What else there is, is
// said here: BBJ1008 is of the syntax family, BBJ3001 finds nothing.
func TestPrograms(t *testing.T) {
	family := func(code string) (diag.Family, bool) {
		known := map[string]diag.Family{"BBJ1008": diag.Syntax, "BBJ3001": diag.API, "BBJ4001": diag.Style, "BBJ4002": diag.Style}
		f, ok := known[code]
		return f, ok
	}
	rulestest.Judge(t, []analysis.Rule{WithoutReason, OfSyntax, Unused}, func(p *analysis.Pass) {
		remarks := Read(p)
		for i := range blocks.Rules {
			p.Run(&blocks.Rules[i])
		}
		Heed(p, remarks, family)
	})
}
