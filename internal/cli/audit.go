package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bbjtune/bbj/check"
	"bbjtune/internal/audit"
	"bbjtune/internal/audit/page"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
	"bbjtune/internal/tokenizer"
)

// auditOptions are the flags of data audit.
type auditOptions struct {
	recipe    string
	suites    []string
	tokenizer string
	maxTokens int
	lines     int
	html      string
	format    string
}

func (a *app) auditCommand() *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "audit FILE",
		Short: "look for what is wrong with a file of ChatML rows; changes nothing",
		Long: `Audit reads a JSONL file with a ChatML row a line and counts its defects: rows
that cannot be read, repeated and contradicting prompts, literal \n, code that
does not compile or stands in no fence, answers too short to teach anything,
secrets. bbjtune explain CODE says why each matters. With --suite it looks for
rows that evaluation is measured with; with --tokenizer, the folder of a
tokenizer.json, and --max-tokens for rows that would be dropped or cut. --recipe
takes all three from a recipe: its suites, stage 2's max_length, and the
tokenizer where the base model is a folder.

--html writes a page with plots and examples. The file is read once, whatever its
size; what is kept of a row is small. The JSON report has the lines of all
findings, and says more of the first 1000 of each kind.`,
		Args: args(1, 1, "one JSONL file"),
		RunE: func(cmd *cobra.Command, list []string) error {
			if o.recipe != "" {
				if err := a.fromRecipe(&o, cmd.Flags().Changed); err != nil {
					return err
				}
			}
			if cmd.Flags().Changed("max-tokens") && (o.tokenizer == "" || o.maxTokens < 1) {
				return fault.New("--max-tokens counts with a tokenizer, from 1", "name the folder of the base model's tokenizer.json with --tokenizer")
			}
			if o.lines < 0 {
				return fault.Newf("name a number from 0", "--lines is %d", o.lines)
			}
			return a.audit(cmd.Context(), list[0], o)
		},
	}
	c.Flags().StringVar(&o.recipe, "recipe", "", "recipe to take suites, tokenizer and length from; the other flags win")
	c.Flags().StringSliceVar(&o.suites, "suite", nil, "suite whose cases must not be among the rows; may be repeated")
	c.Flags().StringVar(&o.tokenizer, "tokenizer", "", "folder of the base model's tokenizer.json")
	c.Flags().IntVar(&o.maxTokens, "max-tokens", 2048, "tokens of a row that are trained on, with --tokenizer")
	c.Flags().IntVar(&o.lines, "lines", 3, "findings that are shown of each kind")
	c.Flags().StringVar(&o.html, "html", "", "page to write as well")
	outputFormat(c, &o.format, "text", "json")
	return c
}

// fromRecipe takes from a recipe what no flag says.
func (a *app) fromRecipe(o *auditOptions, given func(flag string) bool) error {
	r, err := recipe.Load(o.recipe)
	if err != nil {
		return err
	}
	if !given("suite") {
		for _, dir := range append([]string{r.Evaluate.Suite}, r.Data.HoldOut...) {
			if dir = r.Path(dir); dir != "" && !slices.Contains(o.suites, dir) {
				o.suites = append(o.suites, dir)
			}
		}
	}
	if !given("max-tokens") {
		o.maxTokens = r.Stage2.MaxLength
	}
	if given("tokenizer") {
		return nil
	}
	dir := r.Path(r.Base.Model)
	if _, err := os.Stat(filepath.Join(dir, "tokenizer.json")); err != nil {
		a.show.Say("no tokens are counted: the base model %s is no folder with a tokenizer.json here; name one with --tokenizer", progress.Printable(r.Base.Model))
		return nil
	}
	o.tokenizer = dir
	return nil
}

// rowsHint says what file is wanted.
const rowsHint = "name a JSONL file with a ChatML row a line"

func (a *app) audit(ctx context.Context, path string, o auditOptions) error {
	options, err := o.resolve()
	byWorker := errors.Is(err, tokenizer.ErrUnknown)
	if err != nil && !byWorker {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fmt.Errorf("nothing to audit: %w", err), rowsHint)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fault.Newf(rowsHint, "%s is a folder", path)
	}
	if byWorker {
		if err := a.countByWorker(ctx, &options, o, file, info); err != nil {
			return err
		}
	}
	paper, err := o.openPage(info)
	if err != nil {
		return err
	}
	if paper != nil {
		defer paper.Abort()
	}
	task := a.show.Start("audit")
	options.Progress = func(read int64) { task.Update(float64(read), float64(info.Size()), "") }
	report, err := audit.Audit(ctx, check.Embedded{}, file, options)
	task.Drop()
	if err != nil {
		return fault.Wrap(fmt.Errorf("%s: %w", path, err), "a row is {\"messages\":[{\"role\":…,\"content\":…},…]} on one line")
	}
	if report.Rows == 0 {
		return fault.Newf(rowsHint, "%s holds no row", path)
	}
	if err := a.sayAudited(report, file, paper, o); err != nil {
		return err
	}
	if report.HasErrors() {
		return errFindings
	}
	return nil
}

// openPage begins the page, if one is asked for: before the work, so that this is
// not lost where the page cannot be written.
func (o auditOptions) openPage(rows os.FileInfo) (*runs.Writer, error) {
	if o.html == "" {
		return nil, nil
	}
	const hint = "name a file, for example audit.html"
	switch info, err := os.Stat(o.html); {
	case err != nil: // as a rule it is yet to be
	case info.IsDir():
		return nil, fault.Newf(hint, "--html: %s is a folder", o.html)
	case os.SameFile(info, rows):
		return nil, fault.Newf(hint, "--html would overwrite the rows: %s", o.html)
	}
	w, err := runs.Create(o.html)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("--html %s: %w", o.html, err), hint)
	}
	return w, nil
}

// sayAudited writes the page, if one is asked for, and shows the report.
func (a *app) sayAudited(report *audit.Report, file *os.File, paper *runs.Writer, o auditOptions) error {
	if paper != nil {
		if err := writePage(paper, report, file, o.lines); err != nil {
			return err
		}
		a.show.Say("✓ page: %s", progress.Printable(o.html))
	}
	if o.format == "json" {
		return writeJSON(a.Out, report)
	}
	return writeAudit(a.Out, report, o.lines)
}

func writePage(paper *runs.Writer, report *audit.Report, file *os.File, examples int) error {
	in := page.Input{Name: filepath.Base(file.Name()), Report: report, Examples: examples}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		in.File = file
	}
	if err := page.Write(paper, in); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return paper.Commit()
}

// resolve reads what the flags name.
func (o auditOptions) resolve() (audit.Options, error) {
	var options audit.Options
	for _, dir := range o.suites {
		s, err := suite.Load(dir)
		if err != nil {
			return options, err
		}
		for _, c := range s.Cases {
			for _, text := range heldTexts(c) {
				options.HeldOut = append(options.HeldOut, audit.HeldOut{Name: c.ID, Text: text})
			}
		}
	}
	if o.tokenizer == "" {
		return options, nil
	}
	t, err := tokenizer.Load(o.tokenizer)
	if err != nil {
		return options, err
	}
	options.Tokens, options.MaxTokens = func(_ int, text string) int { return t.Count(text) }, o.maxTokens
	options.CountedBy = "bbjtune, by the model's tokenizer.json"
	return options, nil
}

// writeAudit shows a report to people.
func writeAudit(w io.Writer, r *audit.Report, lines int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d of them conversations; %d without an error or a warning\n\n", counted(r.Rows, "row"), r.Valid, r.Clean)
	if r.Valid > 0 {
		fmt.Fprintf(&b, "answers: %s; %d characters in the middle, %d the longest\n", shares(r), r.Answers.Median, r.Answers.Longest)
		fmt.Fprintf(&b, "prompts: %d occur more than once (%s), %d of them with different answers\n", r.Prompts.Repeated, counted(r.Prompts.Rows, "row"), r.Prompts.Conflicting)
		fmt.Fprintf(&b, "system prompts: %d\n", r.Systems)
		if t := r.Tokens; t != nil {
			fmt.Fprintf(&b, "tokens: %d the longest row, %s over the %d that are trained on; counted by %s\n", t.Longest, counted(t.Over, "row"), t.Max, t.CountedBy)
		}
		b.WriteString("\n")
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Kinds {
		if c.Rows == 0 {
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Code, c.Severity, counted(c.Rows, "row"), c.Title)
	}
	table.Flush()
	for _, c := range r.Kinds {
		writeExamples(&b, r, c, lines)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeExamples shows the first findings of a kind. What they say may hold text
// of the rows.
func writeExamples(b *strings.Builder, r *audit.Report, c audit.Count, lines int) {
	shown := 0
	for _, f := range r.Found {
		if f.Code != c.Code || shown == lines {
			continue
		}
		if shown++; shown == 1 {
			fmt.Fprintf(b, "\n%s %s: %s\n", c.Code, c.Name, c.Help)
		}
		fmt.Fprintf(b, "  line %d: %s\n", f.Line, progress.Printable(strings.Join(strings.Fields(f.Detail), " ")))
	}
	if rest := c.Findings - shown; shown > 0 && rest > 0 {
		fmt.Fprintf(b, "  and %d more\n", rest)
	}
}

func shares(r *audit.Report) string {
	var list []string
	for _, form := range []audit.Form{audit.Fenced, audit.Text, audit.Mixed, audit.Raw} {
		if n := r.Forms[form]; n > 0 {
			list = append(list, fmt.Sprintf("%.1f %% %s (%d)", 100*float64(n)/float64(r.Valid), form, n))
		}
	}
	return strings.Join(list, ", ")
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
