package unknownmethod

import (
	"testing"

	"bbjtune/bbj/check/internal/rulestest"
)

func TestPrograms(t *testing.T) { rulestest.Run(t, Rule) }
