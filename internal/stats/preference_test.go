package stats_test

import (
	"math"
	"strings"
	"testing"

	"bbjtune/internal/stats"
)

// units turns what each rater gave, a character a unit and a dot for none, into
// lists by unit.
func units(raters ...string) [][]string {
	list := make([][]string, len(raters[0]))
	for _, r := range raters {
		for i, v := range strings.Split(r, "") {
			if v != "." {
				list[i] = append(list[i], v)
			}
		}
	}
	return list
}

func TestNominalAlpha(t *testing.T) {
	for _, x := range []struct {
		name   string
		raters []string
		want   stats.Agreement
	}{
		// Krippendorff 2011, section C: four observers, twelve units.
		{"published", []string{"123321412...", "1233224125.3", ".3332342251.", "12332441251."}, stats.Agreement{Alpha: 0.743, Known: true, Units: 11, Values: 40}},
		// The same page, section A: two observers, ten units, two values.
		{"binary", []string{"0100000000", "1110010010"}, stats.Agreement{Alpha: 0.095, Known: true, Units: 10, Values: 20}},
		// By hand: 2 units, values aa and ab. Observed 2/1, expected 4·3-3·2 = 6: 1 - 3·2/6 = 0.
		{"by hand", []string{"aa", "ab"}, stats.Agreement{Alpha: 0, Known: true, Units: 2, Values: 4}},
		{"all alike", []string{"aa", "aa"}, stats.Agreement{Units: 2, Values: 4}},
		{"one rater", []string{"ab"}, stats.Agreement{}},
		{"perfect", []string{"abc", "abc"}, stats.Agreement{Alpha: 1, Known: true, Units: 3, Values: 6}},
	} {
		got := stats.NominalAlpha(units(x.raters...))
		if math.Abs(got.Alpha-x.want.Alpha) > 0.0005 {
			t.Errorf("%s: alpha %.4f, want %.3f", x.name, got.Alpha, x.want.Alpha)
		}
		got.Alpha, x.want.Alpha = 0, 0
		if got != x.want {
			t.Errorf("%s: %+v", x.name, got)
		}
	}
}

// The American League of 1987 (Agresti 1990, table 10.10), in the order Milwaukee,
// Detroit, Toronto, New York, Boston, Cleveland, Baltimore.
var baseball = [][]float64{
	{0, 7, 9, 7, 7, 9, 11}, {6, 0, 7, 5, 11, 9, 9}, {4, 6, 0, 7, 7, 8, 12}, {6, 8, 6, 0, 6, 7, 10},
	{6, 2, 6, 7, 0, 7, 12}, {4, 4, 5, 6, 6, 0, 6}, {2, 4, 1, 3, 1, 7, 0},
}

func TestBradleyTerryAsPublished(t *testing.T) {
	// Turner and Firth 2012, J. Stat. Softw. 48(9), section 3: strengths with
	// Baltimore at 0.
	want := []float64{1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0}
	list, ok := stats.BradleyTerry(baseball, 0)
	if !ok {
		t.Fatal("not connected")
	}
	for i, w := range want {
		if got := list[i].Log - list[6].Log; math.Abs(got-w) > 0.0001 {
			t.Errorf("team %d: %.4f, want %.4f", i, got, w)
		}
	}
}

func TestBradleyTerryByHand(t *testing.T) {
	// Two with 30 to 10: the logarithms differ by ln 3, and each has the
	// variance 1/(4·40·3/16) = 1/30.
	list, ok := stats.BradleyTerry([][]float64{{0, 30}, {10, 0}}, 0)
	if !ok || math.Abs(list[0].Log-math.Log(3)/2) > 1e-9 || math.Abs(list[0].SE-math.Sqrt(1.0/30)) > 1e-9 || math.Abs(list[0].Log+list[1].Log) > 1e-9 {
		t.Errorf("%+v", list)
	}
	// Who never lost is strong, and no infinity.
	list, ok = stats.BradleyTerry([][]float64{{0, 5, 0}, {0, 0, 5}, {0, 0, 0}}, 0.5)
	if !ok || !(list[0].Log > list[1].Log && list[1].Log > list[2].Log) || math.IsInf(list[0].Log, 0) || list[0].High >= 1 {
		t.Errorf("%+v", list)
	}
	if _, ok := stats.BradleyTerry([][]float64{{0, 1, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, 1}, {0, 0, 1, 0}}, 0.5); ok {
		t.Error("two groups that never met have common strengths")
	}
	if _, ok := stats.BradleyTerry(nil, 0); ok {
		t.Error("nobody has strengths")
	}
}

func TestPreference(t *testing.T) {
	p := stats.NewPreference([]stats.Split{{Wins: 2}, {Wins: 1, Losses: 1}, {Ties: 1}, {Losses: 1}, {}})
	if p.Wins != 3 || p.Ties != 1 || p.Losses != 2 || p.Prompts != 4 || p.Rate != 0.5 {
		t.Errorf("%+v", p)
	}
	// Wilson for 2 of 4.
	if w := stats.NewProportion(2, 4); p.Low != w.Low || p.High != w.High {
		t.Errorf("%+v, want the interval of %+v", p, w)
	}
	if p := stats.NewPreference(nil); p.Low != 0 || p.High != 1 || p.Prompts != 0 {
		t.Errorf("%+v", p)
	}
}
