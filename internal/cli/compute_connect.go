package cli

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"bbjtune/internal/fault"
	"bbjtune/internal/ray"
)

// clusterVariables name a cluster, as they do for Ray itself.
var clusterVariables = []string{"RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"}

// connectCluster finds the cluster that a flag names, else a recipe or a folder of runs,
// else Ray's own variables. Files may come from others: what they name gets nothing,
// neither the token nor data, unless the user has named it, too.
func (a *app) connectCluster(ctx context.Context, flag, file string) (*ray.Client, error) {
	own := []string{flag}
	for _, name := range clusterVariables {
		own = append(own, a.Env(name))
	}
	address := cmp.Or(flag, file, cmp.Or(own...))
	if address == "" {
		return nil, fault.New("no Ray cluster is named", "name its dashboard with --compute-address http://HEAD:8265, compute.address in a recipe, or RAY_API_SERVER_ADDRESS")
	}
	address, err := ray.ReadAddress(address)
	if err != nil {
		return nil, err
	}
	token, err := ray.FindToken(a.Env)
	if err != nil {
		return nil, err
	}
	remember, err := a.named(address, own, token)
	if err != nil {
		return nil, err
	}
	c, err := ray.Connect(ctx, address, token)
	if err == nil {
		remember()
	}
	return c, err
}

// named refuses an address that the user has not named, now or before. One that is new
// is remembered once it has answered.
func (a *app) named(address string, own []string, token ray.Token) (remember func(), err error) {
	known := ray.Known{Path: filepath.Join(a.cache, "ray-clusters")}
	has, err := known.Has(address)
	switch {
	case err != nil:
		return nil, err
	case has || ray.Loopback(address):
		return func() {}, nil
	}
	for _, mine := range own {
		if !ray.SameAddress(mine, address) {
			continue
		}
		if token != (ray.Token{}) && strings.HasPrefix(address, "http://") {
			a.show.Say("  warning: the %s goes to %s unencrypted: whoever can listen on the way can run programs there", token, address)
		}
		return func() {
			if err := known.Add(address); err != nil {
				a.show.Say("  warning: %s is not remembered: %v", address, err)
				return
			}
			a.show.Say("  %s is remembered as a cluster of yours, in %s", address, known.Path)
		}, nil
	}
	return nil, fault.Newf("if it is yours, name it once yourself: bbjtune doctor --compute --compute-address ADDRESS; it is remembered then",
		"the Ray cluster at %s is named by a file alone, which may be a stranger's: neither token nor data are sent there", address)
}
