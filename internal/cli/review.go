package cli

import (
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/answer"
	"bbjtune/internal/compare"
	"bbjtune/internal/eval"
	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/review"
	"bbjtune/internal/review/store"
	"bbjtune/internal/runs"
	"bbjtune/internal/suite"
)

func (a *app) reviewCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "review",
		Short: "let people compare answers, blinded, in the browser",
		Long: `Review has people compare the answers of evaluations, two at a time, without
being told which model wrote which: create makes a review, serve opens it in the
browser, export and import do the same without a network, close opens the seal
on who wrote what, results says what the votes show.`,
		Args: args(0, 0, "a subcommand: create, serve, export, import, close or results"),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.reviewCreateCommand(), a.reviewServeCommand(), a.reviewExportCommand(), a.reviewImportCommand(), a.reviewCloseCommand(), a.reviewResultsCommand())
	return c
}

type reviewCreateFlags struct {
	out, suite, title, format string
	pairs                     int
	all                       bool
	allowed                   []string
}

func (a *app) reviewCreateCommand() *cobra.Command {
	var f reviewCreateFlags
	c := &cobra.Command{
		Use:   "create RUN RUN…",
		Short: "make a review of two or more evaluations",
		Long: `Create takes the first answers of evaluations below runs/eval to the prompts that
the suite marks for review, and pairs them: with more than two models, every
prompt goes to the pairs that were compared least. A pair of equal answers, or
one without an answer, is left out. What names a model in an answer, chat tokens
and invisible characters are masked.

The review is one SQLite file. Who wrote what is sealed in it: the key lies in a
file beside it, and nothing but bbjtune review close asks for it. Whoever judges
should have neither the key nor the evaluations.`,
		Args: args(2, -1, "two or more folders below runs/eval"),
		RunE: func(_ *cobra.Command, list []string) error { return a.reviewCreate(list, f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.out, "out", "review.sqlite", "file of the review; the key's name ends in .key instead")
	fl.StringVar(&f.suite, "suite", "suites/bbj-core", "suite that marks the prompts")
	fl.StringVar(&f.title, "title", "Which BBj answer is better?", "title that reviewers see")
	fl.IntVar(&f.pairs, "pairs", 1, "comparisons a prompt; 0 makes those of all pairs of models")
	fl.BoolVar(&f.all, "all", false, "take every prompt, not only those that are marked for review")
	allowDifferent(c, &f.allowed)
	outputFormat(c, &f.format, "text", "json")
	return c
}

func (a *app) reviewCreate(list []string, f reviewCreateFlags) error {
	if err := checkAllowed(f.allowed); err != nil {
		return err
	}
	if f.pairs < 0 {
		return fault.Newf("write 1 or more, or 0 for all pairs", "--pairs is %d", f.pairs)
	}
	results, steps, err := readEvaluations(list)
	if err != nil {
		return err
	}
	for i := range results {
		if err := compare.Comparable(results[0], results[i], f.allowed); err != nil {
			return err
		}
		if slices.ContainsFunc(steps[:i], func(s step) bool { return s.dir.Key == steps[i].dir.Key }) {
			return fault.Newf("name each evaluation once", "%s is named twice", list[i])
		}
		if strings.Contains(strings.ToLower(f.title), strings.ToLower(results[i].Model)) {
			return fault.Newf("choose a title that tells reviewers nothing of the models", "--title names %q, one of the models", results[i].Model)
		}
	}
	questions, err := reviewQuestions(f, results)
	if err != nil {
		return err
	}
	sources, err := reviewSources(results, steps)
	if err != nil {
		return err
	}
	var seed [32]byte
	crand.Read(seed[:])
	r, m, err := review.Plan(questions, sources, f.pairs, rand.New(rand.NewChaCha8(seed)))
	if err != nil {
		return err
	}
	r.ID, r.Title, r.Suite, r.Created = randomHex(8), f.title, results[0].Suite.String(), a.Now().UTC().Truncate(1e9)
	key, err := writeReview(f.out, r, m)
	if err != nil {
		return err
	}
	return a.printCreated(f, r, len(sources), key)
}

// writeReview writes the review and the key of its seal, which it names.
func writeReview(out string, r review.Review, m review.Mapping) (string, error) {
	keyFile := strings.TrimSuffix(out, filepath.Ext(out)) + ".key"
	if keyFile == out {
		return "", fault.New("--out names the file of the key", "choose a name that does not end in .key")
	}
	if _, err := os.Stat(keyFile); !errors.Is(err, fs.ErrNotExist) {
		return "", fault.Newf("choose another name with --out; that key may open another review", "%s exists already", keyFile)
	}
	key, secret := make([]byte, review.KeySize), make([]byte, 32)
	crand.Read(key)
	crand.Read(secret)
	sealed, err := review.Seal(r, m, key)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return "", err
	}
	if err := store.Create(out, r, sealed, secret); err != nil {
		return "", err
	}
	if err := runs.WriteFile(keyFile, review.FormatKey(key)); err != nil {
		return "", errors.Join(err, os.Remove(out)) // nobody could ever open it
	}
	return keyFile, os.Chmod(keyFile, 0o600)
}

func (a *app) printCreated(f reviewCreateFlags, r review.Review, models int, key string) error {
	prompts := map[string]bool{}
	for _, i := range r.Items {
		prompts[i.Case] = true
	}
	if f.format == "json" {
		return writeJSON(a.Out, map[string]any{
			"version": 1, "review": f.out, "key": key, "id": r.ID, "models": models, "prompts": len(prompts), "comparisons": len(r.Items), "masked": r.Masked, "left_out": r.Left,
		})
	}
	fmt.Fprintf(a.Out, "%s: %d comparisons of %d models, %d prompts\n%s: the key of its seal; reviewers must not have it\n", f.out, len(r.Items), models, len(prompts), key)
	for _, m := range r.Masked {
		fmt.Fprintf(a.Out, "masked: %s, %d times in %d answers\n", m.Kind, m.Count, m.Answers)
	}
	for _, l := range r.Left {
		fmt.Fprintf(a.Out, "left out, since %s: %d of the comparisons\n", l.Why, l.Count)
	}
	if n := len(prompts); n < review.FewPrompts {
		a.show.Say("warning: prompts are few, %d; a review should have %d or more (--all takes those that are not marked, too)", n, review.FewPrompts)
	}
	fmt.Fprintf(a.Out, "open it: %s\n", a.command("review", "serve", f.out, "--reviewer", "NAME"))
	return nil
}

// reviewQuestions are the prompts that all evaluations have and the suite marks.
func reviewQuestions(f reviewCreateFlags, results []*eval.Result) ([]review.Question, error) {
	marked := map[string]bool{}
	if !f.all {
		s, err := suite.Load(f.suite)
		if err != nil {
			return nil, err
		}
		if s.Name != results[0].Suite.Name {
			return nil, fault.Newf("name the suite of the evaluations with --suite, or take every prompt with --all", "%s is the suite %s, the evaluations are of %s", f.suite, s.Name, results[0].Suite.Name)
		}
		for _, c := range s.Questions() {
			marked[c.ID] = c.Review
		}
	}
	asked := map[string]int{}
	for _, r := range results {
		for _, c := range r.Cases {
			asked[c.ID]++
		}
	}
	var list []review.Question
	for _, c := range results[0].Cases {
		if asked[c.ID] == len(results) && (f.all || marked[c.ID]) {
			list = append(list, review.Question{Case: c.ID, Title: c.Title, Generation: c.Generation, Prompt: c.Prompt})
		}
	}
	if len(list) == 0 {
		return nil, fault.New("the evaluations share no prompt that is marked for review", "write review: true into cases of the suite, or take every prompt with --all")
	}
	return list, nil
}

// reviewSources are the models with the first of their answers to each case.
func reviewSources(results []*eval.Result, steps []step) ([]review.Source, error) {
	var list []review.Source
	for i, r := range results {
		s := review.Source{
			Model: review.Model{Name: r.Model, Run: steps[i].dir.ID, Key: steps[i].dir.Key},
			Names: []string{r.Identity}, Answers: map[string]review.Given{},
		}
		served := map[string]bool{}
		err := readAnswers(steps[i].path("answers.jsonl"), func(x eval.Answer) {
			if x.Repeat > 0 || x.Error != nil {
				return
			}
			if x.Served != "" && !served[x.Served] {
				served[x.Served] = true
				s.Names = append(append(s.Names, x.Served), strings.Fields(x.Served)...)
			}
			given := review.Given{Text: x.Text, Stopped: x.Stopped}
			if x.Code != answer.Extract(x.Text).Code {
				given.Program = x.Code
			}
			s.Answers[x.Case] = given
		})
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// randomHex is a random text of n bytes.
func randomHex(n int) string {
	b := make([]byte, n)
	crand.Read(b)
	return hex.EncodeToString(b)
}

// openReview opens a review that takes votes.
func openReview(path string) (*store.Store, error) {
	s, err := store.Open(path)
	if err != nil {
		return nil, err
	}
	_, closed, err := s.Closed()
	if err == nil && closed {
		err = store.ErrClosed
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// reviewers adds those that are named, and lists all.
func reviewers(s *store.Store, names []string) ([]review.Reviewer, error) {
	for _, n := range names {
		n = strings.TrimSpace(n)
		if n == "" || len(n) > 100 || progress.Printable(n) != n {
			return nil, fault.Newf("write a name of 1 to 100 plain characters", "--reviewer is %q", n)
		}
		if _, err := s.AddReviewer(n, randomHex(16)); err != nil {
			return nil, err
		}
	}
	return s.Reviewers()
}
