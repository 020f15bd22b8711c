package filter

import (
	"slices"
	"strings"
	"testing"
)

func TestRulesOnTheWire(t *testing.T) {
	tests := []struct {
		rule       string
		push, pull string // as sent by a sender, by a receiver; "" if it is not
	}{
		{"- foo", "- foo", "- foo"},
		{"exclude_foo/", "- foo/", "- foo/"},
		{"+p,", "", ""},
		{"include,p /a/***", "+p /a/***", "+p /a/***"},
		{"-p!/ x", "-/!p x", "-/!p x"},
		{"hide x", "", "-s x"},
		{"S x", "", "+s x"},
		{"protect x", "-r x", ""},
		{"risk,p x", "+rp x", ""},
		{"-rs x", "-sr x", "-sr x"},
		{"-xs user.*", "", "-xs user.*"},
		{": .r", ": .r", ": .r"},
		{"dir-merge,we-ns .r/x", "- x", "- x\n:nw-s .r/x"},
		{":+r .r", ":+r .r", ""},
		{":C", ":C .cvsignore", ":C .cvsignore"},
		{":Cs", "", ":Cs .cvsignore"},
		{"!", "", ""},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			var l List
			if err := l.AddRule(test.rule); err != nil {
				if test.push != "" {
					t.Fatal(err)
				}
				return
			}
			for side, want := range map[Side]string{Sender: test.push, Receiver: test.pull} {
				texts, err := l.Rules(side, 32)
				if got := strings.Join(texts, "\n"); err != nil || got != want {
					t.Errorf("side %d: got %q, %v, want %q", side, got, err, want)
				}
			}
		})
	}
}

func TestCVSOnTheWire(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("CVSIGNORE", "mine")
	option, rule := listOf(t, "- a"), listOf(t, "- a", "-C")
	if err := option.AddCVS(); err != nil {
		t.Fatal(err)
	}
	texts, err := option.Rules(Receiver, 32)
	if err != nil || !slices.Equal(texts, []string{"- a"}) {
		t.Errorf("a pull sends %q, %v", texts, err)
	}
	if texts, err = rule.Rules(Receiver, 32); err != nil || !slices.Equal(texts, []string{"- a", "-C "}) {
		t.Errorf("a pull with the rule sends %q, %v", texts, err)
	}
	if texts, err = option.Rules(Sender, 32); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(texts[:3], []string{"- a", ":C .cvsignore", "-p RCS"}) ||
		!slices.Contains(texts, "-p .git/") || texts[len(texts)-1] != "- mine" {
		t.Errorf("a push sends %q", texts)
	}
}

func TestOldProtocols(t *testing.T) {
	tests := []struct {
		rule     string
		protocol int
		want     string // "" is an error
	}{
		{"-p x", 30, "-p x"},
		{"-p x", 29, "- x"},
		{"-sr x", 29, "-sr x"},
		{"-p x", 28, "- x"},
		{"-sr x", 28, "- x"},
		{"+ x/", 28, "+ x/"},
		{"-! x", 28, ""},
		{"-/ x", 28, ""},
		{": x", 28, ""},
		{"-C", 28, "- RCS"},
	}
	for _, test := range tests {
		texts, err := listOf(t, test.rule).Rules(Receiver, test.protocol)
		if test.want == "" {
			if err == nil {
				t.Errorf("%q in protocol %d: sent %q", test.rule, test.protocol, texts)
			}
		} else if err != nil || texts[0] != test.want {
			t.Errorf("%q in protocol %d: got %q, %v, want %q", test.rule, test.protocol, texts, err, test.want)
		}
	}
}

func TestDeleteExcludedOnTheWire(t *testing.T) {
	l := listOf(t, "- a", "P b", ": .r", ":- .s")
	l.DeleteExcluded = true
	texts, err := l.Rules(Sender, 32)
	if err != nil || !slices.Equal(texts, []string{"-r b", ": .r"}) {
		t.Errorf("push: got %q, %v", texts, err)
	}
	texts, err = l.Rules(Receiver, 32)
	if err != nil || !slices.Equal(texts, []string{"- a", ": .r", ":- .s"}) {
		t.Errorf("pull: got %q, %v", texts, err)
	}
}

// TestPeerRulesReadNothingHere sends rules that would have files of this host
// read.
func TestPeerRulesReadNothingHere(t *testing.T) {
	t.Setenv("CVSIGNORE", "mine")
	var l List
	for _, rule := range []string{". /etc/passwd", "merge,- /etc/passwd", ".C"} {
		if err := l.ParseWire(rule); err == nil {
			t.Errorf("%q was taken", rule)
		}
	}
	if err := l.ParseWire("-C "); err != nil {
		t.Fatal(err)
	}
	if l.Match("mine", false, Sender) != None || l.Match("core", false, Sender) != Exclude {
		t.Error("\"-C\" of a peer is not just CVS's own patterns")
	}
}

func TestWireTextLimit(t *testing.T) {
	var l List
	pattern := strings.Repeat("x", maxPattern-1) + "/"
	if err := l.ParseWire("-!sp/ " + pattern); err != nil {
		t.Fatal(err)
	}
	texts, err := l.Rules(Receiver, 32)
	if err != nil || texts[0] != "-/!sp "+pattern {
		t.Errorf("%v", err)
	}
}
