// Package tensorboard writes the event files that TensorBoard reads: records
// with checksums, each a small protocol buffer with one figure of a step.
//
// It must not know what the figures mean.
package tensorboard

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of the messages Event, SessionLog, Summary and Summary.Value, by
// the numbers of TensorBoard's event.proto and summary.proto.
const (
	eventTime    = 1 // double
	eventStep    = 2 // int64
	eventVersion = 3 // string
	eventSummary = 5
	eventSession = 7

	sessionStatus = 1 // enum
	sessionStart  = 1

	summaryValue = 1
	valueTag     = 1 // string
	valueNumber  = 2 // float
)

// fileVersion is the version of the format; it stands in the first record.
const fileVersion = "brain.Event:2"

// Writer appends to one event file. Once it has failed it always does.
type Writer struct {
	file   *os.File
	failed error
}

// Create begins a new file in the folder, which is made if it is missing. The
// files of earlier attempts stay beside it: TensorBoard reads them in the order
// of their names, and forgets what the newer one says again.
func Create(dir string, now time.Time) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		name := fmt.Sprintf("events.out.tfevents.%010d.bbjtune.%d", now.Unix(), n)
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if os.IsExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		w := &Writer{file: f}
		version := protowire.AppendTag(nil, eventVersion, protowire.BytesType)
		return w, w.event(now, 0, protowire.AppendString(version, fileVersion))
	}
}

// Start says that a training starts or goes on at the step, so that what an
// attempt that was killed has written from there on does not count.
func (w *Writer) Start(step int, now time.Time) error {
	status := protowire.AppendTag(nil, sessionStatus, protowire.VarintType)
	status = protowire.AppendVarint(status, sessionStart)
	return w.event(now, step, message(eventSession, status))
}

// Scalar writes a figure of a step.
func (w *Writer) Scalar(tag string, step int, value float64, now time.Time) error {
	v := protowire.AppendTag(nil, valueTag, protowire.BytesType)
	v = protowire.AppendString(v, tag)
	v = protowire.AppendTag(v, valueNumber, protowire.Fixed32Type)
	v = protowire.AppendFixed32(v, math.Float32bits(float32(value)))
	return w.event(now, step, message(eventSummary, message(summaryValue, v)))
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }

// message is a field that holds another message.
func message(field protowire.Number, inner []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), inner)
}

func (w *Writer) event(now time.Time, step int, what []byte) error {
	if w.failed != nil {
		return w.failed
	}
	e := protowire.AppendTag(nil, eventTime, protowire.Fixed64Type)
	e = protowire.AppendFixed64(e, math.Float64bits(float64(now.UnixMilli())/1000))
	e = protowire.AppendTag(e, eventStep, protowire.VarintType)
	e = protowire.AppendVarint(e, uint64(step))
	_, w.failed = w.file.Write(record(append(e, what...)))
	return w.failed
}

// record frames data: its length and the checksum of that, the data and its
// checksum, all little-endian.
func record(data []byte) []byte {
	r := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	r = binary.LittleEndian.AppendUint32(r, masked(r))
	r = append(r, data...)
	return binary.LittleEndian.AppendUint32(r, masked(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum as the format stores it: turned and shifted, so that
// a checksum over data that holds checksums stays a good one.
func masked(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
