package llm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bbjtune/internal/fault"
)

// Cause says in a word why a question has no answer.
type Cause string

// The causes. The first five pass by themselves and are worth another try.
const (
	RateLimited Cause = "rate_limited" // 429
	ServerError Cause = "server_error" // 5xx
	TimedOut    Cause = "timeout"
	Broken      Cause = "connection" // reset, or ended in the middle
	BadReply    Cause = "bad_reply"  // no JSON, or not of the expected shape

	Unreachable Cause = "unreachable" // nobody listens there
	KeyRefused  Cause = "key_refused"
	NotFound    Cause = "not_found"
	BadRequest  Cause = "bad_request"
	OverBudget  Cause = "over_budget"
	NotRecorded Cause = "not_recorded"
	NoAnswer    Cause = "no_answer" // the model declined, or its process failed
	WrongModel  Cause = "wrong_model"
	NoEndpoint  Cause = "no_endpoint" // of several, none is left
)

// Failure is the error of a question.
type Failure struct {
	Cause Cause
	// RetryAfter is how long the endpoint asks to wait, 0 where it does not.
	RetryAfter time.Duration
	// Attempts and Cost are what was spent on it (see [Careful]).
	Attempts int
	Cost     float64
	// Elsewhere says that another endpoint has not been asked yet and may be at
	// once (see [Pool]).
	Elsewhere bool

	err error
}

// NewFailure returns a failure of a cause; err says more, and what to do.
func NewFailure(cause Cause, err error) *Failure { return &Failure{Cause: cause, err: err} }

// Error implements error.
func (f *Failure) Error() string { return f.err.Error() }

// Unwrap returns the error with its hint.
func (f *Failure) Unwrap() error { return f.err }

// Passing reports whether another try may succeed.
func (f *Failure) Passing() bool {
	switch f.Cause {
	case RateLimited, ServerError, TimedOut, Broken, BadReply:
		return true
	}
	return false
}

// Final reports that no other question would fare better: asking on is useless.
func (f *Failure) Final() bool {
	switch f.Cause {
	case Unreachable, KeyRefused, NotFound, OverBudget, NoEndpoint:
		return true
	}
	return false
}

// paid reports whether an endpoint may charge for the try all the same: the
// answer was made and got lost on the way.
func (f *Failure) paid() bool {
	return f.Cause == TimedOut || f.Cause == Broken || f.Cause == BadReply || f.Cause == WrongModel
}

// longestMessage bounds what of an endpoint's own words goes into an error.
const longestMessage = 300

// refused makes a failure of an HTTP status. message is the endpoint's own, and
// may repeat what it was sent: the key is taken out.
func refused(status int, message, key string, header http.Header) *Failure {
	if message = clip(scrub(message, key)); message == "" {
		message = "no reason given"
	}
	f := func(cause Cause, hint, format string, args ...any) *Failure {
		return NewFailure(cause, fault.Newf(hint, format, args...))
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return f(KeyRefused, "set the key in the environment", "the endpoint refused the key (status %d)", status)
	case status == http.StatusNotFound:
		return f(NotFound, "check the model's name and that the URL ends in /v1", "the endpoint does not know the model or the path (status 404)")
	case status == http.StatusTooManyRequests:
		limited := f(RateLimited, "lower --concurrency or set --requests-per-minute", "the endpoint asks for fewer requests (status 429): %s", message)
		limited.RetryAfter = retryAfter(header)
		return limited
	case status == http.StatusRequestTimeout:
		return f(TimedOut, "run the same command again; finished answers are kept", "the endpoint gave up waiting (status 408): %s", message)
	case status >= 500:
		failed := f(ServerError, "run the same command again; finished answers are kept", "the endpoint failed with status %d: %s", status, message)
		failed.RetryAfter = retryAfter(header)
		return failed
	case status >= 400:
		return f(BadRequest, "shorten the prompt or raise the context", "the endpoint refused the request: %s", message)
	}
	return f(BadReply, "check that the URL is that of an API", "the endpoint answered with status %d", status)
}

// broken makes a failure of an error of the transport or of reading the reply.
// ctx is that of the single try.
func broken(ctx context.Context, err error, key string) error {
	var dial *net.OpError
	var timeout net.Error
	const again = "run the same command again; finished answers are kept"
	say := func(cause Cause, hint, what string) error {
		return NewFailure(cause, fault.Newf(hint, "%s: %s", what, clip(scrub(innermost(err).Error(), key))))
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // the error may be the context's cause
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return NewFailure(TimedOut, fault.New("the endpoint did not answer in time", "raise --timeout, or lower --max-tokens"))
	case errors.As(err, &dial) && dial.Op == "dial":
		return say(Unreachable, "check that the server runs and the URL ends in /v1", "cannot reach the endpoint")
	case isBadJSON(err):
		return say(BadReply, "check that the URL ends in /v1 and is that of an API", "the endpoint's reply cannot be read")
	}
	return say(Broken, again, "the connection broke")
}

func isBadJSON(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, errTooLong) ||
		strings.Contains(err.Error(), "parsing response json") || strings.Contains(err.Error(), "content type") || strings.Contains(err.Error(), "content-type")
}

// innermost is the cause without the URL and the method, which say nothing new.
func innermost(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}

func scrub(text, key string) string {
	if len(key) < 6 {
		return text // "none" is a word
	}
	return strings.ReplaceAll(text, key, "…")
}

func clip(text string) string {
	if len(text) > longestMessage {
		text = strings.ToValidUTF8(text[:longestMessage], "") + "…"
	}
	return text
}

// retryAfter reads the header, in seconds or as a date.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	value := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(value, 64); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// Against the endpoint's own clock, so that ours does not matter.
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
