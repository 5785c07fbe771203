// Package ray speaks to a Ray cluster over the HTTP of its dashboard: the Jobs API
// (https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html),
// the packages that jobs run in, and what the nodes are and have. Every request has
// a limit of time, so that a fault is said within ten seconds.
//
// It knows Ray and HTTP. It must not know what a job does, nor show progress, nor
// let a token reach a message.
package ray

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bbjtune/internal/fault"
)

// Tested is the version of Ray that this client is tested with.
const Tested = "2.60.0"

// requestTime is how long a request may take, and dialTime a connection to the
// cluster: nobody waits longer than ten seconds to hear what is wrong.
const (
	requestTime = 8 * time.Second
	dialTime    = 4 * time.Second
)

// replyBytes bounds an answer that is read whole.
const replyBytes = 64 << 20

// Client speaks to one cluster. Its methods may be called from any goroutine.
type Client struct {
	// Address is where the dashboard answers: http://host:port.
	Address string
	// Info is what the cluster said of itself.
	Info Info
	// Settle is how long the cluster may take to see the end of a job.
	Settle time.Duration

	token Token
	http  *http.Client
}

// Info is what a cluster says of itself.
type Info struct {
	// Version is Ray's.
	Version string `json:"ray"`
	// Python is that of the head, major and minor; empty where it is not told.
	Python string `json:"python,omitempty"`
	// Session names this life of the cluster: another one after a restart that
	// forgot the jobs.
	Session string `json:"session"`
}

// Connect asks the cluster at an address who it is. The address is that of the
// dashboard, with or without http:// and port.
func Connect(ctx context.Context, address string, token Token) (*Client, error) {
	base, err := ReadAddress(address)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: dialTime}).DialContext
	c := &Client{Address: base, Settle: settleTime, token: token, http: &http.Client{
		Transport: transport,
		// A page to log in at is not Ray, and no other host is to see the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return c, c.introduce(ctx)
}

// introduce reads the version. The head's Python stands in the name that its web
// server gives itself.
func (c *Client) introduce(ctx context.Context) error {
	var v struct {
		Version string `json:"version"`
		Ray     string `json:"ray_version"`
		Session string `json:"session_name"`
	}
	header, err := c.call(ctx, http.MethodGet, "/api/version", nil, &v)
	if err != nil {
		return err
	}
	if v.Ray == "" {
		return c.failure(NotRay, "what answers at %s is not Ray", c.Address)
	}
	c.Info = Info{Version: v.Ray, Python: pythonOf(header.Get("Server")), Session: v.Session}
	return nil
}

// pythonOf finds the version in "Python/3.11 aiohttp/3.14.5".
func pythonOf(server string) string {
	for _, word := range strings.Fields(server) {
		if version, ok := strings.CutPrefix(word, "Python/"); ok {
			return version
		}
	}
	return ""
}

var errSecret = fault.New("a cluster's address has neither a user nor a password nor a query", "put the token into RAY_AUTH_TOKEN")

// ReadAddress makes the address of a dashboard of what a user writes: the scheme may
// be missing, and the port then as well (8265).
func ReadAddress(address string) (string, error) {
	const hint = "write the dashboard's address as http://host:8265"
	text := strings.TrimSpace(address)
	switch {
	case text == "":
		return "", fault.New("no Ray cluster is named", hint)
	case text == "auto" || text == "local":
		return "", fault.Newf(hint, "a cluster's address cannot be %q here", text)
	case strings.Contains(text, "@"): // before any message repeats it
		return "", errSecret
	case strings.HasPrefix(text, "ray://"):
		return "", fault.Newf(hint, "%s is the address of Ray's client, not of its jobs", clip(text))
	}
	port := ""
	if !strings.Contains(text, "://") {
		text, port = "http://"+text, "8265"
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fault.Newf(hint, "%q is no address of a cluster", clip(address))
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errSecret
	}
	if u.Port() == "" && port != "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// call sends a request with a JSON body, unless that is nil, and reads the JSON of
// the answer, unless into is nil.
func (c *Client) call(ctx context.Context, method, path string, body, into any) (http.Header, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTime, errSlow)
	defer cancel()
	resp, err := c.send(ctx, method, path, "application/json", sent)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, replyBytes+1))
	switch {
	case err != nil:
		return nil, c.broken(ctx, err)
	case len(text) > replyBytes:
		return nil, c.failure(NotRay, "the answer of %s to %s is longer than %d MiB", c.Address, path, replyBytes>>20)
	case into == nil:
		return resp.Header, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, c.failure(NotRay, "what answers at %s is not Ray: no JSON at %s", c.Address, path)
	}
	return resp.Header, nil
}

// send sends a request; an answer other than 200 is an error. The caller bounds the
// time, and closes the body.
func (c *Client) send(ctx context.Context, method, path, kind string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Address+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if c.token.value != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what was read says enough
	return nil, c.refused(resp.StatusCode, path, string(text))
}

// errSlow is why a request ends that took too long.
var errSlow = errors.New("no answer in time")

// broken explains a request without an answer.
func (c *Client) broken(ctx context.Context, err error) error {
	var dns *net.DNSError
	var op *net.OpError
	isOp := errors.As(err, &op)
	switch cause := context.Cause(ctx); {
	case cause != nil && !errors.Is(cause, errSlow):
		return cause // the caller gave up
	case errors.As(err, &dns):
		return c.failure(Unreachable, "the Ray cluster at %s cannot be reached: there is no host %s", c.Address, clip(dns.Name))
	case errors.Is(err, errSlow), errors.Is(err, context.DeadlineExceeded), isOp && op.Timeout():
		return c.failure(Unreachable, "the Ray cluster at %s does not answer", c.Address)
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"),
		strings.Contains(err.Error(), "readLoopPeekFailLocked: %!w(<nil>)"): // it spoke before it was asked, as SSH does
		return c.failure(NotRay, "what answers at %s is not Ray: it does not speak %s", c.Address, strings.SplitN(c.Address, ":", 2)[0])
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if op != nil {
		err = op.Err
	}
	return c.failure(Unreachable, "the Ray cluster at %s cannot be reached: %s", c.Address, lastLine(err.Error()))
}

// refused explains an answer that is none.
func (c *Client) refused(status int, path, text string) error {
	said := lastLine(strings.ReplaceAll(text, c.token.secret(), "…"))
	switch {
	case status == http.StatusUnauthorized && c.token.value == "":
		return c.failure(Denied, "the Ray cluster at %s asks for a token, and none is set", c.Address)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return c.failure(Denied, "the Ray cluster at %s does not accept the token of %s", c.Address, c.token.Source)
	case status >= 300 && status < 400:
		return c.failure(NotRay, "what answers at %s is not Ray: it sends elsewhere", c.Address)
	case status == http.StatusNotFound && path == "/api/version":
		return c.failure(NotRay, "what answers at %s is not Ray", c.Address)
	case status == http.StatusNotFound:
		return c.failure(NotFound, "the Ray cluster at %s does not have it: %s", c.Address, said)
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return c.failure(Unreachable, "the Ray cluster at %s is not up: status %d", c.Address, status)
	case status >= 500:
		return c.failure(Broken, "the Ray cluster at %s failed: %s", c.Address, said)
	}
	return c.failure(Rejected, "the Ray cluster at %s refuses: %s", c.Address, said)
}
