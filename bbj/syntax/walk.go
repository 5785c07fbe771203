package syntax

// Walk calls fn for the node and, as long as fn returns true, for every node
// below it, in the order of the text. Types, assignments and parameters are
// visited as *TypeRef, *Assign and *Param; names that are part of another node
// (labels, members, options) are not visited on their own.
func Walk(n Node, fn func(Node) bool) {
	if n == nil || !fn(n) {
		return
	}
	switch n := n.(type) {
	case Stmt:
		walkStmt(n, fn)
	case Expr:
		walkExpr(n, fn)
	case *Assign:
		Walk(n.Target, fn)
		Walk(n.Value, fn)
	case *Param:
		Walk(&n.Type, fn)
	}
}

// Walk calls fn for every statement of the program and all that is below.
func (p *Program) Walk(fn func(Node) bool) { walkStmts(p.Stmts, fn) }

func walkStmt(s Stmt, fn func(Node) bool) {
	switch s := s.(type) {
	case *LetStmt:
		for i := range s.Assigns {
			Walk(&s.Assigns[i], fn)
		}
	case *ExprStmt:
		Walk(s.X, fn)
	case *IfStmt:
		Walk(s.Cond, fn)
	case *ForStmt:
		walkExprs([]Expr{s.Var, s.From, s.To, s.Step}, fn)
	case *CaseStmt:
		walkOpt(s.X, fn)
	case *OnStmt:
		Walk(s.X, fn)
		walkExprs(s.Targets, fn)
	case *DefStmt:
		walkOpt(s.Value, fn)
	case *UseStmt:
		Walk(&s.Type, fn)
	case *DeclareStmt:
		Walk(&s.Type, fn)
	case *VerbStmt:
		walkExprs(s.Chan, fn)
		walkExprs(s.Args, fn)
	case *ClassDecl:
		walkTypes(s.Extends, fn)
		walkTypes(s.Implements, fn)
		walkStmts(s.Members, fn)
	case *FieldDecl:
		Walk(&s.Type, fn)
		walkOpt(s.Value, fn)
	case *MethodDecl:
		if s.Type.Name != "" {
			Walk(&s.Type, fn)
		}
		for i := range s.Params {
			Walk(&s.Params[i], fn)
		}
		walkStmts(s.Body, fn)
	}
}

func walkExpr(x Expr, fn func(Node) bool) {
	switch x := x.(type) {
	case *Mnemonic:
		walkExprs(x.Args, fn)
	case *UnaryExpr:
		Walk(x.X, fn)
	case *BinaryExpr:
		Walk(x.X, fn)
		Walk(x.Y, fn)
	case *ParenExpr:
		Walk(x.X, fn)
	case *CallExpr:
		Walk(x.Fun, fn)
		walkExprs(x.Args, fn)
	case *IndexExpr:
		Walk(x.X, fn)
		walkExprs(x.Args, fn)
	case *MemberExpr:
		Walk(x.X, fn)
	case *NewExpr:
		Walk(&x.Type, fn)
		walkExprs(x.Args, fn)
	case *ColonExpr:
		Walk(x.X, fn)
		Walk(x.Y, fn)
	case *VerifyExpr:
		Walk(x.X, fn)
		walkExprs(x.Rules, fn)
	case *Branch:
		Walk(x.Value, fn)
		Walk(x.Target, fn)
	case *Option:
		Walk(x.Value, fn)
	}
}

func walkStmts(list []Stmt, fn func(Node) bool) {
	for _, s := range list {
		Walk(s, fn)
	}
}

func walkExprs(list []Expr, fn func(Node) bool) {
	for _, x := range list {
		walkOpt(x, fn)
	}
}

func walkOpt(x Expr, fn func(Node) bool) {
	if x != nil {
		Walk(x, fn)
	}
}

func walkTypes(list []TypeRef, fn func(Node) bool) {
	for i := range list {
		Walk(&list[i], fn)
	}
}
