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
	var found []os.DirEntry
	f.Run = func(raytest.FakeJob) (string, int) {
		found, _ = os.ReadDir(storage)
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
	if len(found) == 0 {
		t.Error("nothing lies on the storage during a probe")
	}
	for _, each := range found {
		if !known.MatchString(each.Name()) {
			t.Errorf("%s would stay for good", each.Name())
		}
	}
}
