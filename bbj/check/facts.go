package check

import (
	_ "embed"
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
	types  map[string]bool // classes that the program defines or uses, in lower case
	defs   map[string]bool // functions that DEF defines, in lower case
	names  map[string]bool // variables assigned or declared, in lower case
	scopes []scope
	// binders are the nodes that give variables a value or a type: assignments,
	// declarations, parameters, and verbs with variables in their lists.
	binders []syntax.Node
}

// scope is the program without its classes, or the body of one method.
type scope struct {
	where syntax.Range
	body  []syntax.Stmt
}

func collect(prog *syntax.Program) *facts {
	f := &facts{labels: map[string]bool{}, types: map[string]bool{}, defs: map[string]bool{}, names: map[string]bool{}}
	f.scopes = append(f.scopes, scope{body: prog.Stmts})
	prog.Walk(f.visit)
	return f
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
	case *syntax.LetStmt:
		f.lets = append(f.lets, n)
	case *syntax.MethodDecl:
		f.scopes = append(f.scopes, scope{n.Span(), n.Body})
	case *syntax.DefStmt:
		f.defs[fold(n.Name.Name)] = true
		f.binders = append(f.binders, n)
	case *syntax.ClassDecl:
		f.types[fold(n.Name.Name)] = true
	case *syntax.UseStmt:
		f.types[fold(n.Type.Name[strings.LastIndexByte(n.Type.Name, '.')+1:])] = true
	case *syntax.Assign, *syntax.ForStmt, *syntax.DeclareStmt, *syntax.FieldDecl, *syntax.Param:
		f.binders = append(f.binders, n)
	}
	return true
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

var (
	//go:embed facts/methods.txt
	methodsText string
	//go:embed facts/classes.txt
	classesText string
	//go:embed facts/events.txt
	eventsText string
	//go:embed facts/functions.txt
	functionsText string
)

// nameList is a list of names from a file of facts. The first word of a line is
// the name, the second what is known of it.
type nameList struct {
	text  *string
	once  sync.Once
	names []string
	about map[string]string // keyed in lower case
}

var (
	knownMethods   = nameList{text: &methodsText}
	knownClasses   = nameList{text: &classesText}
	knownEvents    = nameList{text: &eventsText}
	knownFunctions = nameList{text: &functionsText}
)

func (l *nameList) load() {
	l.about = map[string]string{}
	for line := range strings.Lines(*l.text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, about, _ := strings.Cut(line, " ")
		l.names = append(l.names, name)
		l.about[fold(name)] = about
	}
}

// lookup returns what the file says of the name, in any case.
func (l *nameList) lookup(name string) (about string, ok bool) {
	l.once.Do(l.load)
	about, ok = l.about[fold(name)]
	return about, ok
}

// all returns the names as written in the file.
func (l *nameList) all() []string {
	l.once.Do(l.load)
	return l.names
}
