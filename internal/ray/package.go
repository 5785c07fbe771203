package ray

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"bbjtune/internal/fault"
)

// PackageLimit is how large a package may be: Ray's dashboard takes no larger body.
const PackageLimit = 100 << 20

// Package is the working directory of a job as Ray keeps it: a zip that is named
// after its content, so that the same files are sent once.
type Package struct {
	data []byte
	name string
}

// NewPackage packs files, by slash-separated paths. The same files make the same
// bytes.
func NewPackage(files map[string][]byte) (*Package, error) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name != path.Clean(name) || path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") {
			return nil, fmt.Errorf("%q is no path inside a package", name)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if buf.Len() > PackageLimit {
		return nil, fault.Newf("lay the data on storage that all nodes share and name it with compute.storage",
			"what the job needs is %d MiB packed, and Ray takes %d MiB at most", buf.Len()>>20, PackageLimit>>20)
	}
	sum := sha256.Sum256(buf.Bytes())
	return &Package{buf.Bytes(), "_ray_pkg_" + hex.EncodeToString(sum[:16]) + ".zip"}, nil
}

// URI is what [RuntimeEnv.WorkingDir] names.
func (p *Package) URI() string { return "gcs://" + p.name }

// Size is that of the zip, in bytes.
func (p *Package) Size() int { return len(p.data) }

// uploadRate is what a slow line carries, in bytes a second; the time for a package
// is made of it.
const uploadRate = 1 << 20

// Upload sends a package unless the cluster has it; sent reports which. The head
// keeps it in memory until the jobs that use it have ended, or for ten minutes.
func (c *Client) Upload(ctx context.Context, p *Package) (sent bool, err error) {
	where := "/api/packages/gcs/" + p.name
	if _, err := c.call(ctx, http.MethodGet, where, nil, nil); err == nil || !Is(err, NotFound) {
		return false, err
	}
	limit := requestTime + time.Duration(p.Size()/uploadRate)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	resp, err := c.send(ctx, http.MethodPut, where, "application/octet-stream", bytes.NewReader(p.data))
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, replyBytes))
	return true, err
}
