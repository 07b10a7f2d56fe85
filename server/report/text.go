package report

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
)

// name is what the patient is called.
func (s *Summary) name() string { return cmp.Or(s.Patient.Name, "Patient/"+s.Patient.ID) }

// facts are what is told of the patient, each with its name.
func (s *Summary) facts() [][2]string {
	return [][2]string{
		{"Born", cmp.Or(s.Patient.BirthDate, "unknown")},
		{"Gender", cmp.Or(s.Patient.Gender, "unknown")},
		{"Doctor", cmp.Or(s.doctor(), "none is named")},
		{"Time", s.Range()},
	}
}

func (s *Summary) doctor() string {
	if s.Doctor.Title == "" || strings.HasPrefix(s.Doctor.Name, s.Doctor.Title) {
		return s.Doctor.Name
	}
	return strings.TrimSpace(s.Doctor.Name + ", " + s.Doctor.Title)
}

// Range is the range in words.
func (s *Summary) Range() string {
	switch {
	case s.Start == "" && s.End == "":
		return "everything on record"
	case s.Start == "":
		return "up to " + s.End
	case s.End == "":
		return "from " + s.Start
	}
	return s.Start + " to " + s.End
}

// Told is a statistic for people: to two decimals, a dash if there is none.
func (s *Sign) Told(statistic string) string {
	v := s.Series.Statistic(statistic)
	if v == "" {
		return "–"
	}
	n, _, _ := search.Number(v)
	return server.Decimal(n, 2)
}

// Told is the number for people.
func (p Point) Told() string { return server.Decimal(p.Value, 2) }

// When is a dateTime for people, to the minute.
func When(at string) string {
	if day, time, ok := strings.Cut(at, "T"); ok {
		zone := ""
		if strings.HasSuffix(time, "Z") {
			zone = " UTC"
		} else if i := strings.LastIndexAny(time, "+-"); i > 0 {
			zone = " " + time[i:]
		}
		return day + " " + time[:min(5, len(time))] + zone
	}
	return at
}

// Measures are those of a visit, for people.
func Measures(v fhirmap.Visit) [][2]string {
	var out [][2]string
	add := func(name string, m fhirmap.Measure, to, unit string) {
		if n := converted(m, to); n != nil {
			out = append(out, [2]string{name, server.Decimal(n, 2) + " " + unit})
		}
	}
	add("Height", v.Height, "[in_i]", "in")
	add("Weight", v.Weight, "[lb_av]", "lb")
	if s, d := converted(v.Systolic, "mm[Hg]"), converted(v.Diastolic, "mm[Hg]"); s != nil && d != nil {
		out = append(out, [2]string{"Blood pressure", server.Decimal(s, 1) + "/" + server.Decimal(d, 1) + " mmHg"})
	}
	add("Heart rate", v.HeartRate, "/min", "/min")
	add("BMI", v.MassIndex, "kg/m2", "kg/m²")
	return out
}

// text writes the Summary for a terminal.
func (s *Summary) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Health summary of %s\n\n", plain(s.name()))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range s.facts() {
		fmt.Fprintf(w, "%s:\t%s\n", f[0], plain(f[1]))
	}
	for _, l := range []struct {
		name  string
		texts []string
	}{{"Problems", s.Patient.Preconditions}, {"Allergies", s.Patient.Allergies}, {"Medications", s.Patient.Medications}} {
		fmt.Fprintf(w, "%s:\t%s\n", l.name, plain(cmp.Or(strings.Join(l.texts, "; "), "none on record")))
	}
	w.Flush()
	fmt.Fprintf(&b, "\nVital signs\n")
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\tmean\tmedian\tmin\tmax\tcount\t\n")
	for _, x := range s.Signs {
		fmt.Fprintf(w, "  %-32s\t", x.Name+", "+x.Unit)
		for _, is := range statistics {
			fmt.Fprintf(w, "%s\t", x.Told(is))
		}
		fmt.Fprint(w, "\n")
	}
	w.Flush()
	fmt.Fprintf(&b, "\nVisits: %d\n", len(s.Visits))
	for _, v := range s.Visits {
		fmt.Fprintf(&b, "\n%s\n", plain(When(v.At)))
		w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, m := range append(Measures(v), [2]string{"Diagnosis", v.Diagnosis}, [2]string{"Treatment", v.Treatment}, [2]string{"Notes", v.Notes}) {
			if m[1] != "" {
				fmt.Fprintf(w, "  %s:\t%s\n", m[0], plain(m[1]))
			}
		}
		w.Flush()
	}
	return b.Bytes()
}

// plain keeps what somebody wrote into a record from steering the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s)
}
