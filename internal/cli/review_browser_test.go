package cli_test

import _ "github.com/chromedp/chromedp"
