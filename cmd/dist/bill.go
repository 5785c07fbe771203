package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// specification is the version of CycloneDX that bills are written in. The newest is
// 1.7; 1.6 (ECMA-424) is what scanners read by now.
const specification = cdx.SpecVersion1_6

// self is the program in its own bill.
const self = "bbjtune"

// bill is a bill of materials under way. Its order is that in which things were added.
type bill struct {
	components []cdx.Component
	on         map[string][]string // what a component depends on, by their references
}

// materials is the bill of one program: the modules that the Go linker says it is made
// of, and the Python packages that it installs when they are needed.
func materials(info *debug.BuildInfo, platform, version string, date time.Time, licences map[string]string, python []requirements) ([]byte, error) {
	b := bill{on: map[string][]string{}}
	if err := b.modules(info, licences); err != nil {
		return nil, err
	}
	b.environments(python)
	metadata := &cdx.Metadata{
		Timestamp:  date.Format(time.RFC3339),
		Lifecycles: &[]cdx.Lifecycle{{Phase: cdx.LifecyclePhaseBuild}},
		Component:  &cdx.Component{Type: cdx.ComponentTypeApplication, BOMRef: self, Name: self, Version: version, Licenses: expression("Apache-2.0"), Properties: property("platform", platform)},
	}
	all := cdx.BOM{BOMFormat: cdx.BOMFormat, SpecVersion: specification, SerialNumber: serial(version, platform), Version: 1, Metadata: metadata, Components: &b.components}
	all.Dependencies = &[]cdx.Dependency{}
	for _, ref := range append([]string{self}, refs(b.components)...) {
		d := cdx.Dependency{Ref: ref}
		if on := b.on[ref]; len(on) > 0 {
			d.Dependencies = &on
		}
		*all.Dependencies = append(*all.Dependencies, d)
	}
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).Encode(&all)
	return out.Bytes(), err
}

// modules adds the modules of a program, with the hashes of go.sum.
func (b *bill) modules(info *debug.BuildInfo, licences map[string]string) error {
	std, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	b.add(self, module(standard, std, licences))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("%s has no hash of go.sum: %q", m.Path, m.Sum)
		}
		c := module(m.Path, m.Version, licences)
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
		b.add(self, c)
	}
	return nil
}

// add puts a component below another one.
func (b *bill) add(below string, c cdx.Component) {
	b.components = append(b.components, c)
	b.on[below] = append(b.on[below], c.BOMRef)
}

func module(path, version string, licences map[string]string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + url.QueryEscape(version)
	return cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: purl, Name: path, Version: version, Scope: cdx.ScopeRequired, Licenses: expression(licences[path]), PackageURL: purl}
}

// expression is a licence as SPDX writes it; nil where it is not known.
func expression(spdx string) *cdx.Licenses {
	if spdx == "" {
		return nil
	}
	return &cdx.Licenses{{Expression: spdx}}
}

func property(name, value string) *[]cdx.Property {
	if value == "" {
		return nil
	}
	return &[]cdx.Property{{Name: self + ":" + name, Value: value}}
}

// serial is the same for the same release: a name-based UUID, of SHA-256 (version 8).
func serial(version, platform string) string {
	h := sha256.Sum256([]byte(self + "\x00" + version + "\x00" + platform))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func refs(list []cdx.Component) []string {
	var names []string
	for _, c := range list {
		names = append(names, c.BOMRef)
	}
	return names
}
