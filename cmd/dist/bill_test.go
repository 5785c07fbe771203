package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"bbjtune/worker"
)

func program() *debug.BuildInfo {
	sum := sha256.Sum256([]byte("x"))
	h1 := "h1:" + base64.StdEncoding.EncodeToString(sum[:])
	return &debug.BuildInfo{GoVersion: "go1.26.4 X:none", Deps: []*debug.Module{
		{Path: "example.org/a", Version: "v1.2.3+incompatible", Sum: h1},
		{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/c", Version: "v2.0.0", Sum: h1}},
	}}
}

func decoded(t *testing.T, text []byte) cdx.BOM {
	t.Helper()
	var b cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&b); err != nil {
		t.Fatal(err)
	}
	return b
}

// edges are the dependencies of a bill, one a line.
func edges(b cdx.BOM) string {
	var out strings.Builder
	for _, d := range *b.Dependencies {
		if d.Dependencies != nil {
			fmt.Fprintln(&out, d.Ref, *d.Dependencies)
		}
	}
	return out.String()
}

func TestMaterials(t *testing.T) {
	python := []requirements{
		{name: "cpu", packages: []pinned{
			{name: "torch", version: "2.0+cpu", hashes: []string{"bb", "aa"}, direct: true},
			{name: "numpy", version: "1", marker: "python_version < '3'", hashes: []string{"cc"}, via: []string{"torch"}},
			{name: "numpy", version: "2", marker: "python_version >= '3'", hashes: []string{"dd"}, via: []string{"torch"}},
			{name: "lost", version: "1", hashes: []string{"ee"}, via: []string{"left-out"}},
		}},
		{name: "gpu", packages: []pinned{{name: "numpy", version: "2", hashes: []string{"dd", "ff"}, direct: true}}},
	}
	text, err := materials(program(), "linux/amd64", "v1", date, map[string]string{"example.org/a": "MIT"}, python)
	if err != nil {
		t.Fatal(err)
	}
	b := decoded(t, text)
	want := `bbjtune [pkg:golang/std@1.26.4 pkg:golang/example.org/a@v1.2.3%2Bincompatible pkg:golang/example.org/c@v2.0.0 environment:cpu environment:gpu]
environment:cpu [pkg:pypi/torch@2.0%2Bcpu pkg:pypi/lost@1]
environment:gpu [pkg:pypi/numpy@2]
pkg:pypi/torch@2.0%2Bcpu [pkg:pypi/numpy@1 pkg:pypi/numpy@2]
`
	if got := edges(b); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	list := *b.Components
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("x")))
	if a := list[1]; (*a.Hashes)[0].Value != sum || (*a.Licenses)[0].Expression != "MIT" || list[2].Licenses != nil {
		t.Errorf("%s", text)
	}
	numpy := list[slices.IndexFunc(list, func(c cdx.Component) bool { return c.BOMRef == "pkg:pypi/numpy@2" })]
	if files := *(*numpy.ExternalReferences)[0].Hashes; len(files) != 2 || files[1].Value != "ff" || numpy.Properties != nil || numpy.Hashes != nil || (*numpy.Licenses)[0].Expression == "" {
		t.Errorf("%s", text)
	}
	if b.Metadata.Timestamp != "2026-01-02T03:04:06Z" || b.Metadata.Component.Version != "v1" || b.SerialNumber == serial("v1", "linux/arm64") {
		t.Errorf("%s", text)
	}
	info := program()
	info.Deps[0].Sum = ""
	if _, err := materials(info, "linux/amd64", "v1", date, nil, nil); err == nil || !strings.Contains(err.Error(), "example.org/a has no hash") {
		t.Error(err)
	}
}

// schema is the published one, which the module of the library carries.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for name, file := range map[string]string{"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = c.AddResource("http://cyclonedx.org/schema/"+name, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The bill of the packages that are pinned, by the published schema, and by what the
// schema cannot say: each reference is that of one component, and the program depends
// on all of them.
func TestBillHoldsBySchema(t *testing.T) {
	python, err := readRequirements(worker.Files)
	if err != nil {
		t.Fatal(err)
	}
	text, err := materials(program(), "linux/amd64", "v1", date, map[string]string{"example.org/a": "Apache-2.0 AND MIT"}, python)
	if err != nil {
		t.Fatal(err)
	}
	s := schema(t)
	valid := func(text []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return s.Validate(doc)
	}
	if err := valid(text); err != nil {
		t.Error(err)
	}
	for _, bad := range [][2]string{{`"SHA-256"`, `"SHA-255"`}, {`"urn:uuid:`, `"urn:uuid:x`}, {`"2026-`, `"today-`}, {`"platform"`, `"thing"`}} {
		if broken := bytes.Replace(text, []byte(bad[0]), []byte(bad[1]), 1); bytes.Equal(broken, text) {
			t.Errorf("there is no %s", bad[0])
		} else if valid(broken) == nil {
			t.Errorf("the schema takes %s", bad[1])
		}
	}
	b := decoded(t, text)
	on := map[string][]string{}
	for _, d := range *b.Dependencies {
		if _, twice := on[d.Ref]; twice {
			t.Errorf("%s is there twice", d.Ref)
		}
		on[d.Ref] = nil
		if d.Dependencies != nil {
			on[d.Ref] = *d.Dependencies
		}
	}
	seen := map[string]bool{}
	var walk func(string)
	walk = func(ref string) {
		if _, known := on[ref]; !known {
			t.Errorf("%s is no component", ref)
		}
		if !seen[ref] {
			seen[ref] = true
			for _, next := range on[ref] {
				walk(next)
			}
		}
	}
	walk(self)
	if n := len(*b.Components); len(seen) != n+1 || len(on) != n+1 || n < 150 {
		t.Errorf("%d of %d components are reached", len(seen)-1, n)
	}
}

func TestParseRequirements(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	got, err := parseRequirements("x-y==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:" + a + " \\\n    --hash=sha256:" + b + "\n    # via\n    #   -c requirements-gpu.txt\n    #   z\nz==2!1+cpu \\\n    --hash=sha256:" + a + "\n    # via -r requirements-x.in\n")
	want := []pinned{{name: "x-y", version: "1.0", marker: "sys_platform == 'linux'", hashes: []string{a, b}, via: []string{"z"}}, {name: "z", version: "2!1+cpu", hashes: []string{a}, direct: true}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
	for text, want := range map[string]string{
		"    # via x\n":                "line 1 is no package",
		"":                             "line 1 is no package",
		"x==1 \\\n    --hash=md5:00\n": "line 2 is neither",
		"x==1 \\\n    # via y\n":       "x has no hash",
		"x==1 \\\n    --hash=sha256:" + a + "\nx @ https://example.org\n": "line 3 is neither",
	} {
		if _, err := parseRequirements(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// The licences are those of packages that are pinned, and every package of the
// environment that all use has one.
func TestPythonLicences(t *testing.T) {
	python, err := readRequirements(worker.Files)
	if err != nil {
		t.Fatal(err)
	}
	// Their metadata names none, or they are for systems that nobody trains on.
	without := []string{"colorama", "cuda-toolkit", "httpx2-jsfetch"}
	known, there := readLicences(pythonLicences), map[string]bool{}
	for _, r := range python {
		for _, p := range r.packages {
			there[p.name] = true
			if r.name == "cpu" && known[p.name] == "" && !slices.Contains(without, p.name) {
				t.Errorf("python-licences.txt has no licence of %s: write what the metadata of the package says", p.name)
			}
		}
	}
	for name := range known {
		if !there[name] {
			t.Errorf("python-licences.txt has %s, which is pinned nowhere", name)
		}
	}
}

func TestLicencesOfModules(t *testing.T) {
	env := environment("linux", "amd64")
	list, err := thirdParties(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, p := range list {
		if names[p.path] = p.spdx(); names[p.path] == "" {
			t.Errorf("the licence of %s is not recognised", p.name)
		}
	}
	for path, want := range map[string]string{standard: "BSD-3-Clause", "github.com/spf13/cobra": "Apache-2.0", "go.yaml.in/yaml/v3": "Apache-2.0 AND MIT", "github.com/coder/websocket": "ISC"} {
		if names[path] != want {
			t.Errorf("%s is under %q, want %q", path, names[path], want)
		}
	}
	if text := string(notices(list)); !strings.Contains(text, "github.com/spf13/cobra v") || !strings.Contains(text, "The Go Authors") || strings.Contains(text, "\r") {
		t.Errorf("%.2000s", text)
	}
}

// What is read has all that a bill needs, whatever the file.
func FuzzParseRequirements(f *testing.F) {
	sum := strings.Repeat("a", 64)
	for _, seed := range []string{"", "x==1", "x==1 \\\n    --hash=sha256:" + sum + "\n    # via\n    #   -r a.in\n    #   y\n", "x==1 ; a == 'b' \\\n    --hash=sha256:" + sum, "    # via x\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseRequirements(text)
		if (err == nil) == (len(list) == 0) {
			t.Fatalf("%d packages and %v", len(list), err)
		}
		for _, p := range list {
			if p.name == "" || p.version == "" || len(p.hashes) == 0 || slices.Contains(p.via, "") {
				t.Errorf("%+v", p)
			}
		}
	})
}
