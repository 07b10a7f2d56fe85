package server

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/storage"
)

// deeds are the life cycle of what an action was done to (CodeSystem dicom-audit-lifecycle), and the letter of an event about it alone.
var deeds = map[storage.Action]struct{ lifecycle, letter string }{
	storage.Create: {"1", "C"},
	storage.Read:   {"6", "R"},
	storage.Update: {"3", "U"},
	storage.Delete: {"14", "D"},
	storage.Search: {"6", "E"},
}

// actions are what the interactions do that do one thing.
var actions = map[string]storage.Action{"create": storage.Create, "update": storage.Update, "patch": storage.Update, "delete": storage.Delete,
	"read": storage.Read, "vread": storage.Read, "history-instance": storage.Read, "history-type": storage.Read, "history-system": storage.Read}

// restful are the interactions that the CodeSystem restful-interaction knows.
var restful = map[string]bool{"read": true, "vread": true, "update": true, "patch": true, "delete": true, "history-instance": true, "history-type": true,
	"history-system": true, "create": true, "search-type": true, "search-system": true, "transaction": true, "batch": true}

// resource writes the AuditEvent of an event.
//
//	who    agent: the user as reference and by issuer and subject, with his address; the client
//	what   subtype: the interaction; action; entity: each resource with its version, or the query
//	how    outcome: 0, 4 (refused) or 8 (our fault), and the HTTP status with the code of the issue
func (e event) resource() []byte {
	b := &bundle{buf: make([]byte, 0, 700+120*len(e.entities))}
	b.raw(`{"resourceType":"AuditEvent","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"RESTful Operation"}`)
	code := e.code
	if code == "search-compartment" {
		code = "search-type"
	}
	if !restful[code] {
		code = "operation"
	}
	b.raw(`,"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"` + code + `"}],"action":"` + e.letter() + `","recorded":"`)
	b.buf = e.at.UTC().AppendFormat(b.buf, instant)
	outcome := "0"
	switch {
	case e.status >= http.StatusInternalServerError:
		outcome = "8"
	case e.status >= http.StatusBadRequest:
		outcome = "4"
	}
	b.raw(`","outcome":"` + outcome + `","outcomeDesc":`)
	how := strings.TrimSpace(strconv.Itoa(e.status) + " " + string(e.issue))
	if e.left > 0 {
		how += "; " + strconv.FormatInt(e.left, 10) + " before it were left out"
	}
	b.text(how)
	b.raw(`,"agent":[{`)
	if e.caller.Subject != "" {
		b.raw(`"who":{`)
		if e.caller.User != "" {
			b.raw(`"reference":`)
			b.text(e.caller.User)
			b.raw(`,`)
		}
		b.raw(`"identifier":{`)
		issuer, subject := "", e.caller.Subject
		if i := strings.LastIndexByte(subject, '|'); i >= 0 {
			issuer, subject = subject[:i], subject[i+1:]
		}
		if issuer != "" {
			b.raw(`"system":`)
			b.text(issuer)
			b.raw(`,`)
		}
		b.raw(`"value":`)
		b.text(subject)
		b.raw(`}},`)
	}
	b.raw(`"requestor":true`)
	if e.address != "" {
		b.raw(`,"network":{"address":`)
		b.text(e.address)
		b.raw(`,"type":"2"}`)
	}
	b.raw(`}`)
	if e.caller.Client != "" {
		b.raw(`,{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110150","display":"Application"}]},"who":{"identifier":{"value":`)
		b.text(e.caller.Client)
		b.raw(`}},"requestor":false}`)
	}
	b.raw(`],"source":{"observer":{"display":"Hob"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]}`)
	for i, en := range e.entities {
		b.raw([]string{`,"entity":[{`, `,{`}[min(i, 1)])
		en.write(b)
		b.raw(`}`)
	}
	if len(e.entities) > 0 {
		b.raw(`]`)
	}
	b.raw(`}`)
	return b.buf
}

// letter is the action of the whole: E for what is no single deed (R4 audit-event-action).
func (e event) letter() string {
	if a := actions[e.code]; a != "" {
		return deeds[a].letter
	}
	return "E"
}

func (en entity) write(b *bundle) {
	if en.more > 0 {
		b.raw(`"description":"and ` + strconv.Itoa(en.more) + ` more"`)
		return
	}
	if en.query != "" {
		b.raw(`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24","display":"Query"},"query":"`)
		b.buf = base64.StdEncoding.AppendEncode(b.buf, []byte(en.query))
		b.raw(`",`)
	}
	if en.key.ID != "" {
		b.raw(`"what":{"reference":"` + en.key.String())
		if en.version > 0 {
			b.raw(`/_history/` + strconv.FormatUint(en.version, 10))
		}
		b.raw(`"},`)
	}
	b.raw(`"lifecycle":{"system":"http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle","code":"` + deeds[en.deed].lifecycle + `"}`)
}
