package rsync

import "fmt"

// maxDeleteStat bounds each count of DeleteStats.
const maxDeleteStat = 1 << 28

// Stats is what a server that sends reports at the end, from its own side:
// Read is what it read. Times are in milliseconds (main.c:handle_stats).
type Stats struct {
	Read, Written, TotalSize int64
	ListBuild, ListTransfer  int64 // protocol >= 29
}

func (s *Stats) fields(protocol int) []*int64 {
	f := []*int64{&s.Read, &s.Written, &s.TotalSize, &s.ListBuild, &s.ListTransfer}
	if protocol < 29 {
		f = f[:3]
	}
	return f
}

// WriteStats sends the statistics.
func WriteStats(w *Writer, s Stats) error {
	for _, v := range s.fields(w.proto) {
		if err := w.VarLong30(*v, 3); err != nil {
			return err
		}
	}
	return nil
}

// ReadStats reads the server's statistics.
func ReadStats(r *Reader) (Stats, error) {
	var s Stats
	for _, v := range s.fields(r.proto) {
		var err error
		if *v, err = r.VarLong30(3); err != nil {
			return s, fmt.Errorf("read statistics: %w", err)
		}
		if *v < 0 {
			return s, protoErrorf("statistics with %d", *v)
		}
	}
	return s, nil
}

// DeleteStats counts what the receiving side deleted, in the order of the
// wire: five varints behind NDXDelStats (main.c:write_del_stats).
type DeleteStats struct {
	Files, Dirs, Symlinks, Devices, Specials int
}

func (s *DeleteStats) fields() []*int {
	return []*int{&s.Files, &s.Dirs, &s.Symlinks, &s.Devices, &s.Specials}
}

// DeleteStats writes NDXDelStats and the counts; protocol >= 31.
func (w *Writer) DeleteStats(s DeleteStats) error {
	if err := w.NDX(NDXDelStats); err != nil {
		return err
	}
	for _, v := range s.fields() {
		if err := w.VarInt(int32(*v)); err != nil {
			return err
		}
	}
	return nil
}

// DeleteStats reads the counts behind NDXDelStats (main.c:read_del_stats).
func (r *Reader) DeleteStats() (DeleteStats, error) {
	var s DeleteStats
	for _, f := range s.fields() {
		v, err := r.VarInt()
		if err != nil {
			return s, fmt.Errorf("read delete statistics: %w", err)
		}
		if v < 0 || v > maxDeleteStat {
			return s, protoErrorf("delete statistics with %d", v)
		}
		*f = int(v)
	}
	return s, nil
}
