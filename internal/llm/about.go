package llm

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// aboutTime is how long a server may take to say something of itself.
const aboutTime = 5 * time.Second

// About is what an endpoint says of itself and of the model that it is asked for.
// Servers differ in what they tell: what is empty or 0 is not known.
type About struct {
	// Models are the names that it serves, in its own order.
	Models []string
	// Root is the name or the folder of the weights, as vLLM tells it.
	Root string
	// Context is the most tokens of prompt and answer.
	Context int
	// Quantization is its name as Ollama and llama.cpp tell it, Size the bytes of
	// the weights as llama.cpp does, Digest their hash as Ollama does.
	Quantization string
	Size         int64
	Digest       string
	// Version is that of the server, with its kind where that is known.
	Version string
}

// About asks the endpoint what it serves. An error says that nobody answers there,
// or that the key is refused; an endpoint that tells nothing is none.
func (o *OpenAI) About(ctx context.Context) (About, error) {
	ctx, cancel := context.WithTimeout(ctx, aboutTime)
	defer cancel()
	list, err := get[struct{ Data []listed }](ctx, o, o.base+"/models")
	if err != nil {
		return About{}, err
	}
	var a About
	for _, m := range list.Data {
		a.Models = append(a.Models, clip(m.ID))
		if m.named(o.model) {
			a.Root, a.Context = clip(m.Root), max(m.Context, m.Meta.Context)
			a.Quantization, a.Size = clip(m.Meta.Quantization), m.Meta.Size
		}
	}
	root, ok := strings.CutSuffix(o.base, "/v1")
	if !ok {
		return a, nil
	}
	o.ollama(ctx, root, &a)
	o.version(ctx, root, &a)
	return a, nil
}

// listed is a model in an endpoint's list.
type listed struct {
	ID   string
	Root string
	// Context is vLLM's, that of Meta is llama.cpp's.
	Context int `json:"max_model_len"`
	Meta    struct {
		Context      int    `json:"n_ctx"`
		Quantization string `json:"ftype"`
		Size         int64
	}
}

func (m listed) named(model string) bool { return m.ID == model || m.ID == model+":latest" }

// Serves reports whether the model is in the list. Who lists nothing may serve
// anything.
func (a About) Serves(model string) bool {
	return len(a.Models) == 0 || slices.ContainsFunc(a.Models, func(id string) bool { return listed{ID: id}.named(model) })
}

// Differs says in what two endpoints that serve a model of the same name differ;
// "" where nothing that both tell does. Where the weights lie may differ from
// machine to machine, what the folder is called may not.
func (a About) Differs(b About) string {
	for _, each := range []struct {
		what string
		a, b any
		told bool
	}{
		{"weights", path.Base(a.Root), path.Base(b.Root), a.Root != "" && b.Root != ""},
		{"longest context", a.Context, b.Context, a.Context != 0 && b.Context != 0},
		{"quantization", a.Quantization, b.Quantization, a.Quantization != "" && b.Quantization != ""},
		{"bytes of weights", a.Size, b.Size, a.Size != 0 && b.Size != 0},
		{"digest", a.Digest, b.Digest, a.Digest != "" && b.Digest != ""},
	} {
		if each.told && each.a != each.b {
			return fmt.Sprintf("%s %v and %v", each.what, each.a, each.b)
		}
	}
	return ""
}

// Digest asks the server which weights the model's name stands for. Ollama
// tells; from others the answer is "".
func (o *OpenAI) Digest(ctx context.Context) string {
	root, ok := strings.CutSuffix(o.base, "/v1")
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, aboutTime)
	defer cancel()
	var a About
	o.ollama(ctx, root, &a)
	return a.Digest
}

// ollama reads what Ollama tells of the model.
func (o *OpenAI) ollama(ctx context.Context, root string, a *About) {
	type model struct {
		Name, Digest string
		Details      struct {
			Quantization string `json:"quantization_level"`
		}
	}
	tags, _ := get[struct{ Models []model }](ctx, o, root+"/api/tags")
	for _, m := range tags.Models {
		if (listed{ID: m.Name}).named(o.model) && m.Digest != "" {
			a.Digest, a.Quantization = "sha256:"+strings.TrimPrefix(clip(m.Digest), "sha256:"), clip(m.Details.Quantization)
		}
	}
}

// version reads the version of the server where it tells one: vLLM, Ollama and
// llama.cpp each do so in a place of their own.
func (o *OpenAI) version(ctx context.Context, root string, a *About) {
	type props struct {
		Version  string
		Build    string `json:"build_info"`
		Settings struct {
			Context int `json:"n_ctx"`
		} `json:"default_generation_settings"`
	}
	for _, place := range []struct{ kind, path string }{{"vLLM", "/version"}, {"Ollama", "/api/version"}, {"llama.cpp", "/props"}} {
		p, _ := get[props](ctx, o, root+place.path)
		if p.Version+p.Build != "" {
			a.Version, a.Context = clip(place.kind+" "+p.Version+p.Build), cmp.Or(a.Context, p.Settings.Context)
			return
		}
	}
}

// get reads a JSON object of the server. What is there but cannot be read counts
// as nothing told; an error says that nobody answers, or that the key is refused.
func get[T any](ctx context.Context, o *OpenAI, url string) (T, error) {
	var got, none T
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return none, err
	}
	if o.key != noKey {
		req.Header.Set("Authorization", "Bearer "+o.key)
	}
	resp, err := o.http.Do(req)
	if err != nil {
		return none, explained(ctx, err, o.key)
	}
	defer resp.Body.Close()
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status >= 500:
		return none, refused(status, "", o.key, resp.Header)
	case status != http.StatusOK:
		return none, nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		if ctx.Err() != nil {
			return none, explained(ctx, err, o.key)
		}
		return none, nil
	}
	return got, nil
}
