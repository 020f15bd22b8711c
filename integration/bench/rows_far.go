package main

import "time"

// farRows: a long way between client and daemon.
var farRows = []row{
	{
		name: "far-pull", what: "new small files over a round trip of 50 ms, pull",
		full: manyFiles(10000, 2*kib), quick: manyFiles(10000, 2*kib), data: smallFiles{}, on: onTmpfs, link: farAway,
		contenders: []contender{stock, ours}, goals: []goal{{wall, "syncd", "stock", 1}},
	},
	{
		name: "far-push", what: "new small files over a round trip of 50 ms, push",
		full: manyFiles(10000, 2*kib), quick: manyFiles(10000, 2*kib), data: smallFiles{}, on: onTmpfs, link: farAway, push: true,
		contenders: []contender{stock, ours}, goals: []goal{{wall, "syncd", "stock", 1}},
	},
	{
		// One connection has no more than its share; several have more.
		name: "far-streams", what: "one new file over a round trip of 50 ms and 200 Mbit/s for each connection, pull",
		full: oneFile(gib), quick: oneFile(gib / 16), data: newFile{}, link: narrow, maxRuns: 1,
		contenders: []contender{stock, ours, oursFourfold},
		goals: []goal{
			{wall, "syncd", "stock", 1},
			{wall, "syncd --streams 4", "stock", 0.3},
		},
	},
}

var oursFourfold = contender{name: "syncd --streams 4", program: "syncd", args: []string{"--streams", "4"}}

// Links with a round trip as between continents.
var (
	farAway = link{delay: 25 * time.Millisecond}
	narrow  = link{delay: 25 * time.Millisecond, rate: 200e6 / 8}
)
