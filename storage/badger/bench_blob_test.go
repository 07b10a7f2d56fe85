package badger

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// BenchmarkCompress compares what could compress a body: time, and the bytes left.
func BenchmarkCompress(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	body := fmt.Appendf(nil, `{"resourceType":"Observation","id":"%024x","meta":{"versionId":"1","lastUpdated":"2026-01-02T03:04:05.678Z",`+
		`"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},"status":"final","category":[{"coding":[{"system":`+
		`"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],"code":{"coding":[`+
		`{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}],"text":"Blood pressure"},"subject":{"reference":`+
		`"Patient/%024x"},"encounter":{"reference":"Encounter/%024x"},"effectiveDateTime":"2026-01-02T03:04:05Z","component":[{"code":{`+
		`"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic"}]},"valueQuantity":{"value":%d,"unit":"mmHg","system":`+
		`"http://unitsofmeasure.org","code":"mm[Hg]"}},{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic"}]},`+
		`"valueQuantity":{"value":%d,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`,
		rnd.Uint64(), rnd.Uint64(), rnd.Uint64(), 100+rnd.IntN(60), 60+rnd.IntN(40))
	fastest, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		encode func(dst, src []byte) []byte
	}{
		{"s2", s2.Encode},
		{"zstd", func(dst, src []byte) []byte { return fastest.EncodeAll(src, dst[:0]) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			dst := make([]byte, s2.MaxEncodedLen(len(body)))
			n := 0
			for b.Loop() {
				n = len(c.encode(dst, body))
			}
			b.ReportMetric(float64(len(body)), "body-B")
			b.ReportMetric(float64(n), "left-B")
		})
	}
}
