// How every rcnn program starts: flags, logging, --help, --version, heap.
//
// For programs without tensors; one with tensors calls InitRuntime
// (runtime.h), which does this and gives LibTorch the machine. Call it first
// thing in main.
//
// glog: INFO goes to files only (in --log_dir when given, else nowhere);
// warnings and errors go to stderr too, unless the user set glog's own flags.
// The heap is told to keep memory (mmap and trim thresholds, top pad), unless
// the environment sets glibc's own variables.
//
// Example:
//   int main(int argc, char** argv) {
//     rcnn::InitProgram({.usage = "Evaluates a results file.\n\n  evaluate --dataset=…
//     --detections=…"},
//                       &argc, &argv);
//     return rcnn::ExitCode(Run());
//   }

#ifndef RCNN_BASE_PROGRAM_H_
#define RCNN_BASE_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace rcnn {

struct ProgramOptions {
  // What --help prints first: one line on what the program does, a blank line,
  // and the usual call.
  std::string usage = {};
  // Words left over after the flags are an error unless this is set.
  bool takes_arguments = false;
  // Further lines of --version, each "name: value".
  std::vector<std::string> version_lines = {};
};

// Parses the flags out of argv, sets up logging and the heap. Under `bazel run`
// the current directory becomes the caller's, so that relative paths mean what
// they say. --help and
// --version print to stdout and exit 0. An unknown flag or a value of the wrong
// type prints one paragraph naming the nearest flags, or the present name of a
// renamed one (retired_flags.h), and exits 2.
void InitProgram(const ProgramOptions& options, int* argc, char*** argv);

// Prints a failed status to stderr as one paragraph, "error: …", and returns the
// exit code: 0 for OK, 1 for an error, 128 + signal after a shutdown request
// (kCancelled). OK becomes an error where the standard output cannot be written
// (a full disk), so call it last.
int ExitCode(const absl::Status& status);

// The version of rcnn.
std::string Version();

}  // namespace rcnn

#endif  // RCNN_BASE_PROGRAM_H_
