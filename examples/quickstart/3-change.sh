#!/bin/sh
# Change the observation, but only if nobody else did meanwhile, and look at its history.
set -eu
token=${HOB_TOKEN:?what hob token prints}
base=${HOB_URL:-http://127.0.0.1:8080/fhir}

etag=$(curl -sS --fail-with-body -H "Authorization: Bearer $token" -o /dev/null -w '%header{etag}' "$base/Observation/quickstart-weight")
changed=$(curl -sS --fail-with-body -H "Authorization: Bearer $token" "$base/Observation/quickstart-weight" |
  sed 's/"status":"final"/"status":"amended"/; s/61\.50/62.5/')

curl -sS --fail-with-body -H "Authorization: Bearer $token" -o /dev/null -X PUT "$base/Observation/quickstart-weight" \
  -H 'Content-Type: application/fhir+json' -H "If-Match: $etag" -d "$changed"
status=$(curl -sS -H "Authorization: Bearer $token" -o /dev/null -w '%{http_code}' -X PUT "$base/Observation/quickstart-weight" \
  -H 'Content-Type: application/fhir+json' -H "If-Match: $etag" -d "$changed")
echo "the same change once more is answered $status: $etag is not the current version any more"

curl -sS --fail-with-body -H "Authorization: Bearer $token" "$base/Observation/quickstart-weight/_history?_pretty=true"
