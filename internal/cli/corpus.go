package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/bbj/generation"
	"bbjtune/internal/corpus"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/runs"
)

// corpusOptions are the flags of corpus build.
type corpusOptions struct {
	extensions    []string
	suites        []string
	includeBroken bool
	keepHeaders   bool
	secrets       string
	maxCharacters int
	shard         string
	format        string
}

// corpusCounts is what the manifest, and the command, say of a corpus: files are
// those kept and those removed.
type corpusCounts struct {
	Files       int                           `json:"files"`
	Kept        int                           `json:"kept"`
	Removed     map[string]int                `json:"removed"` // files, by rule
	Changed     map[string]int                `json:"changed"` // files, by rule
	Generations map[generation.Generation]int `json:"generations"`
	Documents   int                           `json:"documents"`
	Characters  int                           `json:"characters"`
	Long        int                           `json:"long"` // documents that could not be cut small enough
	Broken      int                           `json:"broken"`
	Others      int                           `json:"other_files"`
	Links       int                           `json:"links"`

	extensions string // of other files
}

func (a *app) corpusCommand() *cobra.Command {
	c := &cobra.Command{Use: "corpus", Short: "make training text of trees of BBj source", Args: args(0, 0, "a subcommand: build or merge"), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	c.AddCommand(a.corpusBuildCommand(), a.corpusMergeCommand())
	return c
}

func (a *app) corpusBuildCommand() *cobra.Command {
	var o corpusOptions
	c := &cobra.Command{
		Use:   "build DIR…",
		Short: "make documents of folders of BBj source by named rules, each on record",
		Long: `Build writes a folder below runs/corpus with documents.jsonl (a file, or a part of
a long one, a line), removed.jsonl (each file that was set aside, with the rule
and the reason) and changed.jsonl (what was done to files that were kept). Files
in are files kept and files removed. The source itself is left alone. Folders
whose name starts with a dot are not looked into, links are not followed. The
rules, in their order:

` + ruleList() + `

A document of more than --max-characters is cut between classes, callpoints,
methods and routines, never inside a statement or a method, so that a piece may
be longer.

With --shard i/n only the rules that look at one file alone are carried out, and
only on the part i of n of the files, into a folder below runs/corpus-shard.
"bbjtune corpus merge" makes one corpus of all parts, the same as without --shard.`,
		Args: args(1, -1, "one or more folders"),
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.buildCorpus(cmd.Context(), list, o)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.extensions, "extensions", []string{".bbj", ".bbl", ".src", ".cdf"}, extensionsUsage)
	f.StringSliceVar(&o.suites, "suite", nil, "suite whose cases must not be among the documents; may be repeated")
	f.BoolVar(&o.includeBroken, "include-broken", false, "keep files that do not compile")
	f.BoolVar(&o.keepHeaders, "keep-headers", false, "leave licences and copyright notices where they are")
	f.StringVar(&o.secrets, "secrets", string(corpus.SetAside), "what becomes of files with keys or passwords: set-aside, mask or keep")
	f.IntVar(&o.maxCharacters, "max-characters", 12000, "characters from which a document is cut, about three to a token")
	f.StringVar(&o.shard, "shard", "", "the part of the files to look at, as 2/4; corpus merge joins the parts")
	outputFormat(c, &o.format, "text", "json")
	return c
}

func ruleList() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range corpus.Rules() {
		fmt.Fprintf(table, "  %s\t%s\n", r.Name, r.Does)
	}
	table.Flush()
	return strings.TrimRight(b.String(), "\n")
}

func (a *app) buildCorpus(ctx context.Context, dirs []string, o corpusOptions) error {
	options, inputs, err := o.resolve()
	if err != nil {
		return err
	}
	list, err := corpus.List(dirs, plainExtensions(o.extensions))
	if err != nil {
		return err
	}
	if len(list.Files) == 0 {
		return fault.Newf("check the folders and --extensions", "there is no BBj source (%s) in %s", strings.Join(o.extensions, " "), strings.Join(dirs, ", "))
	}
	if o.shard != "" {
		return a.buildShard(ctx, dirs, list, o, options, inputs)
	}
	if inputs["files"], err = list.Hash(ctx); err != nil {
		return err
	}
	d, m, err := runs.Open(a.runs, corpus.Kind, corpusName(dirs), Version(), inputs)
	if err != nil {
		return err
	}
	return a.finishCorpus(d, m, passedOver{total(list.Others), list.Links, mostOf(list.Others)}, o.format, func(task *progress.Task) (*corpus.Result, error) {
		options.Progress = func(done, total int) {
			detail := fmt.Sprintf("%d of %d files", done, total)
			if done == total {
				detail = lookingAlike
			}
			task.Update(float64(done), float64(total), detail)
		}
		return corpus.Build(ctx, check.Embedded{}, list.Files, options)
	}, options.MaxCharacters)
}

const lookingAlike = "looking for near-duplicates"

// passedOver is what of a listing is no source. It does not count towards the
// folder's name.
type passedOver struct {
	others, links int
	extensions    string // of the others, the commonest; "" where they are not known
}

// finishCorpus makes the folder of a corpus, unless it is there, and says what it
// holds.
func (a *app) finishCorpus(d *runs.Dir, m *runs.Manifest, over passedOver, format string, build func(*progress.Task) (*corpus.Result, error), maxCharacters int) (err error) {
	var counts corpusCounts
	if m == nil {
		defer d.Close()
		counts, err = a.writeCorpus(d, build, maxCharacters)
	} else if err = json.Unmarshal(m.Result, &counts); err == nil {
		a.show.Say("✓ corpus: done before")
	}
	if err != nil {
		return err
	}
	counts.Others, counts.Links, counts.extensions = over.others, over.links, over.extensions
	return a.sayCorpus(d.Path, counts, format)
}

// resolve checks the flags; inputs are what decides the outcome besides the files.
func (o corpusOptions) resolve() (corpus.Options, map[string]any, error) {
	options := corpus.Options{IncludeBroken: o.includeBroken, KeepHeaders: o.keepHeaders, Secrets: corpus.Secrets(o.secrets), MaxCharacters: o.maxCharacters}
	if known := []corpus.Secrets{corpus.SetAside, corpus.Mask, corpus.Keep}; !slices.Contains(known, options.Secrets) {
		return options, nil, fault.Newf("write one of set-aside, mask, keep", "--secrets is %q", o.secrets)
	}
	if o.maxCharacters < 1 {
		return options, nil, fault.Newf("write a number from 1, about three characters to a token", "--max-characters is %d", o.maxCharacters)
	}
	held, err := auditOptions{suites: o.suites}.resolve()
	if err != nil {
		return options, nil, err
	}
	options.HeldOut = held.HeldOut
	sums := map[string]string{}
	for _, dir := range o.suites {
		if sums[dir], err = runs.HashTree(dir, nil); err != nil {
			return options, nil, err
		}
	}
	return options, map[string]any{
		"version": corpus.BuildVersion, "engine": embeddedEngine(), "extensions": plainExtensions(o.extensions), "suites": sums,
		"include_broken": o.includeBroken, "keep_headers": o.keepHeaders, "secrets": o.secrets, "max_characters": o.maxCharacters,
	}, nil
}

// corpusName is the name of the first folder, in an order that is not that of the
// arguments.
func corpusName(dirs []string) string {
	var plain []string
	for _, dir := range dirs {
		plain = append(plain, filepath.Clean(dir))
	}
	name := filepath.Base(abs(slices.Min(plain)))
	return strings.Trim(unplain.ReplaceAllString(name, "-"), "-.")
}

func (a *app) writeCorpus(d *runs.Dir, build func(*progress.Task) (*corpus.Result, error), maxCharacters int) (corpusCounts, error) {
	task := a.show.Start("corpus")
	defer task.Drop()
	r, err := build(task)
	if err != nil {
		return corpusCounts{}, err
	}
	counts := countCorpus(r, maxCharacters)
	if err := writeLines(d.File(corpus.DocumentsFile), r.Documents); err != nil {
		return counts, err
	}
	if err := writeLines(d.File("removed.jsonl"), r.Removed); err != nil {
		return counts, err
	}
	if err := writeLines(d.File("changed.jsonl"), r.Changed); err != nil {
		return counts, err
	}
	if _, err := d.Finish(a.Now(), counts, corpus.DocumentsFile, "removed.jsonl", "changed.jsonl"); err != nil {
		return counts, err
	}
	task.End("%s of %s", counted(counts.Documents, "document"), counted(counts.Kept, "file"))
	return counts, nil
}

func countCorpus(r *corpus.Result, maxCharacters int) corpusCounts {
	counts := corpusCounts{Files: r.Kept + len(r.Removed), Kept: r.Kept, Removed: map[string]int{}, Changed: map[string]int{}, Generations: r.Generations, Documents: len(r.Documents)}
	for _, x := range r.Removed {
		counts.Removed[x.Rule]++
	}
	type change struct{ source, rule string }
	seen := map[change]bool{}
	for _, x := range r.Changed {
		if at := (change{x.Source, x.Rule}); !seen[at] {
			seen[at] = true
			counts.Changed[x.Rule]++
		}
	}
	broken := map[string]bool{}
	for _, x := range r.Documents {
		counts.Characters += x.Characters
		if x.Characters > maxCharacters {
			counts.Long++
		}
		if x.Broken {
			broken[x.Source] = true
		}
	}
	counts.Broken = len(broken)
	return counts
}

func (a *app) sayCorpus(folder string, counts corpusCounts, format string) error {
	if format == "json" {
		return writeJSON(a.Out, map[string]any{"version": 1, "folder": folder, "counts": counts})
	}
	fmt.Fprintf(a.Out, "%s\n%s: %d kept, %d set aside\n", folder, counted(counts.Files, "file"), counts.Kept, counts.Files-counts.Kept)
	table := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, r := range corpus.Rules() {
		var did []string
		if n := counts.Changed[r.Name]; n > 0 {
			did = append(did, counted(n, "file")+" changed")
		}
		if n := counts.Removed[r.Name]; n > 0 {
			did = append(did, counted(n, "file")+" set aside")
		}
		if len(did) > 0 {
			fmt.Fprintf(table, "  %s\t%s\n", r.Name, strings.Join(did, ", "))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "%s, %d characters%s\n", counted(counts.Documents, "document"), counts.Characters, counts.remarks())
	return nil
}

// remarks says what else is worth knowing of the documents.
func (c corpusCounts) remarks() string {
	var b strings.Builder
	if c.Long > 0 {
		fmt.Fprintf(&b, "; %d longer than --max-characters, with nowhere to cut", c.Long)
	}
	if c.Broken > 0 {
		fmt.Fprintf(&b, "; files that do not compile: %d", c.Broken)
	}
	b.WriteString("\nwritten for:")
	sep := " "
	for _, g := range append(generation.Known(), generation.All) {
		if n := c.Generations[g]; n > 0 {
			fmt.Fprintf(&b, "%s%s %d", sep, g, n)
			sep = ", "
		}
	}
	if sep == " " {
		b.WriteString(" -")
	}
	if c.Others > 0 {
		fmt.Fprintf(&b, "\nnot looked at: %s of other extensions", counted(c.Others, "file"))
		if c.extensions != "" {
			fmt.Fprintf(&b, " (%s), which --extensions would name", c.extensions)
		}
	}
	if c.Links > 0 {
		fmt.Fprintf(&b, "\nnot followed: %s", counted(c.Links, "link"))
	}
	return b.String()
}

// embeddedEngine is what compiles, and its version.
func embeddedEngine() string { return "embedded " + check.Version }
