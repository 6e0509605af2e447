// Builds a pickle of protocol 2, value by value.
//
// Values are written as the stack machine expects them: a tuple is a mark, its
// items and its end. See pickle.h for reading. Nothing is memoised, so equal values
// are written repeatedly.
//
// Example:
//   PickleWriter pickle;
//   pickle.Op(PickleWriter::kMark);
//   pickle.String("storage");
//   pickle.Integer(3);
//   pickle.Op(PickleWriter::kTuple);
//   std::string bytes = std::move(pickle).Finish();

#ifndef RCNN_DETECTION_WEIGHTS_PICKLE_WRITER_H_
#define RCNN_DETECTION_WEIGHTS_PICKLE_WRITER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rcnn::detection::weights {

class PickleWriter {
 public:
  // Opcodes without operands; the names are pickletools'.
  enum Opcode : char {
    kMark = '(',
    kTuple = 't',
    kEmptyTuple = ')',
    kEmptyDict = '}',
    kSetItems = 'u',
    kReduce = 'R',
    kBuild = 'b',
    kPersistentId = 'Q',
    kFalse = '\x89',
  };

  PickleWriter();

  void Op(Opcode opcode) { bytes_.push_back(opcode); }
  void Integer(int64_t value);
  // A tuple of integers.
  void Integers(absl::Span<const int64_t> values);
  void String(absl::string_view utf8);
  // A global, by module and name.
  void Global(absl::string_view module, absl::string_view name);

  // Ends the pickle and returns it.
  std::string Finish() &&;

 private:
  void LittleEndian(uint64_t value, int width);

  std::string bytes_;
};

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PICKLE_WRITER_H_
