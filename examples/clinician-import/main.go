// Command clinician-import is a partner API that is as unreliable as the real one, to import clinicians from: see README.md beside it. It
// tells of ten of its twenty clinicians at a time, and how each request fares is drawn at random, unless --calm says otherwise.
package main

import (
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/hob-fhir/hob/connect/noteworthtest"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:18090", "address to listen on")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the chances; the same gives the same outcomes")
	hang := flag.Duration("hang", 30*time.Second, "how long a request hangs that does")
	calm := flag.Bool("calm", false, "answer every request well")
	flag.Parse()

	chances := rand.New(rand.NewPCG(*seed, 1))
	p := &noteworthtest.Partner{List: noteworthtest.Clinicians(), Pick: 10, Rand: rand.New(rand.NewPCG(*seed, 2)), HangFor: *hang}
	p.Hook = func(path string, o noteworthtest.Outcome) { log.Printf("GET %s: %s", path, o) }
	if !*calm {
		for range 10_000 { // then it is calm
			p.Auth = append(p.Auth, drawn(chances, 60, 30, 10, 0))
			p.Providers = append(p.Providers, drawn(chances, 50, 10, 20, 20))
		}
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("a partner API listens on http://%s\n", l.Addr())
	log.Fatal((&http.Server{Handler: p, ReadHeaderTimeout: time.Minute}).Serve(l))
}

// drawn is an outcome by its chances in percent.
func drawn(r *rand.Rand, ok, hang, broken, half int) noteworthtest.Outcome {
	n := r.IntN(ok + hang + broken + half)
	switch {
	case n < ok:
		return noteworthtest.OK
	case n < ok+hang:
		return noteworthtest.Hang
	case n < ok+hang+broken:
		return noteworthtest.Status500
	}
	return noteworthtest.HalfBody
}
