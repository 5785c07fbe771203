package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bbjtune/internal/review"
	"bbjtune/internal/review/store"
)

var now = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

func created(t *testing.T, items int) string {
	t.Helper()
	r := review.Review{Version: review.Version, ID: "0123456789abcdef", Title: "T"}
	for i := range items {
		r.Items = append(r.Items, review.Item{Number: i + 1, Case: fmt.Sprint("c", i)})
	}
	// A name with all that an address might trip over.
	path := filepath.Join(t.TempDir(), "a b%20#?&.sqlite")
	if err := store.Create(path, r, []byte("sealed"), []byte("secret")); err != nil {
		t.Fatal(err)
	}
	return path
}

func opened(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func vote(item int, c review.Choice) review.Vote {
	return review.Vote{Item: item, Choices: review.Choices{Quality: c, Idiom: review.Tie, Documentation: review.Bad, Overall: c}, Seconds: 1.5, At: now, Note: "n"}
}

func TestCreate(t *testing.T) {
	path := created(t, 2)
	if err := store.Create(path, review.Review{}, nil, nil); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("%v", err)
	}
	if list, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(list) != 1 {
		t.Errorf("%v", list)
	}
	s := opened(t, path)
	sealed, err := s.Sealed()
	if err != nil || string(sealed) != "sealed" || string(s.Secret()) != "secret" || s.Review().Title != "T" || len(s.Review().Items) != 2 {
		t.Errorf("%v %q %+v", err, sealed, s.Review())
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x")
	for _, text := range []string{"", "hello", "SQLite format 3\x00" + strings.Repeat("\x00", 4096)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(file); err == nil {
			t.Errorf("%.20q is a review", text)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if _, err := store.Open(path); err == nil {
			t.Errorf("%s is a review", path)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); err == nil {
		t.Error("a file was made")
	}
}

func TestVotes(t *testing.T) {
	path := created(t, 3)
	s := opened(t, path)
	anna, err := s.AddReviewer("Anna", "ta")
	if err != nil || anna.ID != 1 {
		t.Fatal(err, anna)
	}
	if again, err := s.AddReviewer("Anna", "other"); err != nil || again != anna {
		t.Errorf("%v %+v", err, again)
	}
	if who, ok, err := s.ByToken("ta"); err != nil || !ok || who != anna {
		t.Errorf("%v %v", who, err)
	}
	if _, ok, err := s.ByToken("other"); err != nil || ok {
		t.Error("a token that was never given is known", err)
	}
	step := func(want store.Taken, got store.Taken, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%v %v, want %v", err, got, want)
		}
	}
	got, err := s.Cast(1, vote(1, review.X))
	step(store.Added, got, err)
	got, err = s.Cast(1, vote(1, review.X)) // the page was sent twice
	step(store.Unchanged, got, err)
	got, err = s.Cast(1, vote(1, review.Y))
	step(store.Changed, got, err)
	got, err = s.Cast(1, vote(1, review.X)) // and back
	step(store.Changed, got, err)
	got, err = s.Offer(1, vote(1, review.Tie))
	step(store.Kept, got, err)
	got, err = s.Offer(1, vote(2, review.Tie))
	step(store.Added, got, err)
	if _, err := s.Cast(1, vote(4, review.X)); err == nil {
		t.Error("there is no comparison 4")
	}
	if _, err := s.Cast(9, vote(1, review.X)); err == nil {
		t.Error("there is no reviewer 9")
	}
	votes, err := s.Votes(1)
	if err != nil || len(votes) != 2 || !votes[1].Same(vote(1, review.X)) || !votes[1].At.Equal(now) || votes[1].Seconds != 1.5 {
		t.Errorf("%v %+v", err, votes)
	}
	for _, want := range []int{2, 1, 1} {
		if item, err := s.Undo(1); err != nil || item != want {
			t.Errorf("undid %d, want %d: %v", item, want, err)
		}
	}
	if votes, err = s.Votes(1); err != nil || len(votes) != 1 || votes[1].Choices.Overall != review.X {
		t.Errorf("%v %+v", err, votes)
	}
	if item, err := s.Undo(1); err != nil || item != 1 {
		t.Errorf("%v %d", err, item)
	}
	if item, err := s.Undo(1); err != nil || item != 0 {
		t.Errorf("%v %d", err, item)
	}
}

func TestClose(t *testing.T) {
	path := created(t, 1)
	s, other := opened(t, path), opened(t, path)
	if _, err := s.AddReviewer("a", "t"); err != nil {
		t.Fatal(err)
	}
	if _, closed, err := s.Closed(); err != nil || closed {
		t.Error(closed, err)
	}
	if _, err := s.Mapping(); err == nil {
		t.Error("the mapping is open")
	}
	if err := other.CloseReview(review.Mapping{Models: []review.Model{{Name: "m"}}}, now); err != nil {
		t.Fatal(err)
	}
	// This process has not closed it, and takes nothing all the same.
	if _, err := s.Cast(1, vote(1, review.X)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := s.Undo(1); !errors.Is(err, store.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := s.CloseReview(review.Mapping{}, now); !errors.Is(err, store.ErrClosed) {
		t.Errorf("%v", err)
	}
	m, err := s.Mapping()
	at, closed, err2 := s.Closed()
	if err != nil || err2 != nil || !closed || !at.Equal(now) || m.Models[0].Name != "m" {
		t.Errorf("%v %v %v %+v", err, err2, at, m)
	}
}

// Many vote at once, each page sent twice: every vote is there, once.
func TestManyAtOnce(t *testing.T) {
	const reviewers, items = 20, 10
	s := opened(t, created(t, items))
	var wg sync.WaitGroup
	for who := 1; who <= reviewers; who++ {
		if _, err := s.AddReviewer(fmt.Sprint("r", who), fmt.Sprint("t", who)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			wg.Go(func() {
				for i := 1; i <= items; i++ {
					if _, err := s.Cast(who, vote(i, review.X)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	all, err := s.All()
	if n, err2 := s.Recorded(); err != nil || err2 != nil || len(all) != reviewers*items || n != len(all) {
		t.Errorf("%d votes count, %d recorded: %v %v", len(all), n, err, err2)
	}
}
