package rsync

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"slices"
	"strings"

	//lint:ignore SA1019 daemons of protocols 27 to 29 know no other digest
	"golang.org/x/crypto/md4"
)

// AuthDigests are the digests for passwords, strongest first: the canonical
// order, which makes old and new rules of selection agree.
var AuthDigests = []string{"sha512", "sha256", "sha1", "md5", "md4"}

// oldMD4 is the digest of peers that list none, below protocol 30: MD4 over
// four zero bytes and then what all digests cover.
const oldMD4 = "md4 (old)"

// A Hello is what the greetings of both sides came to.
type Hello struct {
	Protocol int
	Digest   string // for passwords
}

// authDigest returns the first name of list that is in known. Without a list
// the protocol decides (compat.c:negotiate_daemon_auth).
func authDigest(list, known []string, protocol int) (string, bool) {
	if list == nil {
		if protocol >= 30 {
			return "md5", true
		}
		return oldMD4, true
	}
	for _, name := range list {
		if slices.Contains(known, name) {
			return name, true
		}
	}
	return "", false
}

// respond returns the answer to a challenge: the digest over password and
// challenge in base64 without padding (authenticate.c:generate_hash).
func respond(digest, password, challenge string) string {
	var h hash.Hash
	switch digest {
	case "sha512":
		h = sha512.New()
	case "sha256":
		h = sha256.New()
	case "sha1":
		h = sha1.New()
	case "md5":
		h = md5.New()
	default:
		h = md4.New()
	}
	if digest == oldMD4 {
		h.Write(make([]byte, 4))
	}
	h.Write([]byte(password))
	h.Write([]byte(challenge))
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// A Claim is a user name and the proof that came with it.
type Claim struct {
	User string

	digest, challenge, response string
}

// Verify reports whether the claim was made with password.
func (c *Claim) Verify(password string) bool {
	want := respond(c.digest, password, c.challenge)
	return subtle.ConstantTimeCompare([]byte(want), []byte(c.response)) == 1
}

// Challenge asks the client for a user name and a proof, and returns them
// (authenticate.c:auth_server).
func (h *Hello) Challenge(r *Reader, w *Writer) (*Claim, error) {
	c := &Claim{digest: h.Digest, challenge: rand.Text()}
	if err := w.line(linePrefix + "AUTHREQD " + c.challenge); err != nil {
		return nil, err
	}
	line, err := r.readLine(maxDaemonLine)
	if err != nil {
		return nil, err
	}
	// Digests hold no space, user names may.
	cut := strings.LastIndexByte(line, ' ')
	if cut < 1 {
		return nil, protoErrorf("malformed credentials")
	}
	c.User, c.response = line[:cut], line[cut+1:]
	return c, nil
}

// answer is the client's side of Challenge (authenticate.c:auth_client).
func (h *Hello) answer(w *Writer, challenge, user, password string) error {
	if user == "" {
		user = "nobody"
	}
	return w.line(user + " " + respond(h.Digest, password, challenge))
}
