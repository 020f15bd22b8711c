package integration

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// attack is one way to break the protocol, after the hellos.
type attack struct {
	name  string
	play  func(p *rawPeer)
	exits []int // of the client; 2 or 12 if empty
}

// answering plays a source that answers the first LIST with frames.
func answering(frames ...frame) func(p *rawPeer) {
	return func(p *rawPeer) {
		id := p.await(typeList).id
		for _, f := range frames {
			if f.id == 0 {
				f.id = id
			}
			p.frame(f)
		}
	}
}

// listing answers the root's LIST with a page of one entry or more.
func listing(entries ...entry) func(p *rawPeer) {
	return answering(frame{typ: typePage, payload: page(entries...)})
}

// reading lists one file of n bytes, waits for the READ and answers that.
func reading(n uint64, frames ...frame) func(p *rawPeer) {
	return func(p *rawPeer) {
		listing(entry{name: "f", mode: file, size: n})(p)
		id := p.await(typeRead).id
		for _, f := range frames {
			f.id = id
			p.frame(f)
		}
	}
}

// readingTwo lists two files of ten bytes, f and g, waits for the READ and answers
// that.
func readingTwo(frames ...frame) func(p *rawPeer) {
	return func(p *rawPeer) {
		listing(entry{name: "f", mode: file, size: 10}, entry{name: "g", mode: file, size: 10})(p)
		id := p.await(typeRead).id
		for _, f := range frames {
			f.id = id
			p.frame(f)
		}
	}
}

// groupOfTwo answers the READ of both files by a FILES frame, with what follows its
// header.
func groupOfTwo(follows ...[]byte) func(p *rawPeer) {
	return func(p *rawPeer) {
		readingTwo(frame{typ: typeFiles, off: 2, n: 20})(p)
		p.send(slices.Concat(follows...))
	}
}

const file, dir, symlink = unix.S_IFREG | 0o644, unix.S_IFDIR | 0o755, unix.S_IFLNK | 0o777

var (
	huge      = bytes.Repeat([]byte{0xff}, 9) // a varint of nearly 2^63
	tenBytes  = make([]byte, 10)
	goodTail  = make([]byte, 8)          // a trailer's status: OK
	noDigest  = make([]byte, digestSize) // of nothing
	stopsHere = func(p *rawPeer) { p.conn.Close() }
)

// sourceAttacks are answers of a source that a sink has to survive.
var sourceAttacks = []attack{
	{name: "garbage", play: func(p *rawPeer) { p.send(bytes.Repeat([]byte("garbage!"), 10_000)) }},
	{name: "type 0", play: answering(frame{})},
	{name: "unknown type", play: answering(frame{typ: 99})},
	{name: "a request", play: answering(frame{typ: typeList, payload: list("", "")})},
	{name: "payload of 4 GiB", play: answering(frame{typ: typePage, claim: 1<<32 - 1})},
	{name: "payload above the limit", play: answering(frame{typ: typePage, claim: 1<<20 + 1})},
	{name: "length 2^63", play: answering(frame{typ: typeData, n: 1 << 63})},
	{name: "length 2^63-1", play: answering(frame{typ: typeData, n: 1<<63 - 1})},
	{name: "offset and length above 2^63", play: answering(frame{typ: typeData, off: 1<<63 - 1, n: 1})},
	{name: "page nobody asked for", play: answering(frame{typ: typePage, id: 77, payload: page()})},
	{name: "page twice", play: answering(frame{typ: typePage, payload: page()}, frame{typ: typePage, payload: page()})},
	{name: "content nobody asked for", play: answering(frame{typ: typeData, n: 10, payload: nil}, frame{})},
	{name: "hole nobody asked for", play: answering(frame{typ: typeHole, n: 10})},
	{name: "end nobody asked for", play: answering(frame{typ: typeEnd, id: 5})},
	{name: "failure nobody asked for", play: answering(frame{typ: typeFailed, id: 5, status: 3})},
	{name: "bye nobody said", play: answering(frame{typ: typeBye, payload: []byte("{}")})},
	{name: "SAME without a digest", play: answering(frame{typ: typeSame})},
	{name: "COPY without a DELTA", play: answering(frame{typ: typeCopy, n: 1})},
	{name: "SUMS without a SIGN", play: answering(frame{typ: typeSums, payload: tenBytes})},
	{name: "empty page with more", play: answering(frame{typ: typePage, status: 1})},
	{name: "page that is garbage", play: answering(frame{typ: typePage, payload: bytes.Repeat([]byte{0xff}, 1000)})},
	{name: "page cut short", play: answering(frame{typ: typePage, payload: page(entry{name: "f", mode: file})[:9]})},
	{name: "name ..", play: listing(entry{name: "..", mode: dir})},
	{name: "name . again", play: listing(entry{name: ".", mode: dir})},
	{name: "empty name", play: listing(entry{name: "", mode: file})},
	{name: "name with a slash", play: listing(entry{name: "../outside", mode: file})},
	{name: "absolute name", play: listing(entry{name: "/outside", mode: file})},
	{name: "name with a NUL", play: listing(entry{name: "a\x00b", mode: file})},
	{name: "names out of order", play: listing(entry{name: "b", mode: file}, entry{name: "a", mode: file})},
	{name: "name twice, first a symlink", play: listing(entry{name: "d", mode: symlink, target: "/"}, entry{name: "d", mode: dir})},
	{name: "no type", play: listing(entry{name: "f", mode: 0o644})},
	{name: "mode of 64 bits", play: listing(entry{name: "f", mode: 1<<63 | file})},
	{name: "size 2^63", play: listing(entry{name: "f", mode: file, size: 1 << 63})},
	{name: "symlink of 4,096 bytes", play: listing(entry{name: "l", mode: symlink, target: strings.Repeat("x", 4096)})},
	{name: "symlink with a NUL", play: listing(entry{name: "l", mode: symlink, target: "a\x00b"})},
	{name: "2^63 xattrs", play: listing(entry{name: "f", mode: file, fields: fieldXattrs, tail: huge})},
	{name: "xattr of 2^63 bytes", play: listing(entry{name: "f", mode: file, fields: fieldXattrs, tail: append([]byte("\x01\x06user.a"), huge...)})},
	{name: "2^63 ACL entries", play: listing(entry{name: "f", mode: file, fields: fieldACL, tail: huge})},
	{name: "unknown field", play: listing(entry{name: "f", mode: file, fields: 1 << 40})},
	{name: "content of no bytes", play: reading(10, frame{typ: typeData})},
	{name: "content beyond the file", play: reading(10, frame{typ: typeData, off: 5, n: 10})},
	{name: "content across segments", play: reading(2*segment, frame{typ: typeData, n: 2 * segment})},
	{name: "content of another file", play: reading(10, frame{typ: typeData, index: 1, n: 10})},
	{name: "less than the file", play: reading(10, frame{typ: typeEnd})},
	{name: "nothing of 2^62 bytes", play: reading(1<<62, frame{typ: typeEnd})},
	{name: "unknown status in a trailer", play: reading(10, frame{typ: typeData, n: 10}, frame{payload: append(tenBytes, 99)})},
	{name: "stops in a header", play: func(p *rawPeer) { p.send(frame{typ: typePage}.bytes()[:31]); stopsHere(p) }},
	{name: "stops in a payload", play: func(p *rawPeer) { answering(frame{typ: typePage, claim: 100})(p); stopsHere(p) }},
	{name: "stops in a body", play: func(p *rawPeer) { reading(10, frame{typ: typeData, n: 10})(p); stopsHere(p) }},
	{name: "stops before an answer", play: func(p *rawPeer) { p.await(typeList); stopsHere(p) }},
	{name: "fatal with escape sequences", play: answering(frame{typ: typeFatal, status: 12, payload: []byte("\x1b[2Jgone\x07")})},
	{name: "wrong digests, always", exits: []int{23}, play: wrongDigests},
	{name: "FILES nobody asked for", play: answering(frame{typ: typeFiles, off: 2, n: 20})},
	{name: "FILES of one file", play: reading(10, frame{typ: typeFiles, off: 1, n: 10})},
	{name: "FILES of 2^63 files", play: readingTwo(frame{typ: typeFiles, off: 1 << 63, n: 20})},
	{name: "FILES of 2^62 files", play: readingTwo(frame{typ: typeFiles, off: 1 << 62, n: 1 << 62})},
	{name: "FILES of 2^62 bytes", play: readingTwo(frame{typ: typeFiles, off: 2, n: 1 << 62})},
	{name: "FILES of more files than asked for", play: readingTwo(frame{typ: typeFiles, off: 3, n: 30})},
	{name: "FILES of files after the last", play: readingTwo(frame{typ: typeFiles, index: 1, off: 2, n: 20})},
	{name: "FILES of fewer bytes than the files", play: readingTwo(frame{typ: typeFiles, off: 2, n: 19})},
	{name: "FILES of more bytes than the files", play: readingTwo(frame{typ: typeFiles, off: 2, n: 21})},
	{name: "FILES of a file that came", play: func(p *rawPeer) {
		listing(entry{name: "f", mode: file, size: 10}, entry{name: "g", mode: file, size: 10})(p)
		id := p.await(typeRead).id
		p.frame(frame{typ: typeData, id: id, n: 10})
		p.send(slices.Concat(tenBytes, goodTail, noDigest))
		p.frame(frame{typ: typeFiles, id: id, off: 2, n: 20})
	}},
	{name: "FILES with an unknown status", play: groupOfTwo(tenBytes, tenBytes, goodTail, noDigest, []byte{99, 0, 0, 0, 0, 0, 0, 0}, noDigest, make([]byte, 32))},
	{name: "FILES with a status of more", play: groupOfTwo(tenBytes, tenBytes, []byte{1, 0, 0, 0, 0, 0, 0, 0}, noDigest, goodTail, noDigest, make([]byte, 32))},
	{name: "FILES instead of sums", play: comparing(frame{typ: typeFiles, off: 2, n: 2 * basisSize})},
	{name: "stops in the bodies of FILES", play: func(p *rawPeer) { groupOfTwo(make([]byte, 15))(p); stopsHere(p) }},
	{name: "wrong digests of FILES, always", exits: []int{23}, play: wrongGroups},
	{name: "PACKED that is no zstd", play: reading(10, frame{typ: typePacked, n: 10, payload: tenBytes})},
	{name: "PACKED of 2^62 bytes", play: reading(1<<62, frame{typ: typePacked, n: 1 << 62, payload: zstdBomb(0x38, 1)})},
	{name: "PACKED bomb", play: reading(10, frame{typ: typePacked, n: 10, payload: zstdBomb(0x38, 10_000)})},
	{name: "PACKED with a window of 3 TiB", play: reading(10, frame{typ: typePacked, n: 10, payload: zstdBomb(0xff, 1)})},
	{name: "signature that is garbage", play: comparing(frame{typ: typeSums, payload: bytes.Repeat([]byte{0xff}, 1000)})},
	{name: "signature that is empty", play: comparing(frame{typ: typeEnd})},
	{name: "signature of 100 MiB", play: comparing(slices.Repeat([]frame{{typ: typeSums, payload: make([]byte, 1<<20)}}, 100)...)},
	{name: "signature of another file", play: signing(sumsOf(2*sumsGroup + 1))},
	{name: "signature that is cut short", play: signing(sumsOf(2*sumsGroup), groupOfSums, frame{typ: typeEnd})},
	{name: "signature that stops", play: func(p *rawPeer) { signing(sumsOf(2*sumsGroup), groupOfSums)(p); stopsHere(p) }},
	{name: "signature that goes on behind its end", play: signing(sumsOf(2*sumsGroup), groupOfSums, groupOfSums, groupOfSums)},
	{name: "signature that goes on behind a failure", play: signing(sumsOf(2*sumsGroup), groupOfSums, frame{typ: typeFailed, status: 4}, groupOfSums)},
	{name: "content within a signature", play: signing(sumsOf(2*sumsGroup), groupOfSums, frame{typ: typeData, n: 10})},
	{name: "hole within a signature", play: signing(sumsOf(2*sumsGroup), groupOfSums, frame{typ: typeHole, n: 10})},
	{name: "compressed content within a signature", play: signing(sumsOf(2*sumsGroup), groupOfSums, frame{typ: typePacked, n: 10, payload: tenBytes})},
	{name: "file that is gone when it is to be signed", exits: []int{24}, play: func(p *rawPeer) {
		signing(frame{typ: typeFailed, status: 2}, frame{typ: typeEnd})(p)
		toTheEnd(p, func(f frame) {
			if f.typ == typeList {
				p.frame(frame{typ: typeFailed, id: f.id, status: 3})
			}
		})
	}},
	{name: "signature that fails", exits: []int{23}, play: func(p *rawPeer) {
		signing(sumsOf(2*sumsGroup), groupOfSums, frame{typ: typeFailed, status: 4}, frame{typ: typeEnd})(p)
		toTheEnd(p, func(frame) {})
	}},
	{name: "COPY from beyond the basis", play: comparing(copyFrame(0, basisSize, 1<<40))},
	{name: "COPY from 2^63-1", play: comparing(copyFrame(0, basisSize, 1<<63-1))},
	{name: "COPY from 2^63", play: comparing(copyFrame(0, basisSize, 1<<63))},
	{name: "COPY of 2^62 bytes", play: comparing(copyFrame(0, 1<<62, 0))},
	{name: "COPY of no bytes", play: comparing(copyFrame(0, 0, 0))},
	{name: "COPY from nowhere", play: comparing(frame{typ: typeCopy, n: basisSize})},
	{name: "COPY of a part of a block", play: comparing(copyFrame(1000, 1000, 0))},
	{name: "COPY that leaves out something, and an end", play: comparing(copyFrame(4096, 2048, 0), frame{typ: typeEnd})},
	{name: "COPY behind what was left out, and an end", play: comparing(copyFrame(4096, 2048, 0), copyFrame(0, 2048, 0), frame{typ: typeEnd})},
	{name: "COPY into what was copied", play: comparing(copyFrame(4096, 2048, 0), copyFrame(0, 2048, 0), copyFrame(2048, 4096, 0))},
	{name: "COPY that leaves out something twice", play: comparing(copyFrame(4096, 2048, 0), copyFrame(0, 2048, 0), copyFrame(8192, 2048, 0))},
	{name: "COPY before what was left out", play: comparing(copyFrame(2048, 2048, 0), copyFrame(8192, 2048, 0), copyFrame(4096, 2048, 0))},
	{name: "content that leaves out something", play: comparing(copyFrame(4096, 2048, 0), frame{typ: typeData, off: 8192, n: 10})},
	{name: "content into what was copied", play: comparing(copyFrame(4096, 2048, 0), frame{typ: typeData, n: 4097})},
	{name: "hole into what was copied", play: comparing(copyFrame(4096, 2048, 0), frame{typ: typeHole, n: 4097})},
	{name: "wrong digests behind a COPY of all, always", play: wrongTail},
}

// basisSize is the size of the file that a sink has already.
const basisSize = 300_000

// comparing lists the file that the sink has, in another version, and answers
// what it asks about that.
func comparing(frames ...frame) func(p *rawPeer) {
	return func(p *rawPeer) {
		listing(entry{name: "basis", mode: file, size: basisSize + 1})(p)
		id := p.await(typeSign, typeDelta, typeRead).id
		for _, f := range frames {
			f.id = id
			p.frame(f)
		}
	}
}

// sumsGroup is how many blocks come together in a signature.
const sumsGroup = 2048

// groupOfSums is that many sums, all 0.
var groupOfSums = frame{typ: typeSums, payload: make([]byte, sumsGroup*(4+digestSize))}

// sumsOf is the header of the signature of a file of so many blocks of 2 KiB.
func sumsOf(blocks int) frame {
	le := binary.LittleEndian
	b := []byte{2, 0, digestSize, 0, 0, 0, 0, 0}
	b = le.AppendUint32(b, 2048)
	b = le.AppendUint32(b, uint32(blocks))
	return frame{typ: typeSums, payload: le.AppendUint64(b, uint64(blocks)*2048)}
}

// signing lists the file that the sink has, as one with two groups of blocks, and
// answers what it asks about that: a SIGN, or the DELTA of a push.
func signing(frames ...frame) func(p *rawPeer) {
	return func(p *rawPeer) {
		listing(entry{name: "basis", mode: file, size: 2 * sumsGroup * 2048})(p)
		id := p.await(typeSign, typeDelta, typeRead).id
		for _, f := range frames {
			f.id = id
			p.frame(f)
		}
	}
}

func copyFrame(off, n, from uint64) frame {
	return frame{typ: typeCopy, off: off, n: n, payload: binary.LittleEndian.AppendUint64(nil, from)}
}

// zstdBomb is a zstd frame of blocks that each are 128 KiB of one byte.
// RFC 8878: magic, frame header (window descriptor only), RLE blocks.
func zstdBomb(window byte, blocks int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
	for i := range blocks {
		header := uint32(128<<10)<<3 | 1<<1
		if i == blocks-1 {
			header |= 1
		}
		b = append(b, byte(header), byte(header>>8), byte(header>>16), 'x')
	}
	return b
}

// wrongDigests gives each time a READ comes a content that does not match its
// digest, until the sink has had enough.
func wrongDigests(p *rawPeer) {
	listing(entry{name: "f", mode: file, size: 10})(p)
	toTheEnd(p, func(f frame) {
		if f.typ == typeRead {
			p.frame(frame{typ: typeData, id: f.id, n: 10})
			p.send(slices.Concat(tenBytes, goodTail, noDigest))
			p.frame(frame{typ: typeEnd, id: f.id})
		}
	})
}

// toTheEnd answers what a sink asks for, until it says BYE or is gone.
func toTheEnd(p *rawPeer, answer func(f frame)) {
	for {
		switch f := p.next(); f.typ {
		case typeBye:
			p.frame(frame{typ: typeBye, payload: []byte("{}")})
			return
		case 0:
			return
		default:
			answer(f)
		}
	}
}

// wrongTail has a sink copy all of its basis, and gives it one byte more that does not
// match its digest, until the sink has had enough.
func wrongTail(p *rawPeer) {
	listing(entry{name: "basis", mode: file, size: basisSize + 1})(p)
	toTheEnd(p, func(f frame) {
		switch f.typ {
		case typeDelta:
			copied := copyFrame(0, basisSize, 0)
			copied.id = f.id
			p.frame(copied)
			fallthrough
		case typeRead:
			p.frame(frame{typ: typeData, id: f.id, off: basisSize, n: 1})
			p.send(slices.Concat([]byte("x"), goodTail, noDigest))
			fallthrough
		case typeSign:
			p.frame(frame{typ: typeEnd, id: f.id})
		}
	})
}

// wrongGroups is wrongDigests for two files in one frame, and for each of them in one
// of its own where the sink asks for it alone.
func wrongGroups(p *rawPeer) {
	listing(entry{name: "f", mode: file, size: 10}, entry{name: "g", mode: file, size: 10})(p)
	wrong := append(slices.Clone(goodTail), noDigest...)
	toTheEnd(p, func(f frame) {
		if f.typ != typeRead {
			return
		}
		if count := binary.LittleEndian.Uint16(f.payload); count == 2 {
			p.frame(frame{typ: typeFiles, id: f.id, off: 2, n: 20})
			p.send(slices.Concat(tenBytes, tenBytes, wrong, wrong))
		} else {
			p.frame(frame{typ: typeData, id: f.id, n: 10})
			p.send(slices.Concat(tenBytes, wrong))
		}
		p.frame(frame{typ: typeEnd, id: f.id})
	})
}

// sinkAttacks are requests of a sink that a source has to survive.
var sinkAttacks = []attack{
	{name: "garbage", play: func(p *rawPeer) { p.send(bytes.Repeat([]byte("garbage!"), 10_000)) }},
	{name: "unknown type", play: asking(frame{typ: 99})},
	{name: "an answer", play: asking(frame{typ: typePage, payload: page()})},
	{name: "content", play: asking(frame{typ: typeData, n: 10, payload: tenBytes})},
	{name: "SIGN", play: asking(frame{typ: typeSign})},
	{name: "payload of 4 GiB", play: asking(frame{typ: typeList, claim: 1<<32 - 1})},
	{name: "LIST with a length of 2^63", play: asking(frame{typ: typeList, n: 1 << 63, payload: list("", "")})},
	{name: "LIST of nothing", play: asking(frame{typ: typeList})},
	{name: "LIST cut short", play: asking(frame{typ: typeList, payload: list("abc", "")[:5]})},
	{name: "LIST of ..", play: asking(frame{typ: typeList, payload: list("..", "")})},
	{name: "LIST of /etc", play: asking(frame{typ: typeList, payload: list("/etc", "")})},
	{name: "LIST of a/../..", play: asking(frame{typ: typeList, payload: list("a/../..", "")})},
	{name: "LIST with a NUL", play: asking(frame{typ: typeList, payload: list("a\x00b", "")})},
	{name: "LIST of 4,096 bytes", play: asking(frame{typ: typeList, payload: list(strings.Repeat("x/", 2048), "")})},
	{name: "LIST after ../x", play: asking(frame{typ: typeList, payload: list("", "../x")})},
	{name: "5,000 LISTs unanswered", play: func(p *rawPeer) {
		f := frame{typ: typeList, payload: list("", "")}.bytes()
		p.send(bytes.Repeat(f, 5000))
		time.Sleep(100 * time.Millisecond) // without reading an answer
	}},
	{name: "READ of no file", play: asking(frame{typ: typeRead, payload: []byte{0, 0}})},
	{name: "READ of 65,535 files", play: asking(frame{typ: typeRead, payload: readFiles(1<<16-1, 0, "f", 10, 0)})},
	{name: "READ of the root", play: asking(frame{typ: typeRead, payload: readFiles(1, 0, "", 10, 0)})},
	{name: "READ of ../outside", play: asking(frame{typ: typeRead, payload: readFiles(1, 0, "../outside", 10, 0)})},
	{name: "READ with a NUL", play: asking(frame{typ: typeRead, payload: readFiles(1, 0, "f\x00", 10, 0)})},
	{name: "READ that shares 65,535 bytes", play: asking(frame{typ: typeRead, payload: readFiles(1, 1<<16-1, "f", 10, 0)})},
	{name: "READ of a size of 2^63", play: asking(frame{typ: typeRead, payload: readFiles(1, 0, "f", 1<<63, 0)})},
	{name: "READ of 2^32-1 ranges", play: asking(frame{typ: typeRead, payload: readFiles(1, 0, "f", 10, 1<<32-1)})},
	{name: "READ with more behind it", play: asking(frame{typ: typeRead, payload: append(readFiles(1, 0, "f", 10, 0), 1)})},
	{name: "DELTA", play: asking(frame{typ: typeDelta})},
	{name: "DELTA of ../outside", play: asking(deltaOf("../outside", 0, 0, sums))},
	{name: "DELTA with half a signature", play: asking(deltaOf("f", 0, 0, sums[:len(sums)-1]))},
	{name: "DELTA with more signature than it says", play: asking(deltaOf("f", 0, -1, sums))},
	{name: "DELTA with less signature than it says", play: asking(deltaOf("f", 0, 1, sums))},
	{name: "DELTA of unknown flags", play: asking(deltaOf("f", 3, 0, sums))},
	{name: "DELTA within a signature", play: asking(deltaOf("f", 1, 0, sums), deltaOf("basis", 0, 0, sums))},
	{name: "DELTA whose signature never ends", play: asking(deltaOf("f", 1, 0, sums))},
	{name: "BYE within a signature", play: asking(deltaOf("f", 1, 0, sums), frame{typ: typeBye, payload: []byte("{}")})},
	{name: "DELTA whose signature is cut short", exits: []int{0, 2, 12}, play: asking(deltaOf("f", 1, 0, sums), deltaOf("f", 2, 0, nil))},
	{name: "DELTA with a signature of 100 MiB", play: asking(slices.Repeat([]frame{deltaOf("f", 1, 0, make([]byte, 500<<10))}, 205)...)},
	{name: "1,000 DELTAs unanswered", play: asking(slices.Repeat([]frame{deltaOf("f", 0, 0, sums)}, 1000)...)},
	{name: "NOTE of 60 KiB", play: asking(frame{typ: typeNote, payload: bytes.Repeat([]byte("x"), 60<<10)})},
	{name: "stops in a header", play: func(p *rawPeer) { p.send(frame{typ: typeList}.bytes()[:31]); stopsHere(p) }},
	{name: "stops in a payload", play: func(p *rawPeer) { asking(frame{typ: typeList, claim: 100})(p); stopsHere(p) }},
	{name: "stops", play: stopsHere},
	{name: "fatal with escape sequences", play: asking(frame{typ: typeFatal, status: 12, payload: []byte("\x1b[2Jgone\x07")})},
	{name: "READ through a symlink", exits: []int{0, 2, 12}, play: asking(frame{typ: typeRead, payload: readFiles(1, 0, "link/outside", 10, 0)})},
	{name: "LIST through a symlink", exits: []int{0, 2, 12}, play: asking(frame{typ: typeList, payload: list("link", "")})},
}

// sums is a signature of two blocks.
var sums = append(slices.Clone(sumsOf(2).payload), make([]byte, 2*(4+digestSize))...)

// deltaOf is a DELTA of one file, with a signature that claims to be longer.
func deltaOf(path string, flags uint8, longer int, sig []byte) frame {
	b := binary.LittleEndian.AppendUint32(readFiles(1, 0, path, 10, 0), uint32(len(sig)+longer))
	return frame{typ: typeDelta, flags: flags, id: 1, payload: append(b, sig...)}
}

// asking sends requests.
func asking(frames ...frame) func(p *rawPeer) {
	return func(p *rawPeer) {
		for _, f := range frames {
			p.frame(f)
		}
	}
}
