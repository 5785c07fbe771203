// Package store keeps a review in one SQLite file: what is compared, the sealed
// mapping, the reviewers, and every vote. Votes are only ever added; one that is
// changed or taken back stays on record. When a vote has been taken it is on the
// disk.
//
// It must not know the key of the seal, nor how a review is shown.
package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"bbjtune/internal/fault"
	"bbjtune/internal/review"
)

// applicationID marks the file as a review ("bbjr").
const applicationID = 0x62626a72

const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE reviewers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE votes (
	seq INTEGER PRIMARY KEY, -- no row is ever deleted, so that it only grows
	reviewer INTEGER NOT NULL REFERENCES reviewers(id),
	item INTEGER NOT NULL,
	quality TEXT NOT NULL, idiom TEXT NOT NULL, documentation TEXT NOT NULL, overall TEXT NOT NULL,
	note TEXT NOT NULL, seconds REAL NOT NULL, swapped INTEGER NOT NULL,
	at INTEGER NOT NULL,
	undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX votes_by_item ON votes (reviewer, item, seq);
`

// ErrClosed says that the review takes no more votes.
var ErrClosed = fault.New("the review is closed", "it takes no more votes; bbjtune review results shows what it found")

// Store is an open review.
type Store struct {
	path   string
	read   *sql.DB
	write  *sql.DB
	review review.Review
	secret []byte
	orders sync.Map // reviewer -> []review.Place

	work chan job
	done chan struct{}
}

// Create writes a new review. The file must not be there yet; it appears whole or
// not at all.
func Create(path string, r review.Review, sealed, secret []byte) error {
	if _, err := os.Stat(path); err == nil {
		return fault.Newf("choose another name with --out, or delete that review with all its votes", "%s exists already", path)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer os.Remove(tmp)
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // the votes are nobody else's business
	if err != nil {
		return fault.Wrap(err, "choose a folder that can be written with --out")
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := connect(tmp, "_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer db.Close()
	for _, s := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID), fmt.Sprintf("PRAGMA user_version = %d", review.Version), schema,
	} {
		if _, err := db.Exec(s); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	for name, value := range map[string][]byte{"review": text, "sealed": sealed, "secret": secret} {
		if _, err := db.Exec("INSERT INTO meta VALUES (?, ?)", name, value); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// connect opens a file that exists.
func connect(path, options string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive letter
	}
	return sql.Open("sqlite", "file:"+(&url.URL{Path: slashed}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(5000)&"+options)
}

// Open opens a review. Several processes may have it open.
func Open(path string) (*Store, error) {
	if err := isReview(path); err != nil {
		return nil, err
	}
	s := &Store{path: path, work: make(chan job, 256), done: make(chan struct{})}
	var err error
	// The log of writes goes into the file itself when the last process closes it, or
	// after 32 MB: no reviewer waits for that in between.
	if s.write, err = connect(path, "_txlock=immediate&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(8192)"); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = connect(path, "_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.read.SetMaxOpenConns(4)
	s.read.SetMaxIdleConns(4)
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.write.Close(), s.read.Close())
	}
	go s.writeAll()
	return s, nil
}

// isReview looks at the header of the file, before anything is made of it.
func isReview(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(err, "name a file that bbjtune review create wrote")
	}
	defer f.Close()
	head := make([]byte, 72)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:16]) != "SQLite format 3\x00" || string(head[68:72]) != "bbjr" {
		return fault.Newf("name a file that bbjtune review create wrote", "%s is no review", path)
	}
	return nil
}

func (s *Store) load() error {
	var version int
	if err := s.write.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	if version != review.Version {
		return fault.Newf("use the bbjtune that made it", "%s has version %d, this program reads %d", s.path, version, review.Version)
	}
	text, err := s.meta("review")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s.review); err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	s.secret, err = s.meta("secret")
	return err
}

func (s *Store) meta(name string) ([]byte, error) {
	var value []byte
	if err := s.write.QueryRow("SELECT value FROM meta WHERE name = ?", name).Scan(&value); err != nil {
		return nil, fmt.Errorf("read %s: %s: %w", s.path, name, err)
	}
	return value, nil
}

// Close ends the work with the file. Votes under way are taken first.
func (s *Store) Close() error {
	close(s.work)
	<-s.done
	return errors.Join(s.read.Close(), s.write.Close())
}

// Review is what is compared.
func (s *Store) Review() *review.Review { return &s.review }

// Secret decides orders and sides, and is what the server signs with.
func (s *Store) Secret() []byte { return s.secret }

// Sealed is the mapping as it was sealed.
func (s *Store) Sealed() ([]byte, error) { return s.meta("sealed") }

// Order is the order of the reviewer's comparisons.
func (s *Store) Order(reviewer int) []review.Place {
	if o, ok := s.orders.Load(reviewer); ok {
		return o.([]review.Place)
	}
	o := review.Order(s.secret, reviewer, len(s.review.Items))
	s.orders.Store(reviewer, o)
	return o
}

// Closed says whether and when the review was closed.
func (s *Store) Closed() (at time.Time, closed bool, err error) {
	var text []byte
	switch err := s.read.QueryRow("SELECT value FROM meta WHERE name = 'closed'").Scan(&text); {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, false, nil
	case err != nil:
		return time.Time{}, false, fmt.Errorf("read %s: %w", s.path, err)
	}
	err = at.UnmarshalText(text)
	return at, true, err
}

// CloseReview ends the voting and keeps the mapping, which is open from now on.
func (s *Store) CloseReview(m review.Mapping, at time.Time) error {
	mapping, err := json.Marshal(m)
	if err != nil {
		return err
	}
	text, err := at.UTC().Truncate(time.Second).MarshalText()
	if err != nil {
		return err
	}
	return s.do(func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT INTO meta VALUES ('closed', ?)", text); err != nil {
			return ErrClosed
		}
		_, err := tx.Exec("INSERT INTO meta VALUES ('mapping', ?)", mapping)
		return err
	})
}

// Mapping is who wrote what, of a review that is closed.
func (s *Store) Mapping() (review.Mapping, error) {
	var m review.Mapping
	text, err := s.meta("mapping")
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// Reviewers lists them in the order in which they were added.
func (s *Store) Reviewers() ([]review.Reviewer, error) {
	return s.reviewers("SELECT id, name, token FROM reviewers ORDER BY id")
}

// ByToken finds the reviewer of a link.
func (s *Store) ByToken(token string) (review.Reviewer, bool, error) {
	list, err := s.reviewers("SELECT id, name, token FROM reviewers WHERE token = ?", token)
	if err != nil || len(list) == 0 {
		return review.Reviewer{}, false, err
	}
	return list[0], true, nil
}

func (s *Store) reviewers(query string, args ...any) ([]review.Reviewer, error) {
	rows, err := s.read.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path, err)
	}
	defer rows.Close()
	var list []review.Reviewer
	for rows.Next() {
		var r review.Reviewer
		if err := rows.Scan(&r.ID, &r.Name, &r.Token); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// AddReviewer returns the reviewer of that name, with the token if it is a new one.
func (s *Store) AddReviewer(name, token string) (r review.Reviewer, err error) {
	err = s.do(func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT INTO reviewers (name, token) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, token); err != nil {
			return err
		}
		return tx.QueryRow("SELECT id, name, token FROM reviewers WHERE name = ?", name).Scan(&r.ID, &r.Name, &r.Token)
	})
	return r, err
}
