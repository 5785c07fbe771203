package stats

// Agreement is how far raters agree, beyond what chance would bring.
type Agreement struct {
	// Alpha is Krippendorff's, 1 for full agreement and 0 for that of chance. It
	// means nothing where Known is false: too little was rated twice, or all
	// values are the same.
	Alpha float64 `json:"alpha"`
	Known bool    `json:"known"`
	// Units counts what two raters or more have rated, Values the ratings of it.
	Units  int `json:"units"`
	Values int `json:"values"`
}

// NominalAlpha is Krippendorff's alpha for values without an order, of which any
// may be missing (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability,
// section C). Each unit is the list of the values that its raters gave.
func NominalAlpha(units [][]string) Agreement {
	var a Agreement
	totals := map[string]float64{}
	disagreed := 0.0 // pairs of unlike values, each unit's by its number of values less one
	for _, values := range units {
		if len(values) < 2 {
			continue
		}
		a.Units++
		a.Values += len(values)
		counts := map[string]int{}
		for _, v := range values {
			counts[v]++
			totals[v]++
		}
		same := 0
		for _, c := range counts {
			same += c * (c - 1)
		}
		m := len(values)
		disagreed += float64(m*(m-1)-same) / float64(m-1)
	}
	n := float64(a.Values)
	expected := n * (n - 1)
	for _, c := range totals {
		expected -= c * (c - 1)
	}
	if a.Units == 0 || expected == 0 {
		return a
	}
	a.Known = true
	a.Alpha = 1 - (n-1)*disagreed/expected
	return a
}
