package rsyncd

import (
	"os"
	"strings"
)

// expand replaces %VAR% by what lookup knows of VAR, and %% by percent. What is
// no reference, or one to a variable that is not set, stays as it is
// (loadparm.c:expand_vars).
func expand(value, percent string, lookup func(string) (string, bool)) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(value, "%")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "%")
		text, set := percent, closed && name == ""
		if !set && closed {
			text, set = lookup(name)
		}
		if set {
			b.WriteString(text)
			value = after
			continue
		}
		b.WriteByte('%')
		value = rest
	}
}

// environment looks a variable up for a value that is read now.
func environment(module string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if name == "RSYNC_MODULE_NAME" && module != "" {
			return module, true
		}
		return os.LookupEnv(name)
	}
}

// perClient are the variables that have a value only when a client is there.
var perClient = []string{"RSYNC_USER_NAME", "RSYNC_HOST_ADDR", "RSYNC_HOST_NAME"}

// expandEarly is expand for a value that the daemon expands again when a client
// is there: references to what is known then stay, and percent signs stay double.
func expandEarly(value, module string) string {
	env := environment(module)
	return expand(value, "%%", func(name string) (string, bool) {
		for _, late := range perClient {
			if name == late {
				return "%" + name + "%", true
			}
		}
		v, ok := env(name)
		return strings.ReplaceAll(v, "%", "%%"), ok
	})
}

// dependsOnClient returns a variable in value that only a client gives a value,
// "" if there is none.
func dependsOnClient(value, module string) string {
	found, env := "", environment(module)
	expand(value, "", func(name string) (string, bool) {
		if _, set := env(name); !set && strings.HasPrefix(name, "RSYNC_") {
			found = name
		}
		return "", true
	})
	return found
}
