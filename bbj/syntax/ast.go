package syntax

import "bbjtune/bbj/diag"

// Range is a half-open range of byte offsets in the source text.
type Range struct{ Start, End int32 }

// Span returns the range itself; every node embeds a Range and so is a [Node].
func (r Range) Span() Range { return r }

// Node is any part of the tree.
type Node interface {
	// Span returns where the node stands in the source text.
	Span() Range
}

// Stmt is a statement. Block statements are not nested: IF, ELSE and ENDIF are
// three statements of one list, since the compiler itself does not nest them.
// Only a CLASS or INTERFACE holds members, and a METHOD its body.
type Stmt interface {
	Node
	// Verb returns the word the statement is made of: [LET] for an assignment
	// with or without the word, [NoWord] for a label, a line number, a method
	// call and a statement that could not be read.
	Verb() Word
	stmt()
}

// Expr is an expression or another item of an argument list.
type Expr interface {
	Node
	expr()
}

// Program is the tree of one source text.
type Program struct {
	// Src is the text. Names and literals in the tree point into it, so it must
	// not be changed while the tree is in use.
	Src []byte
	// Stmts holds the statements in the order of the text.
	Stmts []Stmt
	// Errors holds what the parser rejects: sorted, at most one a physical line,
	// all of the syntax family.
	Errors []diag.Diagnostic

	lines []int32 // offset of the first byte of each physical line
}

// Statements.
type (
	// LineNumber is the number before a numbered line.
	LineNumber struct {
		Range
		Number int
	}

	// LabelStmt is `name:`.
	LabelStmt struct {
		Range
		Name Ident
	}

	// RemStmt is a remark, from REM to the end of the line.
	RemStmt struct{ Range }

	// BadStmt is a statement that could not be read; Program.Errors says why.
	BadStmt struct{ Range }

	// LetStmt is `{LET} target=value{,target=value}`.
	LetStmt struct {
		Range
		Let     bool // the word LET is written
		Assigns []Assign
	}

	// ExprStmt is a call of a method as a statement. Any other expression is
	// reported by the parser and kept here.
	ExprStmt struct {
		Range
		X Expr
	}

	// IfStmt is `IF cond {THEN}`. The statements it guards follow in the list.
	IfStmt struct {
		Range
		Cond Expr
		Then bool // the word THEN is written
		// OneLine reports that a statement follows on the same line, so that the
		// end of the line ends the IF.
		OneLine bool
	}

	// ForStmt is `FOR var=from TO to {STEP step}`.
	ForStmt struct {
		Range
		Var            Expr
		From, To, Step Expr // Step may be nil
	}

	// CaseStmt is `CASE expr` or `CASE DEFAULT`.
	CaseStmt struct {
		Range
		Default bool
		X       Expr // nil for CASE DEFAULT
	}

	// OnStmt is `ON expr GOTO|GOSUB target,target…`.
	OnStmt struct {
		Range
		Jump    Word // GOTO or GOSUB
		X       Expr
		Targets []Expr
	}

	// DefStmt is `DEF FNx(params)` with the expression, or, where Value is nil,
	// the head of a function that RETURN and FNEND end.
	DefStmt struct {
		Range
		Name   Ident
		Params []Ident
		Value  Expr
	}

	// UseStmt is `USE type`.
	UseStmt struct {
		Range
		Type TypeRef
	}

	// DeclareStmt is `DECLARE {AUTO} type name`.
	DeclareStmt struct {
		Range
		Auto bool
		Type TypeRef
		Name Ident
	}

	// VerbStmt is any other verb: PRINT, READ, OPEN, GOTO, CALL, ENDIF …
	VerbStmt struct {
		Range
		Word   Word
		Record bool // READ RECORD and the like, in one word or two
		Parens bool // Chan was written, perhaps empty
		Comma  bool // the list ends with a comma, which keeps the line
		// Chan is what stands in parentheses straight after the verb: the channel
		// and its options, or all of the arguments of CLOSE, CALLBACK …
		Chan []Expr
		// Args is the list after it: expressions, *Option, *LabelRef, *Colon …
		Args []Expr
	}

	// ClassDecl is CLASS … CLASSEND or INTERFACE … INTERFACEEND.
	ClassDecl struct {
		Range
		Head       Range // the first line, without the members
		Interface  bool
		Static     bool
		Visibility Word // PUBLIC, PRIVATE, PROTECTED or NoWord
		Name       Ident
		Extends    []TypeRef
		Implements []TypeRef
		// Members holds *FieldDecl, *MethodDecl and what else stands between
		// them, remarks for example.
		Members []Stmt
	}

	// FieldDecl is a FIELD of a class.
	FieldDecl struct {
		Range
		Static     bool
		Visibility Word
		Type       TypeRef
		Name       Ident
		Value      Expr // nil where there is none
	}

	// MethodDecl is METHOD … METHODEND, or one line in an interface.
	MethodDecl struct {
		Range
		Head       Range // the first line
		Static     bool
		Visibility Word
		Type       TypeRef // Name is empty for a constructor
		Name       Ident
		Params     []Param
		Abstract   bool // a line in an interface: no body and no METHODEND
		Body       []Stmt
	}
)

// Assign is one `target=value`.
type Assign struct {
	Range
	Target, Value Expr
}

// Param is a parameter of a method.
type Param struct {
	Range
	Type TypeRef
	Name Ident
	// Array reports `name[all]` or `name[]`.
	Array bool
}

// TypeRef names a type: `String`, `java.util.List`, `Name@`,
// `::path/file.bbj::Name`, each perhaps with `[]`.
type TypeRef struct {
	Range
	Path string // between the double colons, or empty
	Name string // with dots and a trailing @ as written; empty if there is none
	Dims int    // how many []
}

// Expressions.
type (
	// Ident is a name with its suffix.
	Ident struct {
		Range
		Name string // as written
	}

	// NumberLit is a number as written.
	NumberLit struct {
		Range
		Raw string
	}

	// StringLit is a string; Raw includes the quotes. See [StringLit.Value].
	StringLit struct {
		Range
		Raw string
	}

	// HexLit is $0D0A$; Raw includes the dollar signs.
	HexLit struct {
		Range
		Raw string
	}

	// Mnemonic is 'CS' or 'BOX'(1,2,3,4); @(x,y) has the name "@".
	Mnemonic struct {
		Range
		Name string // without the quotes
		Args []Expr
	}

	// UnaryExpr is -x, +x or !x.
	UnaryExpr struct {
		Range
		Op Op
		X  Expr
	}

	// BinaryExpr is x op y.
	BinaryExpr struct {
		Range
		Op   Op
		X, Y Expr
	}

	// ParenExpr is (x).
	ParenExpr struct {
		Range
		X Expr
	}

	// CallExpr is fun(args): a function when Fun is an *Ident, a method when it
	// is a *MemberExpr or a *HashExpr, and a substring when it is a value, for
	// example a name that ends in $. See [CallExpr.Method].
	CallExpr struct {
		Range
		Fun  Expr
		Args []Expr
	}

	// IndexExpr is x[args], x[all] or x[].
	IndexExpr struct {
		Range
		X    Expr
		All  bool
		Args []Expr
	}

	// MemberExpr is x.name: a method, a field, or a field of a template.
	MemberExpr struct {
		Range
		X    Expr
		Name Ident
	}

	// HashExpr is #name: a field, a method, #this! or #super!.
	HashExpr struct {
		Range
		Name Ident // without the #
	}

	// NewExpr is `new type(args)`, or `new type[args]` when Array is set.
	NewExpr struct {
		Range
		Type  TypeRef
		Array bool
		Args  []Expr
	}

	// TypeExpr is a type where a value may stand: the ::path::Name of a static
	// call, or the first argument of CAST.
	TypeExpr struct{ TypeRef }

	// ColonExpr is x:y, the mask of STR and PRINT, the template of DIM, the
	// bounds of an index.
	ColonExpr struct {
		Range
		X, Y Expr
	}

	// VerifyExpr is x:(…) in the list of an INPUT.
	VerifyExpr struct {
		Range
		X     Expr
		Rules []Expr // *Branch, *Option, and numbers
	}

	// Branch is `value=label` in a VerifyExpr.
	Branch struct {
		Range
		Value  Expr
		Target Expr
	}

	// Option is `name=value` in an argument list. Where the name asks for a
	// label (ERR, END, DOM, IOL, TBL) Value is a *LabelRef when it can be one.
	Option struct {
		Range
		Name  Ident
		Value Expr
	}

	// LabelRef is a label, a line number, or a symbolic label, which starts
	// with *.
	LabelRef struct {
		Range
		Name string // as written, "*next" without blanks
	}

	// StarExpr is the * of READ and INPUT lists.
	StarExpr struct{ Range }

	// BadExpr is an expression that could not be read or is absent.
	BadExpr struct{ Range }
)

// Op is an operator.
type Op uint8

// The operators.
const (
	NoOp Op = iota
	Add
	Sub
	Mul
	Div
	Pow // ^ and **
	Eq
	Ne
	Lt
	Le // also =<
	Gt
	Ge // also =>
	And
	Or
	Not // !x
)

var opNames = [...]string{"", "+", "-", "*", "/", "^", "=", "<>", "<", "<=", ">", ">=", "AND", "OR", "!"}

// String returns the operator as BBj writes it.
func (o Op) String() string { return opNames[o] }

// Method returns the name of the method that the call calls and the receiver,
// which is nil for #name(…). ok is false for functions and substrings.
func (c *CallExpr) Method() (receiver Expr, name Ident, ok bool) {
	switch f := c.Fun.(type) {
	case *MemberExpr:
		return f.X, f.Name, true
	case *HashExpr:
		return nil, f.Name, true
	}
	return nil, Ident{}, false
}

// Function returns the name of the function that the call calls. ok is false
// for methods and for names that can only be substrings, as in a$(1,2).
func (c *CallExpr) Function() (name Ident, ok bool) {
	id, isName := c.Fun.(*Ident)
	if !isName {
		return Ident{}, false
	}
	return *id, id.Suffix() == 0 || id.IsFN()
}

// Suffix returns the last byte of the name if it is $, %, ! or @, else 0.
func (n Ident) Suffix() byte {
	if len(n.Name) == 0 {
		return 0
	}
	switch c := n.Name[len(n.Name)-1]; c {
	case '$', '%', '!', '@':
		return c
	}
	return 0
}

// IsFN reports whether the name is one that DEF defines: it starts with FN.
func (n Ident) IsFN() bool {
	return len(n.Name) > 2 && n.Name[0]|0x20 == 'f' && n.Name[1]|0x20 == 'n'
}

// Symbolic reports whether the label is one such as *NEXT.
func (l *LabelRef) Symbolic() bool { return len(l.Name) > 0 && l.Name[0] == '*' }

// Numeric reports whether the label is a line number.
func (l *LabelRef) Numeric() bool { return len(l.Name) > 0 && l.Name[0]-'0' <= 9 }

// Value returns the text of the string: without quotes, doubled quotes made
// single, and joined where a line continues it.
func (s *StringLit) Value() string {
	raw := s.Raw
	if len(raw) > 0 && raw[0] == '"' {
		raw = raw[1:]
	}
	if len(raw) > 0 && raw[len(raw)-1] == '"' {
		raw = raw[:len(raw)-1]
	}
	return unquote(raw)
}

func (*LineNumber) stmt()  {}
func (*LabelStmt) stmt()   {}
func (*RemStmt) stmt()     {}
func (*BadStmt) stmt()     {}
func (*LetStmt) stmt()     {}
func (*ExprStmt) stmt()    {}
func (*IfStmt) stmt()      {}
func (*ForStmt) stmt()     {}
func (*CaseStmt) stmt()    {}
func (*OnStmt) stmt()      {}
func (*DefStmt) stmt()     {}
func (*UseStmt) stmt()     {}
func (*DeclareStmt) stmt() {}
func (*VerbStmt) stmt()    {}
func (*ClassDecl) stmt()   {}
func (*FieldDecl) stmt()   {}
func (*MethodDecl) stmt()  {}

// Verb implements [Stmt].
func (*LineNumber) Verb() Word  { return NoWord }
func (*LabelStmt) Verb() Word   { return NoWord }
func (*RemStmt) Verb() Word     { return REM }
func (*BadStmt) Verb() Word     { return NoWord }
func (*LetStmt) Verb() Word     { return LET }
func (*ExprStmt) Verb() Word    { return NoWord }
func (*IfStmt) Verb() Word      { return IF }
func (*ForStmt) Verb() Word     { return FOR }
func (*CaseStmt) Verb() Word    { return CASE }
func (*OnStmt) Verb() Word      { return ON }
func (*DefStmt) Verb() Word     { return DEF }
func (*UseStmt) Verb() Word     { return USE }
func (*DeclareStmt) Verb() Word { return DECLARE }
func (s *VerbStmt) Verb() Word  { return s.Word }
func (*FieldDecl) Verb() Word   { return FIELD }
func (*MethodDecl) Verb() Word  { return METHOD }

// Verb implements [Stmt].
func (c *ClassDecl) Verb() Word {
	if c.Interface {
		return INTERFACE
	}
	return CLASS
}

func (*Ident) expr()      {}
func (*NumberLit) expr()  {}
func (*StringLit) expr()  {}
func (*HexLit) expr()     {}
func (*Mnemonic) expr()   {}
func (*UnaryExpr) expr()  {}
func (*BinaryExpr) expr() {}
func (*ParenExpr) expr()  {}
func (*CallExpr) expr()   {}
func (*IndexExpr) expr()  {}
func (*MemberExpr) expr() {}
func (*HashExpr) expr()   {}
func (*NewExpr) expr()    {}
func (*TypeExpr) expr()   {}
func (*ColonExpr) expr()  {}
func (*VerifyExpr) expr() {}
func (*Branch) expr()     {}
func (*Option) expr()     {}
func (*LabelRef) expr()   {}
func (*StarExpr) expr()   {}
func (*BadExpr) expr()    {}
