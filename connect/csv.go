package connect

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
)

func csvCheck(s *Source) error {
	if (s.File == "") == (s.URL == "") {
		return errors.New("either file or url says where the CSV is")
	}
	return nil
}

// csvFetch reads a CSV file (RFC 4180) whole.
func csvFetch(ctx context.Context, v *visit) (b batch, err error) {
	accept := func(_ http.Header, body []byte) (err error) {
		b.rows, err = csvRows(v.Source, body)
		return err
	}
	if v.URL != "" {
		if v.token, err = secret(v.TokenFile); err != nil {
			return b, fmt.Errorf("token-file: %w", err)
		}
		_, err = v.get(ctx, v.base, true, accept)
		return b, err
	}
	f, err := os.Open(v.File)
	if err != nil {
		return b, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, v.MaxBytes+1))
	if err != nil {
		return b, err
	}
	if int64(len(data)) > v.MaxBytes {
		return b, fmt.Errorf("%s is longer than max-bytes, %d", v.File, v.MaxBytes)
	}
	if err := accept(nil, data); err != nil {
		return b, fmt.Errorf("%s: %w", v.File, err)
	}
	v.report.Read = append(v.report.Read, digested("file:"+v.File, data))
	return b, nil
}

func csvRows(s *Source, body []byte) ([]Row, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return nil, &shape{says: "no line of column names", text: true}
	}
	head = slices.Clone(head)
	for field, column := range s.Columns {
		if !slices.Contains(head, column) {
			return nil, &shape{says: fmt.Sprintf("the first line has no column %q, which is to be the %s", column, field)}
		}
	}
	for _, field := range s.kind.required {
		if column := s.column(field); !slices.Contains(head, column) {
			return nil, &shape{says: fmt.Sprintf("the first line has no column %q, which is to be the %s", column, field)}
		}
	}
	var rows []Row
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, &shape{says: "broken CSV: " + err.Error()}
		}
		row := Row{}
		for i, value := range line {
			if value != "" {
				row[head[i]] = value
			}
		}
		rows = append(rows, row)
	}
}
