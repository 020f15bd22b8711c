package syncd

import (
	"fmt"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// remote is a source at the other end of a native session.
type remote struct {
	*native.Asker
	conn *wire.Conn
}

func newRemote(conn *wire.Conn, alg delta.Algorithm) *remote {
	return &remote{Asker: native.NewAsker(conn, alg.Size()), conn: conn}
}

// run hands the answers to k until the source's BYE.
func (r *remote) run(k *stream) (peer []byte, err error) {
	stop := keepAlives(r.Nop)
	defer stop()
	for {
		a, err := r.Next()
		if err != nil {
			return nil, err
		}
		switch a.Type {
		case native.TypePage:
			data := append([]byte(nil), a.Payload...)
			err = k.onPage(a.ID, data, a.Status == native.StatusMore, a.Flags, nil)
		case native.TypeSame:
			err = k.onSame(a.ID)
		case native.TypeFailed:
			err = k.onAnyFailed(a.ID, a.Index, a.Failure())
		case native.TypeData:
			err = k.onData(a.ID, a.Index, a.Off, a.N, r)
		case native.TypeFiles:
			err = k.onFiles(a.ID, a.Index, int(a.Off), a.N, r)
		case native.TypePacked:
			err = k.onPacked(a.ID, a.Index, a.Off, a.N, a.Payload, r)
		case native.TypeSums:
			err = k.onSums(a.ID, a.Payload)
		case native.TypeCopy:
			err = k.onCopy(a.ID, a.Off, a.CopySource(), a.N)
		case native.TypeHole:
			err = k.onHole(a.ID, a.Index, a.Off, a.N, a.Status)
		case native.TypeEnd:
			err = k.onEnd(a.ID)
		case native.TypeBye:
			return append([]byte(nil), a.Payload...), nil
		default:
			err = fmt.Errorf("%w: a frame of type %d in an answer", native.ErrProtocol, a.Type)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *remote) close() { r.conn.Close() }
