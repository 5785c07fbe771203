// Package syntax reads BBj source text into a tree. It knows the lexical rules
// and the forms of the language: every verb with its lists and options, classes
// and methods, templates, mnemonics, and how lines continue; and it names what
// programs hold by mistake from other languages.
//
// It must not know which functions, classes or methods exist, files, or how a
// finding is printed. What needs the whole program (labels, functions, types)
// is judged by package check.
//
// [Parse] always returns a tree. After an error it goes on with the next
// statement, and it reports at most one error for each physical line.
//
//	prog := syntax.Parse(src)
//	for _, e := range prog.Errors {
//		fmt.Println(e.Span.Start.Line, e.Message)
//	}
//	prog.Walk(func(n syntax.Node) bool {
//		if call, ok := n.(*syntax.CallExpr); ok {
//			if _, name, ok := call.Method(); ok {
//				fmt.Println("calls", name.Name)
//			}
//		}
//		return true
//	})
package syntax
