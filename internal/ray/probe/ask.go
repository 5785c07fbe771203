package probe

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
)

// mostRounds is how often the nodes of a cluster are asked that loses some meanwhile.
const mostRounds = 3

// Probe has a job on every node of a report say what it sees, all at once, and adds
// that to the report. The jobs are removed again, whatever happens. Where a node left
// the cluster before it answered, the report becomes one of the nodes that are left.
func Probe(ctx context.Context, c *ray.Client, r *Report, need Need, script []byte, l Limits) error {
	for round := 1; ; round++ {
		if err := ask(ctx, c, r, need, script, l); err != nil {
			return err
		}
		if round == mostRounds || !slices.ContainsFunc(r.Nodes, silent) {
			return nil
		}
		now, err := Look(ctx, c)
		if err != nil {
			return err
		}
		gone := func(n Node) bool {
			return silent(n) && !slices.ContainsFunc(now.Nodes, func(other Node) bool { return other.ID == n.ID })
		}
		if !slices.ContainsFunc(r.Nodes, gone) {
			return nil
		}
		*r = *now
	}
}

// silent reports whether a node was asked and did not answer.
func silent(n Node) bool { return n.Answer != nil && n.Answer.Error != "" }

// ask asks the nodes once.
//
// Each is asked by a job of its own, and by no task of one: so the nodes start one
// process each, at the same time, where a driver would import Ray and connect before
// the nodes started theirs.
func ask(ctx context.Context, c *ray.Client, r *Report, need Need, script []byte, l Limits) (err error) {
	p := newPlan(need, l)
	if clean := p.writeHere(); clean != nil {
		defer clean()
	}
	pkg, err := ray.NewPackage(map[string][]byte{"ray_probe.py": script})
	if err != nil {
		return err
	}
	if _, err := c.Upload(ctx, pkg); err != nil {
		return err
	}
	a := &asking{client: c, limits: l}
	for i := range r.Nodes {
		a.nodes = append(a.nodes, &asked{node: &r.Nodes[i], id: fmt.Sprintf("bbjtune-probe-%s-%d", p.Nonce, i)})
	}
	defer func() {
		if left := a.remove(ctx); err == nil {
			err = left
		}
	}()
	if err := a.submit(ctx, p, pkg); err != nil {
		return err
	}
	if err := a.listen(ctx); err != nil {
		return err
	}
	a.report()
	r.Storage, r.StorageHere = need.Storage, p.client != ""
	return nil
}

// plan is what the script is told.
type plan struct {
	Packages []string `json:"packages"`
	Storage  string   `json:"storage"`
	Nonce    string   `json:"nonce"`
	// Own is the file that the node writes into the storage, and Others are those that
	// it looks for there. Stays has it keep its own until the job is ended.
	Own    string   `json:"own"`
	Others []string `json:"others"`
	Stays  bool     `json:"stays"`
	// Seconds are the longest that the job runs: the head's waits for nodes that start late.
	Seconds int `json:"seconds"`

	client string // the file of this machine, or ""
}

func newPlan(need Need, l Limits) *plan {
	return &plan{Storage: need.Storage, Nonce: strings.ToLower(rand.Text()), Seconds: int(math.Ceil((l.Start + l.Answer).Seconds())), Packages: sortedKeys(need.Packages)}
}

// file is the name of what a node writes.
func (p *plan) file(node int) string { return fmt.Sprintf(".bbjtune-probe-%s-%d", p.Nonce, node) }

// writeHere writes the client's own file into the shared folder, where this machine
// sees one of that name.
func (p *plan) writeHere() (clean func()) {
	if p.Storage == "" {
		return nil
	}
	name := ".bbjtune-probe-" + p.Nonce + "-client"
	path := filepath.Join(p.Storage, name)
	if err := os.WriteFile(path, []byte(p.Nonce), 0o644); err != nil {
		return nil
	}
	p.client = name
	return func() { os.Remove(path) }
}

// of is the plan of one node: the head's file is looked for by all others.
func (p *plan) of(node int) plan {
	own := *p
	own.Own, own.Stays, own.Others = p.file(node), node == 0, []string{}
	if node > 0 {
		own.Others = append(own.Others, p.file(0))
	}
	if p.client != "" {
		own.Others = append(own.Others, p.client)
	}
	return own
}

// asking are the jobs of a probe under way, the head's first.
type asking struct {
	client *ray.Client
	limits Limits
	nodes  []*asked
}

// asked is a node and what was heard of it.
type asked struct {
	node   *Node
	id     string
	files  plan
	answer *Answer
	// looks counts how often it has looked for the files of others, and missing are
	// those that it did not see.
	looks   int
	missing []string
	// mark is looks as it was when the head was known to have answered, and so to have
	// written its file if it can; -1 is not yet.
	mark int
	// began is when the job was submitted or, as soon as it runs, when that was noticed.
	began   time.Time
	running bool
	ended   bool
	// Its clock is ahead of this machine's by seconds within these bounds: it answered
	// after it was last asked in vain, at checked.
	least, most float64
	checked     time.Time
}

// each does something for all nodes at once and returns the first error.
func (a *asking) each(do func(i int, n *asked) error) error {
	errs := make([]error, len(a.nodes))
	var all sync.WaitGroup
	for i, n := range a.nodes {
		all.Go(func() { errs[i] = do(i, n) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *asking) submit(ctx context.Context, p *plan, pkg *ray.Package) error {
	return a.each(func(i int, n *asked) error {
		n.files, n.mark, n.began, n.checked = p.of(i), -1, time.Now(), time.Now()
		text, err := json.Marshal(n.files)
		if err != nil {
			return err
		}
		_, err = a.client.Submit(ctx, ray.Submission{
			ID: n.id, Entrypoint: n.node.Command("ray_probe.py", string(text)), Env: ray.RuntimeEnv{WorkingDir: pkg.URI()}, Labels: ray.OnNode(n.node.ID),
		})
		return err
	})
}

// remove takes the jobs away, even when the caller gives up.
func (a *asking) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 25*time.Second)
	defer cancel()
	return a.each(func(_ int, n *asked) error {
		if err := a.client.Remove(ctx, n.id); err != nil {
			return fault.Wrap(fmt.Errorf("remove the job of the probe: %w", err), "remove it yourself: ray job stop "+n.id+"; ray job delete "+n.id)
		}
		return nil
	})
}

// roundTime lies between two rounds of questions.
const roundTime = 150 * time.Millisecond

// listen asks the jobs in turn, the head's first, until all has been said.
func (a *asking) listen(ctx context.Context) error {
	for {
		done := true
		for _, n := range a.nodes {
			if a.settled(n) {
				continue
			}
			if err := a.hear(ctx, n); err != nil {
				return err
			}
			if n.mark < 0 && a.nodes[0].answer != nil {
				n.mark = n.looks
			}
			done = done && a.settled(n)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(roundTime):
		}
	}
}

// hear asks how far a job is and what it has said.
func (a *asking) hear(ctx context.Context, n *asked) error {
	at := time.Now()
	j, err := a.client.Job(ctx, n.id)
	if err != nil {
		return err
	}
	if j.Status != ray.Pending {
		if !n.running {
			n.running, n.began = true, at
		}
		logs, err := a.client.Logs(ctx, n.id)
		if err != nil {
			return err
		}
		n.read(logs, j.Status.Ended())
	}
	n.checked = at
	// One that hangs in the storage can end itself no more.
	most := a.limits.Start + a.limits.Answer
	n.ended = j.Status.Ended() || n.running && time.Since(n.began) > most
	switch {
	case n.wrote() && n.ended && n.looks == 0 && len(n.files.Others) > 0:
		n.fail(fmt.Sprintf("it did not come to look into %s within %v", n.files.Storage, most))
	case n.answer != nil:
	case j.Status.Ended():
		n.fail(lastWords(j))
	case !n.running && time.Since(n.began) > a.limits.Start:
		n.fail(fmt.Sprintf("no process was started within %v", a.limits.Start))
	case n.running && time.Since(n.began) > a.limits.Answer:
		n.fail(fmt.Sprintf("no answer within %v", a.limits.Answer))
	}
	return nil
}

func (n *asked) fail(why string) { n.answer = &Answer{Error: why} }

// lastWords are those of a job that ended without an answer. Python's stand in its
// message.
func lastWords(j ray.Job) string {
	if j.Status == ray.Succeeded {
		return "it ended without an answer"
	}
	text := strings.TrimSpace(j.Message)
	if at := strings.LastIndexByte(text, '\n'); at >= 0 {
		text = text[at+1:]
	}
	return fmt.Sprintf("%.300s", text)
}

// prefix begins a line of the script.
const prefix = "bbjtune-probe "

// read takes what the job has said out of its log. Whatever else is in it is passed
// over, and so is a line that is being written.
func (n *asked) read(logs string, ended bool) {
	for line := range strings.Lines(logs) {
		text, ok := strings.CutPrefix(line, prefix)
		if !ok || !ended && !strings.HasSuffix(line, "\n") {
			continue
		}
		var said struct {
			Looks   int
			Missing []string
			Clock   float64
			Answer
		}
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			n.fail(fmt.Sprintf("its answer cannot be read: %v", err))
			return
		}
		switch {
		case said.Looks > 0:
			n.looks, n.missing = said.Looks, said.Missing
		case n.answer == nil:
			n.answer = &said.Answer
			n.least, n.most = said.Clock-seconds(time.Now()), said.Clock-seconds(n.checked)
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

// wrote reports whether the node's file lies in the storage as it sees it.
func (n *asked) wrote() bool {
	return n.answer != nil && n.answer.Storage != nil && n.answer.Storage.Fault == ""
}

// enoughLooks are how many it takes, after the head has answered, to say that a node
// does not see that: one may have been under way, and network file systems show what is
// new a little later.
const enoughLooks = 5

// settled reports whether there is nothing left to hear of a node.
func (a *asking) settled(n *asked) bool {
	switch {
	case n.answer == nil:
		return false
	case n.ended, !n.wrote(), len(n.files.Others) == 0:
		return true
	}
	return n.looks > 0 && len(n.missing) == 0 || n.mark >= 0 && n.looks >= n.mark+enoughLooks
}

// report puts together what the nodes have said.
func (a *asking) report() {
	head := a.nodes[0]
	for i, n := range a.nodes {
		n.node.Answer = n.answer
		if n.answer.Error == "" && head.answer.Error == "" {
			n.answer.Ahead = nearest(n.least-head.most, n.most-head.least)
		}
		if n.wrote() {
			s := n.answer.Storage
			s.OfNode = i == 0 || n.saw(head.files.Own)
			s.OfClient = n.files.client == "" || n.saw(n.files.client)
		}
	}
}

// nearest is the number between two bounds that is nearest to 0.
func nearest(least, most float64) float64 { return max(least, min(most, 0)) }

func (n *asked) saw(file string) bool { return n.looks > 0 && !slices.Contains(n.missing, file) }
