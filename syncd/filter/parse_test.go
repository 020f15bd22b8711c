package filter

import (
	"strings"
	"testing"
)

func TestBadRules(t *testing.T) {
	x := strings.Repeat("x", maxText)
	tests := []struct{ rule, want string }{
		{"foo", `filter rule "foo": begins with no known rule name`},
		{"excludefoo", `filter rule "excludefoo": begins with no known rule name`},
		{"-", `filter rule "-": nothing follows the rule's name`},
		{"- ", `filter rule "- ": nothing follows the rule's name`},
		{"H_", `filter rule "H_": nothing follows the rule's name`},
		{":", `filter rule ":": nothing follows the rule's name`},
		{":n", `filter rule ":n": nothing follows the rule's name`},
		{"-foo", `filter rule "-foo": unknown modifier 'f'`},
		{"-,q foo", `filter rule "-,q foo": unknown modifier 'q'`},
		{"-e foo", `filter rule "-e foo": modifier 'e' does not go with '-' and the ones before it`},
		{"-n foo", `filter rule "-n foo": modifier 'n' does not go with '-' and the ones before it`},
		{"+w foo", `filter rule "+w foo": modifier 'w' does not go with '+' and the ones before it`},
		{"-- foo", `filter rule "-- foo": modifier '-' does not go with '-' and the ones before it`},
		{":! foo", `filter rule ":! foo": modifier '!' does not go with ':' and the ones before it`},
		{":-C foo", `filter rule ":-C foo": modifier 'C' does not go with ':' and the ones before it`},
		{":C- foo", `filter rule ":C- foo": modifier '-' does not go with ':' and the ones before it`},
		{":+- foo", `filter rule ":+- foo": modifier '-' does not go with ':' and the ones before it`},
		{"Ps foo", `filter rule "Ps foo": modifier "s" does not go with 'P'`},
		{"hide,r foo", `filter rule "hide,r foo": modifier "r" does not go with 'H'`},
		{"R,C", `filter rule "R,C": modifier "C" does not go with 'R'`},
		{"-C foo", `filter rule "-C foo": "C" stands for the CVS patterns and takes none`},
		{"! x", `filter rule "! x": text after the rule that clears the list`},
		{"clear_", `filter rule "clear_": text after the rule that clears the list`},
		{": dir/", `filter rule ": dir/": the merge file is a directory`},
		{": ..", `filter rule ": ..": the merge file is a directory`},
		{". /x/.", `filter rule ". /x/.": the merge file is a directory`},
		{"- a\x00b", `filter rule "- a\x00b": a NUL byte inside`},
		{"- " + x, `filter rule "- ` + x[:maxText-2] + `": longer than 5119 bytes`},
		{"- " + x[:maxPattern+1], `filter rule "- ` + x[:maxPattern+1] + `": pattern longer than 4095 bytes`},
	}
	for _, test := range tests {
		t.Run(test.rule[:min(len(test.rule), 20)], func(t *testing.T) {
			err := new(List).AddRule(test.rule)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestGoodRules(t *testing.T) {
	for _, rule := range []string{
		"", "!", "clear", "clear,", "- a", "-_a", "-, a", "exclude a", "include,sr/!p_a", "P,p a", "-C", "-C ", "+C", ":C", ":C x",
		"dir-merge .x", "dir-merge,nwe+ .x", ":w-e .x", ": /.x", "- " + strings.Repeat("x", maxPattern), "- \\", "- [", "- /",
	} {
		if err := new(List).AddRule(rule); err != nil {
			t.Errorf("%q: %v", rule, err)
		}
	}
}
