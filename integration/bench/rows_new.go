package main

// newFileRows: one new file, whole. In the rows of ten pulls one daemon serves ten
// sinks that lack it; a daemon that remembers digests hashes the file for the
// first one only.
var newFileRows = []row{
	{
		name: "new-pull", what: "one new file, pull",
		full: oneFile(gib), quick: oneFile(gib / 4), data: newFile{},
		contenders: newFileContenders, goals: newFileGoals,
	},
	{
		name: "new-push", what: "one new file, push",
		full: oneFile(gib), quick: oneFile(gib / 4), data: newFile{}, push: true,
		contenders: newFileContenders, goals: newFileGoals,
	},
	{
		name: "new-tenfold", what: "one new file, pulled ten times from one daemon",
		full: oneFile(gib), quick: oneFile(gib / 16), data: newFile{}, pulls: 10, maxRuns: 3,
		contenders: []contender{stock, ours}, goals: []goal{{laterCPU, "syncd", "stock", 0.5}},
	},
	{
		name: "new-tenfold-anew", what: "the same, with another ctime before each pull, so that nothing remembered of it counts",
		full: oneFile(gib), quick: oneFile(gib / 16), data: newFile{}, pulls: 10, maxRuns: 3, anew: true,
		contenders: []contender{stock, ours}, goals: []goal{{laterCPU, "syncd", "stock", 0.6}},
	},
}

var newFileContenders = []contender{
	stock, ours, pump, withTransport("sendfile"), withTransport("mmap"), withTransport("readwrite"),
}

var newFileGoals = []goal{
	{wall, "syncd", "stock", 0.6},
	{wall, "syncd", "pump", 1.2},
	{cpu, "syncd", "stock", 0.65},
	{daemonCPU, "syncd", "stock", 0.6},
}

// newFile is a file of random bytes that the destination lacks.
type newFile struct{}

func (newFile) source(dir string, _ contender, a amount) error {
	return writeData(dir, randomBytes(1), a.bytes, sourceTime)
}

func (newFile) basis(string, contender, amount, int) error { return nil }
