package rsync

// Phases returns how many NDXDone a generator sends to end the transfer loop,
// the first of which is one for each list with incremental recursion
// (generator.c:generate_files, sender.c:send_files):
//
//	>= 29   after phase 0, after the redos of phase 1, after delayed renames
//	< 29    after phase 0, after the redos
//
// The sender echoes all but the last, which makes it leave the loop and send
// [MsgIOError] and its own NDXDone.
func Phases(protocol int) int {
	if protocol < 29 {
		return 2
	}
	return 3
}

// GoodbyeDones returns how many NDXDone the receiving side sends after the
// loop, the first echoed by the sender if there are two
// (main.c:read_final_goodbye, generator.c:generate_files).
func GoodbyeDones(protocol int) int {
	if protocol < 31 {
		return 1
	}
	return 2
}

// ReadGoodbye is the sender's side of the end: it consumes the receiving
// side's last NDXDone, and from protocol 31 on echoes the one before. Delete
// statistics that come first are passed on if the sender is the server, and
// returned (main.c:read_final_goodbye).
func ReadGoodbye(r *Reader, w *Writer, server bool) (*DeleteStats, error) {
	var stats *DeleteStats
	for left := GoodbyeDones(r.proto); ; {
		ndx, err := r.NDX()
		if err != nil {
			return stats, err
		}
		if ndx == NDXDelStats && r.proto >= 31 {
			s, err := r.DeleteStats()
			if err != nil {
				return stats, err
			}
			stats = &s
			if server {
				if err := w.DeleteStats(s); err != nil {
					return stats, err
				}
			}
			continue
		}
		if ndx != NDXDone {
			return stats, protoErrorf("index %d where the session ends", ndx)
		}
		left--
		if left == 0 {
			return stats, nil
		}
		if err := w.NDX(NDXDone); err != nil {
			return stats, err
		}
		if err := w.Flush(); err != nil {
			return stats, err
		}
	}
}
