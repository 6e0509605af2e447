// A flag that may be given several times.
//
// gflags keeps the last value of a flag. Made before the flags are parsed, this
// turns all of them into one value, which RepeatedFlagValues takes apart again.
// Values may have line breaks in them.
//
// Example:
//   DEFINE_string(input, "", "...; may be repeated.");
//   int main(int argc, char** argv) {
//     const rcnn::RepeatedFlag inputs("input", &argc, &argv);
//     rcnn::InitProgram(options, &argc, &argv);
//     for (const std::string& input : rcnn::RepeatedFlagValues(FLAGS_input)) …

#ifndef RCNN_BASE_REPEATED_FLAG_H_
#define RCNN_BASE_REPEATED_FLAG_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn {

class RepeatedFlag {
 public:
  // Replaces every "--name=VALUE" and "--name VALUE" among the words, with one dash
  // or two, by a single "--name=" with all of the values; nothing after "--" is
  // touched. A last "--name" without value stays, for the parser to complain about.
  RepeatedFlag(absl::string_view name, int* argc, char*** argv);

  // Owns what argv points to from then on.
  RepeatedFlag(const RepeatedFlag&) = delete;
  RepeatedFlag& operator=(const RepeatedFlag&) = delete;

 private:
  std::string joined_;
  std::vector<char*> words_;
};

// The values of such a flag, in the order in which they were given, without those of
// white space only.
std::vector<std::string> RepeatedFlagValues(absl::string_view flag);

}  // namespace rcnn

#endif  // RCNN_BASE_REPEATED_FLAG_H_
