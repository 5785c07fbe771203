// Package parser documents what package syntax reports while it reads. The code
// of these rules is the parser, so there is one table of them and no folder each.
package parser

import (
	"strings"

	"bbjtune/bbj/check/internal/analysis"
	"bbjtune/bbj/diag"
	"bbjtune/bbj/syntax"
)

// Rules are the rules of the parser, in no order.
var Rules = []analysis.Rule{
	rule(syntax.CodeUnexpected, "text that no form of the language allows there",
		"the compiler cannot read the statement", 2,
		"a=1\nb=(a+2\nprint b\n", "a=1\nb=(a+2)\nprint b\n"),
	rule(syntax.CodeString, "string without a closing quote",
		"a string ends on its line; a longer one is joined with + or continued by a line that starts with a colon", 1,
		"print \"hello\nprint \"x\"\n", "print \"hello\"\nprint \"x\"\n"),
	rule(syntax.CodeCharacter, "character that means nothing outside strings and remarks",
		"often a typographic quote or a control character that came in by copying", 1,
		"print \u201chello\u201d\n", "print \"hello\"\n"),
	rule(syntax.CodeTokenised, "tokenised program instead of source text",
		"a file that starts with <<bbj>> holds the compiled form", 1,
		"<<bbj>>\x01\x02\n", "print \"x\"\n"),
	rule(syntax.CodeTooDeep, "expression nested too deeply",
		"hundreds of parentheses are a mistake of a generator", 1,
		"x="+strings.Repeat("(", 500)+"1"+strings.Repeat(")", 500)+"\n", "x=((1))\n"),
	rule(syntax.CodeUnknownVerb, "statement that starts with no verb",
		"a statement is a verb, an assignment or a call of a method", 1,
		"pritn \"hello\"\n", "print \"hello\"\n"),
	rule(syntax.CodeBareExpr, "expression that stands alone as a statement",
		"only the call of a method may stand alone; the value of a function must go somewhere", 2,
		"a$=\"abc\"\nlen(a$)\n", "a$=\"abc\"\nn=len(a$)\n"),
	rule(syntax.CodeComment, "comment of another language",
		"BBj has one comment, REM, and it needs a ; before it after a statement", 1,
		"// add up\nx=1\n", "rem add up\nx=1\n"),
	rule(syntax.CodeOperator, "operator of another language",
		"BBj has neither ++ nor +=, compares with = and <>, and joins conditions with AND and OR", 2,
		"x=1\nx += 1\n", "x=1\nx = x + 1\n"),
	rule(syntax.CodeBrace, "braces around a block",
		"a block ends with the word that belongs to its first line", 1,
		"if x=1 {\nprint x\n}\n", "if x=1 then\nprint x\nendif\n"),
	rule(syntax.CodeBlockEnd, "end of a block in two words, or in the words of another language",
		"END ends the program; blocks end with ENDIF, WEND, NEXT, SWEND, METHODEND and CLASSEND", 3,
		"if x=1 then\nprint x\nend if\n", "if x=1 then\nprint x\nendif\n"),
	rule(syntax.CodeDeclaration, "declaration of another language",
		"a variable exists once it is assigned; the suffix of its name gives its kind", 1,
		"dim name as string\n", "name$=\"\"\n"),
	rule(syntax.CodeFunction, "function or procedure of another language",
		"BBj has DEF FN, methods in classes, and labels for GOSUB", 1,
		"function total(a, b)\n", "def fntotal(a,b)=a+b\n"),
	rule(syntax.CodeException, "TRY and CATCH",
		"BBj branches on errors: ERR=label at a statement, or SETERR for all that follow", 1,
		"try\nopen (1)\"x\"\n", "open (1,err=failed)\"x\"\nfailed:\n"),
	rule(syntax.CodeLoop, "loop of another language",
		"BBj has FOR … NEXT, WHILE … WEND and REPEAT … UNTIL", 1,
		"for each x! in list!\n", "for i=0 to list!.size()-1\nx!=list!.get(i)\nnext i\n"),
	rule(syntax.CodeTernary, "the operator ? :",
		"IFF(condition,a,b) chooses between two values", 1,
		"x = a > b ? a : b\n", "x = iff(a > b,a,b)\n"),
	rule(syntax.CodeLambda, "function without a name",
		"a callback is a label, or a method given by object and name", 1,
		"f! = (x) -> x + 1\n", "def fnf(x)=x+1\n"),
	rule(syntax.CodeForeignString, "string in other quotes, or with backslashes",
		"strings stand in double quotes, a quote in them is doubled, and single quotes hold mnemonics", 1,
		"print 'hello world'\n", "print \"hello world\"\n"),
	rule(syntax.CodeArrayLiteral, "list of values in brackets",
		"an array is made with DIM and filled element by element", 1,
		"a! = [1, 2, 3]\n", "dim a[2]\na[0]=1\na[1]=2\na[2]=3\n"),
	rule(syntax.CodeParentheses, "function called without parentheses",
		"MSGBOX and its like are functions: they take parentheses and give a value", 1,
		"msgbox \"saved\"\n", "x=msgbox(\"saved\")\n"),
	rule(syntax.CodeTrailingRem, "REM after a statement without a semicolon",
		"REM is a statement of its own", 1,
		"x=1 rem one\n", "x=1; rem one\n"),
	rule(syntax.CodeClass, "statement out of place in a class, or a class not closed",
		"a CLASS holds FIELD and METHOD; statements stand in methods, and methods in classes", 1,
		"method public void run()\n", "class public A\nmethod public void run()\nmethodend\nclassend\n"),
	rule(syntax.CodeImport, "import of another language",
		"USE names a class; CALL runs a program", 1,
		"import java.util.HashMap\n", "use java.util.HashMap\n"),
	rule(syntax.CodeTarget, "value that cannot be assigned to",
		"the left side of = is a variable, an element, a substring or a field", 1,
		"p$[]=\"a\"\n", "dim p$[1]\np$[0]=\"a\"\n"),
	rule(syntax.CodeLineNumber, "line number out of range",
		"line numbers run from 0 to 65534", 1,
		"70000 print \"x\"\n", "7000 print \"x\"\n"),
	rule(syntax.CodeReserved, "reserved word as a name",
		"a few words can name neither a variable nor a label", 1,
		"from=1\n", "first=1\n"),
}

func rule(code, title, why string, line int, bad, good string) analysis.Rule {
	return analysis.Rule{Code: code, Name: syntax.CodeName(code), Family: diag.Syntax, Severity: diag.Error,
		Title: title, Why: why, Bad: bad, BadLine: line, Good: good}
}
