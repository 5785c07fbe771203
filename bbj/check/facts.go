package check

import (
	"bytes"
	"strings"
	"sync"

	"bbjtune/bbj/syntax"
)

// facts is what one walk over the tree gathers, so that the rules need not
// walk on their own.
type facts struct {
	labels map[string]bool // labels defined, in lower case
	refs   []*syntax.LabelRef
	calls  []*syntax.CallExpr
	events []*syntax.MemberExpr // members that start with ON_
	verbs  []*syntax.VerbStmt
	lets   []*syntax.LetStmt
	// types holds the classes that the program defines, and with nil those it
	// uses from elsewhere, in lower case.
	types    map[string]*syntax.ClassDecl
	classes  []*syntax.ClassDecl // in the order of the text
	bbjTypes []*syntax.TypeRef   // types that start with BBj
	defs     map[string]bool     // functions that DEF defines, in lower case
	names    map[string]bool     // variables assigned or declared, in lower case
	scopes   []scope
	// binders are the nodes that give variables a value or a type: assignments,
	// declarations, parameters, and verbs with variables in their lists.
	binders []syntax.Node
	rems    []*syntax.RemStmt // those that may be bbjtune:ignore
	src     []byte
}

// scope is the program without its classes, or the body of one method.
type scope struct {
	where syntax.Range
	body  []syntax.Stmt
}

// pool keeps the lists and maps of programs that are done.
var pool = sync.Pool{New: func() any {
	return &facts{labels: map[string]bool{}, types: map[string]*syntax.ClassDecl{}, defs: map[string]bool{}, names: map[string]bool{}}
}}

// collect gathers the facts of a program; release takes them back.
func collect(prog *syntax.Program) *facts {
	f := pool.Get().(*facts)
	f.src = prog.Src
	f.scopes = append(f.scopes, scope{body: prog.Stmts})
	prog.Walk(f.visit)
	return f
}

// keptFacts bounds what the pool keeps of a large program.
const keptFacts = 4096

// release empties the facts for the next program: nothing of the tree is kept.
func (f *facts) release() {
	if len(f.binders)+len(f.calls)+len(f.verbs)+len(f.refs)+len(f.labels) > keptFacts {
		return
	}
	clear(f.labels)
	clear(f.types)
	clear(f.defs)
	clear(f.names)
	f.refs, f.calls, f.events = emptied(f.refs), emptied(f.calls), emptied(f.events)
	f.verbs, f.lets, f.scopes, f.binders = emptied(f.verbs), emptied(f.lets), emptied(f.scopes), emptied(f.binders)
	f.classes, f.bbjTypes, f.rems, f.src = emptied(f.classes), emptied(f.bbjTypes), emptied(f.rems), nil
	pool.Put(f)
}

func emptied[T any](list []T) []T {
	clear(list)
	return list[:0]
}

func (f *facts) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.LabelStmt:
		f.labels[fold(n.Name.Name)] = true
	case *syntax.LabelRef:
		f.refs = append(f.refs, n)
	case *syntax.CallExpr:
		f.calls = append(f.calls, n)
	case *syntax.MemberExpr:
		if strings.HasPrefix(n.Name.Name, "ON_") {
			f.events = append(f.events, n)
		}
	case *syntax.VerbStmt:
		f.verbs = append(f.verbs, n)
		if len(n.Args) > 0 {
			f.binders = append(f.binders, n)
		}
	case *syntax.RemStmt:
		if bytes.Contains(f.src[n.Start:n.End], []byte{':'}) {
			f.rems = append(f.rems, n)
		}
	case *syntax.LetStmt:
		f.lets = append(f.lets, n)
	case *syntax.MethodDecl:
		f.scopes = append(f.scopes, scope{n.Span(), n.Body})
	case *syntax.DefStmt:
		f.defs[fold(n.Name.Name)] = true
		f.binders = append(f.binders, n)
	case *syntax.ClassDecl:
		f.types[fold(n.Name.Name)] = n
		f.classes = append(f.classes, n)
	case *syntax.TypeRef:
		if len(n.Name) > 3 && syntax.EqualFold(n.Name[:3], "bbj") {
			f.bbjTypes = append(f.bbjTypes, n)
		}
	case *syntax.UseStmt:
		f.use(n.Type)
	case *syntax.Assign, *syntax.ForStmt, *syntax.DeclareStmt, *syntax.FieldDecl, *syntax.Param:
		f.binders = append(f.binders, n)
	}
	return true
}

// use records a class from elsewhere under its short name. One of the API stays
// what it is.
func (f *facts) use(ref syntax.TypeRef) {
	name := fold(ref.Name[strings.LastIndexByte(ref.Name, '.')+1:])
	if _, own := f.types[name]; !own && (ref.Path != "" || !strings.HasPrefix(fold(ref.Name), "com.basis.bbj.proxies.")) {
		f.types[name] = nil
	}
}

// hasType reports whether the program defines or uses a class of that name.
func (f *facts) hasType(name string) bool {
	_, ok := f.types[fold(name)]
	return ok
}

// variables returns the names that are assigned, dimensioned, read or declared
// anywhere. They are only gathered when a rule is about to report.
func (p *pass) variables() map[string]bool {
	f := p.facts
	if len(f.names) > 0 {
		return f.names
	}
	for _, n := range f.binders {
		switch n := n.(type) {
		case *syntax.Assign:
			f.name(n.Target)
		case *syntax.ForStmt:
			f.name(n.Var)
		case *syntax.DeclareStmt:
			f.names[fold(n.Name.Name)] = true
		case *syntax.FieldDecl:
			f.names[fold(n.Name.Name)] = true
		case *syntax.Param:
			f.names[fold(n.Name.Name)] = true
		case *syntax.DefStmt:
			for _, id := range n.Params {
				f.names[fold(id.Name)] = true
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
func (f *facts) name(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Ident:
		f.names[fold(x.Name)] = true
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
