package serve

import (
	"crypto/subtle"
	"net/http"
	"strings"

	"bbjtune/internal/review/page"
)

// gate asks for the password, where there is one.
func (v *server) gate(next http.HandlerFunc) http.HandlerFunc {
	if v.Password == "" {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(v.cookie("gate"))
		if err != nil || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(v.sign("gate", v.Password))) != 1 {
			v.ask(w, r.URL.Path, false)
			return
		}
		next(w, r)
	}
}

func (v *server) ask(w http.ResponseWriter, next string, wrong bool) {
	v.write(w, http.StatusUnauthorized, "login", page.Login{Head: v.pages.Head("Password"), Next: next, Wrong: wrong})
}

// login takes the password. Every try counts, so that trying all is hopeless.
func (v *server) login(w http.ResponseWriter, r *http.Request) {
	if !v.guesses.allow(address(r)) {
		v.tooMany(w)
		return
	}
	next := inside(r.PostFormValue("next"))
	if v.Password == "" || !same(r.PostFormValue("password"), v.Password) {
		v.ask(w, next, true)
		return
	}
	// Lax: the link in a reviewer's mail leads here from another site.
	v.setCookie(w, "gate", v.sign("gate", v.Password), http.SameSiteLaxMode)
	w.Header().Set("Location", next)
	w.WriteHeader(http.StatusSeeOther)
}

// same compares two passwords in the same time, whatever they have in common.
func same(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// inside is a path of this server, and no address of another one.
func inside(path string) string {
	if strings.HasPrefix(path, "/r/") && !strings.ContainsAny(path, "\\?#\r\n") && !strings.Contains(path, "//") {
		return path
	}
	return "/"
}
