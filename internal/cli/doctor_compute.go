package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/ray"
	"bbjtune/internal/ray/probe"
	"bbjtune/internal/recipe"
	"bbjtune/worker"
)

// computeDoctor is what is asked of a cluster.
type computeDoctor struct {
	address, storage string
	workers          int
	quick            bool
	format           string
}

// examine says what a cluster offers and what it lacks for a recipe, or for one
// worker where none is named.
func (a *app) examine(ctx context.Context, list []string, o computeDoctor) error {
	r := recipe.Defaults()
	p := &pipeline{app: a, recipe: &r}
	if len(list) > 0 {
		plan, err := recipe.Read(list[0])
		if err != nil {
			return err
		}
		r = *plan.Recipe
	}
	r.Compute.Storage = cmp.Or(o.storage, r.Compute.Storage)
	r.Compute.Workers = cmp.Or(o.workers, r.Compute.Workers)
	client, err := a.connectCluster(ctx, o.address, r.Compute.Address)
	if err != nil {
		return err
	}
	need, err := clusterNeed(r.Compute)
	if err != nil {
		return err
	}
	report, err := a.probeCluster(ctx, client, need, o.quick)
	if err != nil {
		return err
	}
	findings := report.Findings(need)
	if len(list) > 0 {
		findings = append(findings, p.unfit(len(report.Nodes))...)
	}
	jobs, err := jobsUnderWay(ctx, client)
	if err != nil { // the answer to a side question
		findings = append(findings, probe.Finding{Severity: probe.Warning, Message: "which jobs are under way is not known: " + err.Error(), Hint: fault.Hint(err)})
	}
	return a.showCluster(report, jobs, findings, o)
}

// clusterJob is one that is under way on a cluster, and may hold what is not free.
type clusterJob struct {
	ID     string     `json:"id"`
	Status ray.Status `json:"status"`
	// Started is when, in milliseconds of Unix time.
	Started int64 `json:"started"`
}

// jobsUnderWay lists them, the oldest first.
func jobsUnderWay(ctx context.Context, client *ray.Client) ([]clusterJob, error) {
	all, err := client.Jobs(ctx)
	list := []clusterJob{}
	for _, j := range all {
		if !j.Status.Ended() {
			list = append(list, clusterJob{j.ID, j.Status, j.Started})
		}
	}
	slices.SortFunc(list, func(a, b clusterJob) int { return cmp.Or(cmp.Compare(a.Started, b.Started), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// maxJobs is how many are shown to people.
const maxJobs = 10

// jobLines are those of the report for people.
func (a *app) jobLines(jobs []clusterJob) []string {
	if len(jobs) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("%d under way", len(jobs))}
	for _, j := range jobs[:min(len(jobs), maxJobs)] {
		line := j.ID + ", " + strings.ToLower(string(j.Status))
		if j.Started > 0 {
			line += " for " + progress.Short(max(0, a.Now().Sub(time.UnixMilli(j.Started))))
		}
		lines = append(lines, line)
	}
	if more := len(jobs) - maxJobs; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d others", more))
	}
	return lines
}

// clusterNeed is what a training asks of a cluster.
func clusterNeed(c recipe.Compute) (probe.Need, error) {
	packages, err := workerPackages()
	return probe.Need{
		Workers: c.Workers, CPUs: float64(max(c.Resources.CPU, 1)), GPUs: float64(c.Resources.GPU), Memory: int64(c.Resources.MemoryGB * 1e9),
		Storage: c.Storage, Packages: packages,
	}, err
}

// workerPackages are the versions of what the worker imports, by its own lists.
func workerPackages() (map[string]string, error) {
	wanted := []string{"ray", "torch", "transformers", "trl", "peft", "accelerate", "datasets"}
	versions := map[string]string{}
	for _, list := range []string{"requirements-cpu.txt", "requirements-ray.txt"} {
		text, err := worker.Files.ReadFile(list)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			name, rest, ok := strings.Cut(line, "==")
			if ok && slices.Contains(wanted, name) {
				versions[name] = strings.Fields(rest)[0]
			}
		}
	}
	return versions, nil
}

// probeCluster asks the dashboard and, unless the cluster is found unfit at once, its
// nodes.
func (a *app) probeCluster(ctx context.Context, client *ray.Client, need probe.Need, quick bool) (*probe.Report, error) {
	report, err := probe.Look(ctx, client)
	if err != nil || quick || !report.Usable() {
		return report, err
	}
	script, err := worker.Files.ReadFile("ray_probe.py")
	if err != nil {
		return nil, err
	}
	task := a.show.Start("probe of " + counted(len(report.Nodes), "node"))
	defer task.Drop()
	if err := probe.Probe(ctx, client, report, need, script, probe.DefaultLimits); err != nil {
		return nil, err
	}
	return report, nil
}

func (a *app) showCluster(r *probe.Report, jobs []clusterJob, findings []probe.Finding, o computeDoctor) error {
	if o.format == "json" {
		if findings == nil {
			findings = []probe.Finding{}
		}
		err := writeJSON(a.Out, struct {
			Version int `json:"version"`
			*probe.Report
			Jobs     []clusterJob    `json:"jobs"`
			Findings []probe.Finding `json:"findings"`
		}{1, r, jobs, findings})
		if err != nil {
			return err
		}
	} else if err := a.printCluster(r, jobs, findings); err != nil {
		return err
	}
	if slices.ContainsFunc(findings, func(f probe.Finding) bool { return f.Severity == probe.Error }) {
		return errFindings
	}
	return nil
}

// printCluster writes the report for people.
func (a *app) printCluster(r *probe.Report, jobs []clusterJob, findings []probe.Finding) error {
	var b strings.Builder
	say := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s %s\n", what, progress.Printable(fmt.Sprintf(format, args...)))
	}
	say("cluster", "%s, Ray %s, Python %s", r.Address, r.Version, cmp.Or(r.Python, "unknown"))
	say("offers", "%s: %s", counted(len(r.Nodes), "node"), totals(r.Nodes))
	for _, n := range r.Nodes {
		say("node "+progress.Printable(n.IP), "%s", nodeLine(n))
		if n.Answer != nil && n.Answer.Error == "" {
			say("", "%s", answerLine(n.Answer))
		}
	}
	for i, line := range a.jobLines(jobs) {
		say(map[bool]string{true: "jobs"}[i == 0], "%s", line)
	}
	if r.Storage != "" {
		here := "this machine does not see it"
		if r.StorageHere {
			here = "this machine sees a folder of that name"
		}
		say("storage", "%s; %s", r.Storage, here)
	}
	for _, f := range findings {
		where := ""
		if f.Node != "" {
			where = "node " + f.Node + ": "
		}
		fmt.Fprintf(&b, "%s: %s\n  hint: %s\n", f.Severity, progress.Printable(where+f.Message), progress.Printable(f.Hint))
	}
	if len(findings) == 0 {
		fmt.Fprintln(&b, "nothing is missing")
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}

// totals adds up what the nodes have and what of it is free.
func totals(nodes []probe.Node) string {
	var sum ray.Node
	for _, n := range nodes {
		sum.CPUs, sum.FreeCPUs, sum.GPUs, sum.FreeGPUs = sum.CPUs+n.CPUs, sum.FreeCPUs+n.FreeCPUs, sum.GPUs+n.GPUs, sum.FreeGPUs+n.FreeGPUs
		sum.Memory, sum.ObjectStore = sum.Memory+n.Memory, sum.ObjectStore+n.ObjectStore
	}
	return fmt.Sprintf("%g CPUs (%g free), %g GPUs (%g free), %s of memory, %s of object store",
		sum.CPUs, sum.FreeCPUs, sum.GPUs, sum.FreeGPUs, progress.Bytes(sum.Memory), progress.Bytes(sum.ObjectStore))
}

func nodeLine(n probe.Node) string {
	text := fmt.Sprintf("%s, %g CPUs (%g free), ", n.Host, n.CPUs, n.FreeCPUs)
	if n.Head {
		text = "head, " + text
	}
	if n.GPUs > 0 {
		text += fmt.Sprintf("%g GPUs (%g free; %s), ", n.GPUs, n.FreeGPUs, cmp.Or(strings.Join(n.GPUNames, ", "), "not seen by Ray's agent"))
	}
	return text + fmt.Sprintf("%s of memory, object store %s of %s taken, disk %s of %s free", progress.Bytes(n.Memory),
		progress.Bytes(n.StoreUsed), progress.Bytes(n.ObjectStore), progress.Bytes(n.FreeDisk), progress.Bytes(n.Disk))
}

func answerLine(answer *probe.Answer) string {
	text := "Python " + answer.Python
	for _, name := range slices.Sorted(maps.Keys(answer.Packages)) {
		text += ", " + name + " " + cmp.Or(answer.Packages[name], "missing")
	}
	if answer.CUDA != "" {
		text += ", torch for CUDA " + answer.CUDA
	}
	if len(answer.GPUs) > 0 {
		text += ", " + strings.Join(answer.GPUs, "; ")
	}
	return text
}
