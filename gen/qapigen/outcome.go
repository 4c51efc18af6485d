package main

import "github.com/qmpkit/qmpkit/internal/unmask"

// An outcome is what generate did, in JSON.
type outcome struct {
	Package   string      `json:"package"`
	Folder    string      `json:"folder"`
	Version   string      `json:"version,omitempty"` // of QEMU
	Sources   []sourceRow `json:"sources,omitempty"` // of a package for several, the newest first
	Changed   []string    `json:"changed"`           // names of files
	Unchanged []string    `json:"unchanged"`
	Removed   []string    `json:"removed"`
	Names     *typeNames  `json:"names,omitempty"` // of a server, whose types have no names
}

// A sourceRow is one of several sources.
type sourceRow struct {
	Source  string `json:"source"`
	Version string `json:"version"`
}

// typeNames is where the names of a server's types are from.
type typeNames struct {
	From      string    `json:"from"`
	Types     int       `json:"types"`
	Recovered int       `json:"recovered"`
	New       []newName `json:"new"`
}

// newName is the name of a type that was named after its use.
type newName struct {
	Name string `json:"name"`
	Use  string `json:"use"`
}

func namesOf(s *unmask.Snapshot, from string) *typeNames {
	n := &typeNames{From: from, Types: len(s.Types), Recovered: s.Recovered(), New: []newName{}}
	for _, t := range s.Types {
		if t.Use != "" {
			n.New = append(n.New, newName{t.Name, t.Use})
		}
	}
	return n
}

// orEmpty returns a list that JSON does not show as null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
