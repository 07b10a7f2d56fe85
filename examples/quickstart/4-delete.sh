#!/bin/sh
# Delete the observation. Reading it answers 410 from then on; the versions before stay.
set -eu
token=${HOB_TOKEN:?what hob token prints}
base=${HOB_URL:-http://127.0.0.1:8080/fhir}

curl -sS --fail-with-body -H "Authorization: Bearer $token" -o /dev/null -X DELETE "$base/Observation/quickstart-weight"
status=$(curl -sS -H "Authorization: Bearer $token" -o /dev/null -w '%{http_code}' "$base/Observation/quickstart-weight")
echo "reading it is answered $status"
curl -sS --fail-with-body -H "Authorization: Bearer $token" "$base/Observation/quickstart-weight/_history/1?_pretty=true"
