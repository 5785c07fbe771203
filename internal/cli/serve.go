package cli

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"bbjtune/internal/chat"
	"bbjtune/internal/fault"
	"bbjtune/internal/modelserver"
	"bbjtune/internal/pack"
	"bbjtune/internal/recipe"
)

type serveFlags struct {
	server                  string
	context, parallel, port int
}

func (a *app) serveCommand() *cobra.Command {
	f := serveFlags{}
	c := &cobra.Command{
		Use:   "serve MODEL",
		Short: "serve a model on this machine over an OpenAI-compatible API",
		Long: `Serve starts a local llama.cpp server on 127.0.0.1 for a GGUF file or for a
folder below runs/pack, waits until it answers, prints its URL and runs until
it is interrupted. --server names another server: llama-server (on PATH, or its
path) or ollama (a running one).`,
		Args: args(1, 1, "one GGUF file or run folder"),
		RunE: func(cmd *cobra.Command, list []string) error {
			return a.serveModel(cmd.Context(), list[0], f)
		},
	}
	c.Flags().StringVar(&f.server, "server", "xllamacpp", "xllamacpp (managed), ollama, llama-server, or a path to llama-server")
	c.Flags().IntVar(&f.context, "context", 4096, "context of a request in tokens")
	c.Flags().IntVar(&f.port, "port", 0, "port on 127.0.0.1; 0 takes a free one (Ollama has its own)")
	c.Flags().IntVar(&f.parallel, "parallel", 1, "requests answered at the same time")
	return c
}

func (a *app) serveModel(ctx context.Context, model string, f serveFlags) error {
	if f.port < 0 || f.port > 65535 {
		return fault.Newf("write a port from 1 to 65535, or leave it out", "--port is %d", f.port)
	}
	file, err := ggufOf(model)
	if err != nil {
		return err
	}
	r := recipe.Defaults()
	p := &pipeline{app: a, recipe: &r}
	defer p.close()
	log, err := p.log(filepath.Join(a.runs, "server.log"))
	if err != nil {
		return err
	}
	o := modelserver.Options{Kind: modelserver.Kind(f.server), Model: file, Context: f.context, Parallel: f.parallel, Port: f.port, Log: log}
	switch o.Kind {
	case modelserver.XLlamaCPP:
		if err := p.ensureEnv(ctx); err != nil {
			return err
		}
		o.Program, o.Script = p.env.Python, filepath.Join(p.script, "serve.py")
	case modelserver.Ollama:
		o.Template, o.Stop = pack.OllamaTemplate, chat.Stop()
	default:
		o.Kind, o.Program = modelserver.LlamaServer, f.server
	}
	task := a.show.Start("start the model server")
	defer task.Drop()
	srv, err := modelserver.Start(ctx, o)
	if err != nil {
		return err
	}
	defer srv.Close()
	task.End("%s", filepath.Base(file))
	fmt.Fprintf(a.Out, "base URL: %s\nmodel:    %s\n", srv.URL(), srv.Model())
	fmt.Fprintf(a.Out, "ask it:   curl %s/chat/completions -H 'Content-Type: application/json' -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Write a BBj program that prints the date.\"}]}'\n", srv.URL())
	if o.Kind == modelserver.Ollama {
		return nil // it belongs to the user and goes on
	}
	a.show.Say("serving until interrupted (Ctrl-C)")
	select {
	case <-ctx.Done():
		return nil
	case <-srv.Done():
		return fault.Wrap(srv.Err(), "run again with --verbose to see its log")
	}
}

// ggufOf finds the model file behind a name.
func ggufOf(model string) (string, error) {
	info, err := os.Stat(model)
	if err != nil {
		return "", fault.Wrap(fmt.Errorf("no such model: %w", err), "name a .gguf file or a folder below runs/pack")
	}
	if !info.IsDir() {
		return model, nil
	}
	// What a package serves is in its Modelfile; others lie beside it.
	if text, err := os.ReadFile(filepath.Join(model, "Modelfile")); err == nil {
		if from := fromLine.FindSubmatch(text); from != nil && exists(filepath.Join(model, string(from[1]))) {
			return filepath.Join(model, string(from[1])), nil
		}
	}
	// Over a DirFS: the folder's own name is no pattern.
	found, err := fs.Glob(os.DirFS(model), "*.gguf")
	for i := range found {
		found[i] = filepath.Join(model, found[i])
	}
	if err != nil || len(found) == 0 {
		return "", fault.Newf("name a .gguf file or a folder below runs/pack", "%s holds no .gguf file", model)
	}
	// The smallest one: whoever quantized a model means to serve that.
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(size(a), size(b)) })
	return found[0], nil
}

// fromLine names a file beside a Modelfile.
var fromLine = regexp.MustCompile(`(?m)^FROM \./([^/\\\s]+\.gguf)$`)

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
