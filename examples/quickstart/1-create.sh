#!/bin/sh
# Create a patient, whose id the server chooses and tells in Location, and an observation about her under an id of our own.
set -eu
token=${HOB_TOKEN:?what hob token prints}
base=${HOB_URL:-http://127.0.0.1:8080/fhir}

location=$(curl -sS --fail-with-body -H "Authorization: Bearer $token" -o /dev/null -w '%header{location}' -X POST "$base/Patient" \
  -H 'Content-Type: application/fhir+json' -d '{
  "resourceType": "Patient",
  "identifier": [{"system": "https://hob.example/mrn", "value": "1001"}],
  "name": [{"family": "Quickstart", "given": ["Ada"]}],
  "gender": "female",
  "birthDate": "1983-12-10"
}')
patient=${location#"$base/"}
patient=${patient%/_history/*}

curl -sS --fail-with-body -H "Authorization: Bearer $token" -o /dev/null -X PUT "$base/Observation/quickstart-weight" \
  -H 'Content-Type: application/fhir+json' -d '{
  "resourceType": "Observation",
  "id": "quickstart-weight",
  "status": "final",
  "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
  "subject": {"reference": "'"$patient"'"},
  "effectiveDateTime": "2026-11-21T09:30:00Z",
  "valueQuantity": {"value": 61.50, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
}'
echo "created $patient and Observation/quickstart-weight"
