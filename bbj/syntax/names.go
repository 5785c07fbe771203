package syntax

// reserved lists the words that can be neither a variable nor a label. The
// compiler rejects all of them.
var reserved = [...]string{
	"all", "begin", "callback", "case", "dread", "else", "endif", "err", "exitto", "fi", "fnerr", "for",
	"from", "gosub", "goto", "if", "iolist", "let", "load", "new", "on", "process_events",
	"remove_callback", "restore", "seterr", "setesc", "swend", "switch", "then", "tim", "until", "wend",
	"where", "while",
}

// numericReserved lists the names that cannot be a numeric variable: those of
// the system's own variables, and some more.
var numericReserved = [...]string{
	"argc", "chn", "ctl", "day", "dsz", "fnend", "iol", "opts", "pfx", "psz", "rev", "sqlchn", "sqlunt",
	"ssn", "sys", "unt", "csoff", "cson", "list", "read_resource", "tbl", "end",
}

// systemVars lists the variables that the language itself provides.
var systemVars = [...]string{
	"argc", "chn", "ctl", "day", "dsz", "err", "opts", "pfx", "psz", "rev", "sqlchn", "sqlunt", "ssn",
	"sys", "tim", "unt",
}

// symbolicLabels lists the labels that every program has.
var symbolicLabels = [...]string{
	"*break", "*continue", "*end", "*endif", "*escape", "*exit", "*next", "*proceed", "*retry",
	"*return", "*same", "*stop",
}

// nameSet is a set of names that ignores case and does not allocate to look up.
type nameSet map[string]bool

func newNameSet(lists ...[]string) nameSet {
	set := nameSet{}
	for _, list := range lists {
		for _, name := range list {
			set[name] = true
		}
	}
	return set
}

// has looks up a name of at most 32 bytes in any case.
func (s nameSet) has(name string) bool {
	var buf [32]byte
	if len(name) > len(buf) {
		return false
	}
	for i := 0; i < len(name); i++ {
		buf[i] = lower(name[i])
	}
	return s[string(buf[:len(name)])]
}

var (
	reservedSet = newNameSet(reserved[:])
	numericSet  = newNameSet(numericReserved[:])
	systemSet   = newNameSet(systemVars[:])
	symbolicSet = newNameSet(symbolicLabels[:])
	labelOpts   = newNameSet([]string{"err", "end", "dom", "iol", "tbl"})
	callOpts    = newNameSet([]string{
		"err", "end", "dom", "ind", "knum", "key", "mode", "tim", "tbl", "dir", "siz", "len", "iol", "isz", "pos",
	})
)

// IsReserved reports whether no variable and no label can have the name.
func IsReserved(name string) bool { return reservedSet.has(name) }

// IsNumericReserved reports whether no numeric variable can have the name.
func IsNumericReserved(name string) bool { return numericSet.has(name) }

// IsSystemVar reports whether the language itself provides the variable.
func IsSystemVar(name string) bool { return systemSet.has(name) }
