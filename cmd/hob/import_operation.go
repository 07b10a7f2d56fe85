package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/hob-fhir/hob/connect"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// importer opens the sources of --imports; nil if there are none.
func (s *serve) importer(store *storage.Store, catalog *search.Catalog, log *slog.Logger) (*connect.Importer, error) {
	if s.Imports == "" {
		return nil, nil
	}
	sources, err := connect.ReadFile(s.Imports)
	if err != nil {
		return nil, err
	}
	return &connect.Importer{Store: store, Catalog: catalog, Sources: sources, Log: log}, nil
}

// importOperations are those of a server with sources:
//
//	POST $import-clinicians  {source, dryRun}  202, and in the background an import as the caller; its place answers what came of it
//	GET  $import-sources                       the sources and what came of their last runs
//
// They are for those who may write clinicians. An import that failed is answered as one that went well is: what was asked for was to try, and
// the answer tells of every attempt.
func importOperations(im *connect.Importer) []server.Operation {
	if im == nil {
		return nil
	}
	const definition = "urn:hob:operation:"
	return []server.Operation{
		{Name: "import-clinicians", Definition: definition + "import-clinicians", On: server.System,
			Later: func(_ context.Context, a storage.Access, r *server.Request) (server.Work, error) {
				return importLater(im, a, r)
			}},
		{Name: "import-sources", Definition: definition + "import-sources", On: server.System,
			Do: func(tx *storage.Tx, r *server.Request) (*server.Response, error) { return importSources(im, tx) }},
	}
}

// importLater checks a request to import.
func importLater(im *connect.Importer, a storage.Access, r *server.Request) (server.Work, error) {
	for _, typ := range []string{"Practitioner", "PractitionerRole", "Organization", "Provenance"} {
		for _, action := range []storage.Action{storage.Create, storage.Update} {
			if _, err := a(action, typ); err != nil && !(typ == "Provenance" && action == storage.Update) {
				return nil, fmt.Errorf("an import writes %ss: %w", typ, err)
			}
		}
	}
	source, dry, err := importAsked(r)
	if err != nil {
		return nil, err
	}
	if _, err := im.Sources.Of(source); err != nil {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "Parameters.parameter", "%v", err)
	}
	if im.Running(source) {
		return nil, fhirmap.Errorf(fhirmap.CodeConflict, "Parameters.parameter", "source %s: %v", source, connect.ErrRunning)
	}
	return func(ctx context.Context) (*server.Response, error) {
		report, err := im.Import(ctx, a, source, connect.Run{Dry: dry, Renew: r.Renew})
		if errors.Is(err, connect.ErrRunning) {
			return nil, fhirmap.Errorf(fhirmap.CodeConflict, "Parameters.parameter", "%v", err)
		}
		if report == nil {
			return nil, err
		}
		body, err := json.Marshal(parameters{"Parameters", parts(report)})
		return &server.Response{Status: http.StatusOK, Body: body}, err
	}, nil
}

// importAsked reads the Parameters source and dryRun.
func importAsked(r *server.Request) (source string, dry bool, err error) {
	const known = "source (a string) and dryRun (a boolean)"
	if len(r.Query) > 0 {
		return "", false, fhirmap.Errorf(fhirmap.CodeNotSupported, "", "parameters of $import-clinicians stand in the body: %s", known)
	}
	res, err := r.Resource("Parameters")
	if err != nil {
		return "", false, err
	}
	for p := range res.Root().Each("parameter") {
		v := p.First("value")
		switch name := p.String("name"); {
		case name == "source" && v != nil && v.Type == "string" && source == "":
			source = v.Text
		case name == "dryRun" && v != nil && v.Type == "boolean":
			dry = v.Text == "true"
		default:
			return "", false, fhirmap.Errorf(fhirmap.CodeNotSupported, "Parameters.parameter", "the parameter %.100q is not known here, given twice, or of another type; known are %s", name, known)
		}
	}
	if source == "" {
		return "", false, fhirmap.Errorf(fhirmap.CodeRequired, "Parameters.parameter", "the parameter source is missing; known are %s", known)
	}
	return source, dry, nil
}

// importSources answers $import-sources.
func importSources(im *connect.Importer, tx *storage.Tx) (*server.Response, error) {
	if err := tx.May(storage.Update, "Practitioner"); err != nil {
		return nil, err
	}
	var failed error
	all := states(im.Sources, func(name string) *connect.Report {
		last, err := im.Last(context.Background(), name)
		failed = errors.Join(failed, err)
		return last
	})
	if failed != nil {
		return nil, failed
	}
	var out []parameter
	for _, s := range all {
		running := im.Running(s.Name)
		part := append(texts("name", s.Name, "kind", s.Kind, "where", s.Where, "every", s.Every), parameter{Name: "running", Boolean: &running})
		if s.Last != nil {
			part = append(part, parameter{Name: "last", Part: parts(s.Last)})
		}
		out = append(out, parameter{Name: "source", Part: part})
	}
	body, err := json.Marshal(parameters{"Parameters", out})
	return &server.Response{Status: http.StatusOK, Body: body}, err
}
