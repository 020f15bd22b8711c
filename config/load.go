package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// Load returns the configuration in a file: YAML if its name ends in .yaml or
// .yml, TOML if in .toml. An empty path means no file: the defaults and the
// environment. Errors about what is in it are an Error.
func Load(path string) (*Config, error) {
	if path == "" {
		v := newViper()
		return decode(v, "", fromEnvironment(v), nil, &problems{})
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var ps problems
	var lines positions
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	switch format {
	case "yaml", "yml":
		lines, err = scanYAML(raw, &ps)
	case "toml":
		lines, err = scanTOML(raw, &ps)
	default:
		return nil, Error{{File: path, Text: "the name of a configuration ends in .yaml, .yml or .toml"}}
	}
	v := newViper()
	v.SetConfigType(format)
	if err == nil {
		err = v.ReadConfig(bytes.NewReader(raw))
	}
	if err != nil && len(ps.found) == 0 { // otherwise err is what was found
		ps.append(syntaxProblem(err))
	}
	if err != nil {
		ps.inFile(path)
		return nil, ps.err()
	}
	return decode(v, path, fromEnvironment(v), lines, &ps)
}

// Default returns the configuration of an empty file, whatever the environment.
func Default() *Config {
	c, err := decode(newViper(), "", nil, nil, &problems{})
	if err != nil {
		panic("config: bad defaults: " + err.Error())
	}
	return c
}

// newViper returns a viper that knows the defaults of the keys outside of
// modules.
func newViper() *viper.Viper {
	v := viper.New()
	for _, k := range Keys() {
		if k.Env() != "" {
			v.SetDefault(k.Path, k.Default)
		}
	}
	return v
}

// envValue is a value from the environment: text for any type.
type envValue string

// fromEnvironment overrides keys by variables, and returns the variables by key.
func fromEnvironment(v *viper.Viper) map[string]string {
	env := make(map[string]string)
	for _, k := range Keys() {
		if name := k.Env(); name != "" {
			if value, ok := os.LookupEnv(name); ok {
				v.Set(k.Path, envValue(value))
				env[k.Path] = name
			}
		}
	}
	return env
}

// decode makes a Config of v. env says which keys are from the environment, lines
// where those of the file are; ps has what is wrong with the file already.
func decode(v *viper.Viper, file string, env map[string]string, lines positions, ps *problems) (*Config, error) {
	var c Config
	err := v.Unmarshal(&c, func(dc *mapstructure.DecoderConfig) {
		dc.TagName = "yaml"
		dc.WeaklyTypedInput = false
		dc.DecodeHook = strictValue
	})
	for key, err := range decodeErrors(err) {
		ps.add(key, "%v", err)
	}
	c.setModuleDefaults()
	c.validate(ps)
	for i := range ps.found {
		p := &ps.found[i]
		if name := env[outermost(p.Key)]; name != "" {
			p.File = name
		} else if p.Line == 0 {
			p.Line = lines.at(p.Key)
		}
	}
	ps.inFile(file)
	if err := ps.err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// outermost returns the key that a problem's key is an element of: "listen" for
// "listen[0]".
func outermost(key string) string {
	key, _, _ = strings.Cut(key, "[")
	return key
}

// setModuleDefaults makes what a module leaves out explicit, so that Show shows
// it, and what is empty equal to what is left out.
func (c *Config) setModuleDefaults() {
	if len(c.Modules) == 0 {
		c.Modules = nil
	}
	for i := range c.Modules {
		c.Modules[i].setDefaults()
	}
}

func (m *Module) setDefaults() {
	for _, list := range []*[]string{&m.Filter, &m.Include, &m.Exclude, &m.GID, &m.HostsAllow, &m.HostsDeny, &m.AuthUsers, &m.RefuseOptions} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	for key, b := range map[string]**bool{"read_only": &m.ReadOnly, "list": &m.List, "reverse_lookup": &m.ReverseLookup,
		"forward_lookup": &m.ForwardLookup, "strict_modes": &m.StrictModes} {
		if *b == nil {
			*b = new(keyAt("modules[]." + key).Default.(bool))
		}
	}
	if m.MaxVerbosity == nil {
		m.MaxVerbosity = new(keyAt("modules[].max_verbosity").Default.(int))
	}
}

// decodeErrors yields the errors of mapstructure by the key they are about.
func decodeErrors(err error) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		var visit func(error) bool
		visit = func(err error) bool {
			if list, ok := err.(interface{ Unwrap() []error }); ok {
				for _, err := range list.Unwrap() {
					if !visit(err) {
						return false
					}
				}
				return true
			}
			var about *mapstructure.DecodeError
			if errors.As(err, &about) {
				// The innermost error has the whole name.
				if inner := about.Unwrap(); errors.As(inner, new(*mapstructure.DecodeError)) {
					return visit(inner)
				}
				return yield(about.Name(), about.Unwrap())
			}
			return err == nil || yield("", err)
		}
		visit(err)
	}
}

// strictValue is the hook that converts and refuses values before viper's
// decoder sees them: nothing is converted but the text of the environment.
func strictValue(from, to reflect.Value) (any, error) {
	value := from.Interface()
	want := to.Type()
	if want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	if text, ok := value.(envValue); ok {
		return fromText(string(text), want)
	}
	ok := false
	switch {
	case want == reflect.TypeFor[time.Duration]():
		if text, isText := value.(string); isText {
			return parseDuration(text)
		}
		if from.CanInt() || from.CanUint() {
			return nil, fmt.Errorf("give the duration a unit, such as %vs", value)
		}
		return nil, errors.New("give a duration, such as 30s")
	case want.Kind() == reflect.Int:
		if ok = from.CanInt(); !ok {
			return nil, errors.New("give a whole number")
		}
	case want.Kind() == reflect.Bool:
		if ok = from.Kind() == reflect.Bool; !ok {
			return nil, errors.New("give true or false")
		}
	case want.Kind() == reflect.String:
		if ok = from.Kind() == reflect.String; !ok {
			return nil, errors.New("give text; numbers and the like need quotes")
		}
	case want.Kind() == reflect.Slice:
		if ok = from.Kind() == reflect.Slice; !ok {
			return nil, errors.New("give a list")
		}
	case want.Kind() == reflect.Struct:
		if ok = from.Kind() == reflect.Map || from.Type() == to.Type(); !ok {
			return nil, errors.New("give keys and values, indented below it")
		}
	}
	return value, nil
}

// fromText converts a value from the environment.
func fromText(text string, want reflect.Type) (any, error) {
	switch {
	case want == reflect.TypeFor[time.Duration]():
		return parseDuration(text)
	case want.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("give a whole number, not %q", text)
		}
		return n, nil
	case want.Kind() == reflect.Bool:
		switch text {
		case "true", "false":
			return text == "true", nil
		}
		return nil, fmt.Errorf("give true or false, not %q", text)
	case want.Kind() == reflect.Slice:
		if text == "" {
			return []string{}, nil
		}
		return strings.Split(text, ","), nil
	}
	return text, nil
}

// parseDuration is time.ParseDuration but for "0", which has no unit either.
func parseDuration(text string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("give the duration a unit, such as %vs", n)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 30s, 10m or 1h30m; h is the longest unit", text)
	}
	return d, nil
}
