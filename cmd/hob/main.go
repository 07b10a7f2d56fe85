// Command hob is a FHIR R4 server in one binary, with the verbs that feed and examine its store: serve, load, check, reindex, report, forward,
// bench, user, client, token, ping and version. Each verb is one file and one struct, whose fields are its flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// verbs is the command line. The flags of serve are also the keys of its configuration, see config.go.
type verbs struct {
	Serve   serve        `cmd:"" help:"Start the server."`
	Load    load         `cmd:"" help:"Load FHIR resources into a running server or into a store."`
	Import  importVerb   `cmd:"" help:"Import clinicians from a partner API, a FHIR server, a CSV file or a database."`
	Check   check        `cmd:"" help:"Verify every invariant of a store, or test any FHIR server over HTTP."`
	Reindex reindex      `cmd:"" help:"Index the resources of a store anew."`
	Report  healthReport `cmd:"" help:"Print the health summary of a patient, with statistics of his vital signs."`
	Forward forward      `cmd:"" help:"Tell how forwarding goes, and send dead letters again."`
	Bench   bench        `cmd:"" help:"Measure a server: rates, times, and CPU time per request, every answer checked."`
	User    user         `cmd:"" help:"Keep the users of the embedded authorization server."`
	Client  clients      `cmd:"" help:"Keep the apps of the embedded authorization server."`
	Token   token        `cmd:"" help:"Print an access token."`
	Ping    ping         `cmd:"" help:"Ask a running server whether it is ready."`
	Version showVersion  `cmd:"" help:"Print the version."`
}

// process is what a verb knows of the process it runs in.
type process struct {
	context.Context // ends at the first SIGINT or SIGTERM; a second one ends the process
	in              *os.File
	out             io.Writer
	err             *os.File
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(&process{ctx, os.Stdin, os.Stdout, os.Stderr}, os.Args[1:]))
}

// run carries out a command line and returns the exit code: 0, 1 if the verb did not do what it was asked, 2 if load went through
// but some resources were refused, 80 if the command line or the configuration is wrong.
func run(p *process, args []string) int {
	k, err := parser(&verbs{}, p)
	if err != nil {
		panic(err) // the grammar above is wrong
	}
	var code exit
	c, err := k.Parse(args)
	var usage *kong.ParseError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(p.err, "hob: %v\n", err)
		return 80
	case err == nil:
		err = c.Run(p)
	}
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(p.err, "hob: %v\n", err)
	return 1
}

// exit is an exit code whose reason has been told already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// parser makes the grammar of the command line.
func parser(v *verbs, p *process) (*kong.Kong, error) {
	return kong.New(v,
		kong.Name("hob"),
		kong.Description("Hob is a FHIR R4 server in one binary. It keeps health records in an embedded store and serves them over the FHIR REST API.\n\nTry: hob serve"),
		kong.Writers(p.out, p.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.PostBuild(bindVariables),
	)
}
