package bench

import "github.com/seed9553035b/syncd/wire"

// A Cost is what one end does by theory: copies that the CPU makes of each
// byte, and switches between user and kernel mode in a round of its loop, two
// for each system call.
type Cost struct {
	Copies   int `json:"cpu_copies"`
	Switches int `json:"mode_switches"`
}

// A technique is one way for one end.
type technique struct {
	name      string
	transport wire.Transport
	cost      Cost
}

// The senders. Page cache to user space and user space to socket are a copy
// each. sendfile's one is from the page cache to the socket's buffer; a network
// card that gathers (scatter-gather DMA) takes the pages themselves. splice puts
// references to the pages into the pipe, and moves these to the socket.
var senders = []technique{
	{"read+write", wire.ReadWrite, Cost{2, 4}},
	{"mmap+write", wire.Mmap, Cost{1, 4}},
	{nameSendfile, wire.Sendfile, Cost{1, 2}},
	{"splice", wire.Splice, Cost{0, 4}},
}

// nameSendfile is the technique that depends on the network card.
const nameSendfile = "sendfile"

// gathering is sendfile to a card that gathers: theory, as no card is passed.
var gathering = technique{"sendfile+SG", wire.Sendfile, Cost{0, 2}}

// The receivers. There is no sendfile from a socket; and since Linux 2.6.21
// splice copies from the pipe into the page cache, rather than moving pages.
var receivers = []technique{
	{"splice", wire.Splice, Cost{1, 4}},
	{"read+write", wire.ReadWrite, Cost{2, 4}},
}

// A pair is who sends to whom.
type pair struct{ sender, receiver technique }

// pairs are all that are measured.
func pairs() []pair {
	var out []pair
	for _, s := range senders {
		for _, r := range receivers {
			out = append(out, pair{s, r})
		}
	}
	return out
}
