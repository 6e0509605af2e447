// Start-up of every rcnn program: flags, logging, --help, --version, heap.
//
// For programs without tensors. Programs with tensors call InitRuntime (runtime.h),
// which also sets up LibTorch. Call it first in main.
//
// Logging: INFO goes only to files in --log_dir, if given; warnings and errors also
// go to stderr. glog's own flags override this. The heap keeps its memory (mmap and
// trim thresholds, top pad), unless the environment sets glibc's variables.
//
// Example:
//   int main(int argc, char** argv) {
//     rcnn::InitProgram({.usage = "Evaluates a file.\n\n  evaluate --detections=…"}, &argc, &argv);
//     return rcnn::ExitCode(Run());
//   }

#ifndef RCNN_BASE_PROGRAM_H_
#define RCNN_BASE_PROGRAM_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace rcnn {

struct ProgramOptions {
  // The start of --help: one line that says what the program does, a blank line,
  // and the usual call.
  std::string usage = {};
  // Arguments after the flags are an error unless this is set.
  bool takes_arguments = false;
  // Flags that may be given several times (repeated_flag.h).
  std::vector<std::string> repeated_flags = {};
  // Further lines of --version, each "name: value". Called for --version only; may be null.
  std::function<std::vector<std::string>()> version_lines = nullptr;
};

// Parses the flags out of argv, sets up logging and the heap. Under `bazel run` it
// changes to the caller's directory, so that relative paths work as expected.
// Descriptors and signals: process_start.h.
// --help and --version print to stdout and exit 0. An unknown flag or a value of
// the wrong type prints one paragraph with the nearest flags, or with the new name
// of a renamed flag (retired_flags.h), and exits 2.
void InitProgram(const ProgramOptions& options, int* argc, char*** argv);

// Only the part of InitProgram that handles flags, --help and --version. For
// launchers (launcher_main.cc).
void ParseProgramFlags(const ProgramOptions& options, int* argc, char*** argv);

// The usage and the repeated flags of a program with tensors. Each such program defines
// this function in its flags library, which its launcher links too (`flags` of
// rcnn_cc_binary in tools/build/cc.bzl).
ProgramOptions DescribeProgram();

// The executable that the user started. Behind a launcher this is the launcher, whose
// runfiles the program uses.
std::string ProgramPath();

// A command for a shell that starts this program with these arguments: "./bazelw run
// //eval:evaluate -- --help" if `bazel run` has started it, otherwise "path/evaluate --help".
std::string OwnCommand(const std::vector<std::string>& arguments);

// The command that has started this program, in that form. After InitProgram; of a program
// without repeated flags.
std::string StartedCommand();

// Suffix of a program behind a launcher: "detect_program" behind "detect".
inline constexpr char kProgramSuffix[] = "_program";

// Prints a failed status to stderr as one paragraph, "error: …", and returns the
// exit code: 0 for OK, 1 for an error, 128 + signal after a shutdown request
// (kCancelled). OK becomes an error if standard output cannot be written (full
// disk), so call it last.
int ExitCode(const absl::Status& status);

// The version of rcnn.
std::string Version();

}  // namespace rcnn

#endif  // RCNN_BASE_PROGRAM_H_
