package render

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Escapes of GitHub's workflow commands, as its own toolkit makes them: a line
// break in a message would start another command.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// github makes a workflow command of a finding, which GitHub shows at its line
// (https://docs.github.com/actions/reference/workflow-commands-for-github-actions).
func github(dir string, f Finding) string {
	message := f.Message
	for _, r := range f.Related {
		message += fmt.Sprintf("\nline %d: %s", r.Span.Start.Line, r.Message)
	}
	if f.Help != "" {
		message += "\nhelp: " + f.Help
	}
	file := filepath.ToSlash(below(dir, f.File))
	return clean(fmt.Sprintf("::%s file=%s,line=%d,col=%d,title=%s::%s", f.Severity, githubProperty.Replace(file),
		max(1, f.Span.Start.Line), column(f), githubProperty.Replace(f.Code+" "+f.Name), githubMessage.Replace(message))) + "\n"
}
