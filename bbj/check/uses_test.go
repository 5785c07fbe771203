package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bbjtune/bbj/check"
	"bbjtune/bbj/syntax"
)

// used lists "kind class.name", sorted, each once.
func used(src string) []string {
	var list []string
	for _, u := range check.Uses(syntax.Parse([]byte(src))) {
		name := u.Name
		if u.Kind == check.UseMethod {
			name = u.Class + "." + u.Name
		}
		list = append(list, fmt.Sprintf("%s %s", u.Kind, name))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestUses(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"verbs and functions", "rem x\nopen (1)\"f\"\nread record (1,err=*next)r$\nprint str(5),cvs(a$,3),a$(1,2)",
			"function CVS,function STR,verb OPEN,verb PRINT,verb READ,verb REM"},
		{"a chain of calls", "sysgui!=BBjAPI().openSysGui(\"X0\")\nw!=sysgui!.addWindow(1,1,1,1,\"\")\nb!=w!.addButton(1,\"x\")\nb!.setText(\"y\")\nb!.setCallback(b!.ON_BUTTON_PUSH,\"x\")",
			"class BBjAPI,class BBjButton,class BBjSysGui,class BBjTopLevelWindow,event ON_BUTTON_PUSH,function BBJAPI," +
				"method BBjAPI.openSysGui,method BBjControl.setCallback,method BBjControl.setText,method BBjSysGui.addWindow,method BBjWindow.addButton,verb LET"},
		{"an object of unknown class", "x!=y!\nx!.addbutton(1,\"x\")\nx!.noSuchMethod()", "method .addButton,verb LET"},
		{"a class that is named", "declare BBjGrid g!\ng!.getCellText(1,1)", "class BBjGrid,method BBjGrid.getCellText"},
		{"classes of the program", "class public BBjGrid\nmethod public void addButton()\nmethodend\nclassend\ndeclare BBjGrid g!\ng!.addButton()\n#addButton()",
			"verb CLASS,verb CLASSEND,verb METHOD,verb METHODEND"},
		{"an interface has no METHODEND", "interface public I\nmethod public void f()\ninterfaceend", "verb INTERFACE,verb INTERFACEEND,verb METHOD"},
		{"classes from elsewhere", "use ::x.bbj::BBjGrid\nuse java.util.ArrayList\na!=new ArrayList()\na!.add(1)", "method .add,verb LET,verb USE"},
		{"a broken program", "x++\nprint 1", "verb PRINT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(used(c.src), ","); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestUsesSayWhere(t *testing.T) {
	src := "rem x\nprint  str(5)"
	for _, u := range check.Uses(syntax.Parse([]byte(src))) {
		if u.Kind == check.UseFunction && src[u.At.Start:u.At.End] != "str(5)" {
			t.Errorf("STR is said to be at %q", src[u.At.Start:u.At.End])
		}
	}
}
