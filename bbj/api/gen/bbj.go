package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bbjtune/bbj/syntax"
)

// mineBBj reads what public BBj code says: the declared types of variables that
// hold the results of calls, the classes it uses, the options, mnemonics and
// constants it writes. What stands in one repository alone is not believed, and
// a mnemonic not in one file alone.
func mineBBj(d *db, repos []string) error {
	m := miner{db: d, uses: map[string]map[string]bool{}, mnemonics: map[string]map[string]bool{}, constants: map[string]map[string]bool{}}
	for _, repo := range repos {
		m.repo = filepath.Base(repo)
		err := walkFiles(repo, func(path string, text []byte) error {
			m.file(path, syntax.Parse(text))
			return nil
		}, ".bbj", ".bbl", ".src", ".bbjt", ".aon")
		if err != nil {
			return err
		}
	}
	m.finish()
	return nil
}

type miner struct {
	db        *db
	repo      string
	uses      map[string]map[string]bool // class with its package -> repositories
	path      string
	mnemonics map[string]map[string]bool // name -> files
	constants map[string]map[string]bool // class.NAME -> repositories
	vars      map[string]string          // name, with the number of the scope -> type
	local     map[string]bool            // classes that the program brings itself
	methods   []*syntax.MethodDecl
}

// unsettled is the type of a variable that has several.
const unsettled = "?"

func (m *miner) file(path string, prog *syntax.Program) {
	m.path = path
	m.vars, m.local, m.methods = map[string]string{}, map[string]bool{}, nil
	prog.Walk(m.declare)
	prog.Walk(m.visit)
}

// declare records the types that the program writes down.
func (m *miner) declare(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.ClassDecl:
		m.local[strings.ToLower(n.Name.Name)] = true
	case *syntax.UseStmt:
		m.use(n.Type)
	case *syntax.MethodDecl:
		m.methods = append(m.methods, n)
	case *syntax.DeclareStmt:
		m.set(m.key(n.Name), n.Type)
	case *syntax.Param:
		m.set(m.key(n.Name), n.Type)
	case *syntax.FieldDecl:
		m.set("#"+strings.ToLower(n.Name.Name), n.Type)
	}
	return true
}

func (m *miner) use(t syntax.TypeRef) {
	pkg, name := splitType(t.Name)
	if c := m.db.classes[name]; t.Path != "" || c != nil && c.kind != "foreign" && c.pkg != pkg {
		m.local[strings.ToLower(name)] = true
	}
	if t.Path == "" && pkg != "" {
		note(m.uses, t.Name, m.repo)
	}
}

func splitType(name string) (pkg, class string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

func note(in map[string]map[string]bool, what, repo string) {
	if in[what] == nil {
		in[what] = map[string]bool{}
	}
	in[what][repo] = true
}

// key is the name of a variable in the method around it.
func (m *miner) key(id syntax.Ident) string {
	for i, method := range m.methods {
		if method.Start <= id.Start && id.Start < method.End {
			return strings.ToLower(id.Name) + "@" + strconv.Itoa(i)
		}
	}
	return strings.ToLower(id.Name)
}

func (m *miner) set(key string, t syntax.TypeRef) {
	typ := m.class(t)
	if old, ok := m.vars[key]; ok && old != typ {
		typ = unsettled
	}
	m.vars[key] = typ
}

// class returns the name of the class, or unsettled if the program brings it.
func (m *miner) class(t syntax.TypeRef) string {
	_, name := splitType(t.Name)
	if t.Path != "" || t.Dims > 0 || m.local[strings.ToLower(name)] || name == "" || name == "Object" {
		return unsettled
	}
	return name
}

func (m *miner) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Assign:
		m.assign(n)
	case *syntax.VerbStmt:
		m.options(n)
	case *syntax.Mnemonic:
		if n.Name != "@" {
			note(m.mnemonics, strings.ToUpper(n.Name), m.path)
		}
	case *syntax.MemberExpr:
		m.constant(n)
	}
	return true
}

// assign records what a call gives that is assigned to a declared variable.
func (m *miner) assign(a *syntax.Assign) {
	typ := ""
	switch target := a.Target.(type) {
	case *syntax.Ident:
		typ = m.vars[m.key(*target)]
	case *syntax.HashExpr:
		typ = m.vars["#"+strings.ToLower(target.Name.Name)]
	}
	call, ok := a.Value.(*syntax.CallExpr)
	if !ok || typ == "" || typ == unsettled {
		return
	}
	receiver, name, ok := call.Method()
	if !ok || receiver == nil {
		return
	}
	if c := m.db.classes[m.typeOf(receiver)]; c != nil {
		if o := m.db.known(c, name.Name, arguments(call)); o != nil {
			o.seen(typ, m.repo)
		}
	}
}

// arguments counts the arguments of a call without its options.
func arguments(call *syntax.CallExpr) int {
	n := 0
	for _, x := range call.Args {
		if _, option := x.(*syntax.Option); !option {
			n++
		}
	}
	return n
}

// typeOf returns the class of an object if the declarations and what is known
// of the methods tell it, else "".
func (m *miner) typeOf(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Ident:
		return m.vars[m.key(*x)]
	case *syntax.HashExpr:
		return m.vars["#"+strings.ToLower(x.Name.Name)]
	case *syntax.ParenExpr:
		return m.typeOf(x.X)
	case *syntax.NewExpr:
		return m.class(x.Type)
	case *syntax.CallExpr:
		return m.typeOfCall(x)
	}
	return ""
}

func (m *miner) typeOfCall(x *syntax.CallExpr) string {
	if id, ok := x.Function(); ok && strings.EqualFold(id.Name, "bbjapi") {
		return "BBjAPI"
	}
	receiver, name, ok := x.Method()
	if !ok || receiver == nil {
		return ""
	}
	c := m.db.classes[m.typeOf(receiver)]
	if c == nil {
		return ""
	}
	if o := m.db.known(c, name.Name, arguments(x)); o != nil && len(o.types) == 1 {
		return sortedKeys(o.types)[0]
	}
	return ""
}

// options records the options that a verb is written with.
func (m *miner) options(v *syntax.VerbStmt) {
	name := v.Word.String()
	for _, x := range slices.Concat(v.Chan, v.Args) {
		o, ok := x.(*syntax.Option)
		if known := m.db.verbs[name]; ok && known != nil && !slices.Contains(known.repos[strings.ToUpper(o.Name.Name)], m.repo) {
			option := strings.ToUpper(o.Name.Name)
			known.repos[option] = append(known.repos[option], m.repo)
		}
	}
}

// constant records Class.NAME.
func (m *miner) constant(x *syntax.MemberExpr) {
	id, ok := x.X.(*syntax.Ident)
	if !ok || strings.ToUpper(x.Name.Name) != x.Name.Name || m.local[strings.ToLower(id.Name)] {
		return
	}
	if c := m.db.classes[id.Name]; c != nil && c.kind != "foreign" {
		note(m.constants, id.Name+"."+x.Name.Name, m.repo)
	}
}

// finish keeps what several repositories agree on.
func (m *miner) finish() {
	for _, full := range sortedKeys(m.uses) {
		pkg, name := splitType(full)
		if c := m.db.classes[name]; len(m.uses[full]) > 1 && (c == nil || c.pkg == pkg) {
			m.db.foreign(pkg, name)
		}
	}
	for name, paths := range m.mnemonics {
		if len(paths) > 1 {
			m.db.mnemonic(name, fromBBj)
		}
	}
	for full, repos := range m.constants {
		class, name, _ := strings.Cut(full, ".")
		if len(repos) > 1 && !strings.HasPrefix(name, "ON_") {
			m.db.class(class).constant(name, fromBBj)
		}
	}
}

// foreign records a class that programs use and of which the name is known.
func (d *db) foreign(pkg, name string) {
	c := d.class(name)
	if c.kind == "" {
		c.kind, c.open, c.pkg = "foreign", true, pkg
	}
	c.from.add(fromBBj)
}
