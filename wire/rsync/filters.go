package rsync

import "fmt"

// maxFilters bounds the bytes of all rules of a list together: rules stay in
// memory for the whole session.
const maxFilters = 4 << 20

// WriteFilters sends the rules that concern the server, as text in the form of
// exclude.c:get_rule_prefix. See [Args.SendsFilters] for when there is a list
// at all (exclude.c:send_filter_list).
//
//	int n > 0, n bytes of rule    repeated
//	int 0
func WriteFilters(w *Writer, rules []string) error {
	for _, rule := range rules {
		if rule == "" || len(rule) > maxText {
			return protoErrorf("filter rule of %d bytes", len(rule))
		}
		if err := w.Int(int32(len(rule))); err != nil {
			return err
		}
		if err := w.put([]byte(rule)); err != nil {
			return err
		}
	}
	return w.Int(0)
}

// ReadFilters reads the client's rules (exclude.c:recv_filter_list).
func ReadFilters(r *Reader) ([]string, error) {
	var rules []string
	total := 0
	for {
		n, err := r.Int()
		if err != nil {
			return nil, fmt.Errorf("read filter list: %w", err)
		}
		if n == 0 {
			return rules, nil
		}
		if n < 0 || n > maxText {
			return nil, protoErrorf("filter rule of %d bytes", n)
		}
		if total += int(n); total > maxFilters {
			return nil, protoErrorf("filter rules of more than %d bytes", maxFilters)
		}
		b, err := r.Bytes(int(n))
		if err != nil {
			return nil, fmt.Errorf("read filter list: %w", err)
		}
		rules = append(rules, string(b))
	}
}

// WriteNames sends the names of --files-from, each ending in NUL, and an empty
// one. next returns false when there are no more. Below protocol 31 they
// travel raw (io.c:forward_filesfrom_data, start_filesfrom_forwarding).
func WriteNames(w *Writer, next func() (string, bool)) error {
	raw := w.proto < 31 && w.mux
	if raw {
		if err := w.StopMux(); err != nil {
			return err
		}
	}
	for name, ok := next(); ok; name, ok = next() {
		if name == "" || len(name) > maxPath {
			return protoErrorf("name of %d bytes in the list of files", len(name))
		}
		if err := w.put(append([]byte(name), 0)); err != nil {
			return err
		}
	}
	if err := w.Byte(0); err != nil {
		return err
	}
	if raw {
		if err := w.StartMux(); err != nil {
			return err
		}
	}
	return w.Flush()
}

// ReadNames passes each name of --files-from to use, as the peer sent it:
// neither cleaned nor checked for "..".
func ReadNames(r *Reader, use func(name string) error) error {
	raw := r.proto < 31 && r.mux
	if raw {
		if err := r.StopMux(); err != nil {
			return err
		}
		defer r.StartMux()
	}
	for {
		name, err := r.until(0, maxPath)
		if err != nil {
			return fmt.Errorf("read list of files: %w", err)
		}
		if name == "" {
			return nil
		}
		if err := use(name); err != nil {
			return err
		}
	}
}
