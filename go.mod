module bbjtune

go 1.26.0

require (
	github.com/CycloneDX/cyclonedx-go v0.12.0 // the types of bills of materials, in cmd/dist alone; its module carries the published schemas that a test holds them against
	github.com/anthropics/anthropic-sdk-go v1.84.0 // the official client of Anthropic's API; 19 MB of the program
	github.com/chromedp/chromedp v0.23.0 // drives a real browser over the pages of a review, in tests alone
	github.com/gofrs/flock v0.13.1 // one process a run folder, on every platform
	github.com/ollama/ollama v0.17.4 // its converter of safetensors to GGUF (convert, fs/ggml) and its parser of Modelfiles in tests
	github.com/openai/openai-go/v3 v3.96.0 // the official client of OpenAI-compatible endpoints: retries, errors, types
	github.com/rogpeppe/go-internal v1.16.0 // testscript: every command is tested by scripts
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // JSON Schema 2020-12, in tests alone: docs/example.schema.json is held against the code
	github.com/spf13/cobra v1.10.2 // commands, flags, help, shell completion and manual pages
	github.com/spf13/pflag v1.0.9 // the flags of a cobra command, to list those that were given
	github.com/x448/float16 v0.8.4 // 16-bit floats of model weights
	github.com/yuin/goldmark v1.8.7 // Markdown with the positions of headings and fences
	go.yaml.in/yaml/v3 v3.0.6 // YAML with line numbers; the maintained successor of gopkg.in/yaml.v3
	golang.org/x/sys v0.49.0 // process groups, jobs and free disk space per platform
	golang.org/x/term v0.47.0 // is this a terminal, and how wide
	golang.org/x/text v0.43.0 // Unicode normal form C for prompts
	google.golang.org/protobuf v1.34.2 // its wire encoding alone, for the event files of TensorBoard
	modernc.org/sqlite v1.62.0 // a review is one SQLite file; the driver without C
)

require github.com/chromedp/cdproto v0.159.0

require (
	cloud.google.com/go/compute/metadata v0.5.0 // indirect
	github.com/agnivade/levenshtein v1.1.1 // indirect
	github.com/apache/arrow/go/arrow v0.0.0-20211112161151-bc219186db40 // indirect
	github.com/bahlo/generic-list-go v0.2.0 // indirect
	github.com/buger/jsonparser v1.1.2 // indirect
	github.com/chewxy/hm v1.0.0 // indirect
	github.com/chewxy/math32 v1.11.0 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.6 // indirect
	github.com/d4l3k/go-bfloat16 v0.0.0-20211005043715-690c3bdd05f1 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/go-logr/logr v1.4.2 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/gogo/protobuf v1.3.2 // indirect
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/google/flatbuffers v24.3.25+incompatible // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/invopop/jsonschema v0.14.0 // indirect
	github.com/mailru/easyjson v0.7.7 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/nlpodyssey/gopickle v0.3.0 // indirect
	github.com/pb33f/ordered-map/v2 v2.3.1 // indirect
	github.com/pdevine/tensor v0.0.0-20240510204454-f88f4562727c // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1 // indirect
	github.com/tidwall/gjson v1.20.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
	github.com/tidwall/sjson v1.2.5 // indirect
	github.com/wk8/go-ordered-map/v2 v2.1.8 // indirect
	github.com/xtgo/set v1.0.0 // indirect
	go.opentelemetry.io/auto/sdk v1.1.0 // indirect
	go.opentelemetry.io/otel v1.33.0 // indirect
	go.opentelemetry.io/otel/metric v1.33.0 // indirect
	go.opentelemetry.io/otel/trace v1.33.0 // indirect
	go.yaml.in/yaml/v4 v4.0.0-rc.2 // indirect
	go4.org/unsafe/assume-no-moving-gc v0.0.0-20231121144256-b99613f794b6 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/exp v0.0.0-20250218142911-aa4b98e5adaa // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	golang.org/x/xerrors v0.0.0-20200804184101-5ec99f83aff1 // indirect
	gonum.org/v1/gonum v0.15.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240722135656-d784300faade // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
	gorgonia.org/vecf32 v0.9.0 // indirect
	gorgonia.org/vecf64 v0.9.0 // indirect
	modernc.org/libc v1.80.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
