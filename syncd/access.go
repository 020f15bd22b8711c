package syncd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/seed9553035b/syncd/wire/rsync"
)

// lookupTime bounds what a name server may take.
const lookupTime = 5 * time.Second

// A hostPattern is one item of hosts_allow or hosts_deny: a network, or a name
// that may have wildcards (access.c:match_address, match_hostname).
type hostPattern struct {
	addr, mask netip.Addr // mask is invalid for a name
	name       string     // lower case
}

func parseHosts(items []string) (hosts []hostPattern, err error) {
	for _, item := range items {
		h, err := parseHost(item)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func parseHost(item string) (h hostPattern, err error) {
	if strings.HasPrefix(item, "@") {
		return h, fmt.Errorf("%s: netgroups are not supported", item)
	}
	text, mask, masked := strings.Cut(item, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		if bad := rsync.CheckPattern(item); bad != nil {
			return h, bad
		}
		if masked {
			return h, fmt.Errorf("%s is neither an address, a network nor a pattern of names", item)
		}
		return hostPattern{name: strings.ToLower(item)}, nil
	}
	h.addr = addr.Unmap()
	bits := h.addr.BitLen()
	if masked {
		if m, err := netip.ParseAddr(mask); err == nil && m.BitLen() == bits {
			h.mask = m
			return h, nil
		}
		if _, err := fmt.Sscanf(mask+"\n", "%d\n", &bits); err != nil || bits < 0 || bits > h.addr.BitLen() {
			return h, fmt.Errorf("%s has no mask of 0 to %d bits", item, h.addr.BitLen())
		}
	}
	ones := make([]byte, h.addr.BitLen()/8)
	for i := range bits {
		ones[i/8] |= 0x80 >> (i % 8)
	}
	h.mask, _ = netip.AddrFromSlice(ones)
	return h, nil
}

// contains reports whether an address is in the network.
func (h *hostPattern) contains(a netip.Addr) bool {
	if !h.mask.IsValid() || a.BitLen() != h.addr.BitLen() || h.addr.Zone() != "" && a.Zone() != h.addr.Zone() {
		return false
	}
	x, y, mask := a.AsSlice(), h.addr.AsSlice(), h.mask.AsSlice()
	for i := range x {
		if (x[i]^y[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}

// host is a client's host. Its name is looked up when it is first asked for.
type host struct {
	addr    netip.Addr // unspecified if there is none, as for a remote shell
	name    string
	resolve func(ctx context.Context, a netip.Addr) string
	forward func(ctx context.Context, name string) ([]netip.Addr, error)
}

// unnamed is stock's name for a host without one.
const unnamed = "UNDETERMINED"

// newHost returns the host at the other end of a connection.
func newHost(remote net.Addr) *host {
	h := &host{addr: netip.IPv4Unspecified(), resolve: reverseName, forward: addressesOf}
	if a, ok := remote.(*net.TCPAddr); ok {
		h.addr = a.AddrPort().Addr().Unmap()
	}
	return h
}

// lookedUp returns the name, unnamed if it has none or is not to be looked up.
func (h *host) lookedUp(ctx context.Context, lookUp bool) string {
	if h.name == "" && lookUp && !h.addr.IsUnspecified() {
		ctx, cancel := context.WithTimeout(ctx, lookupTime)
		defer cancel()
		h.name = h.resolve(ctx, h.addr)
	}
	if h.name == "" {
		return unnamed
	}
	return h.name
}

// reverseName returns the name of an address if that name has this address: a
// client may control the name, not what that has (clientname.c:check_name).
func reverseName(ctx context.Context, a netip.Addr) string {
	names, err := net.DefaultResolver.LookupAddr(ctx, a.String())
	if err != nil {
		return ""
	}
	for _, name := range names {
		name = strings.TrimSuffix(name, ".")
		addrs, err := addressesOf(ctx, name)
		if err == nil && containsAddr(addrs, a) {
			return strings.ToLower(name)
		}
	}
	return ""
}

func containsAddr(addrs []netip.Addr, a netip.Addr) bool {
	for _, b := range addrs {
		if b.Unmap() == a.WithZone("") {
			return true
		}
	}
	return false
}

func addressesOf(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// allowed reports whether the module is for that host: who is in the first list
// is let in, then who is in the second is not; others are, unless there is only
// the first (access.c:allow_access).
func (m *module) allowed(ctx context.Context, h *host) bool {
	switch {
	case m.matchesAny(ctx, m.allow, h, false):
		return true
	case m.matchesAny(ctx, m.deny, h, true):
		return false
	}
	return len(m.allow) == 0 || len(m.deny) > 0
}

// matchesAny reports whether one of the patterns means the host. unsure is the
// answer if a name can't be looked up, whatever the name server says of it: it
// never lets anyone in (access.c:match_hostname).
func (m *module) matchesAny(ctx context.Context, patterns []hostPattern, h *host, unsure bool) bool {
	for i := range patterns {
		p := &patterns[i]
		if p.mask.IsValid() {
			if p.contains(h.addr) {
				return true
			}
			continue
		}
		if p.name == "*" {
			return true
		}
		name := h.lookedUp(ctx, m.LooksUpNames())
		if rsync.MatchName(p.name, strings.ToLower(name)) {
			return true
		}
		if !m.LooksUpHosts() || !isHostname(p.name) {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, lookupTime)
		addrs, err := h.forward(ctx, p.name)
		cancel()
		if err != nil {
			if unsure {
				return true
			}
			continue
		}
		if containsAddr(addrs, h.addr) {
			return true
		}
	}
	return false
}

// isHostname tells a name that may have addresses from a pattern, and from what
// was meant for an address.
func isHostname(name string) bool {
	return !strings.ContainsAny(name, ":/*?[") && strings.Trim(name, ".0123456789") != ""
}
