package store

import (
	"database/sql"
	"fmt"
	"time"

	"bbjtune/internal/review"
)

const columns = "reviewer, item, quality, idiom, documentation, overall, note, seconds, swapped, at"

// current selects the votes that count: of a reviewer's on an item the last one that
// was not taken back.
const current = "SELECT " + columns + " FROM votes WHERE seq IN (SELECT max(seq) FROM votes WHERE undone = 0 %s GROUP BY reviewer, item)"

// Votes are a reviewer's votes that count, by item.
func (s *Store) Votes(reviewer int) (map[int]review.Vote, error) {
	list, err := s.votes(fmt.Sprintf(current, "AND reviewer = ?"), reviewer)
	if err != nil {
		return nil, err
	}
	votes := make(map[int]review.Vote, len(list))
	for _, c := range list {
		votes[c.Item] = c.Vote
	}
	return votes, nil
}

// All are the votes of all reviewers that count, in the order in which they came.
func (s *Store) All() ([]review.Cast, error) {
	return s.votes(fmt.Sprintf(current, "") + " ORDER BY seq")
}

// Recorded is how many votes were ever taken, those among them that no longer count.
func (s *Store) Recorded() (n int, err error) {
	err = s.read.QueryRow("SELECT count(*) FROM votes").Scan(&n)
	return n, err
}

type queryer interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

func (s *Store) votes(query string, args ...any) ([]review.Cast, error) {
	list, err := readVotes(s.read, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path, err)
	}
	return list, nil
}

func readVotes(db queryer, query string, args ...any) ([]review.Cast, error) {
	rows, err := db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []review.Cast
	for rows.Next() {
		var c review.Cast
		var at int64
		x := &c.Choices
		if err := rows.Scan(&c.Reviewer, &c.Item, &x.Quality, &x.Idiom, &x.Documentation, &x.Overall, &c.Note, &c.Seconds, &c.Swapped, &at); err != nil {
			return nil, err
		}
		c.At = time.UnixMilli(at).UTC()
		list = append(list, c)
	}
	return list, rows.Err()
}

// Taken says what became of a vote.
type Taken int

const (
	// Added is a vote where there was none.
	Added Taken = iota
	// Changed is one that takes the place of another.
	Changed
	// Unchanged is one that says what the last one said. It is not recorded again, so
	// that a page that is sent twice counts once.
	Unchanged
	// Kept is one that was not taken, since another one stands there.
	Kept
)

// Cast takes a vote. When it returns without an error, the vote is on the disk.
func (s *Store) Cast(reviewer int, v review.Vote) (Taken, error) { return s.cast(reviewer, v, true) }

// Offer takes a vote where the reviewer has none that says something else.
func (s *Store) Offer(reviewer int, v review.Vote) (Taken, error) { return s.cast(reviewer, v, false) }

func (s *Store) cast(reviewer int, v review.Vote, replace bool) (taken Taken, err error) {
	if v.Item < 1 || v.Item > len(s.review.Items) {
		return 0, fmt.Errorf("there is no comparison %d", v.Item)
	}
	v.Tidy()
	err = s.do(func(tx *sql.Tx) error {
		if err := open(tx); err != nil {
			return err
		}
		before, err := readVotes(tx, "SELECT "+columns+" FROM votes WHERE reviewer = ? AND item = ? AND undone = 0 ORDER BY seq DESC LIMIT 1", reviewer, v.Item)
		switch {
		case err != nil:
			return err
		case len(before) == 0:
			taken = Added
		case before[0].Same(v):
			taken = Unchanged
			return nil
		case !replace:
			taken = Kept
			return nil
		default:
			taken = Changed
		}
		x := v.Choices
		_, err = tx.Exec("INSERT INTO votes ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			reviewer, v.Item, string(x.Quality), string(x.Idiom), string(x.Documentation), string(x.Overall), v.Note, v.Seconds, v.Swapped, v.At.UnixMilli())
		return err
	})
	return taken, err
}

// Undo takes the reviewer's last vote back, and returns the item that it was on, or 0
// if there is none. What the vote had taken the place of counts again.
func (s *Store) Undo(reviewer int) (item int, err error) {
	err = s.do(func(tx *sql.Tx) error {
		if err := open(tx); err != nil {
			return err
		}
		var seq int64
		err := tx.QueryRow("SELECT seq, item FROM votes WHERE reviewer = ? AND undone = 0 ORDER BY seq DESC LIMIT 1", reviewer).Scan(&seq, &item)
		if err == sql.ErrNoRows {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE votes SET undone = 1 WHERE seq = ?", seq)
		return err
	})
	return item, err
}

// open reports whether votes are still taken.
func open(tx *sql.Tx) error {
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM meta WHERE name = 'closed'").Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return ErrClosed
	}
	return nil
}

// job is a change that waits for the writer.
type job struct {
	change func(*sql.Tx) error
	result chan error
}

// do carries a change out and waits until it is on the disk.
func (s *Store) do(change func(*sql.Tx) error) error {
	j := job{change, make(chan error, 1)}
	s.work <- j
	return <-j.result
}

// writeAll is the one writer. Changes that came while the disk was busy share a
// transaction, so that no reviewer waits for another one's flush.
func (s *Store) writeAll() {
	defer close(s.done)
	for first := range s.work {
		batch := []job{first}
		for more := true; more && len(batch) < cap(s.work); {
			select {
			case j, ok := <-s.work:
				if more = ok; ok {
					batch = append(batch, j)
				}
			default:
				more = false
			}
		}
		s.commit(batch)
	}
}

// commit carries out a batch. A change that fails is taken back alone; when the
// transaction itself fails, none has happened.
func (s *Store) commit(batch []job) {
	results := make([]error, len(batch))
	err := s.transact(func(tx *sql.Tx) error {
		for i, j := range batch {
			if _, err := tx.Exec("SAVEPOINT change"); err != nil {
				return err
			}
			if results[i] = j.change(tx); results[i] != nil {
				if _, err := tx.Exec("ROLLBACK TO change"); err != nil {
					return err
				}
			}
			if _, err := tx.Exec("RELEASE change"); err != nil {
				return err
			}
		}
		return nil
	})
	for i, j := range batch {
		if err != nil {
			results[i] = fmt.Errorf("write %s: %w", s.path, err)
		}
		j.result <- results[i]
	}
}

func (s *Store) transact(f func(*sql.Tx) error) error {
	tx, err := s.write.Begin()
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}
