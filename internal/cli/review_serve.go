package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bbjtune/internal/fault"
	"bbjtune/internal/progress"
	"bbjtune/internal/review"
	"bbjtune/internal/review/page"
	"bbjtune/internal/review/serve"
	"bbjtune/internal/review/store"
	"bbjtune/internal/runs"
)

// passwordEnv holds the password of a review that other machines can reach: on a
// command line, everybody on the machine could read it.
const passwordEnv = "BBJTUNE_REVIEW_PASSWORD"

type reviewServeFlags struct {
	reviewers []string
	host, url string
	port      int
}

func (a *app) reviewServeCommand() *cobra.Command {
	var f reviewServeFlags
	c := &cobra.Command{
		Use:   "serve REVIEW",
		Short: "open a review in the browser, with a link for each reviewer",
		Long: `Serve opens a review on 127.0.0.1 until it is interrupted, and prints a link for
each reviewer; --reviewer adds one. A link holds a random token and stays the same
when the review is served again, so that everybody goes on where he was. Every
vote is saved at once.

Other machines reach it only with --host, and only where ` + passwordEnv + `
holds a password that the pages then ask for. What they send is not encrypted:
beyond a trusted network, put a server with TLS in front and name its address
with --url.`,
		Args: args(1, 1, "one review"),
		RunE: func(cmd *cobra.Command, list []string) error { return a.reviewServe(cmd.Context(), list[0], f) },
	}
	fl := c.Flags()
	fl.StringArrayVar(&f.reviewers, "reviewer", nil, "name of a reviewer to add; repeatable")
	fl.StringVar(&f.host, "host", "127.0.0.1", "address to listen on")
	fl.IntVar(&f.port, "port", 8731, "port to listen on; 0 takes a free one, and links then hold only until the end")
	fl.StringVar(&f.url, "url", "", "address that links start with (default: host and port)")
	return c
}

func (a *app) reviewServe(ctx context.Context, path string, f reviewServeFlags) error {
	if f.port < 0 || f.port > 65535 {
		return fault.Newf("write a port from 0 to 65535, or leave it out", "--port is %d", f.port)
	}
	password := a.Env(passwordEnv)
	if !serve.Loopback(f.host) && len(password) < 8 {
		return fault.Newf("set "+passwordEnv+" to a password of 8 characters or more, or leave --host out", "--host %s can be reached by other machines, and there is no password", f.host)
	}
	s, err := openReview(path)
	if err != nil {
		return err
	}
	defer s.Close()
	who, err := reviewers(s, f.reviewers)
	if err != nil {
		return err
	}
	if len(who) == 0 {
		return fault.New("the review has no reviewer yet", "add one with --reviewer NAME")
	}
	l, err := serve.Listen(f.host, f.port)
	if err != nil {
		return err
	}
	logger := log.New(progress.PrintableWriter(a.Err), "", log.Ltime)
	if err := a.printLinks(s, who, linkBase(f, l)); err != nil {
		l.Close()
		return err
	}
	if password != "" {
		a.show.Say("the pages ask for the password in %s", passwordEnv)
	}
	a.show.Say("serving until interrupted (Ctrl-C); when all are done: %s", a.command("review", "close", path))
	return serve.Run(ctx, l, serve.Handler(s, serve.Options{Password: password, Secure: strings.HasPrefix(f.url, "https://"), Now: a.Now, Log: logger}), logger)
}

// linkBase is what links start with.
func linkBase(f reviewServeFlags, l net.Listener) string {
	if f.url != "" {
		return strings.TrimRight(f.url, "/")
	}
	host := f.host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "http://" + host
	}
	return "http://" + net.JoinHostPort(host, port)
}

func (a *app) printLinks(s *store.Store, who []review.Reviewer, base string) error {
	width := 0
	for _, w := range who {
		width = max(width, len([]rune(w.Name)))
	}
	for _, w := range who {
		votes, err := s.Votes(w.ID)
		if err != nil {
			return err
		}
		pad := strings.Repeat(" ", width-len([]rune(w.Name)))
		fmt.Fprintf(a.Out, "%s%s  %s/r/%s  %d of %d judged\n", progress.Printable(w.Name), pad, base, w.Token, len(votes), len(s.Review().Items))
	}
	return nil
}

func (a *app) reviewExportCommand() *cobra.Command {
	var who, out string
	c := &cobra.Command{
		Use:   "export REVIEW",
		Short: "write a review as one page that a reviewer fills in without a network",
		Long: `Export writes one HTML file for one reviewer. It needs no network and no server:
the reviewer opens it in a browser, judges, saves the answers to a file and sends
that back; bbjtune review import takes it in.`,
		Args: args(1, 1, "one review"),
		RunE: func(_ *cobra.Command, list []string) error { return a.reviewExport(list[0], who, out) },
	}
	c.Flags().StringVar(&who, "reviewer", "", "name of the reviewer, who is added where there is none of that name")
	c.Flags().StringVar(&out, "out", "", "file to write (default: review-NAME.html)")
	return c
}

func (a *app) reviewExport(path, name, out string) error {
	if name == "" {
		return fault.New("the page is for one reviewer", "name the reviewer with --reviewer NAME")
	}
	s, err := openReview(path)
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := reviewers(s, []string{name})
	if err != nil {
		return err
	}
	who := list[slices.IndexFunc(list, func(r review.Reviewer) bool { return r.Name == strings.TrimSpace(name) })]
	text, err := page.New(s.Review()).Offline(who, s.Order(who.ID))
	if err != nil {
		return err
	}
	if out == "" {
		out = "review-" + cmp.Or(slug(who.Name), "page") + ".html"
	}
	if err := runs.WriteFile(out, text); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "%s: %d comparisons for %s; what it saves comes back with %s\n", out, len(s.Review().Items), progress.Printable(who.Name), a.command("review", "import", path, "FILE"))
	return nil
}

type reviewImportFlags struct {
	replace bool
	format  string
}

func (a *app) reviewImportCommand() *cobra.Command {
	var f reviewImportFlags
	c := &cobra.Command{
		Use:   "import REVIEW FILE…",
		Short: "take in what reviewers saved from their offline pages",
		Long: `Import takes the answers of offline pages in. To take a file twice changes nothing.
A vote that says something else than one that is there is not taken unless --replace
says so, and makes the exit status 1.`,
		Args: args(2, -1, "one review and one or more files"),
		RunE: func(_ *cobra.Command, list []string) error { return a.reviewImport(list[0], list[1:], f) },
	}
	c.Flags().BoolVar(&f.replace, "replace", false, "votes of the files take the place of those that are there")
	outputFormat(c, &f.format, "text", "json")
	return c
}

// imported says what became of a file's votes.
type imported struct {
	File      string `json:"file"`
	Reviewer  string `json:"reviewer"`
	Added     int    `json:"added"`
	Changed   int    `json:"changed"`
	Unchanged int    `json:"unchanged"`
	Kept      int    `json:"not_taken"`
}

func (a *app) reviewImport(path string, files []string, f reviewImportFlags) error {
	s, err := openReview(path)
	if err != nil {
		return err
	}
	defer s.Close()
	all := []imported{}
	kept := 0
	for _, name := range files {
		i, err := importFile(s, name, f.replace)
		if err != nil {
			return err
		}
		kept += i.Kept
		all = append(all, i)
	}
	if f.format == "json" {
		err = writeJSON(a.Out, map[string]any{"version": 1, "files": all})
	} else {
		for _, i := range all {
			fmt.Fprintf(a.Out, "%s: %s, %d votes added, %d changed, %d there already\n", progress.Printable(i.File), progress.Printable(i.Reviewer), i.Added, i.Changed, i.Unchanged)
		}
	}
	if err == nil && kept > 0 {
		a.show.Say("%d votes say something else than those that are there, and were not taken; --replace takes them", kept)
		err = errFindings
	}
	return err
}

func importFile(s *store.Store, name string, replace bool) (imported, error) {
	i := imported{File: name}
	text, err := readBounded(name, review.MaxFilled)
	if err != nil {
		return i, err
	}
	filled, err := review.ParseFilled(name, text)
	if err != nil {
		return i, err
	}
	who, ok, err := s.ByToken(filled.Token)
	if err != nil {
		return i, err
	}
	if !ok || filled.Review != s.Review().ID {
		return i, fault.Newf("name the review that the page was exported from", "%s belongs to another review", name)
	}
	i.Reviewer = who.Name
	votes, err := filled.Kept(s.Order(who.ID))
	if err != nil {
		return i, fault.Wrap(fmt.Errorf("%s: %w", name, err), "ask the reviewer to save the answers again")
	}
	take := s.Offer
	if replace {
		take = s.Cast
	}
	for _, v := range votes {
		taken, err := take(who.ID, v)
		if err != nil {
			return i, err
		}
		switch taken {
		case store.Added:
			i.Added++
		case store.Changed:
			i.Changed++
		case store.Unchanged:
			i.Unchanged++
		case store.Kept:
			i.Kept++
		}
	}
	return i, nil
}

// readBounded reads a file that may have any size, or none that it tells.
func readBounded(name string, most int64) ([]byte, error) {
	const hint = "name the file that the offline page saved"
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.Wrap(err, hint)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than %d bytes, more than any answers take", name, most)
	}
	return text, fault.Wrap(err, hint)
}
