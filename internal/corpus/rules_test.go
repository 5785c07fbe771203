package corpus

import (
	"strings"
	"testing"
)

// What is taken out stands in lines that begin with "- ".
func TestWithoutLicence(t *testing.T) {
	cases := map[string]string{
		"none":                             "rem print a list\n\nprint 1\n",
		"a notice beside the purpose":      "rem --- print a list\n- rem --- Copyright Example Ltd.  All Rights Reserved.\n- rem --- All Rights Reserved\n\nprint 1\n",
		"nothing else":                     "- rem Copyright (C) 2020 Example\n- \nprint 1\n",
		"in a frame of its own":            "rem print a list\n\n- rem +-----+\n- rem | (c) 1999 Example |\n- rem +-----+\n\nprint 1\n",
		"in a frame that says more":        "rem +-----+\nrem | Example version 8 |\n- rem | Copyright Example Ltd. |\nrem +-----+\nprint 1\n",
		"to the end of the sentence":       "rem /**\nrem  * Draws a button.\nrem  *\n- rem  * For the full copyright and license information, see the file\n- rem  * that came with this.\nrem  * @param x is where\nrem  */\nprint 1\n",
		"a licence in several paragraphs":  "- rem Copyright (c) 2021 A\n- rem\n- rem Permission is hereby granted, free of charge,\n- rem to use it.\n- rem\n- rem The software is\n- rem provided \"as is\", without warranty\n- \nuse java.util.List\n",
		"SPDX":                             "- rem SPDX-License-Identifier: MIT\nrem the purpose\nprint 1\n",
		"under a licence":                  "rem Draws.\n- REM Licensed under the Apache License, Version 2.0.\nprint 1\n",
		"a program about copyrights":       "rem update copyright of all programs\nrem checks the license of each module\nprint 1\n",
		"history":                          "rem 2020-01-01 new licence check, (C)ustomer list\nprint 1\n",
		"below the first statement":        "print 1\nrem Copyright 2020 Example\n",
		"a line number is kept":            "rem the purpose\n- 0010 rem Copyright 2020 Example\n+ 0010 rem\n0020 goto 10\n",
		"a remark that goes on in a line":  "rem Copyright 2020 Example\n: and others\nprint 1\n",
		"a name that begins like a remark": "remark$=\"Copyright 2020 Example\"\n",
		"a callpoint has no header":        "[[A.B]]\nrem Copyright 2020 Example\n",
	}
	for name, marked := range cases {
		t.Run(name, func(t *testing.T) {
			var before, after, taken strings.Builder
			for line := range strings.Lines(marked) {
				switch rest, out := strings.CutPrefix(line, "- "); {
				case out:
					before.WriteString(rest)
					taken.WriteString(rest)
				case strings.HasPrefix(line, "+ "):
					after.WriteString(line[2:])
				default:
					before.WriteString(line)
					after.WriteString(line)
				}
			}
			h := withoutLicence(before.String())
			if h.text != after.String() || strings.TrimSpace(h.taken) != strings.TrimSpace(taken.String()) {
				t.Errorf("left\n%s\nand took\n%s", h.text, h.taken)
			}
			lines := strings.Split(before.String(), "\n")
			for i, line := range strings.Split(h.text, "\n") {
				if was := lines[h.fileLine(i+1)-1]; !strings.HasPrefix(was, line) {
					t.Errorf("line %d was %q in line %d of the file, not %q", i+1, was, h.fileLine(i+1), line)
				}
			}
			if again := withoutLicence(h.text); again.taken != "" {
				t.Errorf("takes more the second time: %q", again.taken)
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	key := "AKIA" + strings.Repeat("Q", 16)
	cases := []struct {
		name, text string
		line       int // 0 for none
		masked     string
	}{
		{"none", "print 1\n", 0, ""},
		{"password", "rem\npassword$=\"geheim7\"\n", 2, "rem\npassword$=\"<secret>\"\n"},
		{"one of two strings", "call \"prog\",user$=\"me too\",pwd$=\"geheim7\"\n", 1, "call \"prog\",user$=\"me too\",pwd$=\"<secret>\"\n"},
		{"key in a longer string", "url$=\"https://x.test/?key=" + key + "&a=b\"\n", 1, "url$=\"https://x.test/?key=<secret>&a=b\"\n"},
		{"connection", "sqlopen(1)\"DSN=x;user=me;password=geheim7;mode=2\"\n", 1, "sqlopen(1)\"DSN=x;user=me;password=<secret>;mode=2\"\n"},
		{"behind the name of a user", "a!=BBjAPI().getAdmin(\"admin\", \"geheim7\",err=*next)\n", 1, "a!=BBjAPI().getAdmin(\"admin\", \"<secret>\",err=*next)\n"},
		{"behind more than that", "a!=BBjAdminFactory.getBBjAdmin(InetAddress.getByName(h$),port,1,\"admin\",\"geheim\")\n", 1, "a!=BBjAdminFactory.getBBjAdmin(InetAddress.getByName(h$),port,1,\"admin\",\"<secret>\")\n"},
		{"of a session", "bbjapi().killSession(s!,\"admin\",\"geheim7\")\n", 1, "bbjapi().killSession(s!,\"admin\",\"<secret>\")\n"},
		{"in an address", "c!=new Helper(\"jdbc:basis:localhost?database=x&user=me&PASSWORD=geheim7\")\n", 1, "c!=new Helper(\"jdbc:basis:localhost?database=x&user=me&PASSWORD=<secret>\")\n"},
		{"in a variable of somebody", "rd_password$=\"geheim7\"\n", 1, "rd_password$=\"<secret>\"\n"},
		{"label", "lbl_password$=\"Kennwort:\"\n", 0, ""},
		{"login by variables", "a!=BBjAPI().getAdmin(u$,p$); print \"admin\",\"geheim7\"\n", 0, ""},
		{"address from the program", "c$=\"jdbc:basis:x?user=me&password=\"+pw$\n", 0, ""},
		{"login with a placeholder", "a!=BBjAPI().getAdmin(\"user\",\"password\")\n", 0, ""},
		{"in a remark", "rem " + key + "\n", 1, "rem <secret>\n"},
		{"value of the program", "c$=c$+\"password=\"+pw$+\";\"\n", 0, ""},
		{"placeholder", "password$=\"your-password\"\n", 0, ""},
		{"what cannot be masked", "rem -----BEGIN RSA PRIVATE " + "KEY-----\n", 1, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			line := 0
			if found := secretLines(c.text); len(found) > 0 {
				line = found[0]
			}
			if line != c.line {
				t.Fatalf("found in line %d, want %d", line, c.line)
			}
			if c.line == 0 {
				return
			}
			got, ok := masked(c.text)
			if ok != (c.masked != "") || ok && got != c.masked {
				t.Errorf("masked %t: %q", ok, got)
			}
			if ok && len(secretLines(got)) > 0 {
				t.Errorf("%q still holds one", got)
			}
		})
	}
}

func TestGenerated(t *testing.T) {
	cases := []struct {
		name, text string
		line       int // 0 for source
	}{
		{"source", "rem prints a list\nprint 1\n", 0},
		{"by a builder", "rem ' a.src\n   rem ' Generated by GUIBuilder 4.0 (August 14, 2012)\nseterr 0\n", 2},
		{"auto-generated", "rem This file is auto-generated from the dictionary.\nprint 1\n", 1},
		{"not to be changed", "use java.util.List\n\nrem /**\nrem * Auto-generated entity class\nrem * DO NOT PUT ANY CHANGES HERE !\nrem */\nclass public A\nclassend\n", 5},
		{"will be overwritten", "rem generator output; changes will be overwritten\nprint 1\n", 1},
		{"a skeleton that was filled in", "REM Default, auto-generated stored procedure skeleton.\nSETERR E\n", 0},
		{"to be overridden", "rem * Auto-generated business logic class\nrem * override to implement custom behavior\nclass public A\nclassend\n", 0},
		{"not to be changed by people", "rem do not modify without asking the team\nprint 1\n", 0},
		{"about generating", "rem prints the numbers generated by the program\nprint 1\n", 0},
		{"below the first statement", "print 1\nrem generated by x\n", 0},
		{"a remark inside", "rem --- ars01a: (Generated by CodePort)\nprint 1\n", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := candidate{header: header{text: c.text}}
			if got := x.generated(); got.line != c.line || (got.rule != "") != (c.line != 0) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCallpoints(t *testing.T) {
	text := "\n[[T.ITEM.AVAL]]\nrem ---\n#include std.src\n gosub x\n[[T.<CUSTOM>]]\nx: return\n"
	if got, want := string(program(text)), "\n"+strings.Repeat(" ", 15)+"\nrem ---\n"+strings.Repeat(" ", 16)+"\n gosub x\n"+strings.Repeat(" ", 14)+"\nx: return\n"; got != want {
		t.Errorf("as a program\n%s\nwant\n%s", got, want)
	}
	var whole strings.Builder
	for _, b := range bodies(text) {
		if above := strings.Count(whole.String(), "\n"); b.above != above {
			t.Errorf("a body says that %d lines stand above it, %d do", b.above, above)
		}
		whole.Write(b.code)
	}
	if whole.String() != string(program(text)) {
		t.Errorf("the bodies are %q", whole.String())
	}
	if n := len(bodies(text)); n != 3 {
		t.Errorf("%d bodies, want the lines above and two callpoints", n)
	}
	if plain := "x$=\"[[\"\n#include y\n"; string(program(plain)) != plain {
		t.Error("a program without callpoints was changed")
	}
}

func FuzzWithoutLicence(f *testing.F) {
	for _, seed := range []string{"rem Copyright 2020 A\n\nprint 1\n", "10 rem (c) 2020\n\n20 rem x", "rem +--\nrem permission is hereby granted\nrem +--\n", "\n\nrem SPDX-\n:", "rem(C)2000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := withoutLicence(text)
		if h.taken == "" && h.text != text {
			t.Errorf("%q became %q without a word", text, h.text)
		}
		lines := strings.Split(text, "\n")
		n := 0
		for line := range strings.Lines(h.text) {
			n++
			if at := h.fileLine(n); at > len(lines) || !strings.HasPrefix(lines[at-1], strings.TrimSuffix(line, "\n")) {
				t.Errorf("line %d, %q, is not in line %d of %q", n, line, at, text)
			}
		}
	})
}

func FuzzMasked(f *testing.F) {
	for _, seed := range []string{"password$=\"geheim7\"\n", "x$=\"a;pwd=geheim7;\",password$=\"b c\"", "rem sk-" + strings.Repeat("a", 24), "pwd:\"\"\"\"\"abcd\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		before := secretLines(text)
		got, ok := masked(text)
		if ok && len(secretLines(got)) > 0 {
			t.Errorf("%q became %q, which still holds one", text, got)
		}
		if len(before) == 0 && got != text {
			t.Errorf("%q became %q for no reason", text, got)
		}
		if strings.Count(got, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q has other lines than %q", got, text)
		}
	})
}
