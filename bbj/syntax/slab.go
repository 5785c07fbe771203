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
