package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bbjtune/internal/raytrain"
)

// rayCluster is a cluster as raytrain asks it.
type rayCluster struct{ address, token string }

func (c *rayCluster) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.address, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", raytrain.ErrAway, err)
	}
	return res, nil
}

func (c *rayCluster) json(ctx context.Context, method, path string, in, out any) (int, error) {
	var body []byte
	if in != nil {
		body, _ = json.Marshal(in)
	}
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode == 200 && out != nil {
		return 200, json.Unmarshal(text, out)
	}
	if res.StatusCode != 200 && res.StatusCode != 404 {
		return res.StatusCode, fmt.Errorf("%s %s: %s: %.200s", method, path, res.Status, text)
	}
	return res.StatusCode, nil
}

func (c *rayCluster) Upload(ctx context.Context, files map[string][]byte) (string, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err != nil {
			return "", err
		}
		f.Write(files[name])
	}
	w.Close()
	sum := sha256.Sum256(b.Bytes())
	name := "_ray_pkg_" + hex.EncodeToString(sum[:8]) + ".zip"
	status, err := c.json(ctx, "GET", "/api/packages/gcs/"+name, nil, nil)
	if err != nil || status == 200 {
		return "gcs://" + name, err
	}
	res, err := c.do(ctx, "PUT", "/api/packages/gcs/"+name, b.Bytes())
	if err != nil {
		return "", err
	}
	res.Body.Close()
	return "gcs://" + name, nil
}

func (c *rayCluster) Submit(ctx context.Context, s raytrain.Submission) error {
	_, err := c.json(ctx, "POST", "/api/jobs/", map[string]any{"entrypoint": s.Entrypoint, "submission_id": s.ID, "metadata": s.Metadata,
		"runtime_env": map[string]any{"working_dir": s.Package, "env_vars": s.Env}}, nil)
	return err
}

func (c *rayCluster) Job(ctx context.Context, id string) (raytrain.Job, error) {
	var j struct {
		Status  string
		Message string
		Error   string `json:"error_type"`
		Node    string `json:"driver_node_id"`
	}
	status, err := c.json(ctx, "GET", "/api/jobs/"+url.PathEscape(id), nil, &j)
	if err == nil && status == 404 {
		err = raytrain.ErrNoJob
	}
	return raytrain.Job{Node: j.Node, Message: j.Message, Lost: strings.HasPrefix(j.Error, "JOB_SUPERVISOR_ACTOR_") && j.Error != "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
		Status: map[string]raytrain.Status{"RUNNING": raytrain.Running, "SUCCEEDED": raytrain.Succeeded, "FAILED": raytrain.Failed, "STOPPED": raytrain.Stopped}[j.Status]}, err
}

func (c *rayCluster) Stop(ctx context.Context, id string) error {
	_, err := c.json(ctx, "POST", "/api/jobs/"+url.PathEscape(id)+"/stop", nil, nil)
	return err
}

func (c *rayCluster) File(ctx context.Context, node, name string, lines int) (io.ReadCloser, error) {
	q := url.Values{"node_id": {node}, "filename": {name}, "lines": {strconv.Itoa(lines)}, "timeout": {"3600"}}
	res, err := c.do(ctx, "GET", "/api/v0/logs/file?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != 200 {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		if strings.Contains(string(text), "not found") {
			return nil, raytrain.ErrNoFile
		}
		return nil, fmt.Errorf("%w: %s", raytrain.ErrAway, text)
	}
	return res.Body, nil
}
