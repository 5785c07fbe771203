package runs

// Windows has no chmod on an open file and no sync of a folder; NTFS journals
// the rename itself.
const chmodUnsupported = true

func syncDir(string) error { return nil }
