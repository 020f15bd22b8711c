package main

import "testing"

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		human numbers
		n     int64
		want  string
	}{
		{0, 1234567, "1234567"}, {1, 999, "999"}, {1, 1000, "1.00K"}, {1, 1234567, "1.23M"}, {2, 1023, "1023"}, {2, 1234567, "1.18M"},
		{3, 1 << 40, "1.00T"}, {1, 5e18, "5000.00P"}, {1, 0, "0"},
	} {
		if got := c.human.of(c.n); got != c.want {
			t.Errorf("%d with %d times -h: %s, want %s", c.n, c.human, got, c.want)
		}
	}
}
