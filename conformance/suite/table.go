package suite

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Summary counts results. A server passes if Failed is 0: what is recommended may be left undone.
type Summary struct {
	Passed     int
	Failed     int // of what is required, or offered
	Advised    int // of what is recommended
	NotOffered int
}

// Summarize counts.
func Summarize(results []Result) Summary {
	var s Summary
	for _, r := range results {
		switch {
		case r.Verdict == Pass:
			s.Passed++
		case r.Verdict == NotOffered:
			s.NotOffered++
		case r.Level == Should:
			s.Advised++
		default:
			s.Failed++
		}
	}
	return s
}

func (s Summary) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d recommended failed, %d not offered", s.Passed, s.Failed, s.Advised, s.NotOffered)
}

// Table writes the results as a table, below it what is to be known of each that did not pass, and the counts.
func Table(w io.Writer, results []Result) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "VERDICT\tLEVEL\tSCRIPT\tTITLE\tSECTION\tTIME")
	for _, r := range results {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Verdict, r.Level, r.Script, r.Title, r.Section, r.Time.Round(time.Millisecond))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.Detail == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s (http://hl7.org/fhir/R4/%s)\n\t%s\n", r.Script, r.Verdict, r.Section,
			strings.ReplaceAll(r.Detail, "\n", "\n\t")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%v\n", Summarize(results))
	return err
}
