package syncd

import (
	"fmt"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Compression is the one path of a body through user space: read, compressed,
// written; at the other end read, decompressed, written.

// packRange is how much of a file one PACKED frame holds. zstd's window at its
// default level is larger, but gains little from more.
const packRange = 512 << 10

// packGain is what compression has to save of a range to be worth the two
// copies: an eighth.
const packGain = 8

// dontCompress are suffixes of files that are compressed already, much the
// same as rsync's default of --skip-compress.
var dontCompress = strings.Fields(`3g2 3gp 7z aac ace apk avi bz2 deb dmg docx ear f4v flac flv gpg gz iso
	jar jpeg jpg lrz lz lz4 lzma lzo m1a m1v m2a m2ts m2v m4a m4b m4p m4v mka mkv mov mp1 mp2 mp3 mp4 mpa
	mpeg mpg mts odb odf odg odi odm odp ods odt oga ogg ogm ogv ogx opus otg oth otp ots ott oxt png pptx
	rar rpm rz rzip spx squashfs sxc sxd sxg sxm sxw tbz tbz2 tgz tlz ts txz tzo vob war webm webp xlsx xz
	z zip zst`)

// packer compresses literals of a source. One goroutine uses it at a time.
type packer struct {
	auto bool
	skip map[string]bool // suffixes without the dot, lower case
	enc  *zstd.Encoder
	in   []byte
	out  []byte
}

// packing is what is known of the file at hand.
type packing uint8

const (
	packUnknown packing = iota
	packYes
	packNo
)

// newPacker returns nil if nothing is to be compressed. The options are valid.
func newPacker(o *Options) *packer {
	if o.Compress != CompressZstd && o.Compress != CompressAuto {
		return nil
	}
	level := zstd.SpeedDefault
	if o.Level > 0 {
		level = zstd.EncoderLevelFromZstd(o.Level)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic("syncd: options of an encoder: " + err.Error())
	}
	p := &packer{auto: o.Compress == CompressAuto, skip: make(map[string]bool), enc: enc, in: make([]byte, packRange)}
	suffixes := dontCompress
	if o.SkipCompress != nil {
		suffixes = o.SkipCompress
	}
	for _, s := range suffixes {
		p.skip[strings.ToLower(strings.TrimPrefix(s, "."))] = true
	}
	return p
}

// skips reports whether a name says that the file is compressed already.
func (p *packer) skips(name string) bool {
	return p.skip[strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))]
}

// packed sends a range as PACKED frames, as long as that pays, and the rest as
// it is.
func (t *fileSender) packed(off, n int64, final bool) (done bool, err error) {
	p := t.s.packer
	if t.pack == packUnknown && p.skips(t.f.Name()) {
		t.pack = packNo
	}
	for n > 0 && t.pack != packNo {
		m := min(n, packRange)
		sent, done, err := t.packOne(off, m, final && m == n)
		if err != nil || done {
			return done, err
		}
		if !sent {
			break
		}
		off, n = off+m, n-m
	}
	if n == 0 {
		return false, nil
	}
	return t.raw(off, n, final)
}

// packOne sends n bytes as one frame. sent is false if they do not shrink, or
// can't be read: then raw says why.
func (t *fileSender) packOne(off, n int64, final bool) (sent, done bool, err error) {
	p := t.s.packer
	if m, _ := t.f.ReadAt(p.in[:n], off); int64(m) < n {
		t.pack = packNo
		return false, false, nil
	}
	p.out = p.enc.EncodeAll(p.in[:n], p.out[:0])
	if int64(len(p.out)) > n-n/packGain {
		if p.auto {
			t.pack = packNo // the rest of the file will not shrink either
		}
		done, err = t.raw(off, n, final)
		return true, done, err
	}
	h := t.s.hash
	h.start()
	h.h.Write(p.in[:n])
	t.s.stats.User.Add(n)
	t.s.stats.Literal.Add(n)
	tr := trailer(t.f, t.version, h.digest(), nil, final)
	return true, tr.Status == native.StatusChanged, t.a.Packed(t.r.ID, t.index, off, n, p.out, tr)
}

// onPacked takes a compressed range.
func (k *stream) onPacked(id, index uint32, off, n int64, z []byte, b bodies) error {
	return k.onRange(id, index, off, n, b, func(j *job) error {
		if k.unpacker == nil {
			var err error
			k.unpacker, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(native.MaxPacked))
			if err != nil {
				return err
			}
		}
		data, err := k.unpacker.DecodeAll(z, k.unpacked[:0])
		if err != nil || int64(len(data)) != n {
			return fmt.Errorf("%w: a compressed range that does not decode to its %d bytes", native.ErrProtocol, n)
		}
		k.unpacked = data
		k.stats.User.Add(n)
		k.stats.Literal.Add(n)
		if !k.openTarget(j) {
			return nil
		}
		if j.err = wire.WriteAt(j.content(), data, off); j.err != nil {
			return nil
		}
		// What was written is what is hashed, as of any other body.
		j.err = k.hash.add(j.file, off, n)
		return nil
	})
}
