package syntax

// slab hands out values of one type from chunks, so that a statement costs a
// fraction of an allocation. The chunks grow with the program: a small one does
// not pay for a large one.
type slab[T any] struct {
	free []T
	size int
}

const maxChunk = 512

func (s *slab[T]) take(n int) []T {
	if len(s.free) < n {
		s.size = min(max(8, 2*s.size), maxChunk)
		s.free = make([]T, max(n, s.size))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// put stores the value and returns where it is.
func (s *slab[T]) put(v T) *T {
	p := &s.take(1)[0]
	*p = v
	return p
}

// copy stores a list, nil if it is empty.
func (s *slab[T]) copy(list []T) []T {
	if len(list) == 0 {
		return nil
	}
	out := s.take(len(list))
	copy(out, list)
	return out
}

// nodes holds the slabs of the node types that are frequent.
type nodes struct {
	exprs    slab[Expr]
	assigns  slab[Assign]
	idents   slab[Ident]
	numbers  slab[NumberLit]
	strings  slab[StringLit]
	hexes    slab[HexLit]
	binaries slab[BinaryExpr]
	unaries  slab[UnaryExpr]
	parens   slab[ParenExpr]
	calls    slab[CallExpr]
	indexes  slab[IndexExpr]
	members  slab[MemberExpr]
	hashes   slab[HashExpr]
	colons   slab[ColonExpr]
	options  slab[Option]
	labels   slab[LabelRef]
	mnemos   slab[Mnemonic]
	lets     slab[LetStmt]
	verbs    slab[VerbStmt]
	rems     slab[RemStmt]
	ifs      slab[IfStmt]
	exprSts  slab[ExprStmt]
	labelSts slab[LabelStmt]
	numSts   slab[LineNumber]
}

// page is the first chunk of every slab in one allocation, as much as a program
// of a screen or two needs. It comes with the program.
type page struct {
	Program

	exprs    [32]Expr
	assigns  [8]Assign
	idents   [24]Ident
	numbers  [12]NumberLit
	strings  [12]StringLit
	binaries [6]BinaryExpr
	calls    [8]CallExpr
	members  [6]MemberExpr
	lets     [8]LetStmt
	verbs    [10]VerbStmt
	rems     [2]RemStmt
	ifs      [2]IfStmt
	exprSts  [4]ExprStmt
	labelSts [3]LabelStmt
	labels   [4]LabelRef
}

// program returns a program with a page of nodes, as large as so many bytes of
// source are likely to need.
func (n *nodes) program(size int) *Program {
	if size < 160 {
		p := new(smallPage)
		n.openSmall(p)
		return &p.Program
	}
	p := new(page)
	n.open(p)
	return &p.Program
}

func (n *nodes) open(p *page) {
	n.exprs.free, n.assigns.free, n.idents.free = p.exprs[:], p.assigns[:], p.idents[:]
	n.numbers.free, n.strings.free, n.binaries.free = p.numbers[:], p.strings[:], p.binaries[:]
	n.calls.free, n.members.free, n.lets.free = p.calls[:], p.members[:], p.lets[:]
	n.verbs.free, n.rems.free, n.ifs.free = p.verbs[:], p.rems[:], p.ifs[:]
	n.exprSts.free, n.labelSts.free, n.labels.free = p.exprSts[:], p.labelSts[:], p.labels[:]
}

// smallPage is page for a program of a few lines, which would pay for much that
// it does not use.
type smallPage struct {
	Program

	exprs    [12]Expr
	assigns  [3]Assign
	idents   [10]Ident
	numbers  [4]NumberLit
	strings  [5]StringLit
	binaries [2]BinaryExpr
	calls    [3]CallExpr
	members  [2]MemberExpr
	lets     [3]LetStmt
	verbs    [4]VerbStmt
	labels   [2]LabelRef
}

func (n *nodes) openSmall(p *smallPage) {
	n.exprs.free, n.assigns.free, n.idents.free = p.exprs[:], p.assigns[:], p.idents[:]
	n.numbers.free, n.strings.free, n.binaries.free = p.numbers[:], p.strings[:], p.binaries[:]
	n.calls.free, n.members.free, n.lets.free = p.calls[:], p.members[:], p.lets[:]
	n.verbs.free, n.labels.free = p.verbs[:], p.labels[:]
}
