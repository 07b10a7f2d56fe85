package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMedicalRecordsPage does what examples/medical-records says.
func TestMedicalRecordsPage(t *testing.T) {
	s := serving(t, "badger::memory:", "--auth", "dev")
	dir := t.TempDir()
	out := tried(t, "../../examples/medical-records/README.md", "HOB_URL="+s.base, "TMPDIR="+dir, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	for _, want := range []string{
		"31 resources, 31 written, 0 already there", "31 resources, 0 written, 31 already there", `"text":"Ada Finch"`, "the second writer is answered 412",
		`"response":{"status":"201`, `"fullUrl":"` + s.base + `/Encounter/mara-april"`, "Health summary of Mara Quist", "Budesonide", `"type":"document"`,
		`{"name":"statistics"`, "without a token: 401", "ready",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the page does not print %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	page, err := os.ReadFile(filepath.Join(dir, "mara.html"))
	if err != nil || !strings.Contains(string(page), "<svg") {
		t.Errorf("the report is no page with charts (%v)", err)
	}
	s.stop()
}

// TestReport prints summaries from a store, as from a server.
func TestReport(t *testing.T) {
	example, err := filepath.Abs(recordsExample)
	if err != nil {
		t.Fatal(err)
	}
	store := "badger:" + filepath.Join(t.TempDir(), "store")
	if r := hob(t, nil, nil, "load", "--format", "medical-records", "--store", store, example); r.code != 0 {
		t.Fatalf("hob load: %s%s", r.out, r.err)
	}
	const mara = "1c9a4e70-6b1d-4a58-8c2f-52d0e7a9b311"
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{mara}, 0, "BMI:             24.37 kg/m²"},
		{[]string{"Patient/" + mara, "--from=2022-03-04", "--to=2022-03-04", "--format=json"}, 0, `"resourceType":"Composition"`},
		{[]string{mara, "--from=2022-03-05", "--format=html"}, 0, "No visits in this time"},
		{[]string{mara, "--from=2022-03-05", "--to=2022-03-04"}, 1, "the start comes first"},
		{[]string{"nobody"}, 1, "Patient/nobody"},
		{[]string{"no body"}, 1, "is no id of a patient"},
	} {
		r := hob(t, nil, nil, append([]string{"report", "--store", store}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.out+r.err, c.want) {
			t.Errorf("hob report %q: exit code %d, %s%s", c.args, r.code, r.out, r.err)
		}
	}
	if r := hob(t, nil, nil, "report", "--url", "http://127.0.0.1:1/fhir", mara); r.code != 1 || !strings.Contains(r.err, "no server answers") {
		t.Errorf("without a server: exit code %d, %s", r.code, r.err)
	}
}
