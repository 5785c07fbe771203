package llm

import "slices"

// Provider is an API that can be asked by its name alone. Help, flags, keys and
// the table of the chapter are made of the list.
type Provider struct {
	// Name is what it is chosen by, API what a sentence calls it.
	Name, API string
	// URL is its own address, KeyEnv the environment variable of the key there.
	URL, KeyEnv string
	// Connect makes the model at an address. It is nil where the API is OpenAI's, as
	// [NewOpenAI] speaks it: only such endpoints list what they serve and share
	// questions, and only their addresses end in /v1.
	Connect func(name, baseURL, model, key string) Model
}

var providers = []Provider{
	{Name: "openai", API: "OpenAI's API", URL: "https://api.openai.com/v1", KeyEnv: "OPENAI_API_KEY"},
	{
		Name: "anthropic", API: "Anthropic's API", URL: "https://api.anthropic.com", KeyEnv: "ANTHROPIC_API_KEY",
		Connect: func(name, baseURL, model, key string) Model { return NewAnthropic(name, baseURL, model, key) },
	},
}

// Providers returns all; the first is meant where none is named.
func Providers() []Provider { return slices.Clone(providers) }

// FindProvider returns the one of a name, or the first for "".
func FindProvider(name string) (Provider, bool) {
	i := slices.IndexFunc(providers, func(p Provider) bool { return name == "" || p.Name == name })
	if i < 0 {
		return Provider{}, false
	}
	return providers[i], true
}

// Compatible reports whether the API is OpenAI's.
func (p Provider) Compatible() bool { return p.Connect == nil }
