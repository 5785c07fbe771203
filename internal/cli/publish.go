package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/card"
	"bbjtune/internal/fault"
	"bbjtune/internal/licence"
	"bbjtune/internal/publish"
	"bbjtune/internal/record"
	"bbjtune/internal/runs"
)

func (a *app) publishCommand() *cobra.Command {
	var run, version, format string
	c := &cobra.Command{
		Use:   "publish DIR",
		Short: "lay a training's adapter, model card, settings, losses and evaluations into a git repository, the weights for Git LFS",
		Long: `Publish lays into adapters/VERSION of the git repository that DIR is in: the
adapter, as PEFT loads it, the model card as of now, training_config and
training_log of each stage, the picture of the losses, and the results of the
evaluations. It adds rules for weights to .gitattributes, and refuses where git,
asked for it, would store weights itself and not Git LFS's pointer to them.

Paths of this machine are taken out of the settings. Nothing is committed: look
at it, then git add, commit and push.`,
		Args: args(1, 1, "the folder of a git repository"),
		RunE: func(cmd *cobra.Command, list []string) error {
			r, err := a.published(run)
			if err != nil {
				return err
			}
			files, err := publishedFiles(r)
			if err != nil {
				return err
			}
			done, err := publish.Lay(cmd.Context(), list[0], cmp.Or(version, r.ID), files)
			if err != nil {
				return err
			}
			return a.printPublished(list[0], r, done, format)
		},
	}
	c.Flags().StringVar(&run, "run", "", "the training: a folder, an ID, or the beginning of one; may be left out where there is only one")
	c.Flags().StringVar(&version, "version", "", "name of the version's folder (default: the ID of the training)")
	outputFormat(c, &format, "text", "json")
	return c
}

// published returns the training that is meant.
func (a *app) published(name string) (*record.Run, error) {
	s, err := a.store([]string{cmp.Or(name, "the only one")})
	if err != nil {
		return nil, err
	}
	if name == "" {
		var done []string
		for _, e := range s.Entries {
			if e.Kind == "train" && e.State == runs.Complete {
				done = append(done, e.ID)
			}
		}
		if len(done) != 1 {
			return nil, fault.Newf("name one with --run", "there are %d finished trainings in %s", len(done), s.Root)
		}
		name = done[0]
	}
	r, _, err := trainingOf(s, name)
	return r, err
}

// publishedFiles are the files of a version.
func publishedFiles(r *record.Run) ([]publish.File, error) {
	plan, err := r.Plan()
	if err != nil {
		return nil, err
	}
	hub := card.HubName(plan.Base.Model)
	last := ""
	var files []publish.File
	for _, stage := range []string{"stage1", "stage2"} {
		if !exists(filepath.Join(r.Path, stage, "adapter")) {
			continue
		}
		last = stage
		settings, err := withoutPaths(filepath.Join(r.Path, stage, "training_config.json"), hub)
		if err != nil {
			return nil, err
		}
		files = append(files, publish.File{Name: stage + "/training_config.json", Text: settings},
			publish.File{Name: stage + "/training_log.jsonl", Source: filepath.Join(r.Path, stage, "training_log.jsonl")})
	}
	weights, err := adapterFiles(filepath.Join(r.Path, last, "adapter"), "", hub)
	if err == nil && plan.Merges(2) { // the last goes on the base model with the first merged in
		var first []publish.File
		first, err = adapterFiles(filepath.Join(r.Path, "stage1", "adapter"), "stage1/adapter/", hub)
		weights = append(weights, first...)
	}
	if err != nil {
		return nil, err
	}
	files = append(files, weights...)
	if plot := filepath.Join(r.Path, plotFile); exists(plot) {
		files = append(files, publish.File{Name: plotFile, Source: plot})
	}
	scores, err := evaluationFiles(r)
	if err != nil {
		return nil, err
	}
	texts, err := publishedTexts(r, hub)
	return slices.Concat(files, scores, texts), err
}

// adapterFiles are the settings and the weights of an adapter, under names that
// begin with a prefix.
func adapterFiles(adapter, prefix, hub string) ([]publish.File, error) {
	settings, err := withoutPaths(filepath.Join(adapter, "adapter_config.json"), hub)
	return []publish.File{
		{Name: prefix + "adapter_config.json", Text: settings},
		{Name: prefix + "adapter_model.safetensors", Source: filepath.Join(adapter, "adapter_model.safetensors")},
	}, err
}

// evaluationFiles are the results of the model's evaluations and of those beside
// them.
func evaluationFiles(r *record.Run) ([]publish.File, error) {
	var list []record.Evaluation
	for _, v := range r.Evaluations {
		list = append(append(list, v), r.Beside(v)...)
	}
	var files []publish.File
	for _, v := range list {
		f := publish.File{Name: "evaluation/" + v.ID + ".json", Source: filepath.Join(v.Path, "result.json")}
		if !exists(f.Source) {
			return nil, fault.Newf("evaluate again, or delete that folder", "%s holds no result.json", v.Path)
		}
		if !slices.ContainsFunc(files, func(o publish.File) bool { return o.Name == f.Name }) {
			files = append(files, f)
		}
	}
	return files, nil
}

// publishedTexts are the card, and the licence of the base model where its text is
// known without the model.
func publishedTexts(r *record.Run, hub string) ([]publish.File, error) {
	c, err := cardOf(r, nil)
	if err != nil {
		return nil, err
	}
	l, err := licence.Of(hub)
	if err != nil {
		return nil, err
	}
	c.Base, c.AdapterFolder = l, "."
	var files []publish.File
	if l.Text != "" {
		c.LicenseFile = licenceFile
		files = append(files, publish.File{Name: licenceFile, Text: []byte(l.Text)})
	}
	var text strings.Builder
	if err := c.Write(&text); err != nil {
		return nil, err
	}
	return append(files, publish.File{Name: cardFile, Text: []byte(text.String())}), nil
}

// withoutPaths reads settings and leaves of every path of this machine its last
// name; that of the base model becomes its name on the hub.
func withoutPaths(file, hub string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(err, "copy the training's folder here as a whole")
	}
	var settings map[string]any
	if err := json.Unmarshal(text, &settings); err != nil {
		return nil, fault.Wrap(fmt.Errorf("%s: %w", file, err), "the file is damaged; copy the training again")
	}
	for key, v := range settings {
		text, ok := v.(string)
		if !ok || !isPath(text) {
			continue
		}
		settings[key] = path.Base(strings.ReplaceAll(text, `\`, "/"))
		if hub != "" && (key == "base_model" || key == "base_model_name_or_path") {
			settings[key] = hub
		}
	}
	text, err = json.MarshalIndent(settings, "", "  ")
	return append(text, '\n'), err
}

// isPath reports whether a value is a place on some machine.
func isPath(value string) bool {
	return !strings.ContainsAny(value, "\n{") && (strings.HasPrefix(value, "/") || strings.HasPrefix(value, ".") || strings.Contains(value, `\`) || strings.Contains(value, ":/"))
}

func (a *app) printPublished(dir string, r *record.Run, done *publish.Result, format string) error {
	if format == "json" {
		return writeJSON(a.Out, map[string]any{"version": 1, "run": r.ID, "folder": done.Folder, "changed": done.Changed, "files": done.Files, "lfs": done.Stored})
	}
	if !done.Changed {
		fmt.Fprintf(a.Out, "%s: there already, file by file\n", done.Folder)
		return nil
	}
	fmt.Fprintf(a.Out, "%s: %d files of %s, of which Git LFS keeps %s\n", done.Folder, len(done.Files), r.ID, strings.Join(done.Stored, ", "))
	fmt.Fprintf(a.Out, "next: git -C %s add %s %s\n", dir, done.Attributes, done.Folder)
	return nil
}
