// Package ollama makes a model known to a running Ollama: it reads a Modelfile
// with Ollama's own parser, sends the files that it names, has the model created
// and looks at what came of it, with the client of Ollama's own module.
//
// It must not know how the model was made, nor show progress itself.
package ollama

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ollama/ollama/api"

	"bbjtune/internal/fault"
)

// Ollama is one that runs. Its interface is described at
// https://docs.ollama.com/api.
type Ollama struct {
	// Address is where it runs, as "http://127.0.0.1:11434".
	Address string
	// Version is what it says of itself.
	Version string

	client *api.Client
	http   *http.Client
}

// answerTime is how long a running Ollama may take to say its version.
const answerTime = 10 * time.Second

// Connect finds the Ollama at an address as OLLAMA_HOST has it; "" is the usual
// one on this machine.
func Connect(ctx context.Context, address string) (*Ollama, error) {
	base, err := url.Parse(host(address))
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("the address of ollama: %w", err), "write it as http://127.0.0.1:11434")
	}
	o := &Ollama{Address: base.String(), http: &http.Client{}}
	o.client = api.NewClient(base, o.http)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	o.Version, err = o.client.Version(ctx)
	if err != nil {
		return nil, fault.Wrap(fmt.Errorf("ollama does not answer at %s: %w", o.Address, plain(err)), "start it with: ollama serve; or set OLLAMA_HOST to where it runs")
	}
	if o.Version == "" {
		return nil, fault.New(fmt.Sprintf("what answers at %s is not ollama", o.Address), "set OLLAMA_HOST to where it runs")
	}
	return o, nil
}

// plain cuts from the error of a request what its caller says better.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// host reads an address as Ollama's own client reads OLLAMA_HOST. An address to
// listen on becomes one to connect to.
func host(s string) string {
	scheme, rest, found := strings.Cut(strings.TrimSpace(s), "://")
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	if !found {
		scheme, rest, port = "http", scheme, "11434"
	}
	rest, _, _ = strings.Cut(rest, "/")
	name := strings.Trim(rest, "[]")
	if h, p, err := net.SplitHostPort(rest); err == nil {
		name, port = h, p
	}
	if ip := net.ParseIP(name); name == "" || ip != nil && ip.IsUnspecified() {
		name = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(name, port)
}

// Has reports whether there is a model of that name.
func (o *Ollama) Has(ctx context.Context, name string) (bool, error) {
	_, err := o.client.Show(ctx, &api.ShowRequest{Model: name})
	var status api.StatusError
	if errors.As(err, &status) && status.StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// Load has a model loaded, or says why it cannot be: a request without a prompt
// does no more than that.
func (o *Ollama) Load(ctx context.Context, name string) error {
	return o.client.Generate(ctx, &api.GenerateRequest{Model: name}, func(api.GenerateResponse) error { return nil })
}

// Progress hears how far the work is; total is 0 where that is not known.
type Progress func(what string, done, total int64)

// Create sends the files that Ollama does not have yet and has the model made. A
// model of that name is replaced.
func (o *Ollama) Create(ctx context.Context, m Model, on Progress) error {
	for _, p := range slices.Concat(m.Weights, m.Adapters) {
		if err := o.send(ctx, p, on); err != nil {
			return err
		}
	}
	return o.client.Create(ctx, m.request(), func(r api.ProgressResponse) error {
		on(r.Status, r.Completed, r.Total)
		return nil
	})
}

// send sends a file unless Ollama has it. Ollama compares its digest.
func (o *Ollama) send(ctx context.Context, p Part, on Progress) error {
	has, err := o.hasBlob(ctx, p.Digest)
	if err != nil || has {
		return err
	}
	f, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	if err := o.client.CreateBlob(ctx, p.Digest, &counted{f, 0, stat.Size(), on}); err != nil {
		err = fmt.Errorf("send %s: %w", p.Name, plain(err))
		if strings.Contains(err.Error(), "digest mismatch") {
			return fault.Wrap(err, "the file is not the one that was packed: make the package again")
		}
		return err
	}
	return nil
}

// hasBlob asks what the client of the module has no call for.
func (o *Ollama) hasBlob(ctx context.Context, digest string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, o.Address+"/api/blobs/"+digest, nil)
	if err != nil {
		return false, err
	}
	resp, err := o.http.Do(req)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, resp.Body.Close()
}

// counted tells how much of a file was read.
type counted struct {
	io.Reader
	done, total int64
	on          Progress
}

// Read implements [io.Reader].
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.done += int64(n)
	c.on("sending", c.done, c.total)
	return n, err
}

// Check holds what Ollama has under the model's name against what was sent, and
// returns the digest that Ollama lists it with.
func (o *Ollama) Check(ctx context.Context, m Model) (digest string, err error) {
	show, err := o.client.Show(ctx, &api.ShowRequest{Model: m.Name})
	if err != nil {
		return "", err
	}
	if what := m.differs(show); what != "" {
		return "", fault.Newf("ollama's own log may say more; is its version, "+o.Version+", a very old one?", "ollama made %s with another %s than was sent", m.Name, what)
	}
	list, err := o.client.List(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(list.Models, func(l api.ListModelResponse) bool { return l.Name == m.Name || l.Name == m.Name+":latest" })
	if i < 0 {
		return "", fault.Newf("ollama's own log may say more", "ollama made %s and does not list it", m.Name)
	}
	return "sha256:" + strings.TrimPrefix(list.Models[i].Digest, "sha256:"), nil
}

// differs names the first thing in which Ollama's model is not the one that was
// sent, or "".
func (m Model) differs(show *api.ShowResponse) string {
	for _, p := range slices.Concat(m.Weights, m.Adapters) {
		// It names the files by their digests, in the Modelfile that it makes.
		if !strings.Contains(show.Modelfile, strings.Replace(p.Digest, ":", "-", 1)) {
			return "file for " + p.Name
		}
	}
	if m.Template != "" && show.Template != m.Template {
		return "template"
	}
	if show.System != m.System {
		return "system prompt"
	}
	for name, v := range m.Parameters {
		for _, each := range asList(v) {
			if !hasParameter(show.Parameters, name, each) {
				return "parameter " + name
			}
		}
	}
	return ""
}

func asList(v any) []string {
	if list, ok := v.([]string); ok {
		return list
	}
	return []string{fmt.Sprint(v)}
}

// hasParameter looks for a line with a name and a value, which may be quoted.
func hasParameter(text, name, value string) bool {
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if key == name && (rest == value || rest == fmt.Sprintf("%q", value)) {
			return true
		}
	}
	return false
}
