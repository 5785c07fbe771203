package raytrain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/runs"
)

// file is one that a finished stage hands over.
type file struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// maxFetched is the most that is fetched over the cluster's address, in bytes. It is
// a page of a dashboard, no file server.
const maxFetched = 8 << 30

// expected reports whether a finished stage leaves a file of that name. The cluster
// decides no other path.
func expected(path string) bool {
	switch path {
	case "training_config.json", "training_log.jsonl":
		return true
	}
	name, inside := strings.CutPrefix(path, "adapter/")
	return inside && name != "" && !strings.ContainsAny(name, `/\`) && filepath.IsLocal(name)
}

// fetch brings the stage's results into its folder: from the storage where this
// machine sees it, else from the node over the cluster's address.
func (r *run) fetch(ctx context.Context, d *done, node string) error {
	var size int64
	for _, f := range d.Files {
		if !expected(f.Path) {
			return fault.Newf("use the worker that came with this program", "job %s hands over %q, which no stage leaves", r.id(), f.Path)
		}
		size += f.Size
	}
	for _, f := range d.Files {
		if r.fromStorage(f) == nil {
			size -= f.Size
			continue
		}
		if size > maxFetched {
			return fault.Newf("run the command where "+r.Storage+" is seen", "what job %s leaves is %d GB, too much to fetch over the cluster's address", r.id(), size>>30)
		}
		if err := r.patiently(ctx, func() error { return r.fromNode(ctx, node, f) }); err != nil {
			return fmt.Errorf("fetch %s of job %s: %w", f.Path, r.id(), err)
		}
	}
	return nil
}

// fromStorage copies a file of the storage. What lies there under that name without
// being the file is not taken for it.
func (r *run) fromStorage(f file) error {
	if r.Storage == "" {
		return errors.New("there is no shared storage")
	}
	in, err := os.Open(filepath.Join(r.Storage, "runs", r.Options.Name, filepath.FromSlash(f.Path)))
	if err != nil {
		return err
	}
	defer in.Close()
	return r.write(f, in)
}

// fromNode fetches a file from the node of the job's driver.
func (r *run) fromNode(ctx context.Context, node string, f file) error {
	in, err := r.Cluster.File(ctx, node, "bbjtune/"+r.id()+"/output/"+f.Path, -1)
	if err != nil {
		return err
	}
	defer in.Close()
	return r.write(f, in)
}

// write keeps a file if it is the one that was announced.
func (r *run) write(f file, in io.Reader) error {
	return runs.WriteWith(filepath.Join(r.Dir, filepath.FromSlash(f.Path)), func(w io.Writer) error {
		h := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(in, f.Size+1))
		if err != nil {
			return err
		}
		if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
			return errors.New("what came is not what the job wrote")
		}
		return nil
	})
}
