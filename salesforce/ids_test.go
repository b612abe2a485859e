package salesforce

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTo18(t *testing.T) {
	for short, check := range map[string]string{ // ids of real orgs
		"01p4H00000A4kfq": "QAB", "0014H00002x6HUh": "QAM", "0XxSB000000IPCr": "0AO", "001D000000K0fXO": "IAZ",
		"0XA4H000000TNRh": "WAO", "001Da00000xnAkB": "IAU", "0039H00000BbbFB": "QAZ",
	} {
		for _, id := range []string{short, short + check} {
			if got, err := To18(id); got != short+check || err != nil {
				t.Errorf("To18(%s) = %s, %v", id, got, err)
			}
		}
	}
	for _, id := range []string{
		"", "001", "0014H00002x6HU", "0014H00002x6HUhQ", "0014H00002x6HUhQAM1", "0014H00002x6HUhQAB", "0014h00002x6huhqam",
		"0014H00002x6HU/", "0014H00002x6H'h", "0014H00002x6HU\x00", "0014H00002x6Hé", "../../../limits", "001M000001FgVKlIAM",
	} {
		if got, err := To18(id); err == nil || got != "" {
			t.Errorf("To18(%q) = %q, %v", id, got, err)
		}
	}
}

// TestChecksumFindsChangedCase checks the promise of the long form: ids that
// differ in case alone have different check characters, and any single letter
// of changed case is noticed.
func TestChecksumFindsChangedCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringMatching(`[0-9A-Za-z]{15}`).Draw(t, "id")
		full, err := To18(short)
		if err != nil || full[:15] != short {
			t.Fatalf("To18(%s) = %s, %v", short, full, err)
		}
		if again, err := To18(full); again != full || err != nil {
			t.Fatalf("To18(%s) = %s, %v", full, again, err)
		}
		i := rapid.IntRange(0, 14).Draw(t, "position")
		letter := full[i : i+1]
		swapped := strings.ToUpper(letter)
		if swapped == letter {
			swapped = strings.ToLower(letter)
		}
		if _, err := To18(full[:i] + swapped + full[i+1:]); swapped != letter && err == nil {
			t.Fatalf("%s is valid with character %d as %s", full, i, swapped)
		}
	})
}
