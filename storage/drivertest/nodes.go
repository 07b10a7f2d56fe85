package drivertest

import "github.com/hob-fhir/hob/storage/driver"

var nodeTests = []test{
	{"all, ids, and, or, not", func(s *store) {
		s.save("T", "a", row("f", "1"), row("g", "1"))
		s.save("T", "b", row("f", "1"), row("g", "2"))
		s.save("T", "c", row("f", "2"))
		s.save("U", "d", row("f", "1"))
		one, two := look("f", driver.EQUAL, "1"), look("g", driver.EQUAL, "2")
		for _, c := range []struct {
			q    driver.Query
			want string
		}{
			{nil, "a b c"},
			{driver.All{}, "a b c"},
			{driver.IDs{}, ""},
			{driver.IDs(nil), ""},
			{driver.IDs{"c", "a", "c", "d", "none"}, "a c"},
			{driver.And{}, "a b c"},
			{driver.And(nil), "a b c"},
			{driver.And{one}, "a b"},
			{driver.And{one, two}, "b"},
			{driver.And{driver.All{}, one}, "a b"},
			{driver.And{driver.IDs{"b", "c"}, one}, "b"},
			{driver.And{one, driver.IDs{}}, ""},
			{driver.Or{}, ""},
			{driver.Or(nil), ""},
			{driver.Or{one}, "a b"},
			{driver.Or{one, two}, "a b"},
			{driver.Or{two, look("f", driver.EQUAL, "2")}, "b c"},
			{driver.Or{two, driver.IDs{"a"}, two}, "a b"},
			{driver.Or{driver.All{}, two}, "a b c"},
			{driver.Not{Of: one}, "c"},
			{driver.Not{Of: driver.Not{Of: one}}, "a b"},
			{driver.Not{Of: driver.All{}}, ""},
			{driver.Not{Of: nil}, ""},
			{driver.Not{Of: driver.Or{}}, "a b c"},
			{driver.Not{Of: driver.And{one, two}}, "a c"},
			{driver.Not{Of: driver.IDs{"a"}}, "b c"},
			{driver.And{driver.Not{Of: one}, driver.Not{Of: two}}, "c"},
			{driver.And{driver.Or{two, driver.IDs{"c"}}, driver.Not{Of: one}}, "c"},
			{driver.And{nil, one}, "a b"},
		} {
			s.finds("T", c.q, c.want)
		}
	}},
	{"not of a field is for records without a row that matches", func(s *store) {
		s.save("T", "a", row("f", "1"), row("f", "2"))
		s.save("T", "b", row("f", "2"))
		s.save("T", "c")
		s.finds("T", driver.Not{Of: look("f", driver.EQUAL, "1")}, "b c")
		s.finds("T", driver.Not{Of: driver.Has("f")}, "c")
	}},
	{"same joins lookups in one group", func(s *store) {
		systolic, high, low := look("code", driver.EQUAL, "systolic"), look("value", driver.GT, "140"), look("value", driver.LTE, "140")
		s.save("T", "high", append(in(1, row("code", "systolic"), row("value", "160")), in(2, row("code", "diastolic"), row("value", "090"))...)...)
		s.save("T", "low", append(in(1, row("code", "systolic"), row("value", "120")), in(2, row("code", "other"), row("value", "160"))...)...)
		s.save("T", "apart", append(in(1, row("code", "systolic")), in(2, row("value", "160"))...)...)
		s.finds("T", driver.And{systolic, high}, "high low apart")
		s.finds("T", driver.Same{systolic, high}, "high")
		s.finds("T", driver.Same{high, systolic}, "high")
		s.finds("T", driver.Same{systolic, low}, "low")
		s.finds("T", driver.Same{systolic}, "high low apart")
		s.finds("T", driver.Not{Of: driver.Same{systolic, high}}, "low apart")
	}},
	{"group 0 is a group like any other", func(s *store) {
		s.save("T", "both", row("code", "c"), row("value", "v"))
		s.save("T", "one", append(in(1, row("code", "c")), row("value", "v"))...)
		s.save("T", "other", append(in(1, row("value", "v")), row("code", "c"))...)
		s.save("T", "max", in(1<<32-1, row("code", "c"), row("value", "v"))...)
		s.finds("T", driver.Same{look("code", driver.EQUAL, "c"), look("value", driver.EQUAL, "v")}, "both max")
	}},
	{"same asks lookups of one field of one row", func(s *store) {
		s.save("T", "two", in(1, row("f", "1"), row("f", "9"))...)
		s.save("T", "one", in(1, row("f", "5"))...)
		s.save("T", "span", in(1, spanRow("f", "4", "6"))...)
		s.save("T", "wide", in(1, spanRow("f", "1", "9"))...)
		between := driver.Same{look("f", driver.GTE, "4"), look("f", driver.LT, "6")}
		s.finds("T", between, "one span wide")
		s.finds("T", driver.And{look("f", driver.GTE, "4"), look("f", driver.LT, "6")}, "two one span wide")
		s.finds("T", driver.Same{look("f", driver.GTE, "4"), look("f", driver.LT, "6"), look("f", driver.EQUAL, "5")}, "one")
	}},
	{"same over several fields, with one field asked twice", func(s *store) {
		s.save("T", "yes", in(3, row("code", "c"), row("value", "2"), row("value", "8"), row("value", "5"))...)
		s.save("T", "no", in(3, row("code", "c"), row("value", "2"), row("value", "8"))...)
		s.save("T", "far", append(in(3, row("code", "c")), in(4, row("value", "5"))...)...)
		s.finds("T", driver.Same{look("value", driver.GT, "4"), look("code", driver.EQUAL, "c"), look("value", driver.LT, "6")}, "yes")
	}},
	{"same of nothing always holds", func(s *store) {
		s.save("T", "a", row("f", "1"))
		s.save("T", "b")
		s.finds("T", driver.Same{}, "a b")
		s.finds("T", driver.Not{Of: driver.Same(nil)}, "")
	}},
	{"refers follows a reference forward", func(s *store) {
		s.save("Patient", "joe", row("name", "Joe"))
		s.save("Patient", "jane", row("name", "Jane"))
		s.save("Group", "joe", row("name", "Joe"))
		s.save("T", "a", refRow("subject", key("Patient", "joe")))
		s.save("T", "b", refRow("subject", key("Patient", "jane")), refRow("subject", key("Patient", "joe")))
		s.save("T", "c", refRow("subject", key("Group", "joe")))
		s.save("T", "d", refRow("focus", key("Patient", "joe")))
		s.save("T", "e", row("subject", "http://elsewhere/Patient/joe\x00"), row("subject", "joe"), spanRow("subject", "joe\x00Patient", "joe\x00Patients"))
		joe := look("name", driver.EQUAL, "Joe")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient", Where: joe}, "a b")
		s.finds("T", driver.Refers{Field: "subject", Type: "Group", Where: joe}, "c")
		s.finds("T", driver.Refers{Field: "focus", Type: "Patient", Where: joe}, "d")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient"}, "a b")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient", Where: driver.Not{Of: joe}}, "b")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient", Where: driver.IDs{"jane"}}, "b")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient", Where: driver.Or{}}, "")
		s.finds("T", driver.Not{Of: driver.Refers{Field: "subject", Type: "Patient", Where: joe}}, "c d e")
		s.finds("T", driver.Refers{Field: "subject", Type: "Nothing"}, "")
	}},
	{"referred follows a reference backward", func(s *store) {
		for _, id := range []string{"joe", "jane", "jim"} {
			s.save("Patient", id)
		}
		s.save("T", "a", refRow("subject", key("Patient", "joe")), row("code", "x"))
		s.save("T", "b", refRow("subject", key("Patient", "joe")), row("code", "y"))
		s.save("T", "c", refRow("subject", key("Patient", "jane")), row("code", "y"))
		s.save("T", "d", refRow("focus", key("Patient", "jim")), row("code", "x"))
		s.save("U", "e", refRow("subject", key("Patient", "jim")), row("code", "x"))
		has := func(q driver.Query) driver.Query { return driver.Referred{Type: "T", Field: "subject", Where: q} }
		s.finds("Patient", has(look("code", driver.EQUAL, "x")), "joe")
		s.finds("Patient", has(look("code", driver.EQUAL, "y")), "joe jane")
		s.finds("Patient", has(nil), "joe jane")
		s.finds("Patient", driver.Not{Of: has(nil)}, "jim")
		s.finds("Patient", has(driver.Not{Of: look("code", driver.EQUAL, "y")}), "joe")
		s.finds("Patient", driver.And{has(look("code", driver.EQUAL, "x")), has(look("code", driver.EQUAL, "y"))}, "joe")
		s.finds("Patient", has(driver.And{look("code", driver.EQUAL, "x"), look("code", driver.EQUAL, "y")}), "")
		s.finds("Patient", driver.Referred{Type: "U", Field: "subject"}, "jim")
	}},
	{"references to what is missing, deleted or erased lead nowhere", func(s *store) {
		for _, id := range []string{"deleted", "erased", "back"} {
			s.save("Patient", id, row("name", "Joe"))
		}
		for _, id := range []string{"deleted", "erased", "back", "never"} {
			s.save("T", id, refRow("subject", key("Patient", id)))
		}
		s.delete("Patient", "deleted")
		s.erase("Patient", "erased")
		s.delete("Patient", "back")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient"}, "")
		s.save("Patient", "back")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient"}, "back")
		s.finds("T", driver.Refers{Field: "subject", Type: "Patient", Where: driver.Has("name")}, "")
		s.finds("T", look("subject", driver.EQUAL, string(key("Patient", "never").Ref())), "never")
	}},
	{"references from what is deleted or erased count no more", func(s *store) {
		s.save("Patient", "joe")
		joe := refRow("subject", key("Patient", "joe"))
		for _, id := range []string{"deleted", "erased", "changed"} {
			s.save("T", id, joe)
			s.finds("Patient", driver.Referred{Type: "T", Field: "subject", Where: driver.IDs{id}}, "joe")
		}
		s.delete("T", "deleted")
		s.erase("T", "erased")
		s.save("T", "changed")
		s.finds("Patient", driver.Referred{Type: "T", Field: "subject"}, "")
	}},
	{"chains may be long, and turn back on themselves", func(s *store) {
		s.save("T", "a", refRow("next", key("T", "b")))
		s.save("T", "b", refRow("next", key("T", "c")))
		s.save("T", "c", refRow("next", key("T", "a")), row("name", "end"))
		s.save("T", "self", refRow("next", key("T", "self")))
		follow := func(q driver.Query) driver.Query { return driver.Refers{Field: "next", Type: "T", Where: q} }
		back := func(q driver.Query) driver.Query { return driver.Referred{Field: "next", Type: "T", Where: q} }
		end := look("name", driver.EQUAL, "end")
		s.finds("T", follow(end), "b")
		s.finds("T", follow(follow(end)), "a")
		s.finds("T", follow(follow(follow(end))), "c")
		s.finds("T", back(end), "a")
		s.finds("T", back(follow(end)), "c")
		s.finds("T", follow(back(end)), "c")
		s.finds("T", driver.And{follow(driver.IDs{"self"}), back(driver.IDs{"self"})}, "self")
	}},
	{"a narrowing deep in the tree holds", func(s *store) {
		// What access control does: at each Refers and Referred the inner query is And-ed with what the caller may see.
		s.save("Patient", "mine", row("_patient", "mine"), row("name", "Joe"))
		s.save("Patient", "other", row("_patient", "other"), row("name", "Joe"))
		s.save("T", "a", refRow("subject", key("Patient", "mine")), row("_patient", "mine"))
		s.save("T", "b", refRow("subject", key("Patient", "other")), row("_patient", "other"))
		s.save("T", "c", refRow("subject", key("Patient", "other")), row("_patient", "mine"))
		mine := look("_patient", driver.EQUAL, "mine")
		s.finds("T", driver.And{mine, driver.Refers{Field: "subject", Type: "Patient", Where: driver.And{mine, look("name", driver.EQUAL, "Joe")}}}, "a")
		s.finds("Patient", driver.And{driver.Referred{Type: "T", Field: "subject", Where: driver.And{mine}}}, "mine other")
		s.finds("Patient", driver.And{mine, driver.Referred{Type: "T", Field: "subject", Where: mine}}, "mine")
	}},
}
