package serve_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"bbjtune/internal/review"
	"bbjtune/internal/review/serve"
	"bbjtune/internal/review/store"
)

// voteAll has a reviewer vote on all comparisons, and returns how long each vote took
// until the browser heard of it. Every form is sent twice, as an impatient reviewer
// does.
func (b *browser) voteAll(t testing.TB, items int, pause time.Duration) []time.Duration {
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var took []time.Duration
	for n := 1; n <= items; n++ {
		path := fmt.Sprintf("/compare/%d", n)
		f := form(b.get(t, path, http.StatusOK), []review.Choice{review.Left, review.Right, review.Tie}[n%3])
		b.seen.Reset()
		start := time.Now()
		b.post(t, path, f, http.StatusSeeOther)
		took = append(took, time.Since(start))
		b.post(t, path, f, http.StatusSeeOther)
		time.Sleep(pause)
	}
	return took
}

// crowd has many reviewers vote at once.
func crowd(t testing.TB, reviewers, items int, pause time.Duration) []time.Duration {
	r, _ := planned(items)
	x := served(t, r, serve.Options{Now: time.Now})
	browsers := make([]*browser, reviewers)
	for i := range browsers {
		browsers[i] = x.reviewer(t, fmt.Sprint("r", i))
	}
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for _, b := range browsers {
		wg.Go(func() {
			list := b.voteAll(t, items, pause)
			mu.Lock()
			took = append(took, list...)
			mu.Unlock()
		})
	}
	wg.Wait()
	all, err := x.store.All()
	n, err2 := x.store.Recorded()
	if err != nil || err2 != nil || len(all) != reviewers*items || n != len(all) {
		t.Fatalf("%d votes count and %d are recorded, want %d: %v %v", len(all), n, reviewers*items, err, err2)
	}
	for _, c := range all {
		places := x.store.Order(c.Reviewer)
		at := slices.IndexFunc(places, func(p review.Place) bool { return p.Item == c.Item })
		if want := []review.Choice{review.Left, review.Right, review.Tie}[(at+1)%3]; places[at].Seen(c.Choices).Overall != want {
			t.Fatalf("reviewer %d, place %d: %+v, want %s", c.Reviewer, at+1, c, want)
		}
	}
	return took
}

func TestFiftyReviewersLoseNothing(t *testing.T) { crowd(t, 50, 4, 0) }

// The time from a vote to its answer, with 50 reviewers who vote at once, each once
// in half a second (people take minutes).
func BenchmarkFiftyReviewers(b *testing.B) {
	var took []time.Duration
	for b.Loop() {
		took = append(took, crowd(b, 50, 20, 500*time.Millisecond)...)
	}
	slices.Sort(took)
	ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
	b.ReportMetric(ms(1), "max-ms")
}

// serving is the file that a child of the tests serves.
const serving = "BBJTUNE_TEST_SERVE_REVIEW"

func TestMain(m *testing.M) {
	if path := os.Getenv(serving); path != "" {
		serveUntilKilled(path)
		return
	}
	os.Exit(m.Run())
}

func serveUntilKilled(path string) {
	s, err := store.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: serve.Handler(s, serve.Options{Now: time.Now, Log: log.Default()})}
	l, err := serve.Listen("127.0.0.1", 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	log.Fatal(server.Serve(l))
}

// The server is killed at random points while several vote: every vote that a
// reviewer was told is saved is there, and no reviewer has two on a comparison.
// BBJTUNE_KILLS says how often; make review-kill does it twenty times.
func TestKilledServerKeepsVotes(t *testing.T) {
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("BBJTUNE_KILLS")); err == nil {
		kills = n
	}
	const reviewers, items = 8, 200
	r, _ := planned(items)
	path := filepath.Join(t.TempDir(), "r.sqlite")
	if err := store.Create(path, r, []byte("sealed"), []byte("secret")); err != nil {
		t.Fatal(err)
	}
	told := make([]map[int]review.Choice, reviewers) // by place
	withStore(t, path, func(s *store.Store) {
		for i := range told {
			told[i] = map[int]review.Choice{}
			if _, err := s.AddReviewer(fmt.Sprint("r", i), fmt.Sprint("token-", i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	votes := 0
	for range kills {
		child, address := startServer(t, path)
		var wg sync.WaitGroup
		first := make(chan bool, 1) // a vote was acknowledged
		for who := range told {
			wg.Go(func() { voteUntilGone(address, who, told[who], items, first) })
		}
		select {
		case <-first:
			time.Sleep(rand.N(200 * time.Millisecond))
		case <-time.After(time.Minute):
		}
		child.Process.Kill()
		child.Wait()
		wg.Wait()
		withStore(t, path, func(s *store.Store) {
			votes = 0
			for who := range told {
				kept, err := s.Votes(who + 1)
				if err != nil {
					t.Fatal(err)
				}
				order := s.Order(who + 1)
				for place, c := range told[who] {
					v, ok := kept[order[place-1].Item]
					if !ok || order[place-1].Seen(v.Choices).Overall != c {
						t.Errorf("the vote of reviewer %d on place %d is lost: %+v, want %s", who, place, v, c)
					}
				}
				votes += len(told[who])
			}
		})
	}
	if votes < kills {
		t.Errorf("only %d votes were given between %d kills", votes, kills)
	}
	t.Logf("%d kills, %d votes acknowledged, none lost", kills, votes)
}

func withStore(t *testing.T, path string, f func(*store.Store)) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f(s)
}

func startServer(t *testing.T, path string) (*exec.Cmd, string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe)
	child.Env = append(os.Environ(), serving+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return child, string(bytes.TrimSpace([]byte(line)))
}

// voteUntilGone votes on what is open, and notes what the server acknowledges,
// until it is gone.
func voteUntilGone(address string, who int, told map[int]review.Choice, items int, first chan<- bool) {
	client := &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method, path string, body io.Reader) (string, int) {
		req, _ := http.NewRequest(method, "http://"+address+path, body)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.AddCookie(&http.Cookie{Name: "bbjtune_reviewer_01234567", Value: fmt.Sprint("token-", who)})
		res, err := client.Do(req)
		if err != nil {
			return "", 0
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return string(text), res.StatusCode
	}
	for place := 1; place <= items; place++ {
		if _, done := told[place]; done {
			continue
		}
		text, status := ask("GET", fmt.Sprintf("/compare/%d", place), nil)
		if status == http.StatusTooManyRequests {
			time.Sleep(20 * time.Millisecond)
			place--
			continue
		}
		if status != http.StatusOK {
			return
		}
		c := []review.Choice{review.Left, review.Right, review.Tie, review.Bad}[rand.IntN(4)]
		if _, status = ask("POST", fmt.Sprintf("/compare/%d", place), bytes.NewReader([]byte(form(text, c).Encode()))); status != http.StatusSeeOther {
			if status == http.StatusTooManyRequests {
				place--
				continue
			}
			return
		}
		told[place] = c
		select {
		case first <- true:
		default:
		}
	}
}
