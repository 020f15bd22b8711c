package main

// Contenders that are a client of one program and a daemon of the other, in
// stock's dialect.
var (
	toOurs   = contender{name: "stock to syncd", program: "stock to syncd"}
	fromOurs = contender{name: "syncd to stock", program: "syncd to stock"}
)

var mixedContenders = []contender{stock, toOurs, fromOurs}

// mixedRows: either program at either end.
var mixedRows = []row{
	{
		name: "mixed-new-pull", what: "one new file in stock's dialect, pull",
		full: oneFile(gib), quick: oneFile(gib / 8), data: newFile{}, contenders: mixedContenders,
		goals: []goal{
			{wall, "stock to syncd", "stock", 0.9},
			{daemonCPU, "stock to syncd", "stock", 0.6},
			{wall, "syncd to stock", "stock", 0.9},
		},
	},
	{
		name: "mixed-new-push", what: "one new file in stock's dialect, push",
		full: oneFile(gib), quick: oneFile(gib / 8), data: newFile{}, push: true, contenders: mixedContenders,
		goals: mixedGoals(0.9),
	},
	{
		name: "mixed-edits-pull", what: "one file with scattered edits in stock's dialect, pull",
		full: oneFile(gib), quick: oneFile(gib / 8), data: edited{}, contenders: mixedContenders,
		goals: []goal{
			{literal, "stock to syncd", "stock", 1},
			{literal, "syncd to stock", "stock", 1},
		},
	},
	{
		name: "mixed-small-pull", what: "new small files to tmpfs in stock's dialect, pull",
		full: manyFiles(20000, 4*kib), quick: manyFiles(5000, 4*kib), data: smallFiles{}, on: onTmpfs,
		contenders: mixedContenders, goals: mixedGoals(1),
	},
	{
		name: "mixed-small-push", what: "new small files to tmpfs in stock's dialect, push",
		full: manyFiles(20000, 4*kib), quick: manyFiles(5000, 4*kib), data: smallFiles{}, on: onTmpfs, push: true,
		contenders: mixedContenders, goals: mixedGoals(1),
	},
}

func mixedGoals(limit float64) []goal {
	return []goal{{wall, "stock to syncd", "stock", limit}, {wall, "syncd to stock", "stock", limit}}
}

// stockToSyncd is stock's client and our daemon.
type stockToSyncd struct {
	stockRsync
	ours syncd
}

func (p stockToSyncd) daemon(t transfer) ([]string, error) { return p.ours.daemon(t) }

// syncdToStock is our client and stock's daemon.
type syncdToStock struct {
	syncd
	stock stockRsync
}

func (p syncdToStock) daemon(t transfer) ([]string, error) { return p.stock.daemon(t) }

func (p syncdToStock) client(t transfer) []string {
	command := append([]string{string(p.syncd), "sync", "--stats=json"}, t.args...)
	return append(command, t.inOrder(t.local+"/", stockURL(t))...)
}
