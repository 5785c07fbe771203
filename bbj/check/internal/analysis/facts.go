package analysis

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"bbjtune/bbj/api"
	"bbjtune/bbj/syntax"
)

// Facts is what one walk over the tree gathers, so that the rules need not walk
// on their own. Names in its maps are folded.
type Facts struct {
	Labels    map[string]bool // labels defined
	Defs      map[string]bool // functions that DEF defines
	Refs      []*syntax.LabelRef
	Calls     []*syntax.CallExpr
	Events    []*syntax.MemberExpr // members that start with ON_
	Mnemonics []*syntax.Mnemonic
	Verbs     []*syntax.VerbStmt
	BBjTypes  []*syntax.TypeRef // types that start with BBj
	Scopes    []Scope
	// Binders are the nodes that give variables a value or a type: assignments,
	// declarations, parameters, and verbs with variables in their lists.
	Binders []syntax.Node
	Rems    []*syntax.RemStmt // those with a colon, which may be more than remarks
	Broken  bool              // the parser rejected something, which may hide parts of the program

	// types holds the classes that the program defines, and with nil those it
	// uses from elsewhere.
	types    map[string]*syntax.ClassDecl
	classes  []*syntax.ClassDecl // in the order of the text
	extended map[string]bool     // classes that another one extends or implements
	names    map[string]bool     // variables assigned or declared, once asked for
	gathered bool                // names are
	merges   bool                // the program may get statements from elsewhere
	blocks   uint8               // which kinds of blocks are opened
	src      []byte
}

// Scope is the program without its classes, or the body of one method.
type Scope struct {
	Body  []syntax.Stmt
	where syntax.Range
}

// pool keeps the lists and maps of programs that are done.
var pool = sync.Pool{New: func() any {
	return &Facts{
		Labels: map[string]bool{}, Defs: map[string]bool{}, names: map[string]bool{},
		types: map[string]*syntax.ClassDecl{}, extended: map[string]bool{},
	}
}}

// collect gathers the facts of a program; release takes them back.
func collect(prog *syntax.Program) *Facts {
	f := pool.Get().(*Facts)
	f.src, f.Broken, f.gathered, f.merges, f.blocks = prog.Src, len(prog.Errors) > 0, false, false, 0
	f.reserve()
	f.Scopes = append(f.Scopes, Scope{Body: prog.Stmts})
	prog.Walk(f.visit)
	return f
}

// reserve makes room for a large program at once: lists that double as they grow
// would take more memory than the program's tree.
func (f *Facts) reserve() {
	const calls, binders, verbs = 90, 70, 200 // bytes of source for each, on average
	if n := len(f.src); n > 1<<18 {
		f.Calls = slices.Grow(f.Calls, n/calls)
		f.Binders = slices.Grow(f.Binders, n/binders)
		f.Verbs = slices.Grow(f.Verbs, n/verbs)
	}
}

// keptSource is the size in bytes of the largest program whose lists and maps
// the pool keeps.
const keptSource = 1 << 17

// release empties the facts for the next program: nothing of the tree is kept.
func (f *Facts) release() {
	if len(f.src) > keptSource {
		return
	}
	clear(f.Labels)
	clear(f.types)
	clear(f.extended)
	clear(f.Defs)
	clear(f.names)
	f.Refs, f.Calls, f.Events, f.Mnemonics = emptied(f.Refs), emptied(f.Calls), emptied(f.Events), emptied(f.Mnemonics)
	f.Verbs, f.Scopes, f.Binders = emptied(f.Verbs), emptied(f.Scopes), emptied(f.Binders)
	f.classes, f.BBjTypes, f.Rems, f.src = emptied(f.classes), emptied(f.BBjTypes), emptied(f.Rems), nil
	pool.Put(f)
}

func emptied[T any](list []T) []T {
	clear(list)
	return list[:0]
}

func (f *Facts) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.LabelStmt:
		f.Labels[Fold(n.Name.Name)] = true
	case *syntax.LabelRef:
		f.Refs = append(f.Refs, n)
	case *syntax.CallExpr:
		f.Calls = append(f.Calls, n)
	case *syntax.MemberExpr:
		if len(n.Name.Name) > 3 && syntax.EqualFold(n.Name.Name[:3], "on_") {
			f.Events = append(f.Events, n)
		}
	case *syntax.VerbStmt:
		f.Verbs = append(f.Verbs, n)
		f.merges = f.merges || n.Word == syntax.EXECUTE || n.Word == syntax.MERGE
		f.blocks |= blockBit(n.Word)
		if len(n.Args) > 0 {
			f.Binders = append(f.Binders, n)
		}
	case *syntax.RemStmt:
		if bytes.Contains(f.src[n.Start:n.End], []byte{':'}) {
			f.Rems = append(f.Rems, n)
		}
	case *syntax.Mnemonic:
		f.Mnemonics = append(f.Mnemonics, n)
	case *syntax.MethodDecl:
		f.Scopes = append(f.Scopes, Scope{Body: n.Body, where: n.Span()})
	case *syntax.DefStmt:
		f.Defs[Fold(n.Name.Name)] = true
		f.Binders = append(f.Binders, n)
	case *syntax.ClassDecl:
		f.types[Fold(n.Name.Name)] = n
		f.classes = append(f.classes, n)
		for _, list := range [...][]syntax.TypeRef{n.Extends, n.Implements} {
			for _, base := range list {
				f.extended[Fold(base.Name)] = true
			}
		}
	case *syntax.TypeRef:
		if len(n.Name) > 3 && syntax.EqualFold(n.Name[:3], "bbj") {
			f.BBjTypes = append(f.BBjTypes, n)
		}
	case *syntax.UseStmt:
		f.use(n.Type)
	case *syntax.IfStmt:
		if !n.OneLine {
			f.blocks |= blockBit(syntax.IF)
		}
	case *syntax.ForStmt:
		f.blocks |= blockBit(syntax.FOR)
		f.Binders = append(f.Binders, n)
	case *syntax.Assign, *syntax.DeclareStmt, *syntax.FieldDecl, *syntax.Param:
		f.Binders = append(f.Binders, n)
	}
	return true
}

// Opens reports whether the program opens a block with the word.
func (f *Facts) Opens(w syntax.Word) bool { return f.blocks&blockBit(w) != 0 }

func blockBit(w syntax.Word) uint8 {
	switch w {
	case syntax.IF:
		return 1
	case syntax.WHILE:
		return 2
	case syntax.FOR:
		return 4
	case syntax.SWITCH:
		return 8
	case syntax.REPEAT:
		return 16
	}
	return 0
}

// use records a class from elsewhere under its short name. One of the API stays
// what it is.
func (f *Facts) use(ref syntax.TypeRef) {
	name := Fold(ref.Name[strings.LastIndexByte(ref.Name, '.')+1:])
	if _, own := f.types[name]; !own && (ref.Path != "" || !strings.HasPrefix(Fold(ref.Name), "com.basis.bbj.proxies.")) {
		f.types[name] = nil
	}
}

// HasClass reports whether the program defines or uses a class of that name.
func (f *Facts) HasClass(name string) bool {
	_, ok := f.types[Fold(name)]
	return ok
}

// IsFunction reports whether the name is that of a function or a variable of
// the language, or of a function of the program.
func (f *Facts) IsFunction(id syntax.Ident) bool {
	if _, ok := api.LookupFunction(id.Name); ok {
		return true
	}
	return syntax.IsSystemVar(id.Name) || f.Defs[Fold(id.Name)]
}

// Merges reports whether the program may get statements from elsewhere.
func (f *Facts) Merges() bool { return f.merges }

// Variables returns the names that are assigned, dimensioned, read or declared
// anywhere. They are only gathered when a rule is about to report.
func (f *Facts) Variables() map[string]bool {
	if f.gathered {
		return f.names
	}
	f.gathered = true
	for _, n := range f.Binders {
		switch n := n.(type) {
		case *syntax.Assign:
			f.name(n.Target)
		case *syntax.ForStmt:
			f.name(n.Var)
		case *syntax.DeclareStmt:
			f.names[Fold(n.Name.Name)] = true
		case *syntax.FieldDecl:
			f.names[Fold(n.Name.Name)] = true
		case *syntax.Param:
			f.names[Fold(n.Name.Name)] = true
		case *syntax.DefStmt:
			for _, id := range n.Params {
				f.names[Fold(id.Name)] = true
			}
		case *syntax.VerbStmt:
			for _, x := range n.Args {
				f.name(x)
			}
		}
	}
	return f.names
}

// name records the variable that the target is a part of.
func (f *Facts) name(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Ident:
		f.names[Fold(x.Name)] = true
	case *syntax.IndexExpr:
		f.name(x.X)
	case *syntax.CallExpr:
		// A call in a list is a use; only its name with a suffix is a variable.
		if id, ok := x.Fun.(*syntax.Ident); ok && id.Suffix() != 0 {
			f.name(id)
		}
	case *syntax.ColonExpr:
		f.name(x.X)
	case *syntax.VerifyExpr:
		f.name(x.X)
	}
}
