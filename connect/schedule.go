package connect

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hob-fhir/hob/storage"
)

// Schedule imports each source that has import-every, as Hob itself, until the context ends and the runs under way have. A source's next run begins
// so long after the one before began, give or take a tenth, so that not all servers ask at once; never while one is going on. What was due while
// no process ran is made up for once, within a minute or a tenth of the interval, whichever is less. A nil Importer
// has no sources.
func (im *Importer) Schedule(ctx context.Context) {
	if im == nil {
		return
	}
	var all sync.WaitGroup
	for _, s := range im.Sources {
		if s.ImportEvery > 0 {
			all.Go(func() { im.repeat(ctx, s) })
		}
	}
	all.Wait()
}

func (im *Importer) repeat(ctx context.Context, s *Source) {
	random, wait := im.jitter()
	next := im.now()
	if last, err := im.Last(ctx, s.Name); err == nil && last != nil {
		next = last.Begun.Add(s.ImportEvery)
	}
	for ctx.Err() == nil {
		pause := next.Sub(im.now())
		if pause <= 0 {
			pause = time.Duration(random() * float64(min(s.ImportEvery/10, time.Minute)))
		}
		if wait(ctx, pause) != nil {
			return
		}
		begun := im.now()
		if _, err := im.Import(ctx, storage.System, s.Name, Run{}); errors.Is(err, ErrRunning) {
			im.logger().Info("import", "source", s.Name, "skipped", "somebody has asked for it, and it goes on")
		}
		next = begun.Add(s.ImportEvery + time.Duration((random()-0.5)*float64(s.ImportEvery)/5))
	}
}
