package subscribe_test

import (
	"fmt"
	"strings"
	"testing"
)

// uploaded is a Bundle of reports of one machine as an uploader sends it: Device, result and report of each, which the uploader may send
// again, since none is created that is there by its identifier.
func uploaded(kind string, patients ...string) string {
	var entries []string
	add := func(typ, urn, system, value, rest string) {
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"urn:uuid:%s","resource":{"resourceType":%q,"identifier":[{"system":%q,"value":%q}]%s},
			"request":{"method":"POST","url":%q,"ifNoneExist":"identifier=%s|%s"}}`, urn, typ, system, value, rest, typ, system, value))
	}
	add("Device", "00000000-0000-4000-8000-000000000000", "urn:serial", "HC-410", "")
	for n, p := range patients {
		number := fmt.Sprintf("HC-410-%d", n+1)
		about := `,"status":"final","code":{"text":"Blood sugar"},"subject":{"reference":"` + p + `"}`
		result := fmt.Sprintf("00000000-0000-4000-8000-0000000001%02d", n)
		device, has := `,"device":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000000"}`, `,"result":[{"reference":"urn:uuid:`+result+`"}]`
		if kind == "batch" { // whose entries do not know of each other
			device, has = "", ""
		}
		add("Observation", result, "urn:number", number, about+device+`,"valueString":"ALL FINE. 5.20"`)
		add("DiagnosticReport", fmt.Sprintf("00000000-0000-4000-8000-0000000002%02d", n), "urn:number", number, about+has+`,"conclusion":"ALL FINE. 5.20"`)
	}
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",\n") + `]}`
}

// count is how many of a type there are.
func (i *instance) count(typ string) int {
	i.Helper()
	return int(i.do(200, "GET", "/"+typ+"?_summary=count", "")["total"].(float64))
}

// TestD1: three reports sent together are three.
func TestD1(t *testing.T) {
	i := open(t, nil)
	i.put("Patient", "ann", "")
	for _, kind := range []string{"transaction", "batch"} {
		i.do(200, "POST", "", uploaded(kind, "Patient/ann", "Patient/ann", "Patient/ann"))
		if d, o, r := i.count("Device"), i.count("Observation"), i.count("DiagnosticReport"); d != 1 || o != 3 || r != 3 {
			t.Errorf("%s: %d devices, %d results and %d reports, want 1, 3 and 3", kind, d, o, r)
		}
	}
}

// TestD2: a transaction with a patient whom nobody knows in one report stores nothing and names the entry; of a batch the others are stored.
func TestD2(t *testing.T) {
	i := open(t, nil)
	i.put("Patient", "ann", `,"identifier":[{"system":"urn:user","value":"ann"}]`)
	known, unknown := "Patient?identifier=urn:user|ann", "Patient?identifier=urn:user|zoe"
	answer := fmt.Sprint(i.do(412, "POST", "", uploaded("transaction", known, unknown, known)))
	if !strings.Contains(answer, "entry[3]") || !strings.Contains(answer, "zoe") {
		t.Errorf("the answer names no entry: %s", answer)
	}
	if d, o, r := i.count("Device"), i.count("Observation"), i.count("DiagnosticReport"); d+o+r != 0 {
		t.Errorf("%d devices, %d results and %d reports are stored, want none", d, o, r)
	}
	batch := strings.ReplaceAll(uploaded("batch", "Patient/ann", "Patient/Unknown Person", "Patient/ann"), `"subject":{"reference":"Patient/Unknown Person"}`, `"subject":{"reference":7}`)
	answer = fmt.Sprint(i.do(200, "POST", "", batch))
	if o, r := i.count("Observation"), i.count("DiagnosticReport"); o != 2 || r != 2 {
		t.Errorf("%d results and %d reports are stored of the batch, want 2 and 2: %s", o, r, answer)
	}
	if n := strings.Count(answer, "status:400"); n != 2 || !strings.Contains(answer, "entry[3]") {
		t.Errorf("%d entries are refused, want 2 that name themselves: %s", n, answer)
	}
}

// TestD3: the same upload once more makes nothing.
func TestD3(t *testing.T) {
	i := open(t, nil)
	i.put("Patient", "ann", "")
	for range 3 {
		i.do(200, "POST", "", uploaded("transaction", "Patient/ann", "Patient/ann", "Patient/ann"))
	}
	if d, o, r := i.count("Device"), i.count("Observation"), i.count("DiagnosticReport"); d != 1 || o != 3 || r != 3 {
		t.Errorf("%d devices, %d results and %d reports, want 1, 3 and 3", d, o, r)
	}
	history := i.do(200, "GET", "/DiagnosticReport/_history?_count=100", "")
	if n := len(history["entry"].([]any)); n != 3 {
		t.Errorf("there are %d versions of reports, want 3", n)
	}
}
