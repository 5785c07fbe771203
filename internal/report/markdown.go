package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/printable"
	"bbjtune/internal/stats"
)

const (
	intervalNote = "Brackets hold 95 % Wilson intervals. Qualitative is what people said of the answers in a blinded review. A dash stands where nothing was run."
	taskNote     = "compile@1 counts the answers whose program compiles at the first attempt. It is a floor: code that does not compile is wrong for certain, and code that compiles may still do something else. task@1 counts the answers that compile and also show what was asked for, clean@1 those that compile and name nothing that does not exist. A case that asks for an explanation has no program to compile and counts for task@1 alone. Facts are the questions of fact answered right; no other rate counts them. Answers without a program where one was asked for count as failures. Not stopped are the answers that were cut at the longest length allowed, often in the middle of a program."
	bestNote     = "Every case was answered several times. compile@k and task@k estimate, without bias, in how many cases at least one of k answers would do."
	pairedNote   = "The same cases, one by one: the difference in percentage points with its 95 % interval, how many cases only one of the two solved (or solved more often), and the probability of such a split if both were equally good. Better and worse: that probability is below 5 %. Tied: it is not, and the interval lies within 10 points to either side. Too few cases: neither can be said."
	sliceNote    = "Where the main model differs for certain in a group of cases; the probabilities are corrected for the number of groups (Holm)."
	faultNote    = "What the compiler or the API check finds, by the number of answers that have it, and what is missing in programs that compile. The topics are those of the cases: training examples of these would show how it is done."
)

// Markdown writes the readable form, without the answers themselves.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", Cell(r.Title))
	b.WriteString("| Model | compile@1 | Qualitative | Date | Notes |\n| --- | --- | --- | --- | --- |\n")
	for i, m := range r.Models {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", Cell(m.Model), Percent(m.Metrics.Compile), r.Qualitative(i), m.Date.Format(time.DateOnly), Cell(m.Notes))
	}
	b.WriteString("\n" + intervalNote + "\n")
	for _, line := range r.inShort() {
		b.WriteString("\n" + Cell(line) + "\n")
	}
	b.WriteString("\n## Compiling is not yet being right\n\n" + taskNote + "\n\n")
	b.WriteString("| Model | compile@1 | clean@1 | task@1 | facts | no program | not stopped | tokens an answer |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, m := range r.Models {
		x := m.Metrics
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %.0f |\n", Cell(m.Model), Percent(x.Compile), Percent(x.Clean), Percent(x.Task), Percent(x.Facts), Percent(x.NoCode), Percent(x.Unstopped), x.MeanTokens)
	}
	r.markdownBest(&b)
	r.markdownComparisons(&b)
	r.markdownReview(&b)
	r.markdownTraining(&b)
	r.markdownRetention(&b)
	r.markdownSlices(&b)
	r.markdownFaults(&b)
	r.markdownCases(&b)
	r.markdownConditions(&b)
	if r.Next != "" {
		fmt.Fprintf(&b, "\n## What to try next\n\n```sh\n%s\n```\n", printable.Visible(r.Next))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inShort says in a sentence for each other model what the comparison shows, and
// which models left questions without an answer.
func (r *Report) inShort() []string {
	var list []string
	for _, c := range r.Comparisons {
		said := fmt.Sprintf("%s by %s (%+.1f points)", c.Verdict, c.Metric, 100*c.Paired.Difference)
		if c.Remark != "" {
			said = fmt.Sprintf("%s by %s (%+.1f points; %s)", c.Verdict, c.Metric, 100*c.Paired.Difference, c.Remark)
		}
		if c.Metric == eval.CompileAt1 { // the first of each model
			list = append(list, fmt.Sprintf("In short, %s against %s: %s", c.Model, c.Baseline, said))
		} else {
			list[len(list)-1] += ", " + said
		}
	}
	for i := range list {
		list[i] += "."
	}
	for _, m := range r.Models {
		if n := m.Failed(); n > 0 {
			list = append(list, fmt.Sprintf("%s gave no answer to %d of its questions; they count as wrong.", m.Model, n))
		}
	}
	return list
}

// Cell keeps a text from breaking a Markdown table, and from being markup.
func Cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", "`", "'", "[", "\\[", "](", "\\](").Replace(printable.Visible(s))
}

// several reports whether some model answered a case more than once.
func (r *Report) several() bool {
	for _, m := range r.Models {
		if len(m.Metrics.CompileAtK) > 0 {
			return true
		}
	}
	return false
}

func (r *Report) markdownBest(b *strings.Builder) {
	if !r.several() {
		return
	}
	b.WriteString("\n## The best of several answers\n\n" + bestNote + "\n\n| Model | k | compile@k | task@k |\n| --- | --- | --- | --- |\n")
	for _, m := range r.Models {
		for i, at := range m.Metrics.CompileAtK {
			fmt.Fprintf(b, "| %s | %d | %s | %s |\n", Cell(m.Model), at.K, AtK(at), AtK(m.Metrics.TaskAtK[i]))
		}
	}
}

func (r *Report) markdownComparisons(b *strings.Builder) {
	if len(r.Comparisons) == 0 {
		return
	}
	b.WriteString("\n## Side by side\n\n" + pairedNote + "\n\n")
	for _, u := range r.Unlike {
		fmt.Fprintf(b, "%s is not alike: %s is %s, not %s.\n\n", Cell(u.Model), u.What, Cell(u.Baseline), Cell(u.Difference.Model))
	}
	b.WriteString("| metric | model | against | cases | difference | only model | only other | p | verdict |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, c := range r.Comparisons {
		fmt.Fprintf(b, "| %s | %s | %s | %d | %s | %d | %d | %s | %s |\n", c.Metric, Cell(c.Model), Cell(c.Baseline), c.Paired.N, Points(c.Paired), c.Paired.OnlyA, c.Paired.OnlyB, PValue(c.Paired.P), c.Verdict)
	}
	fmt.Fprintf(b, "\nMethod: %s.\n", r.method())
	certain := r.certain()
	if len(certain) == 0 {
		return
	}
	b.WriteString("\n" + sliceNote + "\n\n| metric | against | cases | n | difference | p, corrected | verdict |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range certain {
		fmt.Fprintf(b, "| %s | %s | %s %s | %d | %s | %s | %s |\n", s.Metric, Cell(s.Baseline), s.By, s.Value, s.Paired.N, Points(s.Paired), PValue(s.Holm), s.Verdict)
	}
}

// certainSlice is a slice in which the main model is better or worse.
type certainSlice struct {
	Metric   eval.Metric
	Baseline string
	compare.Slice
}

func (r *Report) certain() []certainSlice {
	var list []certainSlice
	for _, c := range r.Comparisons {
		for _, s := range c.Slices {
			if s.Verdict == compare.Better || s.Verdict == compare.Worse {
				list = append(list, certainSlice{c.Metric, c.Baseline, s})
			}
		}
	}
	return list
}

// method names the ways in which the comparisons were computed.
func (r *Report) method() string {
	var names []string
	for _, m := range []compare.Method{compare.McNemar, compare.ByCase} {
		for _, c := range r.Comparisons {
			if c.Method == m {
				names = append(names, string(m))
				break
			}
		}
	}
	return strings.Join(names, "; ")
}

func (r *Report) markdownTraining(b *strings.Builder) {
	t := r.Training
	if t == nil {
		return
	}
	fmt.Fprintf(b, "\n## How the model was trained\n\nRecipe `%s` on %s. %s\n\n", t.Recipe, Cell(t.Base), t.Data)
	b.WriteString("| stage | steps | tokens seen | of them trained on | validation loss before | after | time |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range t.Stages {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %.3f | %.3f | %.0f s |\n", s.Name, s.Steps, s.Tokens, s.TrainedTokens, s.ValidFirst, s.ValidLast, s.Seconds)
	}
	for _, s := range t.Stages {
		for _, more := range []string{s.FromText(), s.KeptText(), s.SampledText()} {
			if more != "" {
				fmt.Fprintf(b, "\n%s: %s.\n", s.Name, more)
			}
		}
	}
}

func (r *Report) markdownRetention(b *strings.Builder) {
	if len(r.Retention) == 0 && r.Training == nil {
		return
	}
	b.WriteString("\n## What was forgotten\n\n" + retentionNote + "\n\n")
	if len(r.Retention) == 0 {
		b.WriteString(notMeasured + "\n")
		return
	}
	b.WriteString("| model | measure | base | tuned | change of the score | limit | |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, x := range r.Lost() {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", Cell(x.Model), Cell(x.Measure), x.BaseText, x.TunedText, x.Change, x.Limit, x.Verdict())
	}
}

func (r *Report) markdownSlices(b *strings.Builder) {
	b.WriteString("\n## By kind of case\n\n| by | value |")
	for _, m := range r.Models {
		fmt.Fprintf(b, " %s compile@1 | task@1 |", Cell(m.Model))
	}
	b.WriteString("\n| --- | --- |" + strings.Repeat(" --- | --- |", len(r.Models)) + "\n")
	for _, row := range r.sliceRows() {
		fmt.Fprintf(b, "| %s | %s |", row.By, row.Value)
		for _, x := range row.Metrics {
			fmt.Fprintf(b, " %s | %s |", share(x.Compile), share(x.Task))
		}
		b.WriteString("\n")
	}
}

// sliceRow is a slice with the metrics of every model; those of a model without
// such cases are zero.
type sliceRow struct {
	By, Value string
	Metrics   []eval.Metrics
}

func (r *Report) sliceRows() []sliceRow {
	var rows []sliceRow
	at := map[[2]string]int{}
	for i, m := range r.Models {
		for _, s := range m.Slices {
			k := [2]string{s.By, s.Value}
			if _, known := at[k]; !known {
				at[k] = len(rows)
				rows = append(rows, sliceRow{s.By, s.Value, make([]eval.Metrics, len(r.Models))})
			}
			rows[at[k]].Metrics[i] = s.Metrics
		}
	}
	return rows
}

func share(p stats.Proportion) string {
	if p.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%d/%d [%.0f, %.0f]", p.K, p.N, 100*p.Low, 100*p.High)
}

func (r *Report) markdownFaults(b *strings.Builder) {
	b.WriteString("\n## What is wrong where it is wrong\n\n" + faultNote + "\n\n| model | finding | family | answers | for example | topics |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, m := range r.Models {
		for _, f := range m.Faults[:min(faultsShown, len(m.Faults))] {
			fmt.Fprintf(b, "| %s | %s %s | %s | %d | %s | %s |\n", Cell(m.Model), f.Code, f.Name, f.Family, f.Answers, Cell(f.Message), topics(f.Topics))
		}
		for _, x := range m.Missing[:min(faultsShown, len(m.Missing))] {
			fmt.Fprintf(b, "| %s | lacks: %s | check | %d | – | %s |\n", Cell(m.Model), Cell(x.Check), x.Answers, topics(x.Topics))
		}
	}
}

// faultsShown is how many kinds of fault a model's list shows.
const faultsShown = 6

// topics writes the topics that a fault comes from, the first few.
func topics(list []eval.TopicCount) string {
	var words []string
	for _, t := range list[:min(3, len(list))] {
		words = append(words, fmt.Sprintf("%s %d of %d", t.Topic, t.Answers, t.Of))
	}
	return strings.Join(words, ", ")
}

func (r *Report) markdownCases(b *strings.Builder) {
	b.WriteString("\n## Every case\n\n| case |")
	for _, m := range r.Models {
		fmt.Fprintf(b, " %s |", Cell(m.Model))
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(r.Models)) + "\n")
	for _, c := range r.Cases {
		fmt.Fprintf(b, "| %s |", Cell(c.ID))
		for _, o := range c.Outcomes {
			fmt.Fprintf(b, " %s |", o.Words)
		}
		b.WriteString("\n")
	}
}

// Asked says how many cases and facts were asked, and whether those were all.
func (r *Report) Asked() string {
	m := r.Models[0]
	cases, facts := 0, 0
	for _, c := range m.Cases {
		if c.Fact {
			facts++
		} else {
			cases++
		}
	}
	text := fmt.Sprintf("%d cases", cases)
	if cases == 1 {
		text = "1 case"
	}
	if facts > 0 {
		text += fmt.Sprintf(", %d questions of fact", facts)
	}
	if m.Suite.Questions > 0 {
		text += ": a fixed part of the suite with the same shares of types and generations"
	}
	return text
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// asked says in which form a model was asked.
func asked(m *eval.Result) string {
	text := "asked in its chat template"
	if m.Options.Form() == eval.Completion {
		text = "asked with a text to continue, as a base model is"
	}
	if n := len(m.Examples); n > 0 {
		text += fmt.Sprintf(", with %d example%s in the prompt", n, plural(n))
	}
	return text
}

func (r *Report) markdownConditions(b *strings.Builder) {
	m := r.Models[0]
	fmt.Fprintf(b, "\n## Conditions\n\nSuite %s version %d (%s, sha256 %.12s). Compiler: %s %s. Extractor version %d. Temperature %g, at most %d tokens, %d sample%s a case, seed %d.\n",
		Cell(m.Suite.Name), m.Suite.Version, r.Asked(), m.Suite.Hash, m.Engine.Name, m.Engine.Version, m.Extract,
		m.Options.Temperature, m.Options.MaxTokens, m.Options.Samples, plural(m.Options.Samples), m.Options.Seed)
	for _, m := range r.Models {
		fmt.Fprintf(b, "\n- %s: %s; %s", Cell(m.Model), Cell(m.Identity), asked(m))
		for _, s := range m.Examples {
			fmt.Fprintf(b, "\n  - shown in the prompt: %s (%s)", Cell(s.Title), Cell(s.Path))
		}
	}
	b.WriteString("\n")
}
