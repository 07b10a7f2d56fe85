module example.org/backend

go 1.26.0

require github.com/hob-fhir/hob v0.0.0

require github.com/tidwall/btree v1.8.2 // indirect

replace github.com/hob-fhir/hob => ../../..
