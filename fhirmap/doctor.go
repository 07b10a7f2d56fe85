package fhirmap

// Doctor is one who treats patients, as a medical-records application knows him: a Practitioner. Title is name[0].prefix if it is one by which
// people are addressed, as Dr., and else the text of a qualification, as MD.
type Doctor struct {
	ID        string
	Name      string // name[0].text
	Title     string
	BirthDate string
	Gender    string // FHIR's: male, female, other, unknown
}

// DoctorOf reads a Practitioner.
func DoctorOf(r *Resource) (Doctor, error) {
	if err := isType(r, "Practitioner"); err != nil {
		return Doctor{}, err
	}
	root := r.Root()
	d := Doctor{ID: r.ID(), Name: nameOf(root), Title: root.First("name").String("prefix"), BirthDate: root.String("birthDate"), Gender: root.String("gender")}
	if d.Title == "" {
		d.Title = TextOf(root.First("qualification").First("code"))
	}
	return d, nil
}

// Resource makes a Practitioner.
func (d Doctor) Resource() (*Resource, error) {
	type name struct {
		Text   string   `json:"text,omitempty"`
		Prefix []string `json:"prefix,omitempty"`
	}
	n := name{Text: d.Name}
	var q []qualification
	switch {
	case d.Title == "":
	case isPrefix(d.Title):
		n.Prefix = []string{d.Title}
	default:
		q = []qualification{{Code: concept{Text: d.Title}}}
	}
	return build(struct {
		ResourceType  string          `json:"resourceType"`
		ID            string          `json:"id,omitempty"`
		Active        bool            `json:"active"`
		Name          []name          `json:"name,omitempty"`
		Gender        string          `json:"gender,omitempty"`
		BirthDate     string          `json:"birthDate,omitempty"`
		Qualification []qualification `json:"qualification,omitempty"`
	}{"Practitioner", d.ID, true, []name{n}, d.Gender, d.BirthDate, q})
}

// TextOf is what a concept says: its text, else the display or the code of its first coding.
func TextOf(e *Element) string {
	if text := e.String("text"); text != "" {
		return text
	}
	c := e.First("coding")
	if display := c.String("display"); display != "" {
		return display
	}
	return c.String("code")
}
