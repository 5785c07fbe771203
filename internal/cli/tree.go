package cli

import "github.com/spf13/cobra"

// Tree is the tree of all commands, for documentation that is made of them. Its
// commands are not to be run.
func Tree() *cobra.Command { return (&app{}).root() }
