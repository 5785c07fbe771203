package probe_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
	"time"

	"bbjtune/internal/ray"
	"bbjtune/internal/ray/probe"
	"bbjtune/internal/ray/raytest"
	"bbjtune/worker"
)

// A job of the cluster removes what a killed probe leaves on the storage, which it
// knows by its name.
func TestLeftoversAreKnownByName(t *testing.T) {
	source, err := worker.Files.ReadFile("ray_storage.py")
	if err != nil {
		t.Fatal(err)
	}
	left := regexp.MustCompile(`(?m)^LEFT = re.compile\(r"(.*)"\)$`).FindSubmatch(source)
	if left == nil {
		t.Fatal("ray_storage.py names no leftovers")
	}
	known := regexp.MustCompile("^(?:" + string(left[1]) + ")$")
	storage := t.TempDir()
	f := raytest.NewFake("")
	var names []string
	f.Run = func(j raytest.FakeJob) (string, int) {
		here, _ := os.ReadDir(storage)
		for _, each := range here {
			names = append(names, each.Name())
		}
		told := regexp.MustCompile(`"own":"([^"]+)"`).FindStringSubmatch(j.Entrypoint)
		names = append(names, told[1], told[1]+"-look")
		return "", 1
	}
	server := httptest.NewServer(f)
	defer server.Close()
	c, err := ray.Connect(t.Context(), server.URL, ray.Token{})
	if err != nil {
		t.Fatal(err)
	}
	c.Settle = time.Millisecond
	if _, err := probe.Check(t.Context(), c, probe.Need{Workers: 1, CPUs: 1, Storage: storage}, nil, probe.DefaultLimits); err == nil {
		t.Error("a probe that fails is none")
	}
	if len(names) != 2*3 { // of two nodes, and what this machine has written by then
		t.Errorf("during a probe there are %v", names)
	}
	for _, name := range names {
		if !known.MatchString(name) {
			t.Errorf("%s would stay for good", name)
		}
	}
}
