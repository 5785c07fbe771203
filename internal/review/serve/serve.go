// Package serve is the server that reviewers vote on. A reviewer comes by a link
// with a random token, which becomes a cookie; votes are forms that carry a token
// of their own against forged ones. Whoever asks too often waits.
//
// It must not know who wrote what: the store that it serves cannot open the seal.
package serve

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bbjtune/internal/review"
	"bbjtune/internal/review/page"
	"bbjtune/internal/review/store"
)

// Options of the server.
type Options struct {
	// Password is asked for before anything is shown; "" asks for none.
	Password string
	// Secure says that browsers come by TLS, which then is what cookies travel by.
	Secure bool
	Now    func() time.Time
	// Log hears of what fails on this side.
	Log *log.Logger
}

type server struct {
	Options
	store *store.Store
	pages *page.Pages
	// votes bounds what a reviewer asks for, guesses what an address may get wrong.
	votes, guesses *limiter
}

const (
	maxForm   = 64 << 10
	policy    = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	cookieAge = 180 * 24 * time.Hour
)

// Handler serves a review.
func Handler(s *store.Store, o Options) http.Handler {
	v := &server{Options: o, store: s, pages: page.New(s.Review()), votes: newLimiter(20, 60, o.Now), guesses: newLimiter(0.2, 10, o.Now)}
	mux := http.NewServeMux()
	for _, a := range page.Assets() {
		mux.HandleFunc("GET /static/"+a.Name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", a.Type)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			w.Write(a.Content)
		})
	}
	mux.HandleFunc("POST /login", v.login)
	mux.HandleFunc("GET /r/{token}", v.gate(v.enter))
	mux.HandleFunc("GET /{$}", v.gate(v.known(v.overview)))
	mux.HandleFunc("GET /compare/{place}", v.gate(v.known(v.compare)))
	mux.HandleFunc("POST /compare/{place}", v.gate(v.known(v.signed(v.vote))))
	mux.HandleFunc("POST /undo", v.gate(v.known(v.signed(v.undo))))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		v.say(w, http.StatusNotFound, "There is nothing here", "The address is not one of this review.", "/", "To the review")
	})
	return secured(http.NewCrossOriginProtection().Handler(mux))
}

// secured sets the headers that every answer has.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // with none, a browser hides the origin of forms too
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// asking is a request of a reviewer.
type asking struct {
	w   http.ResponseWriter
	r   *http.Request
	who review.Reviewer
}

// known lets reviewers pass, as often as they may.
func (v *server) known(next func(asking)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(v.cookie("reviewer"))
		var who review.Reviewer
		ok := false
		if err == nil {
			who, ok, err = v.store.ByToken(cookie.Value)
		}
		switch {
		case err != nil && !errors.Is(err, http.ErrNoCookie):
			v.fail(w, err)
		case !ok:
			v.say(w, http.StatusForbidden, "Please open your link", "The page does not know who you are. Open the link that you were given; it brings you back to where you were.", "", "")
		case !v.votes.allow(strconv.Itoa(who.ID)):
			v.tooMany(w)
		default:
			next(asking{w, r, who})
		}
	}
}

// signed lets forms of our own pages pass.
func (v *server) signed(next func(asking)) func(asking) {
	return func(a asking) {
		if err := a.r.ParseForm(); err != nil {
			v.say(a.w, http.StatusBadRequest, "That was not understood", "The form could not be read. Go back and send it again.", "/", "To the review")
			return
		}
		if subtle.ConstantTimeCompare([]byte(a.r.PostForm.Get("csrf")), []byte(v.sign("form", a.who.Token))) != 1 {
			v.say(a.w, http.StatusForbidden, "That form is not valid any more", "Open the comparison again and vote once more.", "/", "To the review")
			return
		}
		next(a)
	}
}

// sign makes a token that only this review can make.
func (v *server) sign(what, text string) string {
	mac := hmac.New(sha256.New, v.store.Secret())
	mac.Write([]byte(what + "\x00" + text))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// cookie is the name of a cookie: browsers tell neither ports nor reviews apart.
func (v *server) cookie(what string) string {
	return "bbjtune_" + what + "_" + v.store.Review().ID[:8]
}

// enter takes a reviewer's link.
func (v *server) enter(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	who, ok, err := v.store.ByToken(token)
	switch {
	case err != nil:
		v.fail(w, err)
	case !ok && !v.guesses.allow(address(r)):
		v.tooMany(w)
	case !ok:
		v.say(w, http.StatusNotFound, "This link is not known", "Ask whoever sent it to you; perhaps a part of it was lost.", "", "")
	default:
		v.setCookie(w, "reviewer", token, http.SameSiteStrictMode)
		// No redirect: a browser that comes from another site would not send the
		// cookie along with it.
		v.overview(asking{w, r, who})
	}
}

func (v *server) setCookie(w http.ResponseWriter, what, value string, site http.SameSite) {
	http.SetCookie(w, &http.Cookie{Name: v.cookie(what), Value: value, Path: "/", MaxAge: int(cookieAge.Seconds()), HttpOnly: true, Secure: v.Secure, SameSite: site})
}

// overview shows how far a reviewer is.
func (v *server) overview(a asking) {
	votes, closed, ok := v.state(a)
	if !ok {
		return
	}
	o := page.Overview{Head: v.head(a, "Review", len(votes)), Closed: closed, Next: v.next(a.who, votes, 0)}
	for i, p := range v.store.Order(a.who.ID) {
		_, judged := votes[p.Item]
		o.Places = append(o.Places, page.PlaceView{Number: i + 1, Judged: judged})
	}
	v.write(a.w, http.StatusOK, "overview", o)
}

func (v *server) head(a asking, title string, done int) page.Head {
	h := v.pages.Head(title)
	h.Reviewer, h.Done, h.CSRF = a.who.Name, done, v.sign("form", a.who.Token)
	return h
}

// state reads what the reviewer has done so far. It reports false when it has
// answered already.
func (v *server) state(a asking) (votes map[int]review.Vote, closed, ok bool) {
	_, closed, err := v.store.Closed()
	if err == nil {
		votes, err = v.store.Votes(a.who.ID)
	}
	if err != nil {
		v.fail(a.w, err)
		return nil, false, false
	}
	return votes, closed, true
}

// next is the first place behind the given one without a vote, or before it, or 0.
func (v *server) next(who review.Reviewer, votes map[int]review.Vote, behind int) int {
	order := v.store.Order(who.ID)
	for i := range order {
		at := (behind + i) % len(order)
		if _, judged := votes[order[at].Item]; !judged {
			return at + 1
		}
	}
	return 0
}

// place reads the place of a comparison, and answers where there is none.
func (v *server) place(a asking) (int, review.Place, bool) {
	order := v.store.Order(a.who.ID)
	n, err := strconv.Atoi(a.r.PathValue("place"))
	if err != nil || n < 1 || n > len(order) {
		v.say(a.w, http.StatusNotFound, "There is no such comparison", fmt.Sprintf("The review has comparisons 1 to %d.", len(order)), "/", "To the review")
		return 0, review.Place{}, false
	}
	return n, order[n-1], true
}

func (v *server) compare(a asking) { v.show(a, http.StatusOK, "") }

// show shows a comparison, with what was wrong with a vote on it.
func (v *server) show(a asking, status int, problem string) {
	n, at, ok := v.place(a)
	if !ok {
		return
	}
	votes, closed, ok := v.state(a)
	if !ok {
		return
	}
	if closed {
		v.overview(a)
		return
	}
	vote, judged := votes[at.Item]
	seen := at.Seen(vote.Choices)
	note := vote.Note
	if problem != "" {
		seen, note = choices(a.r), a.r.PostForm.Get("note")
	}
	c := v.pages.Comparison(n, at, seen)
	c.Head = v.head(a, fmt.Sprintf("%d of %d", n, len(v.store.Review().Items)), len(votes))
	c.Judged, c.Note, c.Problem, c.Undo, c.Shown = judged, note, problem, len(votes) > 0, v.Now().UnixMilli()
	v.write(a.w, status, "compare", c)
}

func choices(r *http.Request) review.Choices {
	of := func(d review.Dimension) review.Choice { return review.Choice(r.PostForm.Get(string(d))) }
	return review.Choices{Quality: of(review.Quality), Idiom: of(review.Idiom), Documentation: of(review.Documentation), Overall: of(review.Overall)}
}

// vote takes a vote and leads on to the next comparison.
func (v *server) vote(a asking) {
	n, at, ok := v.place(a)
	if !ok {
		return
	}
	kept, err := at.Kept(choices(a.r))
	if err != nil {
		v.show(a, http.StatusUnprocessableEntity, "Please answer all four questions.")
		return
	}
	now := v.Now()
	vote := review.Vote{Item: at.Item, Choices: kept, Note: a.r.PostForm.Get("note"), At: now, Swapped: at.Swapped}
	if shown, err := strconv.ParseInt(a.r.PostForm.Get("shown"), 10, 64); err == nil {
		vote.Seconds = float64(now.UnixMilli()-shown) / 1000
	}
	if _, err := v.store.Cast(a.who.ID, vote); err != nil {
		v.refuse(a.w, err)
		return
	}
	votes, err := v.store.Votes(a.who.ID)
	if err != nil {
		v.fail(a.w, err)
		return
	}
	v.lead(a, v.next(a.who, votes, n))
}

// undo takes the last vote back and shows its comparison.
func (v *server) undo(a asking) {
	item, err := v.store.Undo(a.who.ID)
	if err != nil {
		v.refuse(a.w, err)
		return
	}
	for i, p := range v.store.Order(a.who.ID) {
		if p.Item == item {
			v.lead(a, i+1)
			return
		}
	}
	v.lead(a, 0)
}

// lead sends the browser to a comparison, or with 0 to the overview.
func (v *server) lead(a asking, place int) {
	to := "/"
	if place > 0 {
		to = fmt.Sprintf("/compare/%d", place)
	}
	a.w.Header().Set("Location", to)
	a.w.WriteHeader(http.StatusSeeOther)
}

// refuse says why a vote was not taken.
func (v *server) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, store.ErrClosed) {
		v.say(w, http.StatusConflict, "The review is closed", "It takes no more votes. Thank you for those that you gave.", "/", "To the review")
		return
	}
	v.fail(w, err)
}

func (v *server) write(w http.ResponseWriter, status int, name string, data any) {
	text, err := v.pages.Write(name, data)
	if err != nil {
		v.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(text)
}

func (v *server) say(w http.ResponseWriter, status int, heading, text, back, backText string) {
	v.write(w, status, "message", page.Message{Head: v.pages.Head(heading), Heading: heading, Text: text, Back: back, BackText: backText})
}

func (v *server) tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	v.say(w, http.StatusTooManyRequests, "A little slower, please", "There were too many requests. Wait a few seconds and load the page again.", "", "")
}

// fail answers where something went wrong here. The reason is for the log.
func (v *server) fail(w http.ResponseWriter, err error) {
	v.Log.Printf("error: %v", err)
	http.Error(w, "The vote was not saved: something went wrong on the server. Go back and send it again.", http.StatusInternalServerError)
}

// address is who asks, without the port.
func address(r *http.Request) string {
	host := r.RemoteAddr
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return host
}
