package cache

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/seed9553035b/syncd/wire"
)

var testRecordKey = []byte("a key")

// TestMerge has records built of older ones and fresh sums.
func TestMerge(t *testing.T) {
	now := time.Unix(2e9, 0)
	version := func(ctime int64) *wire.Version {
		return &wire.Version{Size: 1, Mtime: past, Ctime: wire.Time{Sec: ctime}, Ino: 1}
	}
	one := func(tag uint64, ctime int64, gen uint32, sum string) item {
		return newItem(tag, version(ctime), gen, []byte(sum))
	}
	base := func(items ...item) record { return merge(testRecordKey, nil, items, 5, now) }
	for _, c := range []struct {
		name  string
		r     record
		fresh []item
		gen   uint32
		want  string // tag:sum of each item
	}{
		{"into none", nil, []item{one(2, 1, 5, "b"), one(1, 1, 5, "a")}, 5, "1:a 2:b "},
		{"between", base(one(1, 1, 5, "a"), one(3, 1, 5, "c")), []item{one(2, 1, 5, "b")}, 5, "1:a 2:b 3:c "},
		{"replaces", base(one(1, 1, 5, "a"), one(2, 1, 5, "b")), []item{one(2, 2, 5, "B")}, 5, "1:a 2:B "},
		{"the newest of two", nil, []item{one(2, 1, 5, "b"), one(2, 3, 5, "B"), one(2, 2, 5, "c")}, 5, "2:B "},
		{"keeps the generation before", base(one(1, 1, 5, "a")), []item{one(2, 1, 6, "b")}, 6, "1:a 2:b "},
		{"drops older ones", base(one(1, 1, 5, "a"), one(3, 1, 6, "c")), []item{one(2, 1, 7, "b")}, 7, "2:b 3:c "},
		{"of another length", base(one(1, 1, 5, "a")), []item{one(2, 1, 5, "bb")}, 5, "2:bb "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := merge(testRecordKey, c.r, c.fresh, c.gen, now)
			if _, err := parseRecord(testRecordKey, r); err != nil {
				t.Fatal(err)
			}
			got := ""
			for i := range r.count() {
				got += fmt.Sprintf("%d:%s ", r.tag(i), item(r.item(i)).sum())
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRecordIsBounded(t *testing.T) {
	var items []item
	for i := range maxItems + 10 {
		items = append(items, newItem(uint64(i), &wire.Version{}, 1, []byte("s")))
	}
	r := merge(testRecordKey, nil, items, 1, time.Unix(1, 0))
	if r.count() != maxItems {
		t.Errorf("%d items, want %d", r.count(), maxItems)
	}
	if _, err := parseRecord(testRecordKey, r); err != nil {
		t.Error(err)
	}
}

// FuzzRecord has records that are not ours refused, or read without harm. The
// checksum is made good, since nobody finds one by chance.
func FuzzRecord(f *testing.F) {
	v := wire.Version{Size: 10, Mtime: past, Ctime: past, Ino: 3}
	now := time.Unix(2e9, 0)
	one := merge(testRecordKey, nil, []item{newItem(7, &v, 1, []byte("0123456789abcdef"))}, 1, now)
	two := merge(testRecordKey, one, []item{newItem(9, &v, 2, []byte("0123456789abcdef"))}, 2, now)
	for _, seed := range [][]byte{one, two, two[:len(two)-1], one[:recordHead], {}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= recordHead {
			b = append([]byte(nil), b...)
			binary.LittleEndian.PutUint64(b, checksum(testRecordKey, b))
		}
		r, err := parseRecord(testRecordKey, b)
		if err != nil {
			return
		}
		sum, _ := r.find(7, &v, now)
		if sum != nil && len(sum) != r.sumLen() {
			t.Errorf("a sum of %d bytes in a record of sums of %d", len(sum), r.sumLen())
		}
		n := r.count()
		fresh := make([]byte, r.sumLen())
		r = merge(testRecordKey, r, []item{newItem(7, &v, 1, fresh)}, 1, now)
		if _, err := parseRecord(testRecordKey, r); err != nil || r.count() < n || r.count() > n+1 {
			t.Errorf("%d items became %d: %v", n, r.count(), err)
		}
	})
}
