package syncd

import (
	"strings"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stockItems shows the person at a source what a stock receiving side does.
type stockItems struct {
	opt     *Options
	note    func(native.Note)
	session *rsync.Session
}

// itemFlags are the flags of records and the changes that they stand for.
var itemFlags = []struct {
	flag   rsync.IFlags
	change tree.Change
}{
	{rsync.ReportSize, tree.ChangeSize}, {rsync.ReportTime, tree.ChangeTime}, {rsync.ReportPerms, tree.ChangePerms},
	{rsync.ReportOwner, tree.ChangeOwner}, {rsync.ReportGroup, tree.ChangeGroup},
	{rsync.ReportACL, tree.ChangeACL}, {rsync.ReportXattr, tree.ChangeXattr},
}

// item shows a record, if it says that something changes
// (log.c:maybe_log_item, log_formatted).
func (s *stockItems) item(rec rsync.Record, f *rsync.File) {
	const silent = rsync.BasisFollows | rsync.XNameFollows | rsync.LocalChange
	if !s.opt.Itemize && !s.opt.Names || rec.IFlags&^silent == 0 && rec.XName == "" {
		return
	}
	i := item{now: s.opt.NoTimes, update: '.', isNew: rec.IFlags&rsync.IsNew != 0, content: rec.IFlags&rsync.ReportChange != 0}
	switch {
	case rec.IFlags&rsync.LocalChange != 0 && rec.IFlags&rsync.XNameFollows != 0:
		i.update = 'h'
	case rec.IFlags&rsync.LocalChange != 0:
		i.update = 'c'
	case rec.IFlags&rsync.Transfer != 0:
		i.update = '<'
	}
	for _, c := range itemFlags {
		if rec.IFlags&c.flag != 0 && !(c.flag == rsync.ReportSize && f.IsSymlink()) {
			i.change |= c.change
		}
	}
	p := f.Name
	if p == "." {
		p = ""
	}
	link := ""
	if i.update == 'h' {
		link = rec.XName
	}
	text := shownName(p, &f.Entry, link)
	if s.opt.Itemize {
		text = s.letters(i, &f.Entry) + " " + text
	}
	s.note(native.Note{Text: text, Item: true})
}

// letters are those of the item, so far as the receiving side tells: below
// protocol 29 it tells nothing, and without the compat flag it can't set the
// times of symlinks.
func (s *stockItems) letters(i item, e *wire.Entry) string {
	text := i.letters(e)
	if s.session.Protocol < 29 {
		return text[:2] + "?????????"
	}
	if e.IsSymlink() && s.session.Compat&rsync.SymlinkTimes == 0 {
		text = strings.Replace(text, "t", "T", 1)
	}
	return text
}

// deleted shows a deletion.
func (s *stockItems) deleted(name string, dir bool) {
	name = Printable(name)
	if dir {
		name += "/"
	}
	switch {
	case s.opt.Itemize:
		s.note(native.Note{Text: "*deleting   " + name, Item: true})
	case s.opt.Names:
		s.note(native.Note{Text: "deleting " + name, Item: true})
	}
}

// flagsOf are the flags of a record about an item.
func flagsOf(i item) (flags rsync.IFlags) {
	if i.isNew {
		flags |= rsync.IsNew
	}
	if i.content {
		flags |= rsync.ReportChange
	}
	for _, c := range itemFlags {
		if i.change&c.change != 0 {
			flags |= c.flag
		}
	}
	return flags
}
