package api

import "testing"

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
}

func BenchmarkMethod(b *testing.B) {
	button, _ := LookupClass("BBjButton")
	b.ReportAllocs()
	for b.Loop() {
		if m, ok := button.Method("setText"); !ok || !m.Takes(1) {
			b.Fatal("setText")
		}
	}
}

func BenchmarkLacks(b *testing.B) {
	button, _ := LookupClass("BBjButton")
	b.ReportAllocs()
	for b.Loop() {
		if !button.Lacks("addItem") {
			b.Fatal("addItem")
		}
	}
}
