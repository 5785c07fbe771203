// Dist makes the archives of a release: the program for each platform with its manual
// pages, shell completions, documentation, examples and suites, and the licences of what
// it is made of; a bill of materials beside each, and the checksums of all. make dist
// calls it.
//
// The same commit and the same version of Go make the same bytes, whenever and
// wherever. It knows how the program is built and packed, not what it does.
package main

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"bbjtune/worker"
)

// versions are those that can be part of a file's name.
var versions = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]*$`)

func main() {
	log.SetFlags(0)
	version := flag.String("version", "", "version of the release")
	epoch := flag.Int64("epoch", 0, "date of the commit, in seconds since 1970")
	ldflags := flag.String("ldflags", "", "flags of the linker")
	program := flag.String("program", "", "the program for this machine, which writes manual pages and completions")
	out := flag.String("out", "dist", "folder to write, in the place of an earlier release")
	flag.Parse()
	if !versions.MatchString(*version) || *epoch <= 0 || *program == "" || flag.NArg() == 0 {
		log.Fatal("dist: -version, -epoch, -program and platforms are needed; make dist names them")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	r := release{version: *version, ldflags: *ldflags, date: time.Unix(*epoch, 0).UTC(), out: filepath.Clean(*out)}
	err := r.make(ctx, *program, flag.Args())
	stop()
	if err != nil {
		log.Fatal("dist: ", err)
	}
}

type release struct {
	version, ldflags, out string
	date                  time.Time
}

// file is a file of an archive.
type file struct {
	name    string // with slashes, below the archive's one folder
	content []byte
	program bool
}

// make writes everything into a folder of its own first, so that a release is there
// as a whole or not at all.
func (r release) make(ctx context.Context, program string, platforms []string) error {
	if err := r.replaceable(); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(".", ".dist-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	shared, err := r.shared(ctx, program, scratch)
	if err != nil {
		return err
	}
	python, err := readRequirements(worker.Files)
	if err != nil {
		return err
	}
	ready := filepath.Join(scratch, "ready")
	if err := os.Mkdir(ready, 0o755); err != nil {
		return err
	}
	for _, p := range platforms {
		if err := r.platform(ctx, p, scratch, ready, shared, python); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := checksums(ready); err != nil {
		return err
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	return os.Rename(ready, r.out)
}

// sums is the list of checksums, by which a release is also told from other folders.
const sums = "SHA256SUMS"

// replaceable refuses to take the place of anything but a release.
func (r release) replaceable() error {
	list, err := os.ReadDir(r.out)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(list) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(r.out, sums)); err != nil {
		return fmt.Errorf("%s is there and is no release; remove it, or name another folder with -out", r.out)
	}
	return nil
}

// tree are the files of the repository that an archive holds: a shop follows the guide,
// and builds data of the examples, without a clone.
var tree = []string{":(glob)*.md", "LICENSE", ".pre-commit-hooks.yaml", "changes", "contrib", "docs", "recipes", "suites", "training-data", "worker/README.md"}

// committed are the files of the tree as they are here. What git does not know of would
// be in the program and in no commit.
func (r release) committed(ctx context.Context) ([]file, error) {
	status, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
	if err != nil {
		return nil, fmt.Errorf("git status: %w%s", err, stderr(err))
	}
	if changed := strings.TrimSpace(string(status)); changed != "" && !strings.HasSuffix(r.version, "-dirty") {
		first, _, _ := strings.Cut(changed, "\n")
		return nil, fmt.Errorf("the folder is not as committed: %s; commit or remove what git status lists", first)
	}
	names, err := exec.CommandContext(ctx, "git", append([]string{"ls-files", "-z", "--"}, tree...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w%s", err, stderr(err))
	}
	var list []file
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			return nil, err
		}
		list = append(list, file{name, text, name == "contrib/pre-commit"})
	}
	return list, nil
}

// shared are the files that the archives of all platforms hold.
func (r release) shared(ctx context.Context, program, scratch string) ([]file, error) {
	list, err := r.committed(ctx)
	if err != nil {
		return nil, err
	}
	pages := filepath.Join(scratch, "man")
	man := exec.CommandContext(ctx, program, "man", pages)
	man.Env = append(os.Environ(), fmt.Sprint("SOURCE_DATE_EPOCH=", r.date.Unix()))
	if said, err := man.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s man: %w\n%s", program, err, said)
	}
	found, err := filepath.Glob(filepath.Join(pages, "*.1"))
	if err != nil {
		return nil, err
	}
	for _, page := range found {
		text, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		list = append(list, file{"man/man1/" + filepath.Base(page), text, false})
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		text, err := exec.CommandContext(ctx, program, "completion", shell).Output()
		if err != nil {
			return nil, fmt.Errorf("%s completion %s: %w%s", program, shell, err, stderr(err))
		}
		list = append(list, file{"completions/bbjtune." + shell, text, false})
	}
	return list, nil
}

// environment is that of go for a platform. What a maintainer has set for himself
// would make other bytes.
func environment(system, processor string) []string {
	return append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=",
		"GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off")
}

// platform builds the program for one platform, such as linux/amd64.
func (r release) platform(ctx context.Context, platform, scratch, ready string, shared []file, python []requirements) error {
	system, processor, found := strings.Cut(platform, "/")
	if !found {
		return errors.New("a platform is written system/processor")
	}
	name := "bbjtune"
	if system == "windows" {
		name += ".exe"
	}
	built, env := filepath.Join(scratch, name), environment(system, processor)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", r.ldflags, "-o", built, "./cmd/bbjtune")
	build.Env = env
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, said)
	}
	program, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(built)
	if err != nil {
		return err
	}
	others, err := thirdParties(ctx, env)
	if err != nil {
		return err
	}
	licences := map[string]string{}
	for _, t := range others {
		licences[t.path] = t.spdx()
	}
	bill, err := materials(info, platform, r.version, r.date, licences, python)
	if err != nil {
		return err
	}
	folder := "bbjtune-" + r.version + "-" + system + "-" + processor
	if err := os.WriteFile(filepath.Join(ready, folder+".cdx.json"), bill, 0o644); err != nil {
		return err
	}
	files := append([]file{{name, program, true}, {"THIRD-PARTY.txt", notices(others), false}}, shared...)
	return r.pack(system, folder, ready, files)
}

// pack writes an archive of the kind that a system unpacks by itself.
func (r release) pack(system, folder, ready string, files []file) error {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	archive, pack := folder+".tar.gz", tarball
	if system == "windows" {
		archive, pack = folder+".zip", zipped
	}
	packed, err := pack(folder, files, r.date)
	if err != nil {
		return err
	}
	fmt.Printf("%s  %.1f MB\n", archive, float64(len(packed))/1e6)
	return os.WriteFile(filepath.Join(ready, archive), packed, 0o644)
}

// checksums writes SHA256SUMS, which sha256sum --check reads.
func checksums(dir string) error {
	list, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range list {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(text), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, sums), []byte(b.String()), 0o644)
}
