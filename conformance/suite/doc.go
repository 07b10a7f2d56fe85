// Package suite is a black-box test of FHIR R4 servers: scripts over HTTP that anyone can read, run against any base URL by Run.
//
// A Script is a title, the section of the specification that it tests, and steps; its run on one server gives a Result. The scripts
// lie in testdata/*.test, one file per theme, and are embedded, so that a program holds all of them. A server may hold other data:
// every script writes resources of its own under names that no other run has, searches only among those, and deletes what it made.
//
//	results, err := suite.Run(ctx, suite.Config{Base: "https://ehr.example/fhir", Match: "^search"})
//	suite.Table(os.Stdout, results)
//
// The tests of this package run all scripts on Hob, on every backend; with HOB_SUITE_URL also on the server at that base.
//
// # A worked example
//
//	# A comment: a # in the first column.
//	script boundaries: a quantity without a unit is the number as written
//	spec SHALL search.html#quantity
//	needs search Observation value-quantity patient
//	POST Patient as p
//		{"resourceType":"Patient","meta":${meta},"active":true}
//	POST Observation as a
//		{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"${p.ref}"},
//		 "valueQuantity":{"value":5.40,"unit":"mg"}}
//	status 201
//	header Location ~ /Observation/${a}
//	json valueQuantity.value = 5.40
//	search Observation?patient=${p}&value-quantity=5.4 -> a
//	search Observation?patient=${p}&value-quantity=gt5.4 -> none
//	GET Observation/${a}
//	assert Observation.subject.reference.endsWith('${p.ref}')
//
// # Head
//
// A script begins with its name, which is unique in its file, and a title. The name of the file stands before it elsewhere:
// search-quantity/boundaries. Three sorts of lines may follow:
//
//	spec LEVEL SECTION      SECTION is a page of the specification (http://hl7.org/fhir/R4/) and its anchor. LEVEL is SHALL (required),
//	                        SHOULD (recommended), or MAY: an option, about which the script says what counts as "not offered"
//	needs CODE [TYPE]       the CapabilityStatement must claim an interaction, of the whole system if there is no type:
//	                        needs vread Patient, needs history-system
//	needs updateCreate TYPE the same for an update that creates
//	needs conditionalCreate TYPE, needs conditionalUpdate TYPE, needs conditionalDelete TYPE [single|multiple]
//	needs search TYPE CODE… the same for search parameters
//	needs operation TYPE NAME the same for an operation, without its $
//
// A script whose needs are not claimed is not offered, whatever its level: a server that does not claim to search by a parameter is
// not wrong. A server whose /metadata is no CapabilityStatement is taken to claim everything.
//
// # Requests
//
//	GET|HEAD|POST|PUT|PATCH|DELETE TARGET [as NAME]
//		Header-Name: value
//		body
//
// The target is relative to the base, or a whole URL that was taken from an answer. It is written as it is meant: what a URL cannot
// hold is percent-encoded, + too; what is written as %26 stays. The indented lines are headers, until one that is none; the rest, less
// the indentation of its first line, is the body. Accept and (with a body) Content-Type are application/fhir+json unless a header
// says otherwise; a header without a value is not sent at all. Content-Encoding: gzip compresses the body; an answer in gzip is
// decompressed.
//
//	parallel N METHOD TARGET [as NAME]
//
// sends a request N times at once, at most 64, with headers and body as above; ${n} is the number of each. Below it tally looks at all
// answers, everything else at the first of 201, or if there is none at the first of 2xx.
//
//	await TARGET [as NAME]
//
// is a GET of what a server prepares in the background, repeated for up to 30 seconds while it is answered by 202, or by
// 503: what is asked for is not ready yet.
//
// "as NAME" keeps what was created or updated: ${NAME} is then its id, ${NAME.ref} its type and id, ${NAME.version} its version
// and ${NAME.etag} its ETag. A request whose status no line below it judges must be answered with 2xx.
//
//	search TYPE?QUERY -> NAME…          a GET with Prefer: handling=strict; the matches are these, in any order
//	search TYPE?QUERY -> in order NAME… the same in this order
//	search TYPE?QUERY -> none           nothing is found
//
// A search follows the links to next pages. For one page or another form of search write a GET or POST, and ids or order below it.
//
// # Expectations
//
//	status CODE…               one of these; 2xx and 4xx may be written
//	tally N CODE…              as many of the parallel requests were answered so
//	refused CODE…              one of these; if there is a body it is an OperationOutcome with an issue of severity error or fatal
//	header NAME                a header is there
//	header NAME absent         it is not
//	header NAME = VALUE        it has this value
//	header NAME ~ REGEXP       it has a match of a regular expression (of Go)
//	body empty                 there is none
//	body ~ REGEXP, body !~ REGEXP
//	assert FHIRPATH            true of the resource in the answer
//	json PATH = VALUE          a value in JSON, such as name[0].family = "x" or the whole by . ; numbers are compared to the letter,
//	                           objects whatever the order of their members
//	json PATH absent
//	kept NAME                  the answer has all that the last body under this name had, to the letter, but for id and meta, and
//	                           nothing else but a narrative
//	valid                      the answer is a valid resource of R4
//	ids NAME…, ids none        the matches of this page of search results, in any order
//	order NAME…                the same in this order
//	entries NAME…              the answer is a Bundle with the outcome of as many entries; each NAME is kept like one of "as", - is none
//	let NAME = FHIRPATH        keeps the one value of a path as ${NAME}
//	let NAME = header NAME     or of a header
//	pause DURATION             waits, where the clock of a server must move on
//
// In a script of level MAY, "or not offered CODE…" after a status, a refused or a search says by which status a server refuses the
// option, and "offered if EXPECTATION" by what else one sees that it is there. Where it is not the script ends.
//
// # Variables
//
//	${run}     letters and digits that no other run of any script has; fit for ids, names and values
//	${tag}     system|code of a tag that bears it, for _tag=${tag}
//	${meta}    a meta element with that tag
//	${system}  a system of identifiers that bears it
//	${base}    the base URL of the server
package suite
