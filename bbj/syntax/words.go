package syntax

// Word is a word of the language: a verb, or a word that belongs to one.
type Word uint8

// The words. Those that are also variables of the system or reserved names are
// listed apart in names.go.
const (
	NoWord Word = iota
	ADDR
	ALL
	AND
	AUTO
	BACKGROUND
	BEGIN
	BREAK
	BYE
	CALL
	CALLBACK
	CASE
	CHANOPT
	CHDIR
	CISAM
	CLASS
	CLASSEND
	CLEAR
	CLEARP
	CLIPCLEAR
	CLIPFROMFILE
	CLIPFROMSTR
	CLIPLOCK
	CLIPTOFILE
	CLIPUNLOCK
	CLOSE
	CONTINUE
	DATA
	DECLARE
	DEF
	DEFAULT
	DELETE
	DENUM
	DIM
	DIRECT
	DISABLE
	DREAD
	DROP
	DUMP
	EDIT
	ELSE
	ENABLE
	END
	ENDIF
	ENDTRACE
	ENTER
	ERASE
	ESCAPE
	ESCOFF
	ESCON
	EXCEPT
	EXECUTE
	EXIT
	EXITTO
	EXTENDS
	EXTRACT
	EXTRACTRECORD
	FI
	FIELD
	FILE
	FILEOPT
	FIND
	FINDRECORD
	FLOATINGPOINT
	FNEND
	FNERR
	FOR
	FULLTEXT
	GOSUB
	GOTO
	IF
	IMPLEMENTS
	INDEXED
	INITFILE
	INPUT
	INPUTE
	INPUTN
	INPUTRECORD
	INTERFACE
	INTERFACEEND
	IOLIST
	JERASE
	JKEYED
	JOPEN
	LCHECKIN
	LET
	LIST
	LOAD
	LOCK
	MERGE
	METHOD
	METHODEND
	METHODRET
	MKDIR
	MKEYED
	NEW
	NEXT
	ON
	OPEN
	OR
	PRECISION
	PREFIX
	PRINT
	PRINTRECORD
	PRIVATE
	PROCESS_EVENTS
	PROGRAM
	PROTECTED
	PUBLIC
	READ
	READRECORD
	RECORD
	REDIM
	RELEASE
	REM
	REMOVE
	REMOVE_CALLBACK
	RENAME
	RENUM
	REPEAT
	RESCLOSE
	RESERVE
	RESET
	RESTORE
	RETRY
	RETURN
	RMDIR
	RUN
	SAVE
	SAVEP
	SELECT
	SERIAL
	SETDAY
	SETDRIVE
	SETERR
	SETESC
	SETOPTS
	SETTERM
	SETTIME
	SETTRACE
	SORT
	SQLCLOSE
	SQLCOMMIT
	SQLEXEC
	SQLOPEN
	SQLPREP
	SQLROLLBACK
	SQLSET
	START
	STATIC
	STEP
	STOP
	STRING
	SWEND
	SWITCH
	TABLE
	TCLOSE
	TCOMMIT
	THEN
	THROW
	TO
	TROLLBACK
	UNLOCK
	UNTIL
	UPDATELIC
	USE
	VKEYED
	WAIT
	WEND
	WHILE
	WRITE
	WRITERECORD
	XCALL
	XFILE
	XKEYED

	numWords
)

// shape says how the text after a verb is read.
type shape uint8

const (
	shapeNone   shape = iota // no verb: THEN, TO, PUBLIC …
	shapeOwn                 // has a node and a function of its own
	shapeBare                // nothing follows
	shapeArgs                // a list of arguments and options, perhaps empty
	shapeChan                // (channel, options) and then a list
	shapeOutput              // like PRINT: the channel may be absent
	shapeInput               // like READ: items may be verified
	shapeJump                // labels
)

var words = [numWords]struct {
	name  string
	shape shape
}{
	ADDR:            {"ADDR", shapeArgs},
	ALL:             {"ALL", shapeNone},
	AND:             {"AND", shapeNone},
	AUTO:            {"AUTO", shapeArgs},
	BACKGROUND:      {"BACKGROUND", shapeArgs},
	BEGIN:           {"BEGIN", shapeArgs},
	BREAK:           {"BREAK", shapeBare},
	BYE:             {"BYE", shapeBare},
	CALL:            {"CALL", shapeArgs},
	CALLBACK:        {"CALLBACK", shapeChan},
	CASE:            {"CASE", shapeOwn},
	CHANOPT:         {"CHANOPT", shapeChan},
	CHDIR:           {"CHDIR", shapeArgs},
	CISAM:           {"CISAM", shapeArgs},
	CLASS:           {"CLASS", shapeOwn},
	CLASSEND:        {"CLASSEND", shapeBare},
	CLEAR:           {"CLEAR", shapeArgs},
	CLEARP:          {"CLEARP", shapeArgs},
	CLIPCLEAR:       {"CLIPCLEAR", shapeArgs},
	CLIPFROMFILE:    {"CLIPFROMFILE", shapeArgs},
	CLIPFROMSTR:     {"CLIPFROMSTR", shapeArgs},
	CLIPLOCK:        {"CLIPLOCK", shapeArgs},
	CLIPTOFILE:      {"CLIPTOFILE", shapeArgs},
	CLIPUNLOCK:      {"CLIPUNLOCK", shapeArgs},
	CLOSE:           {"CLOSE", shapeChan},
	CONTINUE:        {"CONTINUE", shapeBare},
	DATA:            {"DATA", shapeArgs},
	DECLARE:         {"DECLARE", shapeOwn},
	DEF:             {"DEF", shapeOwn},
	DEFAULT:         {"DEFAULT", shapeNone},
	DELETE:          {"DELETE", shapeJump},
	DENUM:           {"DENUM", shapeBare},
	DIM:             {"DIM", shapeArgs},
	DIRECT:          {"DIRECT", shapeArgs},
	DISABLE:         {"DISABLE", shapeArgs},
	DREAD:           {"DREAD", shapeArgs},
	DROP:            {"DROP", shapeArgs},
	DUMP:            {"DUMP", shapeChan},
	EDIT:            {"EDIT", shapeArgs},
	ELSE:            {"ELSE", shapeBare},
	ENABLE:          {"ENABLE", shapeArgs},
	END:             {"END", shapeBare},
	ENDIF:           {"ENDIF", shapeBare},
	ENDTRACE:        {"ENDTRACE", shapeBare},
	ENTER:           {"ENTER", shapeArgs},
	ERASE:           {"ERASE", shapeArgs},
	ESCAPE:          {"ESCAPE", shapeBare},
	ESCOFF:          {"ESCOFF", shapeBare},
	ESCON:           {"ESCON", shapeBare},
	EXCEPT:          {"EXCEPT", shapeNone},
	EXECUTE:         {"EXECUTE", shapeArgs},
	EXIT:            {"EXIT", shapeArgs},
	EXITTO:          {"EXITTO", shapeJump},
	EXTENDS:         {"EXTENDS", shapeNone},
	EXTRACT:         {"EXTRACT", shapeInput},
	EXTRACTRECORD:   {"EXTRACTRECORD", shapeInput},
	FI:              {"FI", shapeBare},
	FIELD:           {"FIELD", shapeOwn},
	FILE:            {"FILE", shapeArgs},
	FILEOPT:         {"FILEOPT", shapeArgs},
	FIND:            {"FIND", shapeInput},
	FINDRECORD:      {"FINDRECORD", shapeInput},
	FLOATINGPOINT:   {"FLOATINGPOINT", shapeBare},
	FNEND:           {"FNEND", shapeBare},
	FNERR:           {"FNERR", shapeArgs},
	FOR:             {"FOR", shapeOwn},
	FULLTEXT:        {"FULLTEXT", shapeArgs},
	GOSUB:           {"GOSUB", shapeJump},
	GOTO:            {"GOTO", shapeJump},
	IF:              {"IF", shapeOwn},
	IMPLEMENTS:      {"IMPLEMENTS", shapeNone},
	INDEXED:         {"INDEXED", shapeArgs},
	INITFILE:        {"INITFILE", shapeArgs},
	INPUT:           {"INPUT", shapeInput},
	INPUTE:          {"INPUTE", shapeInput},
	INPUTN:          {"INPUTN", shapeInput},
	INPUTRECORD:     {"INPUTRECORD", shapeInput},
	INTERFACE:       {"INTERFACE", shapeOwn},
	INTERFACEEND:    {"INTERFACEEND", shapeBare},
	IOLIST:          {"IOLIST", shapeArgs},
	JERASE:          {"JERASE", shapeArgs},
	JKEYED:          {"JKEYED", shapeArgs},
	JOPEN:           {"JOPEN", shapeChan},
	LCHECKIN:        {"LCHECKIN", shapeChan},
	LET:             {"LET", shapeOwn},
	LIST:            {"LIST", shapeArgs},
	LOAD:            {"LOAD", shapeArgs},
	LOCK:            {"LOCK", shapeChan},
	MERGE:           {"MERGE", shapeArgs},
	METHOD:          {"METHOD", shapeOwn},
	METHODEND:       {"METHODEND", shapeBare},
	METHODRET:       {"METHODRET", shapeArgs},
	MKDIR:           {"MKDIR", shapeArgs},
	MKEYED:          {"MKEYED", shapeArgs},
	NEW:             {"NEW", shapeNone},
	NEXT:            {"NEXT", shapeArgs},
	ON:              {"ON", shapeOwn},
	OPEN:            {"OPEN", shapeChan},
	OR:              {"OR", shapeNone},
	PRECISION:       {"PRECISION", shapeArgs},
	PREFIX:          {"PREFIX", shapeArgs},
	PRINT:           {"PRINT", shapeOutput},
	PRINTRECORD:     {"PRINTRECORD", shapeOutput},
	PRIVATE:         {"PRIVATE", shapeNone},
	PROCESS_EVENTS:  {"PROCESS_EVENTS", shapeArgs},
	PROGRAM:         {"PROGRAM", shapeArgs},
	PROTECTED:       {"PROTECTED", shapeNone},
	PUBLIC:          {"PUBLIC", shapeNone},
	READ:            {"READ", shapeInput},
	READRECORD:      {"READRECORD", shapeInput},
	RECORD:          {"RECORD", shapeNone},
	REDIM:           {"REDIM", shapeArgs},
	RELEASE:         {"RELEASE", shapeArgs},
	REM:             {"REM", shapeOwn},
	REMOVE:          {"REMOVE", shapeChan},
	REMOVE_CALLBACK: {"REMOVE_CALLBACK", shapeChan},
	RENAME:          {"RENAME", shapeArgs},
	RENUM:           {"RENUM", shapeArgs},
	REPEAT:          {"REPEAT", shapeBare},
	RESCLOSE:        {"RESCLOSE", shapeChan},
	RESERVE:         {"RESERVE", shapeArgs},
	RESET:           {"RESET", shapeBare},
	RESTORE:         {"RESTORE", shapeJump},
	RETRY:           {"RETRY", shapeBare},
	RETURN:          {"RETURN", shapeArgs},
	RMDIR:           {"RMDIR", shapeArgs},
	RUN:             {"RUN", shapeArgs},
	SAVE:            {"SAVE", shapeArgs},
	SAVEP:           {"SAVEP", shapeArgs},
	SELECT:          {"SELECT", shapeChan},
	SERIAL:          {"SERIAL", shapeArgs},
	SETDAY:          {"SETDAY", shapeArgs},
	SETDRIVE:        {"SETDRIVE", shapeArgs},
	SETERR:          {"SETERR", shapeJump},
	SETESC:          {"SETESC", shapeJump},
	SETOPTS:         {"SETOPTS", shapeArgs},
	SETTERM:         {"SETTERM", shapeArgs},
	SETTIME:         {"SETTIME", shapeArgs},
	SETTRACE:        {"SETTRACE", shapeChan},
	SORT:            {"SORT", shapeArgs},
	SQLCLOSE:        {"SQLCLOSE", shapeChan},
	SQLCOMMIT:       {"SQLCOMMIT", shapeChan},
	SQLEXEC:         {"SQLEXEC", shapeChan},
	SQLOPEN:         {"SQLOPEN", shapeChan},
	SQLPREP:         {"SQLPREP", shapeChan},
	SQLROLLBACK:     {"SQLROLLBACK", shapeChan},
	SQLSET:          {"SQLSET", shapeChan},
	START:           {"START", shapeArgs},
	STATIC:          {"STATIC", shapeNone},
	STEP:            {"STEP", shapeNone},
	STOP:            {"STOP", shapeBare},
	STRING:          {"STRING", shapeArgs},
	SWEND:           {"SWEND", shapeBare},
	SWITCH:          {"SWITCH", shapeArgs},
	TABLE:           {"TABLE", shapeArgs},
	TCLOSE:          {"TCLOSE", shapeChan},
	TCOMMIT:         {"TCOMMIT", shapeChan},
	THEN:            {"THEN", shapeNone},
	THROW:           {"THROW", shapeArgs},
	TO:              {"TO", shapeNone},
	TROLLBACK:       {"TROLLBACK", shapeChan},
	UNLOCK:          {"UNLOCK", shapeChan},
	UNTIL:           {"UNTIL", shapeArgs},
	UPDATELIC:       {"UPDATELIC", shapeArgs},
	USE:             {"USE", shapeOwn},
	VKEYED:          {"VKEYED", shapeArgs},
	WAIT:            {"WAIT", shapeArgs},
	WEND:            {"WEND", shapeBare},
	WHILE:           {"WHILE", shapeArgs},
	WRITE:           {"WRITE", shapeOutput},
	WRITERECORD:     {"WRITERECORD", shapeOutput},
	XCALL:           {"XCALL", shapeArgs},
	XFILE:           {"XFILE", shapeArgs},
	XKEYED:          {"XKEYED", shapeArgs},
}

// String returns the word in capitals.
func (w Word) String() string { return words[w].name }

// IsVerb reports whether a statement can start with the word.
func (w Word) IsVerb() bool { return words[w].shape != shapeNone }

// Words returns all words but NoWord.
func Words() []Word {
	list := make([]Word, 0, numWords-1)
	for w := NoWord + 1; w < numWords; w++ {
		list = append(list, w)
	}
	return list
}

// maxWord is the length of the longest word.
const maxWord = 15

// wordTable is an open hash table of the words. It is small, read only, and
// looked up without allocating.
var wordTable = func() (t [1024]Word) {
	for w := NoWord + 1; w < numWords; w++ {
		h := hashFold(words[w].name)
		for t[h&1023] != NoWord {
			h++
		}
		t[h&1023] = w
	}
	return t
}()

// LookupWord returns the word of that name in any case, or NoWord.
func LookupWord(name string) Word {
	if len(name) < 2 || len(name) > maxWord {
		return NoWord
	}
	for h := hashFold(name); ; h++ {
		w := wordTable[h&1023]
		if w == NoWord || EqualFold(words[w].name, name) {
			return w
		}
	}
}

// EqualFold compares two names, ignoring the case of ASCII letters only, as
// BBj does.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func hashFold(s string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(lower(s[i]))) * 16777619
	}
	return h ^ h>>15
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// IsInput reports whether the verb reads values into the variables of its list.
func (w Word) IsInput() bool {
	return words[w].shape == shapeInput || w == DREAD || w == ENTER
}
