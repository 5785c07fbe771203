package raytrain

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
	"bbjtune/internal/runs"
	"bbjtune/internal/trainer"
)

// Base is the base model: a name of the hub, which the nodes look up themselves, or a
// folder of this machine.
type Base struct {
	Hub, Folder string
}

// MaxPackage is how large the files of a package may be, in bytes: what cannot be
// packed smaller must still pass.
const MaxPackage = ray.PackageLimit * 9 / 10

// spec is what the driver reads beside the rows.
type spec struct {
	Version   int                `json:"version"`
	Name      string             `json:"name"`
	Workers   int                `json:"workers"`
	Resources map[string]float64 `json:"resources"`
	Storage   string             `json:"storage"`
	Job       trainer.Train      `json:"job"`
}

// parcel is a package that is being filled.
type parcel struct {
	*run
	files map[string][]byte
	size  int64
}

// files are those of the job's package: the worker's, the rows, what it starts from,
// and the job itself with its paths as the nodes have them.
func (r *run) files() (map[string][]byte, error) {
	p := &parcel{run: r, files: map[string][]byte{}}
	if err := p.code(); err != nil {
		return nil, err
	}
	job := r.job
	job.Output = "" // the driver knows where
	for _, path := range []*string{&job.Train, &job.Valid} {
		if err := p.place(path, filepath.Base(*path)); err != nil {
			return nil, err
		}
	}
	if job.AdapterIn != nil {
		in := *job.AdapterIn
		if err := p.place(&in, "adapter_in"); err != nil {
			return nil, err
		}
		job.AdapterIn = &in
	}
	if job.BaseModel = r.Base.Hub; job.BaseModel == "" {
		job.BaseModel = r.Base.Folder
		if err := p.place(&job.BaseModel, "base_model"); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(spec{Version: 1, Name: r.Options.Name, Workers: r.Workers, Resources: r.Resources, Storage: r.Options.Storage, Job: job}, "", "  ")
	if err != nil {
		return nil, err
	}
	p.files["spec.json"] = append(text, '\n')
	return p.files, nil
}

// code adds the worker's files.
func (p *parcel) code() error {
	return fs.WalkDir(p.Code, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".py") {
			return err
		}
		text, err := fs.ReadFile(p.Code, path)
		p.files[path] = text
		return err
	})
}

// place makes a file or folder of this machine reachable for the nodes, and path what
// they call it. What lies on the storage stays there; what is small goes into the
// package, under a name; what is not is copied to the storage, under its hash.
func (p *parcel) place(path *string, name string) error {
	full, err := filepath.EvalSymlinks(*path)
	if err != nil {
		return err
	}
	if p.Options.Storage != "" {
		if rel, err := filepath.Rel(p.Options.Storage, *path); err == nil && filepath.IsLocal(rel) {
			return nil
		}
	}
	size, err := sizeOf(full)
	if err != nil {
		return err
	}
	if p.size+size <= MaxPackage {
		p.size += size
		*path = name
		return p.pack(full, name)
	}
	if there := p.left(*path); there != "" {
		*path = there
		return nil
	}
	if info, err := os.Stat(p.Options.Storage); p.Options.Storage == "" || err != nil || !info.IsDir() {
		return fault.Newf("set compute.storage to a folder that this machine and all nodes see, or base.model to a name of the hub",
			"%s has %d MB, and with it the package of the job would be larger than the %d MB that a cluster takes", *path, size/1e6, int64(MaxPackage)/1e6)
	}
	kept, err := p.store(full)
	if err != nil {
		return fmt.Errorf("copy %s to the storage: %w", *path, err)
	}
	*path = kept
	return nil
}

// left is where the nodes have what an earlier stage left, if that is what lies there:
// this machine may not see the storage.
func (p *parcel) left(path string) string {
	rec, err := ReadRecord(filepath.Dir(path))
	if err != nil || rec == nil || rec.Storage == "" || rec.Storage != p.Options.Storage || rec.Address != p.Options.Address {
		return ""
	}
	return filepath.ToSlash(filepath.Join(rec.Storage, "runs", rec.Name, filepath.Base(path)))
}

// pack adds a file or the files of a folder.
func (p *parcel) pack(path, name string) error {
	return walk(path, func(file, rel string) error {
		text, err := os.ReadFile(file)
		p.files[filepath.ToSlash(filepath.Join(name, rel))] = text
		return err
	})
}

// store copies a file or a folder to the storage, once, under a name made of its
// content.
func (p *parcel) store(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	var sum string
	if info.IsDir() {
		sum, err = runs.HashTree(path, nil)
	} else {
		sum, _, err = runs.HashFile(path)
	}
	if err != nil {
		return "", err
	}
	to := filepath.Join(p.Options.Storage, "files", sum[:24])
	if _, err := os.Stat(to); err == nil {
		return filepath.ToSlash(to), nil
	}
	p.Say("  copying %s to the storage", path)
	partial, err := os.MkdirTemp(p.Options.Storage, ".files-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	target := filepath.Join(partial, "x")
	if err := walk(path, func(file, rel string) error { return copyFile(filepath.Join(target, rel), file) }); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(target, to); err != nil && !exists(to) { // another one was faster
		return "", err
	}
	return filepath.ToSlash(to), nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return runs.WriteWith(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// walk calls do for a file, with rel "", or for each of a folder.
func walk(path string, do func(file, rel string) error) error {
	return filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(path, file)
		if err != nil {
			return err
		}
		if rel == "." {
			rel = ""
		}
		return do(file, rel)
	})
}

func sizeOf(path string) (int64, error) {
	var size int64
	err := walk(path, func(file, _ string) error {
		info, err := os.Stat(file)
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
