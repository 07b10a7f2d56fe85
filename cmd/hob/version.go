package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version is set by the linker in release builds: -ldflags "-X main.version=1.2.3". Otherwise the module's own version is told.
var version string

type showVersion struct{}

func (showVersion) Help() string {
	return "Example:\n  hob version"
}

func (showVersion) Run(p *process) error {
	v, revision := built()
	if revision != "" {
		v += " (" + revision + ")"
	}
	fmt.Fprintf(p.out, "hob %s, %s, %s/%s, FHIR R4 (4.0.1)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// built tells what the binary was built from: a version, and the revision if it was built in a repository.
func built() (v, revision string) {
	v = version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v, ""
	}
	if v == "" {
		v = strings.Trim(info.Main.Version, "()")
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true" && revision != "":
			revision += ", modified"
		}
	}
	return v, revision
}
