package vet

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis/analysistest"
)

// TestAnalyzer has mistakes of each kind, and code that asks first.
func TestAnalyzer(t *testing.T) {
	setRange(t, "5.2..11.1")
	analysistest.Run(t, analysistest.TestData(), Analyzer, "./uses", "./guards", "./answers", "./control", "./failures", "./sent", "./received", "./manager", "./mistakes", "./checks")
}

func setRange(t *testing.T, text string) {
	old := options
	options.versions = text
	t.Cleanup(func() { options = old })
}

// TestRange has ranges that cannot be understood.
func TestRange(t *testing.T) {
	for text, want := range map[string]string{
		"7.2":       "-qemu 7.2: want a range such as 7.2..11.1",
		"7.2..new":  "-qemu 7.2..new: want a range such as 7.2..11.1",
		"8.0..7.2":  "-qemu 8.0..7.2: want a range from an older version to a newer one",
		"7.2..99.0": "-qemu 7.2..99.0: the newest QEMU that is known is 11.1",
		"2.9..7.2":  "-qemu 2.9..7.2: the oldest QEMU that is known is 4.0",
	} {
		require.EqualError(t, CheckRange(text), want)
	}
	require.NoError(t, CheckRange("7.2..11.1"))
	require.NoError(t, CheckRange("7.2.3..10.0.1"))
	require.NoError(t, CheckRange(""))
}
