package review_test

import (
	"testing"

	"bbjtune/internal/review"
)

const filled = `{"version":1,"review":"r","token":"t","votes":[
	{"place":2,"choices":{"quality":"left","idiom":"right","documentation":"tie","overall":"bad"},"note":"x","seconds":3.5,"at":"2026-11-01T09:00:00Z"}]}`

func TestFilled(t *testing.T) {
	f, err := review.ParseFilled("f", []byte("\ufeff"+filled))
	if err != nil {
		t.Fatal(err)
	}
	votes, err := f.Kept([]review.Place{{1, false}, {7, true}})
	if err != nil || len(votes) != 1 {
		t.Fatal(err, votes)
	}
	want := review.Choices{Quality: review.Y, Idiom: review.X, Documentation: review.Tie, Overall: review.Bad}
	if v := votes[0]; v.Item != 7 || v.Choices != want || !v.Swapped || v.Note != "x" || v.Seconds != 3.5 {
		t.Errorf("%+v", v)
	}
	if _, err := f.Kept([]review.Place{{1, false}}); err == nil {
		t.Error("a place that is not there is taken")
	}
	f.Votes = append(f.Votes, f.Votes[0])
	if _, err := f.Kept([]review.Place{{1, false}, {7, true}}); err == nil {
		t.Error("a place is answered twice")
	}
	for _, bad := range []string{"", "[]", "{}", `{"version":2}`, filled + "{}", `{"version":1,"models":[]}`} {
		if _, err := review.ParseFilled("f", []byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParseFilled(f *testing.F) {
	for _, s := range []string{filled, "", "{}", `{"version":1,"votes":[{"place":-1,"seconds":1e999}]}`} {
		f.Add([]byte(s))
	}
	order := review.Order([]byte("s"), 1, 3)
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := review.ParseFilled("f", text)
		if err != nil {
			return
		}
		votes, err := x.Kept(order)
		for _, v := range votes {
			v.Tidy()
			if err != nil || v.Item < 1 || v.Item > 3 || len(v.Note) > review.MaxNote || v.Seconds < 0 || v.Seconds > review.MaxSeconds {
				t.Errorf("%q: %+v", text, v)
			}
		}
	})
}
