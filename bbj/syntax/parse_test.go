package syntax

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bbjtune/bbj/diag"
)

// seeds returns the programs of the test data.
func seeds(tb testing.TB) []string {
	tb.Helper()
	var out []string
	for _, kind := range []string{"valid", "invalid"} {
		files, err := filepath.Glob("../testdata/" + kind + "/*.bbj")
		if err != nil || len(files) == 0 {
			tb.Fatalf("no %s programs: %v", kind, err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				tb.Fatal(err)
			}
			out = append(out, string(src))
		}
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, src := range seeds(f) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) { checkTree(t, Parse([]byte(src)), len(src)) })
}

// checkTree fails where a node or a finding lies outside the source, or a line
// has two findings.
func checkTree(t *testing.T, prog *Program, size int) {
	t.Helper()
	prog.Walk(func(n Node) bool {
		r := n.Span()
		if r.Start < 0 || r.End < r.Start || int(r.End) > size {
			t.Fatalf("%T at %d..%d of %d", n, r.Start, r.End, size)
		}
		return true
	})
	last := diag.Pos{}
	for _, e := range prog.Errors {
		s := e.Span
		if s.Start.Offset < 0 || s.End.Offset < s.Start.Offset || s.End.Offset > size {
			t.Fatalf("finding at %d..%d of %d", s.Start.Offset, s.End.Offset, size)
		}
		if s.Start.Line <= last.Line {
			t.Fatalf("finding on line %d after one on line %d", s.Start.Line, last.Line)
		}
		if e.Name == "" || e.Message == "" || e.Family != diag.Syntax {
			t.Fatalf("incomplete finding %+v", e)
		}
		last = s.Start
	}
}

// sexpr prints an expression with all its parentheses.
func sexpr(x Node) string {
	switch x := x.(type) {
	case *Ident:
		return x.Name
	case *NumberLit:
		return x.Raw
	case *StringLit:
		return x.Raw
	case *HexLit:
		return x.Raw
	case *Mnemonic:
		return "'" + x.Name + "'" + sexprs(x.Args)
	case *UnaryExpr:
		return "(" + x.Op.String() + sexpr(x.X) + ")"
	case *BinaryExpr:
		return "(" + sexpr(x.X) + x.Op.String() + sexpr(x.Y) + ")"
	case *ParenExpr:
		return sexpr(x.X)
	case *CallExpr:
		return sexpr(x.Fun) + sexprs(x.Args)
	case *IndexExpr:
		if x.All {
			return sexpr(x.X) + "[ALL]"
		}
		return sexpr(x.X) + "[" + sexprs(x.Args) + "]"
	case *MemberExpr:
		return sexpr(x.X) + "." + x.Name.Name
	case *HashExpr:
		return "#" + x.Name.Name
	case *NewExpr:
		return fmt.Sprintf("new<%s|%s>%s", x.Type.Path, x.Type.Name, sexprs(x.Args))
	case *TypeExpr:
		return fmt.Sprintf("type<%s|%s>", x.Path, x.Name)
	case *ColonExpr:
		return sexpr(x.X) + ":" + sexpr(x.Y)
	case *VerifyExpr:
		return sexpr(x.X) + ":verify" + sexprs(x.Rules)
	case *Branch:
		return sexpr(x.Value) + "->" + sexpr(x.Target)
	case *Option:
		return x.Name.Name + ":=" + sexpr(x.Value)
	case *LabelRef:
		return "@" + x.Name
	case *StarExpr:
		return "*"
	case *BadExpr:
		return "bad"
	}
	return fmt.Sprintf("%T", x)
}

func sexprs(list []Expr) string {
	var out []string
	for _, x := range list {
		out = append(out, sexpr(x))
	}
	return "(" + strings.Join(out, ",") + ")"
}

func TestExpressions(t *testing.T) {
	tests := []struct{ src, want string }{
		{"1+2*3", "(1+(2*3))"},
		{"1-2-3", "((1-2)-3)"},
		{"2^3^2", "((2^3)^2)"},
		{"-a*b", "((-a)*b)"},
		{"a=b or c<>d and e", "((a=b)OR((c<>d)ANDe))"},
		{"a=b=c", "((a=b)=c)"},
		{"!a.b()", "(!a.b())"},
		{"a$(1,2)(3)", "a$(1,2)(3)"},
		{"a[1,2](3,4)", "a[(1,2)](3,4)"},
		{"x![all]", "x![ALL]"},
		{"rec.name$(1)", "rec.name$(1)"},
		{"o!.get(1).size()", "o!.get(1).size()"},
		{"o!.get(k$,err=*next)", "o!.get(k$,err:=@*next)"},
		{"#m(err=*next)", "#m(err:=@*next)"},
		{"#this!.f", "#this!.f"},
		{"str(n:\"0\")", `str(n:"0")`},
		{"pos(\"A\"=b$,2)", `pos(("A"=b$),2)`},
		{"iff(err=5,a,b)", "iff((err=5),a,b)"},
		{"new Foo(a)", "new<|Foo>(a)"},
		{"new ::f.bbj::Foo()", "new<f.bbj|Foo>()"},
		{"new java.io.File@(\"x\")", `new<|java.io.File@>("x")`},
		{"::f.bbj::Foo.bar(1)", "type<f.bbj|Foo>.bar(1)"},
		{"cast(java.util.List,a!).size()", "cast(type<|java.util.List>,a!).size()"},
		{"'BOX'(1,2)+@(3,4)", "('BOX'(1,2)+'@'(3,4))"},
		{"num(a$,err=bad)", "num(a$,err:=@bad)"},
	}
	for _, tt := range tests {
		prog := Parse([]byte("zz=" + tt.src + "\nbad: end\n"))
		if len(prog.Errors) > 0 {
			t.Errorf("%s: %s", tt.src, prog.Errors[0].Message)
			continue
		}
		x := prog.Stmts[0].(*LetStmt).Assigns[0].Value
		if got := sexpr(x); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.src, got, tt.want)
		}
		if r := x.Span(); string(prog.Src[r.Start:r.End]) != tt.src {
			t.Errorf("%s: spans %q", tt.src, prog.Src[r.Start:r.End])
		}
	}
}

func TestVerbLists(t *testing.T) {
	tests := []struct{ src, want string }{
		{"read record(1,key=k$,end=lab)a$,*", "READ record (1,key:=k$,end:=@lab) (a$,*)"},
		{"print (1)a,b:\"#\",", `PRINT (1) (a,b:"#") comma`},
		{"print (a+b)*2", "PRINT (((a+b)*2))"},
		{"print (1)-2", "PRINT (1) ((-2))"},
		{"print (1)*,a", "PRINT (1) (*,a)"},
		{"input n$:(\"Y\"=lab,len=1,5)", `INPUT (n$:verify("Y"->@lab,len:=1,5))`},
		{"goto lab", "GOTO (@lab)"},
		{"seterr 0", "SETERR (@0)"},
		{"call \"p\",err=*next,a[all]", `CALL ("p",err:=@*next,a[ALL])`},
		{"close (1)", "CLOSE (1)"},
		{"dim a[1:n],t$:tpl$", "DIM (a[(1:n)],t$:tpl$)"},
		{"table ff 00", "TABLE (ff 00)"},
		{"? a", "PRINT (a)"},
		{"extract (1)iol=lab", "EXTRACT (1) (iol:=@lab)"},
	}
	for _, tt := range tests {
		prog := Parse([]byte(tt.src + "\nlab: end\n"))
		if len(prog.Errors) > 0 {
			t.Errorf("%s: %s", tt.src, prog.Errors[0].Message)
			continue
		}
		v := prog.Stmts[0].(*VerbStmt)
		got := v.Word.String()
		if v.Record {
			got += " record"
		}
		if v.Parens {
			got += " " + sexprs(v.Chan)
		}
		if len(v.Args) > 0 {
			got += " " + sexprs(v.Args)
		}
		if v.Comma {
			got += " comma"
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.src, got, tt.want)
		}
	}
}

func TestClassTree(t *testing.T) {
	prog := Parse([]byte(`class public A extends ::b.bbj::B implements C, d.E
  field private static BBjNumber n=1
  method public void run(BBjString a$[all], C[] b!)
    print a$[0]
  methodend
  method protected A()
  methodend
classend
print "after"
`))
	if len(prog.Errors) > 0 {
		t.Fatal(prog.Errors)
	}
	c := prog.Stmts[0].(*ClassDecl)
	if c.Name.Name != "A" || c.Visibility != PUBLIC || c.Extends[0].Path != "b.bbj" || c.Implements[1].Name != "d.E" {
		t.Errorf("class %+v", c)
	}
	f := c.Members[0].(*FieldDecl)
	if f.Name.Name != "n" || !f.Static || f.Visibility != PRIVATE || f.Type.Name != "BBjNumber" || f.Value == nil {
		t.Errorf("field %+v", f)
	}
	m := c.Members[1].(*MethodDecl)
	if m.Name.Name != "run" || m.Type.Name != "void" || len(m.Params) != 2 || !m.Params[0].Array || m.Params[1].Type.Dims != 1 || len(m.Body) != 1 {
		t.Errorf("method %+v", m)
	}
	if k := c.Members[2].(*MethodDecl); k.Name.Name != "A" || k.Type.Name != "" {
		t.Errorf("constructor %+v", k)
	}
	if len(prog.Stmts) != 2 {
		t.Errorf("%d statements", len(prog.Stmts))
	}
}

func TestStringValues(t *testing.T) {
	tests := map[string]string{
		`"plain"`:         "plain",
		`""`:              "",
		`"a""b"`:          `a"b`,
		`"c:\temp\"`:      `c:\temp\`,
		"\"a\n:b\"":       "ab",
		"\"a\r\n0010:b\"": "ab",
		`"""quoted"""`:    `"quoted"`,
		"\"Gr\xfc\xdfe\"": "Gr\xfc\xdfe",
	}
	for raw, want := range tests {
		prog := Parse([]byte("x$=" + raw + "\n"))
		if len(prog.Errors) > 0 {
			t.Errorf("%s: %s", raw, prog.Errors[0].Message)
			continue
		}
		if got := prog.Stmts[0].(*LetStmt).Assigns[0].Value.(*StringLit).Value(); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func TestErrorsHaveExactPlaces(t *testing.T) {
	tests := []struct {
		name, src       string
		line, col, ecol int
	}{
		{"first column", "pritn \"x\"\n", 1, 1, 6},
		{"after a byte order mark", "\xef\xbb\xbfx += 1\n", 1, 6, 8},
		{"with CRLF", "x=1\r\ny == 2\r\n", 2, 3, 5},
		{"on a continued line", "x=1+\n:  2 == 3\n", 2, 6, 8},
		{"end of the line", "x=(1\ny=2\n", 1, 5, 5},
		{"end of the file", "x=(1", 1, 5, 5},
		{"after Latin-1", "a$=\"\xfc\" // x\n", 1, 8, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			prog := Parse([]byte(tt.src))
			if len(prog.Errors) != 1 {
				t.Fatalf("findings: %+v", prog.Errors)
			}
			s := prog.Errors[0].Span
			if s.Start.Line != tt.line || s.Start.Col != tt.col || s.End.Col != tt.ecol || s.End.Line != tt.line {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestThreeFaultsAreThreeFindings(t *testing.T) {
	prog := Parse([]byte("x += 1\na=1\nprint 'a b'; b=2\nc=3\nif x {\n"))
	if len(prog.Errors) != 3 {
		t.Fatalf("%d findings: %+v", len(prog.Errors), prog.Errors)
	}
	names := map[string]bool{}
	prog.Walk(func(n Node) bool {
		if a, ok := n.(*Assign); ok {
			names[sexpr(a.Target)] = true
		}
		return true
	})
	for _, want := range []string{"a", "b", "c"} {
		if !names[want] {
			t.Errorf("the assignment to %s is lost", want)
		}
	}
}

// Hostile sources give an answer and never a crash.
func TestHostileSources(t *testing.T) {
	big := 200_000
	tests := map[string]string{
		"parentheses":      "x=" + strings.Repeat("(", big) + "\n",
		"brackets":         "x=a" + strings.Repeat("[a", big) + "\n",
		"calls":            "x=" + strings.Repeat("a(", big) + "\n",
		"signs":            "x=" + strings.Repeat("-", big) + "1\n",
		"sum":              "x=1" + strings.Repeat("+1", big) + "\n",
		"members":          "x=a" + strings.Repeat(".b", big) + "()\n",
		"substrings":       "x=a$" + strings.Repeat("(1)", big) + "\n",
		"powers":           "x=2" + strings.Repeat("^2", big) + "\n",
		"masks":            "print a" + strings.Repeat(":a", big) + "\n",
		"arguments":        "x=max(1" + strings.Repeat(",1", big) + ")\n",
		"statements":       strings.Repeat("a=1;", big) + "\n",
		"labels":           strings.Repeat("a:", big) + "\n",
		"ifs":              strings.Repeat("if a then ", big) + "\n",
		"quotes":           strings.Repeat("\"", big+1) + "\n",
		"nul":              strings.Repeat("\x00", 1000),
		"all bytes":        allBytes(),
		"only a colon":     ":",
		"continuations":    strings.Repeat("\n:", big),
		"classes":          strings.Repeat("class public a\nmethod public a()\n", 1000),
		"comment not done": "/* " + strings.Repeat("x", 1000),
		"let alone":        "let ",
		"star at the end":  "x=1+2*\nx=(1+2*,3)\nx=1+2*;y=1-2*",
		"tokenised":        "<<bbj>>\x00\x01",
		"empty":            "",
	}
	for name, src := range tests {
		t.Run(name, func(t *testing.T) { checkTree(t, Parse([]byte(src)), len(src)) })
	}
}

func allBytes() string {
	var b strings.Builder
	for c := range 256 {
		b.WriteByte(byte(c))
		b.WriteString(" x\n")
	}
	return b.String()
}
