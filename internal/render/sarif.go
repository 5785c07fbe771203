package render

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"bbjtune/bbj/diag"
)

// The parts of SARIF 2.1.0 that are written
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
		Properties sarifEngine   `json:"properties"`
	}
	sarifEngine struct {
		Engine string `json:"engine"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string       `json:"id"`
		Name    string       `json:"name,omitempty"`
		Short   *sarifText   `json:"shortDescription,omitempty"`
		Help    *sarifText   `json:"help,omitempty"`
		Default sarifDefault `json:"defaultConfiguration"`
		Tags    sarifTags    `json:"properties"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifTags struct {
		Tags []diag.Family `json:"tags"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
		Related   []sarifLocation `json:"relatedLocations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifText    `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId,omitempty"`
	}
	// A region lies on one line; without EndColumn it reaches to its end.
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
)

func sarifForm(r Report) any {
	rules := []sarifRule{}
	for _, code := range codes(r.Findings) {
		rules = append(rules, sarifRuleOf(r.Rule(code)))
	}
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}, Properties: sarifEngine{r.Engine}}
	run.Tool.Driver = sarifDriver{"bbjtune", r.Tool, rules}
	for _, f := range r.Findings {
		run.Results = append(run.Results, sarifResultOf(r.Dir, f, slices.IndexFunc(rules, func(s sarifRule) bool { return s.ID == f.Code })))
	}
	return sarifLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{run}}
}

// codes lists the codes of the findings, each once, in their order.
func codes(list []Finding) []string {
	var out []string
	for _, f := range list {
		if i, found := slices.BinarySearch(out, f.Code); !found {
			out = slices.Insert(out, i, f.Code)
		}
	}
	return out
}

func sarifRuleOf(r Rule) sarifRule {
	return sarifRule{r.Code, r.Name, sarifWords(r.Title), sarifWords(r.Help), sarifDefault{r.Severity.String()}, sarifTags{[]diag.Family{r.Family}}}
}

func sarifResultOf(dir string, f Finding, rule int) sarifResult {
	message := f.Message
	if f.Help != "" {
		message += " (" + f.Help + ")"
	}
	artifact := sarifFile(dir, f.File)
	out := sarifResult{RuleID: f.Code, RuleIndex: rule, Level: f.Severity.String(), Message: sarifText{sarifPlain(message)}}
	out.Locations = []sarifLocation{{sarifPhysical{artifact, sarifRegionOf(f)}, nil}}
	for _, r := range f.Related {
		region := sarifRegion{StartLine: max(1, r.Span.Start.Line)}
		out.Related = append(out.Related, sarifLocation{sarifPhysical{artifact, region}, sarifWords(r.Message)})
	}
	return out
}

func sarifRegionOf(f Finding) sarifRegion {
	region := sarifRegion{StartLine: max(1, f.Span.Start.Line), StartColumn: column(f)}
	if f.Source != "" && f.Span.End.Line == f.Span.Start.Line {
		_, marked := split(f)
		region.EndColumn = region.StartColumn + utf8.RuneCountInString(marked)
	}
	return region
}

// sarifWords wraps a text that may be absent.
func sarifWords(text string) *sarifText {
	if text == "" {
		return nil
	}
	return &sarifText{sarifPlain(text)}
}

// sarifPlain makes plain text in the sense of SARIF: braces are doubled, since
// single ones hold the place of an argument, and nothing in it is a link.
func sarifPlain(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = clean(line)
	}
	return strings.NewReplacer("{", "{{", "}", "}}", "](", `\](`).Replace(strings.Join(lines, "\n"))
}

// sarifFile names a file by a URI, relative to the root of the sources where the
// file is below it.
func sarifFile(dir, file string) sarifArtifact {
	name := below(dir, file)
	if filepath.IsAbs(name) {
		path := filepath.ToSlash(name)
		if !strings.HasPrefix(path, "/") { // C:/…
			path = "/" + path
		}
		return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: path}).String()}
	}
	parts := strings.Split(filepath.ToSlash(name), "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(p), ":", "%3A") // what stands before a colon would be a scheme
	}
	return sarifArtifact{strings.Join(parts, "/"), "%SRCROOT%"}
}

// below returns the name of a file as seen from dir, if it is in it.
func below(dir, file string) string {
	full := file
	if !filepath.IsAbs(full) {
		full = filepath.Join(dir, file)
	}
	if rel, err := filepath.Rel(dir, full); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return full
}
