package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/internal/corpus"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/runs"
)

// shardInputs is what decides a shard, so much of it as merging needs to know. What
// decides the corpus besides the files is Options.
type shardInputs struct {
	Name    string         `json:"name"`    // of the corpus
	Shard   int            `json:"shard"`   // from 1
	Of      int            `json:"of"`      // how many there are
	Sources string         `json:"sources"` // a hash of the sources of all shards
	Files   string         `json:"files"`   // a hash of the files of this one
	Options map[string]any `json:"options"`
}

// shardResult is what a shard's manifest says of it. Others and links are those of
// the whole listing.
type shardResult struct {
	Files  int `json:"files"`
	Others int `json:"other_files"`
	Links  int `json:"links"`
}

// parseShard reads i/n.
func parseShard(text string) (i, n int, err error) {
	before, after, _ := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(before)
	n, err2 := strconv.Atoi(after)
	if err1 != nil || err2 != nil || i < 1 || i > n {
		return 0, 0, fault.Newf("write which part of how many, from 1/4 to 4/4 for four", "--shard is %q", text)
	}
	return i, n, nil
}

func (a *app) buildShard(ctx context.Context, dirs []string, list corpus.Listing, o corpusOptions, options corpus.Options, inputs map[string]any) error {
	i, n, err := parseShard(o.shard)
	if err != nil {
		return err
	}
	part := list.Shard(i, n)
	files, err := part.Hash(ctx)
	if err != nil {
		return err
	}
	in := shardInputs{corpusName(dirs), i, n, list.HashSources(), files, inputs}
	d, m, err := runs.Open(a.runs, corpus.ShardKind, fmt.Sprintf("%s-%d-of-%d", in.Name, i, n), Version(), in)
	if err != nil {
		return err
	}
	result := shardResult{len(part.Files), total(list.Others), list.Links}
	if m == nil {
		defer d.Close()
		err = a.writeShard(ctx, d, part, options, result)
	} else {
		a.show.Say("✓ shard: done before")
	}
	if err != nil {
		return err
	}
	if o.format == "json" {
		return writeJSON(a.Out, map[string]any{"version": 1, "folder": d.Path, "shard": i, "of": n, "files": result.Files})
	}
	fmt.Fprintf(a.Out, "%s\nshard %d of %d: %s of %d\n", d.Path, i, n, counted(result.Files, "file"), len(list.Files))
	return nil
}

func (a *app) writeShard(ctx context.Context, d *runs.Dir, part corpus.Listing, o corpus.Options, result shardResult) error {
	task := a.show.Start("shard")
	defer task.Drop()
	o.Progress = func(done, total int) {
		task.Update(float64(done), float64(total), fmt.Sprintf("%d of %d files", done, total))
	}
	err := runs.WriteWith(d.File(corpus.ExaminedFile), func(w io.Writer) error {
		enc := json.NewEncoder(w)
		return corpus.Examine(ctx, check.Embedded{}, part, o, func(e corpus.Examined) error { return enc.Encode(e) })
	})
	if err != nil {
		return err
	}
	if _, err := d.Finish(a.Now(), result, corpus.ExaminedFile); err != nil {
		return err
	}
	task.End("%s", counted(result.Files, "file"))
	return nil
}

func (a *app) corpusMergeCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "merge SHARD…",
		Short: "make one corpus of the parts that build --shard has made",
		Long: `Merge compares the files of all parts with one another (the rules duplicates and
near-duplicates), cuts them, and writes the folder below runs/corpus that "corpus
build" without --shard would have written, byte for byte. The parts must be all
of one listing, made with the same options; they may have been made on different
machines that name the source alike.`,
		Args: args(1, -1, "the folders of all parts"),
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.mergeCorpus(cmd.Context(), list, format)
		},
	}
	outputFormat(c, &format, "text", "json")
	return c
}

// shards are the parts of one corpus, all of them.
type shards struct {
	inputs shardInputs // of the first
	result shardResult // of the first
	dirs   []string
}

func (a *app) mergeCorpus(ctx context.Context, dirs []string, format string) error {
	s, err := readShards(dirs)
	if err != nil {
		return err
	}
	var files []corpus.Examined
	for _, dir := range s.dirs {
		list, err := corpus.ReadShard(dir)
		if err != nil {
			return err
		}
		files = append(files, list...)
	}
	inputs := s.inputs.Options
	if v := inputs["version"]; v != float64(corpus.BuildVersion) || inputs["engine"] != embeddedEngine() {
		return fault.Newf("build the shards again with this bbjtune", "%s was made by another version of the rules or of the checker", s.dirs[0])
	}
	maxCharacters, ok := inputs["max_characters"].(float64)
	if !ok {
		return fault.Newf("build the shard again", "%s does not say how long a document may be", s.dirs[0])
	}
	inputs["files"] = corpus.HashExamined(files)
	d, m, err := runs.Open(a.runs, corpus.Kind, s.inputs.Name, Version(), inputs)
	if err != nil {
		return err
	}
	return a.finishCorpus(d, m, passedOver{others: s.result.Others, links: s.result.Links}, format, func(task *progress.Task) (*corpus.Result, error) {
		task.Update(0, 0, lookingAlike)
		return corpus.Join(ctx, files, int(maxCharacters))
	}, int(maxCharacters))
}

// readShards reads the manifests, and holds them against each other.
func readShards(dirs []string) (shards, error) {
	var s shards
	seen := map[int]string{}
	for _, dir := range dirs {
		in, result, err := readShard(dir)
		if err != nil {
			return s, err
		}
		if len(seen) == 0 {
			s.inputs, s.result = in, result
		}
		if other := s.inputs.differs(in); other != "" {
			return s, fault.Newf("name the folders of one corpus, made of the same files with the same options", "%s and %s differ in %s", dirs[0], dir, other)
		}
		if first := seen[in.Shard]; first != "" {
			return s, fault.Newf("name each part once", "%s and %s are both part %d", first, dir, in.Shard)
		}
		seen[in.Shard] = dir
	}
	for i := 1; i <= s.inputs.Of; i++ {
		if seen[i] == "" {
			return s, fault.Newf(fmt.Sprintf("build it with --shard %d/%d, or name its folder", i, s.inputs.Of), "part %d of %d is missing", i, s.inputs.Of)
		}
		s.dirs = append(s.dirs, seen[i])
	}
	return s, nil
}

func readShard(dir string) (in shardInputs, result shardResult, err error) {
	m, err := runs.ReadManifest(dir)
	if err != nil {
		return in, result, err
	}
	const hint = "name folders that bbjtune corpus build --shard has made"
	if m.Kind != corpus.ShardKind {
		return in, result, fault.Newf(hint, "%s is no part of a corpus, but of kind %s", dir, m.Kind)
	}
	if err := json.Unmarshal(m.Inputs, &in); err != nil {
		return in, result, fault.Wrap(fmt.Errorf("read the manifest of %s: %w", dir, err), hint)
	}
	if err := json.Unmarshal(m.Result, &result); err != nil {
		return in, result, fault.Wrap(fmt.Errorf("read the manifest of %s: %w", dir, err), hint)
	}
	if in.Shard < 1 || in.Shard > in.Of || in.Name != filepath.Base(in.Name) {
		return in, result, fault.Newf(hint, "the manifest of %s names no part of a corpus", dir)
	}
	return in, result, nil
}

// differs says in what two parts cannot be of one corpus.
func (s shardInputs) differs(other shardInputs) string {
	switch {
	case s.Of != other.Of:
		return "the number of parts"
	case s.Sources != other.Sources || s.Name != other.Name:
		return "the files that there are"
	}
	names := make([]string, 0, len(s.Options))
	for name := range s.Options {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if fmt.Sprint(s.Options[name]) != fmt.Sprint(other.Options[name]) {
			return "the option " + name
		}
	}
	return ""
}
