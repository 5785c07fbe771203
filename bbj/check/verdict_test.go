package check

import (
	"testing"

	"bbjtune/bbj/diag"
)

// compiles reports the verdict on a program: no finding of the syntax family.
func compiles(src string) bool {
	return !diag.HasErrors(Source("x.bbj", []byte(src), Options{}), diag.Syntax)
}

// The real compiler is on record as rejecting these.
func TestRejectedAsOnRecord(t *testing.T) {
	programs := []string{
		"x=1 rem trailing\n",
		"x=a>b ? 1 : 2\n",
		"a$=\"say \\\"hi\\\"\"\n",
		"a$=str(x).trim()\n",
		"p$[]=\"a\"\n",
		"FILEOPEN(\"a\",\"b\",\"c\",\"d\")\n",
		"a$(1,2)\n",
		"ctrl(1,2)=x\n",
		"goto nowhere\n",
		"gosub nowhere\n",
		"x=undefinedfunction(1)\n",
	}
	for _, word := range []string{
		"all", "begin", "callback", "case", "dread", "else", "endif", "err", "exitto", "fi", "fnerr", "for", "from",
		"gosub", "goto", "if", "iolist", "let", "load", "new", "on", "process_events", "remove_callback", "restore",
		"seterr", "setesc", "swend", "switch", "then", "tim", "until", "wend", "where", "while",
	} {
		programs = append(programs, word+"=1\n", word+":\n", "let "+word+"=1\n", word+": print 1\n")
	}
	for _, word := range []string{
		"argc", "chn", "ctl", "day", "dsz", "fnend", "iol", "opts", "pfx", "psz", "rev", "sqlchn", "sqlunt", "ssn",
		"sys", "unt", "csoff", "cson", "list", "read_resource", "tbl", "end",
	} {
		programs = append(programs, word+"=1\n", "let "+word+"=1\n", "for "+word+"=1 to 2\nnext\n")
	}
	for _, src := range programs {
		if compiles(src) {
			t.Errorf("accepted: %q", src)
		}
	}
}

// The real compiler is on record as accepting these, odd as some are.
func TestAcceptedAsOnRecord(t *testing.T) {
	programs := []string{
		"methodend\n",
		"fnend\n",
		"def fnx(a)\nx=a\n",
		"def fnx(a)\nreturn\nfnend\n",
		"clear x![]\n",
		"if a=1 then b=2 fi fi\n",
		"open (1,err=*next,mode=\"x\",tim=1)\"f\"\n",
		"open (1,tim=1,mode=\"x\",err=*next)\"f\"\n",
		"class public A\nmethod public void m()\nmethodret 1\nmethodend\nmethod public BBjNumber n()\nmethodret\nmethodend\nclassend\n",
		"declare BBjString a!\ndeclare BBjNumber a!\n",
		"button!.addEventListener(\"click\",\"x\")\n",
		"x=msgbox(\"${name}\")\n",
		"w!.setCallback(w!.ON_NOTHING,\"x\")\n",
		"print 'CS'\n",
	}
	for _, word := range []string{
		"auto", "class", "data", "declare", "default", "delete", "enter", "exit", "extract", "find", "input", "label",
		"library", "methodret", "next", "print", "read", "save", "start", "step", "table", "to", "use", "var", "void",
		"write",
	} {
		programs = append(programs, word+"=1\nx="+word+"+1\n", word+":\ngoto "+word+"\n", word+": print 1\n")
	}
	for _, src := range programs {
		if found := Source("x.bbj", []byte(src), Options{}); diag.HasErrors(found, diag.Syntax) {
			t.Errorf("rejected: %q: %v", src, brief(found))
		}
	}
}
