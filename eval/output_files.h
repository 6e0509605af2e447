// Checks the files that a program is about to write, before it reads anything.
//
// A mistyped flag would replace the labels or the results that it is about to read,
// or the first of two outputs by the second, and a folder that does not exist would show
// only after the work.
//
// Example:
//   RCNN_RETURN_IF_ERROR(
//       CheckOutputs({{"--out", out}, {"--report", report}}, {{"--detections", detections}}));

#ifndef RCNN_EVAL_OUTPUT_FILES_H_
#define RCNN_EVAL_OUTPUT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace rcnn::eval {

struct NamedFile {
  std::string flag;
  std::string path;  // "": not given
};

// kInvalidArgument, naming both flags, if an output is an input or another output, also
// by another path or a link, and if its name is that of an image. Other codes, after the flag, if
// the file system cannot tell now. The errors of AtomicFile::Create, after the flag, if it cannot
// be written.
absl::Status CheckOutputs(const std::vector<NamedFile>& outputs,
                          const std::vector<NamedFile>& inputs);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_OUTPUT_FILES_H_
