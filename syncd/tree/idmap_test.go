package tree

import "testing"

func TestIDMap(t *testing.T) {
	m, err := ParseIDMap(`0:7,root:8,b?n:9,1-3:10,*x:11,:12,5:13,[!a-y]oot:14,\[!c:15,[ab!]c:16,[^c][[!]:17`)
	must(t, err)
	must(t, m.ResolveUsers())
	for _, c := range []struct {
		id   uint32
		name string
		to   uint32
		ok   bool
	}{
		{0, "root", 7, true}, {4, "root", 8, true}, {2, "bin", 9, true}, {2, "sys", 10, true}, {3, "", 10, true}, {4, "maxx", 11, true},
		{4, "", 12, true}, {5, "five", 13, true}, {6, "seven", 0, false},
		{7, "zoot", 14, true}, {7, "boot", 0, false}, {7, "[!c", 15, true}, {7, "!c", 16, true}, {7, "b[", 17, true}, {7, "c[", 0, false},
	} {
		if to, ok := m.find(c.id, c.name); to != c.to || ok != c.ok {
			t.Errorf("%d %q: %d, %t; want %d, %t", c.id, c.name, to, ok, c.to, c.ok)
		}
	}
	for _, bad := range []string{"x", "x:", "3-1:5", "1-:5", "1-2-3:4", "4294967295:1", "[:1", "1:2,", "1x:2"} {
		if m, err := ParseIDMap(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, m)
		}
	}
	for _, bad := range []string{"*:no such user here", "*:4294967295", "*:99999999999"} {
		m, err := ParseIDMap(bad)
		must(t, err)
		if m.ResolveUsers() == nil || m.ResolveGroups() == nil {
			t.Errorf("%q leads somewhere", bad)
		}
	}
}

// FuzzIDMap has peers send maps: what is taken for one maps anything.
func FuzzIDMap(f *testing.F) {
	for _, text := range []string{"0:7,root:8,b?n:9,1-3:10,*x:11,:12", "*:4294967295", "[a-", "1-:5,,"} {
		f.Add(text, uint32(2), "bin")
	}
	f.Fuzz(func(t *testing.T, text string, id uint32, name string) {
		m, err := ParseIDMap(text)
		if err != nil {
			return
		}
		if to, ok := m.find(id, name); !ok && to != 0 {
			t.Errorf("%q maps %d %q to %d without a rule", text, id, name, to)
		}
	})
}
