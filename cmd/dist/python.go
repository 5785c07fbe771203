package main

import (
	_ "embed"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// requirements is one file of pinned packages, as worker/lock.sh writes it.
type requirements struct {
	name     string // cpu, for requirements-cpu.txt
	packages []pinned
}

// pinned is one version of a package.
type pinned struct {
	name, version, marker string
	hashes, via           []string
	direct                bool // asked for by the file itself
}

// pythonLicences says what is known of the packages' licences.
//
//go:embed python-licences.txt
var pythonLicences string

// ref is the package's URL, which is its reference in a bill.
func (p pinned) ref() string {
	return "pkg:pypi/" + p.name + "@" + url.QueryEscape(p.version)
}

// readRequirements reads all files of pinned packages.
func readRequirements(files fs.FS) ([]requirements, error) {
	names, err := fs.Glob(files, "requirements-*.txt")
	if err != nil {
		return nil, err
	}
	var list []requirements
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		r := requirements{name: strings.TrimSuffix(strings.TrimPrefix(name, "requirements-"), ".txt")}
		if r.packages, err = parseRequirements(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, r)
	}
	return list, nil
}

var (
	pin    = regexp.MustCompile(`^([a-z0-9]+(?:-[a-z0-9]+)*)==([0-9A-Za-z.+!]+)(?: ; (.+?))? \\$`)
	pinSum = regexp.MustCompile(`^    --hash=sha256:([0-9a-f]{64})(?: \\)?$`)
	pinVia = regexp.MustCompile(`^    #(?: via|  )(?: (.+))?$`)
)

// parseRequirements reads the packages of one file. A line of another form is an error,
// since what it says would be missing in the bill.
func parseRequirements(text string) ([]pinned, error) {
	var list []pinned
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if m := pin.FindStringSubmatch(line); m != nil {
			list = append(list, pinned{name: m[1], version: m[2], marker: m[3]})
			continue
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("line %d is no package with its version: %q", i+1, line)
		}
		p := &list[len(list)-1]
		if m := pinSum.FindStringSubmatch(line); m != nil {
			p.hashes = append(p.hashes, m[1])
		} else if m := pinVia.FindStringSubmatch(line); m != nil {
			p.needed(m[1])
		} else {
			return nil, fmt.Errorf("line %d is neither a package nor a hash of one: %q", i+1, line)
		}
	}
	for _, p := range list {
		if len(p.hashes) == 0 {
			return nil, fmt.Errorf("%s has no hash", p.name)
		}
	}
	return list, nil
}

// needed notes what a package is there for: another package, or a file (-r). A file
// that only holds versions back (-c) needs nothing.
func (p *pinned) needed(by string) {
	switch {
	case strings.HasPrefix(by, "-r "):
		p.direct = true
	case by != "" && !strings.HasPrefix(by, "-"):
		p.via = append(p.via, by)
	}
}

// readLicences reads lines of a package and its licence.
func readLicences(text string) map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(text) {
		if name, licence, found := strings.Cut(strings.TrimSpace(line), " "); found && name != "#" {
			known[name] = licence
		}
	}
	return known
}

// environments adds the environments that the program makes, each with its packages. A
// version that several have is one component.
func (b *bill) environments(list []requirements) {
	merged := map[string]pinned{}
	for _, r := range list {
		c := cdx.Component{Type: cdx.ComponentTypePlatform, BOMRef: "environment:" + r.name, Name: self + " environment " + r.name, Scope: cdx.ScopeOptional}
		b.add(self, c)
		b.link(c.BOMRef, r.packages)
		for _, p := range r.packages {
			if m, found := merged[p.ref()]; found {
				p.hashes = append(p.hashes, m.hashes...)
				if m.marker != p.marker {
					p.marker = ""
				}
			}
			merged[p.ref()] = p
		}
	}
	licences := readLicences(pythonLicences)
	for _, ref := range slices.Sorted(maps.Keys(merged)) {
		b.components = append(b.components, merged[ref].component(licences))
	}
}

// link notes which packages of an environment need which.
func (b *bill) link(environment string, packages []pinned) {
	refs := map[string][]string{} // markers may choose between versions
	for _, p := range packages {
		refs[p.name] = append(refs[p.name], p.ref())
	}
	for _, p := range packages {
		var needing []string
		for _, name := range p.via {
			needing = append(needing, refs[name]...)
		}
		if p.direct || len(needing) == 0 {
			needing = append(needing, environment)
		}
		for _, ref := range needing {
			if !slices.Contains(b.on[ref], p.ref()) {
				b.on[ref] = append(b.on[ref], p.ref())
			}
		}
	}
}

// component is a package in a bill. Its hashes are those of its files, any one of
// which may be installed, so that none is that of the package itself.
func (p pinned) component(licences map[string]string) cdx.Component {
	files := cdx.ExternalReference{Type: cdx.ERTypeDistribution, URL: p.ref(), Comment: "each file that may be installed", Hashes: &[]cdx.Hash{}}
	slices.Sort(p.hashes)
	for _, sum := range slices.Compact(p.hashes) {
		*files.Hashes = append(*files.Hashes, cdx.Hash{Algorithm: cdx.HashAlgoSHA256, Value: sum})
	}
	return cdx.Component{
		Type: cdx.ComponentTypeLibrary, BOMRef: p.ref(), Name: p.name, Version: p.version, Scope: cdx.ScopeOptional, Licenses: expression(licences[p.name]),
		PackageURL: p.ref(), ExternalReferences: &[]cdx.ExternalReference{files}, Properties: property("marker", p.marker),
	}
}
