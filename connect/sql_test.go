package connect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hob-fhir/hob/storage"
)

// postgres starts a PostgreSQL of its own, on a socket in a directory of its own, and returns its URL.
func postgres(t *testing.T) string {
	t.Helper()
	missing := func(why string) {
		t.Helper()
		if os.Getenv("HOB_REQUIRE_POSTGRES") == "1" || os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why + " (HOB_REQUIRE_POSTGRES=1 makes this a failure)")
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		missing("there is no /usr/lib/postgresql/*/bin/initdb; install postgresql")
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "hob-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			missing("there is no user postgres")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	run := func(name string, args ...string) {
		t.Helper()
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr = dir, attr
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	data := filepath.Join(dir, "data")
	run("initdb", "-D", data, "-U", "hob", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
	run("pg_ctl", "-D", data, "-w", "-t", "120", "-l", filepath.Join(dir, "log"), "-o", "-c listen_addresses='' -c fsync=off -k "+dir, "start")
	t.Cleanup(func() { run("pg_ctl", "-D", data, "-m", "immediate", "stop") })
	return "postgres:///postgres?user=hob&host=" + dir
}

func connected(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// TestSQL has one PostgreSQL for all that is asked of it.
func TestSQL(t *testing.T) {
	url := postgres(t)
	ctx := context.Background()
	db := connected(t, url)
	do := func(sql string) {
		t.Helper()
		if _, err := db.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	ids := func(rows []Row) (out []string) {
		for _, r := range rows {
			out = append(out, r["id"])
		}
		return out
	}
	t.Run("late commits", func(t *testing.T) {
		do(`CREATE TABLE late (id bigserial PRIMARY KEY, what text)`)
		table := Table{URL: url, Query: "SELECT * FROM late;", Key: "id", Cursor: "id"}
		m := Marker{}
		read := func() []string {
			t.Helper()
			rows, next, more, err := table.Read(ctx, m)
			if err != nil || more {
				t.Fatal(err, more)
			}
			m = next
			return ids(rows)
		}
		if got := read(); len(got) != 0 {
			t.Errorf("an empty table gives %v", got)
		}
		do(`INSERT INTO late (what) VALUES ('a')`)
		if got := read(); !slices.Equal(got, []string{"1"}) || m.Safe != "1" || len(m.Pending) != 0 {
			t.Errorf("%v, %+v", got, m)
		}
		slow := connected(t, url)
		tx, err := slow.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO late (what) VALUES ('late')`); err != nil { // takes 2
			t.Fatal(err)
		}
		do(`INSERT INTO late (what) VALUES ('b')`)
		for range 3 { // as long as 2 may come, the mark stays before it
			if got := read(); !slices.Equal(got, []string{"1", "3"}) || m.Safe != "1" {
				t.Errorf("%v, %+v", got, m)
			}
		}
		if len(m.Pending) > 3 {
			t.Errorf("%+v", m)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if got := read(); !slices.Equal(got, []string{"1", "2", "3"}) || m.Safe != "3" {
			t.Errorf("after the late commit: %v, %+v", got, m)
		}
		if got := read(); !slices.Equal(got, []string{"3"}) {
			t.Errorf("then: %v, %+v", got, m)
		}
	})
	t.Run("batches", func(t *testing.T) {
		// Ten rows have one time, and a batch holds seven.
		do(`CREATE TABLE many AS SELECT n AS id, timestamptz '2026-01-01' + (n / 10) * interval '1 microsecond' AS changed FROM generate_series(0, 99) AS n`)
		do(`INSERT INTO many VALUES (NULL, now()), (1000, NULL)`)
		table := Table{URL: url, Query: "SELECT id, changed FROM many", Key: "id", Cursor: "changed", Limit: 7}
		w := newWorld(t, "")
		broken := errors.New("broken")
		seen := map[string]int{}
		batches := 0
		drain := func(fail int) (int, error) {
			return table.Drain(ctx, w.store, storage.System, "many", func(rows []Row) (func(*storage.Tx) error, error) {
				return func(*storage.Tx) error {
					if batches++; batches == fail {
						return broken
					}
					for _, id := range ids(rows) {
						seen[id]++
					}
					return nil
				}, nil
			})
		}
		if n, err := drain(4); !errors.Is(err, broken) || n != 21 || len(seen) != 21 {
			t.Errorf("%d rows, %d seen, %v", n, len(seen), err)
		}
		if n, err := drain(0); err != nil || n != 79 { // it goes on where the last transaction was
			t.Errorf("%d rows, %v", n, err)
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("row %s came %d times", id, n)
			}
		}
		if len(seen) != 100 {
			t.Errorf("%d rows were seen, want 100", len(seen))
		}
		do(`UPDATE many SET changed = '2026-01-02' WHERE id = 5`)
		clear(seen)
		if _, err := drain(0); err != nil || seen["5"] != 1 || len(seen) != 11 { // those of the last time again, and what changed
			t.Errorf("%v, %v", seen, err)
		}
	})
	t.Run("overlap", func(t *testing.T) {
		do(`CREATE TABLE clocked AS SELECT n AS id, timestamptz '2026-01-01' + n * interval '1 minute' AS changed FROM generate_series(1, 20) AS n`)
		table := Table{URL: url, Query: "TABLE clocked", Key: "id", Cursor: "changed", Overlap: "5 minutes"}
		_, m, _, err := table.Read(ctx, Marker{})
		if err != nil {
			t.Fatal(err)
		}
		if rows, _, _, err := table.Read(ctx, m); err != nil || len(rows) != 6 {
			t.Errorf("%v (%v)", ids(rows), err)
		}
	})
	t.Run("cursors", func(t *testing.T) {
		do(`CREATE TABLE kinds (id int, s smallint, i integer, n numeric, d date, ts timestamp, tx text, b boolean)`)
		do(`INSERT INTO kinds VALUES (1, 1, 1, 1.5, '2026-01-01', '2026-01-01 10:00', 'Ä', true), (2, 2, 2, 1.50001, '2026-01-02', '2026-01-01 10:00:00.000001', 'z', true)`)
		for _, cursor := range []string{"s", "i", "n", "d", "ts", "tx"} {
			table := Table{URL: url, Query: "SELECT * FROM kinds", Key: "id", Cursor: cursor, Limit: 1}
			rows, m, more, err := table.Read(ctx, Marker{})
			if err != nil || len(rows) != 1 || !more {
				t.Fatalf("%s: %v (%v)", cursor, rows, err)
			}
			again, m, more, err := table.Read(ctx, m)
			if err != nil || len(again) != 1 || more || again[0]["id"] == rows[0]["id"] {
				t.Errorf("%s: %v (%v)", cursor, again, err)
			}
			if again, _, _, err := table.Read(ctx, m); err != nil || len(again) != 1 {
				t.Errorf("%s: %v (%v)", cursor, again, err)
			}
		}
		for say, table := range map[string]Table{
			"no whole or decimal number": {Query: "SELECT * FROM kinds", Key: "id", Cursor: "b"},
			"has no column x":            {Query: "SELECT * FROM kinds", Key: "x", Cursor: "id"},
			"syntax error":               {Query: "SELECT FROM FROM", Key: "id", Cursor: "id"},
			"read-only":                  {Query: "SELECT id FROM kinds WHERE nextval('late_id_seq') > 0", Key: "id", Cursor: "id"},
			"too large":                  {Query: "SELECT 1 AS id, repeat('x', 100) AS t", Key: "id", Cursor: "id", Bytes: 50},
		} {
			table.URL = url
			if _, m, _, err := table.Read(ctx, Marker{Safe: "1"}); err == nil || !strings.Contains(err.Error(), say) || m.Safe != "1" {
				t.Errorf("%+v gives %v, want %q", table, err, say)
			}
		}
	})
	t.Run("checkups", func(t *testing.T) {
		do(`CREATE TABLE checkup (nr bigserial PRIMARY KEY, checkup_type text, checkup_report text, who text, machine text, taken_by text, disease text, created_on timestamp, changed timestamptz NOT NULL DEFAULT clock_timestamp())`)
		do(`INSERT INTO checkup (checkup_type, checkup_report, who, machine, taken_by, disease, created_on)
			SELECT 'sugar', 'fine ' || n, 'user' || n % 3, 'M' || n % 2, 'Dr. Lee', 'none', timestamp '2026-03-01 10:00' + n * interval '1 hour' FROM generate_series(1, 12) AS n`)
		w := newWorld(t, "", fmt.Sprintf(`- {name: uploads, kind: sql, into: checkups, url: "%s", query: SELECT * FROM checkup, key: nr, cursor: changed, max-records: 5, columns: {username: who}}`, url))
		if r := w.good("uploads"); r.Created != 12+12+3+2 || r.Updated != 0 {
			t.Fatalf("%+v", r)
		}
		if r := w.good("uploads"); r.Created+r.Updated != 0 {
			t.Errorf("nothing is new, and yet %+v", r)
		}
		for typ, want := range map[string]int{"DiagnosticReport": 12, "Observation": 12, "Patient": 3, "Device": 2} {
			if n := len(w.all(typ)); n != want {
				t.Errorf("%d of %s, want %d", n, typ, want)
			}
		}
		// A row that was numbered before others and is committed after they were read.
		late := connected(t, url)
		if _, err := late.Exec(ctx, `BEGIN; INSERT INTO checkup (checkup_type, checkup_report, who, machine, disease) VALUES ('sugar', 'late', 'user1', 'M1', 'none')`); err != nil {
			t.Fatal(err)
		}
		do(`INSERT INTO checkup (checkup_type, checkup_report, who, machine, disease) VALUES ('sugar', 'early', 'user1', 'M1', 'none'), ('sugar', 'of nobody', NULL, 'M1', 'none')`)
		do(`UPDATE checkup SET checkup_report = 'worse', changed = clock_timestamp() WHERE nr = 3`)
		if r, err := w.im.Import(ctx, storage.System, "uploads", Run{Dry: true}); err != nil || r.Created != 2 || r.Updated != 2 {
			t.Errorf("a dry run: %+v (%v)", r, err)
		}
		if r := w.good("uploads"); r.Created != 2 || r.Updated != 2 || len(r.Skipped) != 1 { // the result and the report of each
			t.Errorf("%+v", r)
		}
		if _, err := late.Exec(ctx, `COMMIT`); err != nil {
			t.Fatal(err)
		}
		if r := w.good("uploads"); r.Created != 2 || r.Updated != 0 {
			t.Errorf("the late row: %+v", r)
		}
		if n := len(w.all("DiagnosticReport")); n != 14 {
			t.Errorf("%d reports", n)
		}
	})
	t.Run("source", func(t *testing.T) {
		do(`CREATE TABLE doctors (nr int PRIMARY KEY, first text, last text, title text, practice text, changed timestamptz NOT NULL DEFAULT now())`)
		do(`INSERT INTO doctors (nr, first, last, title, practice) SELECT n, 'Ann', 'Lee' || n, 'Dr.', 'Harbour' FROM generate_series(1, 25) AS n`)
		do(`INSERT INTO doctors (nr, first) VALUES (99, 'nameless')`)
		file := filepath.Join(t.TempDir(), "url")
		if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, "", fmt.Sprintf(`- {name: legacy, kind: sql, url-file: %s, query: SELECT * FROM doctors, key: nr, cursor: changed, max-records: 10, columns: {given: first, family: last, clinic: practice}}`, file))
		r := w.good("legacy")
		if r.Created != 25 || len(r.Attempts) != 3 || len(r.Skipped) != 1 || len(w.all("Organization")) != 1 {
			t.Fatalf("%+v", r)
		}
		if r := w.good("legacy"); r.Created+r.Updated != 0 {
			t.Errorf("%+v", r)
		}
		do(`UPDATE doctors SET title = 'Prof.', changed = clock_timestamp() WHERE nr = 7`)
		r, err := w.im.Import(ctx, storage.System, "legacy", Run{Dry: true})
		if err != nil || r.Updated != 1 {
			t.Errorf("%+v (%v)", r, err)
		}
		if r := w.good("legacy"); r.Updated != 1 { // the dry run has not moved the mark
			t.Errorf("%+v", r)
		}
		if n := len(w.all("Practitioner")); n != 25 {
			t.Errorf("%d people", n)
		}
		s := w.sources(`- {name: x, kind: sql, url: 'postgres:///nowhere?user=hob&password=sesame&host=/nonexistent', query: SELECT 1, key: a, cursor: b, backoff: 1ms}`)
		w.im.Sources = s
		begun := time.Now()
		r, err = w.run("x")
		if err == nil || len(r.Attempts) != 3 || strings.Contains(fmt.Sprintf("%+v%v", r, err), "sesame") || strings.Contains(s[0].Where(), "sesame") {
			t.Errorf("no database: %+v (%v, %s)", r, err, time.Since(begun))
		}
	})
}
