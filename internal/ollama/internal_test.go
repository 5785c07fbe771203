package ollama

import "testing"

func TestHost(t *testing.T) {
	cases := map[string]string{
		"":                           "http://127.0.0.1:11434",
		"0.0.0.0":                    "http://127.0.0.1:11434",
		":8080":                      "http://127.0.0.1:8080",
		"[::]:8080":                  "http://127.0.0.1:8080",
		"::1":                        "http://[::1]:11434",
		"[::1]":                      "http://[::1]:11434",
		" gpu-box ":                  "http://gpu-box:11434",
		"gpu-box:1234/":              "http://gpu-box:1234",
		"http://gpu-box":             "http://gpu-box:80",
		"https://ollama.example.com": "https://ollama.example.com:443",
		"http://10.0.0.1:11434":      "http://10.0.0.1:11434",
	}
	for in, want := range cases {
		if got := host(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
