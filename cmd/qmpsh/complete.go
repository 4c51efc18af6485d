package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/operate"
)

// wrapping are the builtins that take a command, with the number of words before it.
var wrapping = map[string]int{"watch": 1, "on": 2}

// complete returns the candidates for the word at a place of a line.
func (sh *shell) complete(ctx context.Context, line string, at int) (from int, candidates []candidate) {
	words, bar := scan(line[:at])
	if bar != nil {
		return completeProgram(line, at)
	}
	last := word{from: at, to: at}
	if n := len(words); n > 0 && words[n-1].to == at {
		last, words = words[n-1], words[:n-1]
	}
	if len(words) == 0 {
		from, candidates := sh.current.lang.complete(ctx, line, at)
		if last.from != from && len(candidates) > 0 {
			return from, candidates
		}
		operations := slices.DeleteFunc(matching(sh.current.nextWords(nil), last.text), func(o candidate) bool { // "balloon stats"
			return slices.ContainsFunc(candidates, func(c candidate) bool { return c.text == o.text })
		})
		return last.from, slices.Concat(matching(sh.current.builtins(), last.text), operations, candidates)
	}
	name := words[0].text
	if op, n := operate.Match(unquoted(words)); op != nil {
		if op.Name == "hmp" {
			return last.from, sh.humanCommands(ctx, words[n:], last.text)
		}
		return sh.completeOperation(ctx, op, words[n:], last)
	}
	if next := matching(sh.current.nextWords(words), last.text); len(next) > 0 {
		return last.from, next
	}
	if skip, ok := wrapping[name]; ok && len(words) >= skip {
		inner := *sh
		if s, err := sh.session(words[skip-1].text); name == "on" && err == nil {
			inner.current = s
		}
		start := last.from
		if len(words) > skip {
			start = words[skip].from
		}
		from, candidates := inner.complete(ctx, line[start:], at-start)
		return start + from, candidates
	}
	if strings.HasPrefix(last.text, "-") {
		return last.from, matching(switchNames(), last.text)
	}
	var names []candidate
	switch name {
	case "use", "on":
		for _, s := range sh.sessions {
			names = append(names, candidate{text: s.name, help: s.address, space: true})
		}
		if name == "on" {
			names = append(names, candidate{text: "all", help: "all sessions", space: true})
		}
	case "open":
		names = machines(ctx, last.text)
	case "help":
		names = slices.Concat(sh.current.lang.names(false), sh.current.lang.names(true), sh.current.builtins(), sh.current.operationNames(), sh.topicNames())
	case "events":
		names = append(sh.current.lang.names(true), candidate{text: "off", help: "no events while you type", space: true})
	case "tree":
		if len(words) == 1 {
			names = sh.current.pictures()
		} else if words[1].text == "qom" {
			paths, _ := sh.current.values(ctx, "qom-path:"+last.text)
			for _, v := range paths {
				names = append(names, candidate{text: v.text, help: v.help})
			}
		}
	}
	if _, own := builtins[name]; own {
		return last.from, matching(names, last.text)
	}
	return sh.current.lang.complete(ctx, line, at)
}

// machines returns the addresses of the machines of a libvirt daemon if a word ends with the beginning of such an address:
// "libvirt:", "vm1=agent:libvirt:host1/w".
func machines(ctx context.Context, word string) (out []candidate) {
	at := strings.LastIndex(word, "libvirt:")
	if at < 0 || strings.Contains(word[at:], ",") {
		return nil
	}
	addresses, states, err := address.MachinesOf(ctx, word[at:])
	if err != nil {
		return nil // as if there were none
	}
	for i, addr := range addresses {
		out = append(out, candidate{text: word[:at] + addr, help: states[i], space: true})
	}
	return matching(out, word)
}

func switchNames() (names []candidate) {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(switches).register(set)
	set.VisitAll(func(f *pflag.Flag) {
		names = append(names, candidate{text: "-" + f.Name, help: strings.ReplaceAll(f.Usage, "`", ""), space: true})
	})
	return names
}

func matching(all []candidate, prefix string) (out []candidate) {
	for _, c := range all {
		if strings.HasPrefix(c.text, prefix) {
			out = append(out, c)
		}
	}
	return out
}

// completeProgram completes what follows a bar: jq or a program of the system, and then files.
func completeProgram(line string, at int) (from int, candidates []candidate) {
	if strings.Count(line[:at], "'")%2 == 1 {
		return at, nil // in a program of jq
	}
	from = strings.LastIndexAny(line[:at], " \t|") + 1
	word := line[from:at]
	if before := strings.TrimRight(line[:from], " \t"); !strings.HasSuffix(before, "|") {
		all, _ := files(context.Background(), nil, word)
		for _, v := range all {
			candidates = append(candidates, candidate{text: v.text, space: !strings.HasSuffix(v.text, "/")})
		}
		return from, matching(candidates, word)
	}
	names := []string{"jq"}
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		programs, _ := os.ReadDir(folder)
		for _, p := range programs {
			names = append(names, p.Name())
		}
	}
	if word == "" {
		names = []string{"jq", "grep", "head", "less", "wc"}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		help := ""
		if name == "jq" {
			help = "a program of the language jq"
		}
		candidates = append(candidates, candidate{text: name, help: help, space: true})
	}
	return from, matching(candidates, word)
}

// humanCommands completes a command of the human monitor.
func (sh *shell) humanCommands(ctx context.Context, words []word, typed string) (candidates []candidate) {
	kind := "hmp"
	switch {
	case len(words) == 1 && (words[0].text == "info" || words[0].text == "help"):
		kind += ":" + strings.Replace(words[0].text, "help", "", 1)
	case len(words) > 0:
		return nil
	}
	found, _ := sh.current.values(ctx, strings.TrimSuffix(kind, ":"))
	for _, v := range found {
		candidates = append(candidates, candidate{text: v.text, help: v.help, space: true})
	}
	return matching(candidates, typed)
}
