package backport

import (
	"regexp"
	"strings"

	"bbjtune/bbj/generation"
	"bbjtune/bbj/syntax"
)

// Topic names the topic folder of a program, and whether its code leaves no
// doubt. What a program has of the rarer topics decides: most programs with a
// window have loops, and few with loops have a window. A window or a page may
// be about any other topic, so it is certain only where nothing else is.
func Topic(programs []*syntax.Program) (topic string, certain bool) {
	var s signs
	for _, p := range programs {
		p.Walk(s.visit)
	}
	switch g := newest(programs); {
	case g == generation.DWC:
		return "dwc", false
	case s.classes > 0:
		return "oop", true
	case s.database > 0: // SQL and record sets; keyed files are files
		return "database", g != generation.GUI && g != generation.VPRO5
	case g == generation.GUI || g == generation.VPRO5:
		return "gui", s.files+s.text+s.flow == 0
	case s.files > 0:
		return "file-io", true
	case s.text > 0 && s.text >= s.flow:
		return "strings", s.text > 1 && s.flow == 0
	}
	return "control-flow", s.flow > 0 && s.text == 0
}

// signs counts what belongs to a topic.
type signs struct {
	classes, database, files, text, flow int
}

func (s *signs) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.ClassDecl:
		s.classes++
	case *syntax.VerbStmt:
		s.verb(n)
	case *syntax.ForStmt, *syntax.IfStmt, *syntax.OnStmt, *syntax.CaseStmt:
		s.flow++
	case *syntax.CallExpr:
		s.call(n)
	case *syntax.TypeRef:
		switch name := strings.ToLower(n.Name); {
		case strings.HasPrefix(name, "java.sql."), strings.HasPrefix(name, "bbjrecord"):
			s.database++
		case strings.HasPrefix(name, "java.io."), strings.HasPrefix(name, "java.nio."):
			s.files++
		}
	}
	return true
}

func (s *signs) verb(n *syntax.VerbStmt) {
	switch n.Word {
	case syntax.SQLOPEN, syntax.SQLPREP, syntax.SQLEXEC, syntax.SQLCLOSE, syntax.SQLCOMMIT, syntax.SQLROLLBACK, syntax.SQLSET:
		s.database++
	case syntax.READ, syntax.WRITE, syntax.FIND:
		if onChannel(n.Chan) {
			s.files++
		}
	case syntax.OPEN:
		if !opensTerminal(n.Args) {
			s.files++
		}
	case syntax.MKEYED, syntax.DIRECT, syntax.XKEYED, syntax.VKEYED, syntax.JKEYED, syntax.EXTRACT, syntax.REMOVE, syntax.SORT, syntax.STRING, syntax.INDEXED, syntax.SERIAL, syntax.ERASE, syntax.RENAME, syntax.MKDIR, syntax.RMDIR, syntax.CHDIR, syntax.LOCK, syntax.INITFILE:
		s.files++
	case syntax.WHILE, syntax.REPEAT, syntax.SWITCH, syntax.GOTO, syntax.GOSUB, syntax.CALL, syntax.RETRY, syntax.SETERR:
		s.flow++
	}
}

// opensTerminal reports whether OPEN opens the SYSGUI device, X0, or a terminal,
// T0.
func opensTerminal(args []syntax.Expr) bool {
	if len(args) == 0 {
		return false
	}
	name, ok := args[0].(*syntax.StringLit)
	return ok && device.MatchString(name.Raw)
}

var device = regexp.MustCompile(`^"(?i:[xt]\d+)"$`)

func onChannel(channel []syntax.Expr) bool {
	if len(channel) == 0 {
		return false
	}
	_, isOption := channel[0].(*syntax.Option)
	return !isOption
}

var (
	textCalls = words("pos", "cvs", "str", "num", "len", "pad", "fill", "mask", "hta", "ath", "asc", "chr", "swap", "trim", "substring",
		"indexof", "replace", "replaceall", "touppercase", "tolowercase", "split", "format", "startswith", "endswith", "contains")
	dataCalls = words("sqlfetch", "sqllist", "sqltables", "sqlerr", "createsqlrecordset", "createfilerecordset", "createemptyrecordset", "executequery",
		"executeupdate", "preparestatement", "getconnection")
	fileCalls = words("kgen", "keyf", "keyl", "keyn", "keyp", "key", "kfirst", "klast", "fid", "fin", "ind", "getfilesystem")
)

func words(list ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range list {
		m[w] = true
	}
	return m
}

func (s *signs) call(n *syntax.CallExpr) {
	name := ""
	if id, ok := n.Function(); ok {
		name = strings.ToLower(id.Name)
	} else if _, id, ok := n.Method(); ok {
		name = strings.ToLower(id.Name)
	}
	switch {
	case dataCalls[name]:
		s.database++
	case fileCalls[name]:
		s.files++
	case textCalls[name]:
		s.text++
	}
}
