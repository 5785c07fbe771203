package dataset

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"bbjtune/internal/chat"
	"bbjtune/internal/stream"
)

// Lineage says where a row came from.
type Lineage struct {
	File   string `json:"file"`
	Row    int    `json:"row"` // from 1
	Source string `json:"source"`
}

// Row is one row of a training file.
type Row struct {
	Lineage
	Stage int
	Side  Side
	Line  []byte // its JSON, with the line end
	text  placed
}

// Proof says that the split holds: which pair over the border is the most alike.
// Every text of training was compared with every text of validation.
type Proof struct {
	Version    int     `json:"version"`
	Threshold  float64 `json:"threshold"`
	Seed       int     `json:"seed"`
	ValidShare float64 `json:"valid_share"`
	// TrainRows and ValidRows count the rows of both stages.
	TrainRows int `json:"train_rows"`
	ValidRows int `json:"valid_rows"`
	// SetAside counts the sources that resembled the other side.
	SetAside int       `json:"set_aside"`
	Strata   []Stratum `json:"strata"`
	Closest  *Closest  `json:"closest"`
	// Below is set where no closest pair is known: all are less alike.
	Below float64 `json:"below,omitempty"`
}

// Stratum counts the sources of a stratum on both sides.
type Stratum struct {
	Name  string `json:"name"`
	Train int    `json:"train"`
	Valid int    `json:"valid"`
}

// Closest is the most alike pair over the border.
type Closest struct {
	Similarity float64 `json:"similarity"`
	Train      Lineage `json:"train"`
	Valid      Lineage `json:"valid"`
}

// closest is the pair before its rows have numbers.
type closest struct {
	similarity   float64
	train, valid placed
}

// placed is a text by where it comes from.
type placed struct {
	item       *item
	file, line int
	text       int // of the source, from 0
}

func (r record) placed(text int) placed { return placed{r.item, r.file, r.line, text} }

// chunk is how many records are made into rows at once.
const chunk = 256

// Write hands all rows on, one after the other and always in the same order, and
// returns the proof of the split.
func (s *Set) Write(ctx context.Context, emit func(Row) error) (*Proof, error) {
	proof := s.proof
	numbers := map[string]int{}
	if s.closest != nil {
		proof.Closest = &Closest{Similarity: s.closest.similarity}
	}
	err := stream.Ordered(ctx, func(send func([]record) error) error {
		for part := range slices.Chunk(s.records, chunk) {
			if err := send(part); err != nil {
				return err
			}
		}
		return nil
	}, s.rows, func(rows []Row) error {
		for _, r := range rows {
			numbers[r.File]++
			r.Row = numbers[r.File]
			proof.count(r)
			if c := s.closest; c != nil && r.text == c.train {
				proof.Closest.Train = r.Lineage
			} else if c != nil && r.text == c.valid {
				proof.Closest.Valid = r.Lineage
			}
			if err := emit(r); err != nil {
				return err
			}
		}
		return nil
	})
	proof.Strata = s.strata()
	return &proof, err
}

func (p *Proof) count(r Row) {
	if r.Side == Valid {
		p.ValidRows++
	} else {
		p.TrainRows++
	}
}

func (s *Set) strata() []Stratum {
	var list []Stratum
	for _, r := range s.records {
		name := rowStratum
		if r.item != nil {
			name = r.item.stratum
		}
		at, ok := slices.BinarySearchFunc(list, name, func(one Stratum, name string) int { return strings.Compare(one.Name, name) })
		if !ok {
			list = slices.Insert(list, at, Stratum{Name: name})
		}
		if r.side == Valid {
			list[at].Valid++
		} else {
			list[at].Train++
		}
	}
	return list
}

// rows makes the rows of records, each in the order of its units.
func (s *Set) rows(records []record) ([]Row, error) {
	var list []Row
	for _, r := range records {
		first := len(list)
		it := r.item
		if it == nil {
			row, err := s.again(r)
			if err != nil {
				return nil, err
			}
			it = &item{rows: []chat.Row{row}}
		}
		source := s.source(r)
		for n, text := range it.texts {
			if r.side == Train && it.stratum != generalStratum {
				text = s.options.FIM.apply(s.options.Seed, source, n, text)
			}
			list = append(list, Row{Lineage{Path(1, r.side), 0, source}, 1, r.side, encoded(chat.Text{Text: text}), r.placed(len(list) - first)})
		}
		for _, row := range it.rows {
			list = append(list, Row{Lineage{Path(2, r.side), 0, source}, 2, r.side, encoded(row), r.placed(len(list) - first)})
		}
	}
	return list, nil
}

// again reads a row of a file where it stood.
func (s *Set) again(r record) (chat.Row, error) {
	line := make([]byte, r.size)
	if _, err := s.files[r.file].Data.ReadAt(line, r.at); err != nil {
		return chat.Row{}, fmt.Errorf("read %s again: %w", s.source(r), err)
	}
	return s.parse(r, line)
}

// encoded is a value as a line of a JSONL file. Strings always have one.
func encoded(value any) []byte {
	var b bytes.Buffer
	if err := chat.NewEncoder(&b).Encode(value); err != nil {
		panic(err)
	}
	return b.Bytes()
}
