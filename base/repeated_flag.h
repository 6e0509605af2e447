// A flag that may be given several times.
//
// gflags keeps only the last value of a flag. Construct this before flags are
// parsed: it joins all values into one, which RepeatedFlagValues splits again.
// Values may contain line breaks.
//
// Example:
//   DEFINE_string(input, "", "A file or folder; may be repeated.");
//
//   int main(int argc, char** argv) {
//     const rcnn::RepeatedFlag inputs("input", &argc, &argv);
//     rcnn::InitProgram({.usage = "Lists files."}, &argc, &argv);
//     for (const std::string& input : rcnn::RepeatedFlagValues(FLAGS_input)) Use(input);
//     return 0;
//   }

#ifndef RCNN_BASE_REPEATED_FLAG_H_
#define RCNN_BASE_REPEATED_FLAG_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn {

class RepeatedFlag {
 public:
  // Replaces all "--name=VALUE" and "--name VALUE" arguments, with one dash or two,
  // by a single "--name=" with all values. Arguments after "--" are unchanged. A
  // trailing "--name" without a value stays, so that the parser reports it.
  RepeatedFlag(absl::string_view name, int* argc, char*** argv);

  // Owns the strings that argv points to afterwards.
  RepeatedFlag(const RepeatedFlag&) = delete;
  RepeatedFlag& operator=(const RepeatedFlag&) = delete;

 private:
  std::string joined_;
  std::vector<char*> arguments_;
};

// Splits the value of such a flag into those given, in their order; blank ones are dropped.
std::vector<std::string> RepeatedFlagValues(absl::string_view flag_value);

}  // namespace rcnn

#endif  // RCNN_BASE_REPEATED_FLAG_H_
