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
	"unicode"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
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

// maxFile is above what any file of an adapter has, in bytes.
const maxFile = 1 << 40

// expected reports whether a finished stage leaves a file of that name. The cluster
// decides no other path.
func expected(path string) bool {
	switch path {
	case "training_config.json", "training_log.jsonl":
		return true
	}
	name, inside := strings.CutPrefix(path, "adapter/")
	hidden := strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
	return inside && name != "" && !hidden && !strings.ContainsAny(name, `/\`) && filepath.IsLocal(name)
}

// fetch brings the stage's results into its folder: from the storage where this
// machine sees it, else from the node over the cluster's address.
func (r *run) fetch(ctx context.Context, d *done, node string) error {
	var size int64
	for _, f := range d.Files {
		if !expected(f.Path) || f.Size < 0 || f.Size > maxFile {
			return fault.Newf("use the worker that came with this program", "job %s hands over %q of %d bytes, which no stage leaves", r.id(), f.Path, f.Size)
		}
		size += f.Size
	}
	for _, f := range d.Files {
		if r.fromStorage(f) == nil {
			size -= f.Size
			continue
		}
		if size > maxFetched {
			return fault.Newf("run the command where "+r.Options.Storage+" is seen", "what job %s leaves is %d GB, too much to fetch over the cluster's address", r.id(), size>>30)
		}
		err := r.patiently(ctx, func() error { return r.fromNode(ctx, node, f) })
		if ray.Is(err, ray.NotFound) {
			if there, asked := alive(ctx, r.Cluster, node); asked == nil && !there {
				return fmt.Errorf("%w: the node that had its results is gone", errLost)
			}
		}
		if err != nil {
			return fmt.Errorf("fetch %s of job %s: %w", f.Path, r.id(), err)
		}
	}
	return nil
}

// fromStorage copies a file of the storage. What lies there under that name without
// being the file is not taken for it.
func (r *run) fromStorage(f file) error {
	if r.Options.Storage == "" {
		return errors.New("there is no shared storage")
	}
	in, err := os.Open(filepath.Join(r.Options.Storage, "runs", r.Options.Name, filepath.FromSlash(f.Path)))
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
	from := &connection{Reader: in}
	if err = r.write(f, from); from.err != nil && ctx.Err() == nil {
		return &ray.Failure{Kind: ray.Unreachable, Message: "the connection to the cluster broke: " + from.err.Error()}
	}
	return err
}

// connection remembers how it broke.
type connection struct {
	io.Reader
	err error
}

func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
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
			return fault.New("what came is not what the job wrote", "start the same command again: it fetches anew")
		}
		return nil
	})
}
