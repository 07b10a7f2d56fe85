#!/bin/sh
# Find them again: by name and birth date, by code and day, by value.
set -eu
token=${HOB_TOKEN:?what hob token prints}
base=${HOB_URL:-http://127.0.0.1:8080/fhir}

curl -sS --fail-with-body -H "Authorization: Bearer $token" "$base/Patient?family=quick&birthdate=lt1990&_pretty=true"
curl -sS --fail-with-body -H "Authorization: Bearer $token" "$base/Observation?code=http://loinc.org%7C29463-7&date=2026-11-21&_pretty=true"
curl -sS --fail-with-body -H "Authorization: Bearer $token" "$base/Observation?value-quantity=gt60%7Chttp://unitsofmeasure.org%7Ckg&_sort=-date&_count=5&_pretty=true"
