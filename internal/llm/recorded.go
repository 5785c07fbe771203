package llm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
)

// Recorded answers from a file of answers, so that a model can be scored
// without its server. suites/FORMAT.md describes the file. It keeps where the
// answers stand, not the answers.
type Recorded struct {
	name string
	file io.ReaderAt
	at   map[string][]place // by case or prompt; sorted by nothing, index is the sample
}

type place struct {
	offset int64
	length int
}

// record is a line of the file: an answer to a case, or a conversation whose
// question is the prompt of one.
type record struct {
	Case     string         `json:"case"`
	Answer   *string        `json:"answer"`
	Sample   *int           `json:"sample"`
	Stopped  *bool          `json:"stopped"`
	Tokens   int            `json:"tokens"`
	Messages []chat.Message `json:"messages"`
}

// byCase and byPrompt keep the two kinds of names apart.
func byCase(id string) string { return "case " + id }

func byPrompt(text string) string {
	return "prompt " + strings.TrimSpace(norm.NFC.String(strings.ReplaceAll(text, "\r\n", "\n")))
}

// NewRecorded reads where the answers stand in the file of a size.
func NewRecorded(name string, file io.ReaderAt, size int64) (*Recorded, error) {
	r := &Recorded{name: name, file: file, at: map[string][]place{}}
	in := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 1<<16)
	var offset int64
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		text := bytes.TrimSpace(line)
		if number == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		}
		if len(text) > 0 {
			if err := r.add(text, place{offset, len(line)}); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
		}
		offset += int64(len(line))
		if err != nil {
			break
		}
	}
	if len(r.at) == 0 {
		return nil, fault.New("it holds no answer", "suites/FORMAT.md says what a file of answers looks like")
	}
	return r, nil
}

func (r *Recorded) add(text []byte, at place) error {
	key, sample, err := name(text)
	if err != nil {
		return err
	}
	list := r.at[key]
	if sample == nil {
		r.at[key] = append(list, at)
		return nil
	}
	if *sample < 0 || *sample > 1e6 {
		return fmt.Errorf("sample is %d", *sample)
	}
	if n := *sample + 1 - len(list); n > 0 {
		list = append(list, make([]place, n)...)
	}
	if list[*sample].length > 0 {
		return fmt.Errorf("sample %d of that case is there already", *sample)
	}
	list[*sample] = at
	r.at[key] = list
	return nil
}

// name says which question a line answers.
func name(text []byte) (key string, sample *int, err error) {
	var rec record
	if err := json.Unmarshal(text, &rec); err != nil {
		return "", nil, fault.New("it is no JSON object with the keys of an answer", "suites/FORMAT.md says what a file of answers looks like")
	}
	if rec.Case != "" && rec.Answer != nil {
		return byCase(rec.Case), rec.Sample, nil
	}
	if i := question(rec.Messages); i >= 0 {
		return byPrompt(rec.Messages[i].Content), nil, nil
	}
	return "", nil, fault.New("it has neither case and answer, nor messages that end with a question and its answer", "suites/FORMAT.md says what a file of answers looks like")
}

// question is the index of the last user message that an answer follows, or -1.
func question(list []chat.Message) int {
	if n := len(list); n >= 2 && list[n-1].Role == chat.Assistant && list[n-2].Role == chat.User {
		return n - 2
	}
	return -1
}

// Name implements [Model].
func (r *Recorded) Name() string { return r.name }

// Cases lists the cases that the file names, sorted. Conversations name none.
func (r *Recorded) Cases() []string {
	var list []string
	for key := range r.at {
		if id, ok := strings.CutPrefix(key, "case "); ok {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// Ask implements [Model].
func (r *Recorded) Ask(ctx context.Context, q Request) (Reply, error) {
	if ctx.Err() != nil {
		return Reply{}, context.Cause(ctx)
	}
	list := r.at[byCase(q.Case)]
	if n := len(q.Messages); list == nil && n > 0 {
		list = r.at[byPrompt(q.Messages[n-1].Content)]
	}
	if q.Repeat >= len(list) || list[q.Repeat].length == 0 {
		return Reply{}, NewFailure(NotRecorded, fault.New("the file has no answer to this case", "add it, or leave the case out of the suite"))
	}
	at := list[q.Repeat]
	line := make([]byte, at.length)
	if _, err := r.file.ReadAt(line, at.offset); err != nil && !errors.Is(err, io.EOF) {
		return Reply{}, NewFailure(NoAnswer, fmt.Errorf("read the recorded answer: %w", err))
	}
	var rec record
	if err := json.Unmarshal(bytes.TrimPrefix(bytes.TrimSpace(line), []byte("\xef\xbb\xbf")), &rec); err != nil {
		return Reply{}, NewFailure(NoAnswer, fault.New("the file of answers has changed while it was read", "run the same command again"))
	}
	reply := Reply{Stopped: rec.Stopped == nil || *rec.Stopped, Tokens: rec.Tokens}
	if rec.Answer != nil {
		reply.Text = *rec.Answer
	} else if i := question(rec.Messages); i >= 0 {
		reply.Text = rec.Messages[i+1].Content
	}
	return reply, nil
}
