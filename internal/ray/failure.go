package ray

import (
	"errors"
	"fmt"
	"strings"

	"bbjtune/internal/fault"
)

// Kind says what a failure is about.
type Kind string

// The kinds of failures.
const (
	Unreachable Kind = "unreachable" // nobody answers, or not in time
	Denied      Kind = "denied"      // the token is missing or wrong
	NotRay      Kind = "not-ray"     // something else answers
	NotFound    Kind = "not-found"   // the job is not there
	Rejected    Kind = "rejected"    // the request is not accepted
	Broken      Kind = "broken"      // the cluster failed
	Lacking     Kind = "lacking"     // the cluster has not what is asked for
)

// Failure is a request that came to nothing. Its message is one sentence, a hint is
// wrapped around it.
type Failure struct {
	Kind    Kind
	Message string
}

func (f *Failure) Error() string { return f.Message }

// Is reports whether an error is a failure of that kind.
func Is(err error, kind Kind) bool {
	var f *Failure
	return errors.As(err, &f) && f.Kind == kind
}

// Passing reports whether an error may be gone when the same is asked again a little
// later: the network, or a cluster that comes up again.
func Passing(err error) bool { return Is(err, Unreachable) || Is(err, Broken) }

var hints = map[Kind]string{
	Unreachable: "check that the head is up (ray status there) and that its dashboard can be reached from here: started with --dashboard-host=0.0.0.0, or through a tunnel (ssh -L 8265:localhost:8265 HEAD)",
	Denied:      "set RAY_AUTH_TOKEN to the cluster's token, or RAY_AUTH_TOKEN_PATH to a file with it; on the head it is in ~/.ray/auth_token",
	NotRay:      "name the dashboard of the cluster's head, usually http://HEAD:8265; 6379 and 10001 are ports for Ray itself",
	NotFound:    "list what the cluster knows: a cluster that was started anew has forgotten its jobs",
	Rejected:    "check that the cluster runs Ray " + Tested + ", which this version of bbjtune is made for",
	Broken:      "the head's dashboard.log says more (on the head, below /tmp/ray/session_latest/logs); try again when it is well",
	Lacking:     "ask for less, or add nodes to the cluster",
}

func (c *Client) failure(kind Kind, format string, args ...any) error {
	return fault.Wrap(&Failure{kind, fmt.Sprintf(format, args...)}, hints[kind])
}

// Lack makes the failure of a cluster that has not what is asked for.
func Lack(hint, format string, args ...any) error {
	return fault.Wrap(&Failure{Lacking, fmt.Sprintf(format, args...)}, hint)
}

// lastLine is what a traceback comes to.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return clip(strings.TrimSpace(lines[len(lines)-1]))
}

// clip bounds foreign text in a message.
func clip(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
