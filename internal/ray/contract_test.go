package ray_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bbjtune/internal/ray"
	"bbjtune/internal/ray/raytest"
)

// cluster is one that the contract is held against.
type cluster struct{ address, token string }

const fakeToken = "0123456789abcdef-secret"

func fake(t *testing.T) (*raytest.Fake, cluster) {
	f := raytest.NewFake(fakeToken)
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, cluster{s.URL, fakeToken}
}

// TestContractFake holds the stand-in to what the real one is held to.
func TestContractFake(t *testing.T) {
	f, c := fake(t)
	f.Run = func(j raytest.FakeJob) (string, int) {
		switch {
		case strings.Contains(j.Entrypoint, "exit 3"):
			return "about to fail\n", 3
		case strings.Contains(j.Entrypoint, "sleep"):
			f.Takes = time.Hour
			return "asleep\n", 0
		}
		z, err := zip.NewReader(bytes.NewReader(j.Package), int64(len(j.Package)))
		if err != nil {
			return err.Error(), 1
		}
		r, err := z.Open("inner/hello.txt")
		if err != nil {
			return err.Error(), 1
		}
		text, err := io.ReadAll(r)
		return string(text) + j.Vars["GREETING"] + "\n", map[bool]int{true: 0, false: 1}[err == nil]
	}
	contract(t, c)
	if left := f.Left(); len(left) > 0 {
		t.Errorf("jobs left: %v", left)
	}
}

// TestContractReal holds a real Ray of two nodes to the same.
func TestContractReal(t *testing.T) {
	c := raytest.Start(t, raytest.Options{})
	contract(t, cluster{c.Address, c.Token})
	t.Run("nodes", func(t *testing.T) {
		client := connect(t, cluster{c.Address, c.Token})
		nodes, err := client.Nodes(t.Context())
		if err != nil || len(nodes) != 2 || !nodes[0].Head || nodes[1].Head || nodes[1].IP != c.Node(1) {
			t.Fatalf("nodes %+v, %v", nodes, err)
		}
		for _, n := range nodes {
			if n.CPUs != 2 || n.ObjectStore != 100_000_000 || n.Memory < 1e9 || n.FreeDisk < 1e6 || n.Python != client.Info.Python {
				t.Errorf("node %+v", n)
			}
		}
		file, err := client.File(t.Context(), nodes[1].ID, "raylet.out", 5)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if text, err := io.ReadAll(file); err != nil || len(text) == 0 {
			t.Errorf("raylet.out: %q, %v", text, err)
		}
		if _, err := client.File(t.Context(), nodes[0].ID, "none.out", -1); !ray.Is(err, ray.NotFound) {
			t.Errorf("a file that is not there: %v", err)
		}
	})
}

func connect(t *testing.T, c cluster) *ray.Client {
	t.Helper()
	client, err := ray.Connect(t.Context(), c.address, ray.NewToken(c.token, "the test"))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// contract is what the rest of the program relies on.
func contract(t *testing.T, c cluster) {
	client := connect(t, c)
	if client.Info.Version != ray.Tested || !strings.HasPrefix(client.Info.Python, "3.") || client.Info.Session == "" {
		t.Errorf("the cluster says %+v", client.Info)
	}
	pkg, err := ray.NewPackage(map[string][]byte{"inner/hello.txt": []byte("hello "), "other.txt": nil})
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []bool{true, false} {
		if sent, err := client.Upload(t.Context(), pkg); err != nil || sent != first {
			t.Fatalf("upload: %v, %v", sent, err)
		}
	}
	jobs := map[string]ray.Submission{
		"good": {Entrypoint: `echo "$(cat inner/hello.txt)$GREETING"`, Env: ray.RuntimeEnv{WorkingDir: pkg.URI(), Vars: map[string]string{"GREETING": "world"}},
			Metadata: map[string]string{"of": "the test"}},
		"bad": {Entrypoint: "echo about to fail; exit 3"},
	}
	for _, name := range []string{"good", "bad"} {
		s := jobs[name]
		s.ID = fmt.Sprintf("test-%s-%d", name, os.Getpid())
		for _, first := range []bool{true, false} {
			if started, err := client.Submit(t.Context(), s); err != nil || started != first {
				t.Fatalf("submit %s: %v, %v", name, started, err)
			}
		}
		jobs[name] = s
	}
	t.Run("good", func(t *testing.T) { goodJob(t, client, jobs["good"]) })
	t.Run("bad", func(t *testing.T) { badJob(t, client, jobs["bad"]) })
	t.Run("stopped", func(t *testing.T) { stoppedJob(t, client) })
	t.Run("missing", func(t *testing.T) { missingJob(t, client) })
	t.Run("denied", func(t *testing.T) { denied(t, c) })
}

func goodJob(t *testing.T, client *ray.Client, s ray.Submission) {
	j, err := client.Wait(t.Context(), s.ID)
	if err != nil || j.Status != ray.Succeeded || j.Metadata["of"] != "the test" || j.ExitCode == nil || *j.ExitCode != 0 {
		t.Fatalf("job %+v, %v", j, err)
	}
	logs, err := client.Logs(t.Context(), s.ID)
	if err != nil || !strings.Contains(logs, "hello world\n") {
		t.Fatalf("logs %q, %v", logs, err)
	}
	list, err := client.Jobs(t.Context())
	if err != nil || !slices.ContainsFunc(list, func(j ray.Job) bool { return j.ID == s.ID }) {
		t.Errorf("list %+v, %v", list, err)
	}
	if err := client.Delete(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Job(t.Context(), s.ID); !ray.Is(err, ray.NotFound) {
		t.Errorf("a deleted job: %v", err)
	}
}

func badJob(t *testing.T, client *ray.Client, s ray.Submission) {
	j, err := client.Wait(t.Context(), s.ID)
	if err != nil || j.Status != ray.Failed || j.Error != "JOB_ENTRYPOINT_COMMAND_ERROR" || j.ExitCode == nil || *j.ExitCode != 3 {
		t.Errorf("job %+v, %v", j, err)
	}
	if err := client.Remove(t.Context(), s.ID); err != nil {
		t.Error(err)
	}
}

func stoppedJob(t *testing.T, client *ray.Client) {
	s := ray.Submission{ID: fmt.Sprintf("test-sleep-%d", os.Getpid()), Entrypoint: "echo asleep; sleep 600"}
	if _, err := client.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if logs, err := client.Logs(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		} else if strings.Contains(logs, "\nasleep\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the job does not start")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := client.Remove(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Job(t.Context(), s.ID); !ray.Is(err, ray.NotFound) {
		t.Errorf("a removed job: %v", err)
	}
}

func missingJob(t *testing.T, client *ray.Client) {
	if _, err := client.Job(t.Context(), "no/such job"); !ray.Is(err, ray.NotFound) {
		t.Errorf("job: %v", err)
	}
	if err := client.Remove(t.Context(), "none"); err != nil {
		t.Errorf("remove: %v", err)
	}
}

func denied(t *testing.T, c cluster) {
	for token, want := range map[string]string{
		"":      "asks for a token, and none is set",
		"wrong": "does not accept the token of the test",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := ray.Connect(ctx, c.address, ray.NewToken(token, "the test"))
		if !ray.Is(err, ray.Denied) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("token %q: %v", token, err)
		}
	}
}
