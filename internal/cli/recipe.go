package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/bbj/diag"
	"bbjtune/internal/dataset"
	"bbjtune/internal/fault"
	"bbjtune/internal/gpumem"
	"bbjtune/internal/progress"
	"bbjtune/internal/recipe"
	"bbjtune/internal/recipeaudit"
	"bbjtune/internal/render"
	"bbjtune/internal/runs"
	"bbjtune/internal/tokenizer"
	"bbjtune/worker"
)

func (a *app) recipeCommand() *cobra.Command {
	c := &cobra.Command{Use: "recipe", Short: "judge recipes, compare and show them", Args: args(0, 0, "a subcommand: check, compare or show"), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	c.AddCommand(a.recipeCheckCommand(), a.recipeCompareCommand(), a.recipeShowCommand())
	return c
}

type recipeFlags struct {
	format, data, tokenizer, requirements string
}

func (a *app) recipeCheckCommand() *cobra.Command {
	f := recipeFlags{}
	c := &cobra.Command{
		Use:   "check RECIPE",
		Short: "judge a recipe before it runs, and estimate the memory that it takes",
		Long: `Check reads a recipe and those that it extends. What blocks a training is an
error: no validation, a loss over the prompt, an Instruct model tuned for a
domain. What departs from the recommended ranges is a warning. The recipe may
allow either with a reason: allow: [{rule: CODE, because: why}]. bbjtune explain
CODE tells more of a finding. train and run refuse a recipe with errors.
How many rows are too long is counted where the data is built and the tokenizer
is at hand: that of a base model in a folder or the cache, or --tokenizer. What
could not be judged is listed. The estimate of memory is arithmetic over the
shape of the model, not a measurement.`,
		Args: args(1, 1, "one recipe"),
		RunE: func(cmd *cobra.Command, list []string) error { return a.checkRecipe(cmd.Context(), list[0], f) },
	}
	c.Flags().StringVar(&f.data, "data", "", "folder below runs/data to look at (default: the one that the recipe leads to, where it is built)")
	c.Flags().StringVar(&f.tokenizer, "tokenizer", "", "folder of the base model's tokenizer.json and config.json")
	c.Flags().StringVar(&f.requirements, "requirements", "", "pins of another environment to look at, as pip freeze writes them")
	outputFormat(c, &f.format, render.Formats()...)
	return c
}

func (a *app) checkRecipe(ctx context.Context, path string, f recipeFlags) error {
	p, err := a.pipeline(path)
	if err != nil {
		return err
	}
	facts, err := p.facts(ctx, f)
	if err != nil {
		return err
	}
	report := recipeaudit.Check(p.plan, facts)
	memory := p.memory(ctx, f.tokenizer)
	if err := a.printAudit(p.plan, report, memory, f.format); err != nil {
		return err
	}
	if slices.ContainsFunc(report.Findings, isError) {
		return errFindings
	}
	return nil
}

func isError(d diag.Diagnostic) bool { return d.Severity == diag.Error }

// printAudit writes the findings to standard output; JSON holds all else as well.
func (a *app) printAudit(plan *recipe.Plan, report recipeaudit.Report, m memory, format string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	r := render.Report{Engine: "recipe audit", Tool: Version(), Dir: dir, Rule: documented}
	for _, d := range report.Findings {
		r.Findings = append(r.Findings, render.Finding{Diagnostic: d, Source: sourceLine(plan, d)})
	}
	if format == "json" {
		return writeAuditJSON(a.Out, r, report, m)
	}
	if err := render.Findings(a.Out, format, r, a.colour(a.OutTTY)); err != nil {
		return err
	}
	say := func(format string, args ...any) {
		fmt.Fprintln(a.Err, progress.Printable(fmt.Sprintf(format, args...)))
	}
	for _, d := range report.Allowed {
		say("allowed: %s, because %s", oneLine(d.Diagnostic), d.Because)
	}
	for _, u := range report.Unchecked {
		say("not checked: %s", u)
	}
	for _, line := range m.lines() {
		say("%s", line)
	}
	if format == "text" {
		errs := 0
		for _, d := range report.Findings {
			if isError(d) {
				errs++
			}
		}
		say("%s, %s, %d allowed", count(errs, "error"), count(len(report.Findings)-errs, "warning"), len(report.Allowed))
	}
	return nil
}

// sourceLine is the line of a recipe that a finding points to, "" for other files.
func sourceLine(plan *recipe.Plan, d diag.Diagnostic) string {
	for _, f := range plan.Files {
		if f.Name == d.File {
			return render.NewLines(f.Text).At(d.Span.Start.Line)
		}
	}
	return ""
}

// writeAuditJSON writes the form of the checker's findings, with what an audit
// knows beside them.
func writeAuditJSON(w io.Writer, r render.Report, report recipeaudit.Report, m memory) error {
	var b bytes.Buffer
	if err := render.Findings(&b, "json", r, false); err != nil {
		return err
	}
	out := struct {
		Version   int             `json:"version"`
		Engine    string          `json:"engine"`
		Findings  json.RawMessage `json:"findings"`
		Allowed   []allowedJSON   `json:"allowed"`
		Unchecked []string        `json:"unchecked"`
		Memory    memory          `json:"memory"`
	}{Allowed: []allowedJSON{}, Unchecked: append([]string{}, report.Unchecked...), Memory: m}
	if err := json.Unmarshal(b.Bytes(), &out); err != nil {
		return err
	}
	for _, d := range report.Allowed {
		out.Allowed = append(out.Allowed, allowedJSON{d.File, d.Span.Start.Line, d.Span.Start.Col, d.Code, d.Name, d.Message, d.Because})
	}
	return writeJSON(w, out)
}

type allowedJSON struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Code    string `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
	Because string `json:"because"`
}

// facts gathers what is known beyond the recipe.
func (p *pipeline) facts(ctx context.Context, f recipeFlags) (recipeaudit.Facts, error) {
	facts := recipeaudit.Facts{ModelType: modelType(p.modelFolder(f.tokenizer))}
	var err error
	if facts.Packages, err = p.pins(f.requirements); err != nil {
		return facts, err
	}
	data, why, err := p.builtData(ctx, f.data)
	if err != nil {
		return facts, err
	}
	if facts.NoData = why; why != "" {
		return facts, nil
	}
	count, why, err := p.tokenCounter(f.tokenizer)
	if err != nil {
		return facts, err
	}
	facts.NoTokens = why
	facts.Stages = map[int]recipeaudit.Measure{}
	for _, n := range p.stages() {
		if facts.Stages[n], err = p.measure(ctx, data, n, count); err != nil {
			return facts, err
		}
	}
	return facts, nil
}

// pins are the packages of the environment that the recipe trains in, or those of
// a file.
func (p *pipeline) pins(file string) ([]recipeaudit.Package, error) {
	if file == "" {
		name := p.trainingRequirements()
		text, err := worker.Files.ReadFile(name)
		return recipeaudit.Requirements("worker/"+name, text), err
	}
	hint := "name a file of pins, as pip freeze writes them"
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("--requirements: %w", err), hint)
	}
	list := recipeaudit.Requirements(file, text)
	if len(list) == 0 {
		return nil, fault.Newf(hint, "--requirements: %s pins no package", file)
	}
	return list, nil
}

// builtData finds the data folder of the recipe, or says why there is none.
func (p *pipeline) builtData(ctx context.Context, named string) (folder, why string, err error) {
	if named != "" {
		s, err := finished(named, "data")
		if err != nil {
			return "", "", err
		}
		return s.dir.Path, "", nil
	}
	quiet := *p.app
	quiet.show = progress.New(io.Discard, progress.Options{Now: p.Now})
	q := *p
	q.app = &quiet
	in, sources, err := q.readSources()
	closeRows(in.Rows)
	if err != nil {
		return "", "the data cannot be read: " + err.Error(), nil
	}
	inputs, err := q.dataInputs(ctx, sources)
	if err != nil {
		return "", "", err
	}
	d, m, err := runs.Find(p.runs, "data", inputs)
	if err != nil {
		return "", "", err
	}
	if m == nil {
		return "", "the data is not built yet (bbjtune data build)", nil
	}
	return d.Path, "", nil
}

// modelFolder is where the base model lies on this machine, or "".
func (p *pipeline) modelFolder(named string) string {
	if named != "" {
		return named
	}
	name := p.recipe.Base.Model
	if info, err := os.Stat(p.recipe.Path(name)); err == nil && info.IsDir() {
		return p.recipe.Path(name)
	}
	if d, m, err := runs.Find(p.cache, "base", baseInputs("hub:"+name, "bfloat16")); err == nil && m != nil {
		return d.File("model")
	}
	return ""
}

func modelType(folder string) string {
	text, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if folder == "" || err != nil {
		return ""
	}
	var c struct {
		Type string `json:"model_type"`
	}
	if json.Unmarshal(text, &c) != nil {
		return ""
	}
	return c.Type
}

// tokenCounter counts with the tokenizer of the base model, or says why it cannot.
// One that was asked for by name must be there.
func (p *pipeline) tokenCounter(named string) (func(string) int, string, error) {
	folder := p.modelFolder(named)
	if folder == "" {
		return nil, "the base model is not on this machine: name a folder with its tokenizer.json by --tokenizer", nil
	}
	t, err := tokenizer.Load(folder)
	switch {
	case err == nil:
		return t.Count, "", nil
	case named != "":
		return nil, "", err
	}
	return nil, err.Error(), nil
}

func (p *pipeline) measure(ctx context.Context, data string, n int, count func(string) int) (recipeaudit.Measure, error) {
	stage := p.recipe.Stage1
	if n == 2 {
		stage = p.recipe.Stage2
	}
	path := filepath.Join(data, filepath.FromSlash(dataset.Path(n, dataset.Train)))
	f, err := os.Open(path)
	if err != nil {
		return recipeaudit.Measure{}, err
	}
	defer f.Close()
	m, err := recipeaudit.MeasureRows(ctx, f, stage.MaxLength, count)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// memory is the estimate, and what this machine has.
type memory struct {
	// Model is whose shape was taken; empty where it is not known.
	Model    string           `json:"model"`
	Why      string           `json:"not_estimated,omitempty"`
	Estimate *gpumem.Estimate `json:"bytes"`
	Low      int64            `json:"low,omitempty"`
	High     int64            `json:"high,omitempty"`
	// Has is the memory of this machine's first GPU, 0 where it shows none or the
	// training is a cluster's.
	Has int64 `json:"gpu,omitempty"`
	// Workers share the training, where there are several.
	Workers int `json:"workers,omitempty"`
}

func (p *pipeline) memory(ctx context.Context, tokenizer string) memory {
	m := memory{}
	if p.recipe.Compute.Engine != recipe.Ray {
		m.Has = gpuMemory(ctx)
	}
	if n := p.recipe.Compute.Workers; n > 1 {
		m.Workers = n
	}
	shape, err := p.shape(tokenizer)
	if err != nil {
		m.Why = err.Error()
		return m
	}
	e := gpumem.Training(shape, p.recipe)
	m.Model, m.Estimate, m.Low, m.High = shape.Name, &e, e.Low(), e.High()
	return m
}

// shape takes what the model's own folder says, else what is known by its name.
func (p *pipeline) shape(tokenizer string) (gpumem.Shape, error) {
	if folder := p.modelFolder(tokenizer); folder != "" && exists(filepath.Join(folder, "config.json")) {
		return gpumem.Read(folder)
	}
	if s, ok := gpumem.Known(p.recipe.Base.Model); ok {
		return s, nil
	}
	return gpumem.Shape{}, fmt.Errorf("the shape of %s is not known", p.recipe.Base.Model)
}

// lines says it to people.
func (m memory) lines() []string {
	if m.Estimate == nil {
		return []string{"memory: not estimated: " + m.Why}
	}
	e := m.Estimate
	each := "a GPU"
	if m.Workers > 1 {
		each = fmt.Sprintf("each of %d GPUs", m.Workers)
	}
	text := fmt.Sprintf("memory: about %s of %s, an estimate of ± %.0f %%, in stage %d: weights %s, adapter and optimizer %s, activations %s, ",
		gpumem.GiB(e.Peak()), each, 100*gpumem.Margin, e.Stage, gpumem.GiB(e.Weights), gpumem.GiB(e.Adapter), gpumem.GiB(e.Activations))
	if e.StopTokens > 0 {
		text += "the trained end token " + gpumem.GiB(e.StopTokens) + ", "
	}
	if e.Exchange > 0 {
		text += "the exchange with the others " + gpumem.GiB(e.Exchange) + ", "
	}
	text += "CUDA " + gpumem.GiB(e.Runtime)
	if e.Loading > e.Total {
		text += "; while the weights are read, before they are laid out, " + gpumem.GiB(e.Loading)
	}
	lines := []string{text}
	switch {
	case m.Has == 0:
	case m.Has < m.Low:
		lines = append(lines, fmt.Sprintf("memory: this machine's GPU has %s, which is less: lower max_length or batch_size, or take a smaller model", gpumem.GiB(m.Has)))
	case m.Has < m.High:
		lines = append(lines, fmt.Sprintf("memory: this machine's GPU has %s, which may be too little", gpumem.GiB(m.Has)))
	}
	return lines
}

// gpuMemory asks NVIDIA's tool for the memory of the first GPU, the one that is
// trained on; 0 where there is none, or no answer.
func gpuMemory(ctx context.Context) int64 {
	if !hasGPU() {
		return 0
	}
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(out), "\n")
	mib, err := strconv.ParseInt(strings.TrimSpace(first), 10, 40)
	if err != nil || mib < 0 {
		return 0
	}
	return mib << 20
}

// admit refuses a recipe that must not be trained, before anything is made.
func (p *pipeline) admit(ctx context.Context) error {
	if p.admitted {
		return nil
	}
	file := p.plan.Files[len(p.plan.Files)-1].Name
	if p.recipe.Recorded() {
		return fault.Newf("bbjtune recipe compare "+file+" RECIPE puts another beside it", "%s records a training that was made elsewhere, and is not carried out", file)
	}
	pins, err := p.pins("")
	if err != nil {
		return err
	}
	report := recipeaudit.Check(p.plan, recipeaudit.Facts{Packages: pins, ModelType: modelType(p.modelFolder("")), NoData: "it is not made yet"})
	for _, d := range report.Findings {
		if isError(d) {
			return fault.Newf("bbjtune recipe check "+file, "%s", oneLine(d))
		}
		p.advice = append(p.advice, "warning: "+oneLine(d))
	}
	p.admitted = true
	if !p.trainedBefore() {
		p.advise(ctx)
	}
	return nil
}

// advise says what is worth a look, and how much memory the training takes: once,
// and not about a training that is done.
func (p *pipeline) advise(ctx context.Context) {
	if p.advised {
		return
	}
	p.advised = true
	for _, line := range p.advice {
		p.show.Say("  %s", line)
	}
	if p.recipe.Quantization == "nf4" {
		for _, line := range p.memory(ctx, "").lines() {
			p.show.Say("  %s", line)
		}
	}
}
