// Command bbjtune takes a BBj shop from its own source code to a model that
// writes BBj that compiles. See the README.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"bbjtune/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program the hard way; what it leaves is resumable.
	context.AfterFunc(ctx, stop)
	status := cli.Main(ctx, cli.Process())
	stop()
	os.Exit(status)
}
