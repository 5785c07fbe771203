// Dist makes the archives of a release: the program for each platform with its manual
// pages, shell completions and what shops copy, a bill of materials beside each, and
// the checksums of all. make dist calls it.
//
// The same commit and the same version of Go make the same bytes, whenever and
// wherever. It knows how the program is built and packed, not what it does.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	version := flag.String("version", "", "version of the release")
	epoch := flag.Int64("epoch", 0, "date of the commit, in seconds since 1970")
	ldflags := flag.String("ldflags", "", "flags of the linker")
	program := flag.String("program", "", "the program for this machine, which writes manual pages and completions")
	out := flag.String("out", "dist", "folder to write, in the place of what is there")
	flag.Parse()
	if *version == "" || *epoch <= 0 || *program == "" || flag.NArg() == 0 {
		log.Fatal("dist: -version, -epoch, -program and platforms are needed; make dist names them")
	}
	r := release{version: *version, ldflags: *ldflags, date: time.Unix(*epoch, 0).UTC(), out: *out}
	if err := r.make(*program, flag.Args()); err != nil {
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
func (r release) make(program string, platforms []string) error {
	scratch, err := os.MkdirTemp(".", ".dist-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	shared, err := r.shared(program, scratch)
	if err != nil {
		return err
	}
	ready := filepath.Join(scratch, "ready")
	if err := os.Mkdir(ready, 0o755); err != nil {
		return err
	}
	for _, p := range platforms {
		if err := r.platform(p, scratch, ready, shared); err != nil {
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

// shared are the files that the archives of all platforms hold.
func (r release) shared(program, scratch string) ([]file, error) {
	var list []file
	for _, name := range []string{"LICENSE", "README.md", "contrib/README.md", "contrib/pre-commit", "contrib/github-check.yml", "docs/recipe.schema.json", "docs/example.schema.json"} {
		text, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			return nil, err
		}
		list = append(list, file{name, text, name == "contrib/pre-commit"})
	}
	pages := filepath.Join(scratch, "man")
	man := exec.Command(program, "man", pages)
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
		text, err := exec.Command(program, "completion", shell).Output()
		if err != nil {
			return nil, fmt.Errorf("%s completion %s: %w", program, shell, err)
		}
		list = append(list, file{"completions/bbjtune." + shell, text, false})
	}
	return list, nil
}

// platform builds the program for one platform, such as linux/amd64.
func (r release) platform(platform, scratch, ready string, shared []file) error {
	system, processor, found := strings.Cut(platform, "/")
	if !found {
		return fmt.Errorf("a platform is written system/processor")
	}
	name := "bbjtune"
	if system == "windows" {
		name += ".exe"
	}
	built := filepath.Join(scratch, name)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", r.ldflags, "-o", built, "./cmd/bbjtune")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor)
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
	folder := "bbjtune-" + r.version + "-" + system + "-" + processor
	bill, err := materials(info, r.version, r.date)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(ready, folder+".cdx.json"), bill, 0o644); err != nil {
		return err
	}
	files := append([]file{{name, program, true}}, shared...)
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
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(b.String()), 0o644)
}
