// Runs a shell command in a test and returns its exit status and output.

#ifndef RCNN_BASE_TESTING_COMMAND_H_
#define RCNN_BASE_TESTING_COMMAND_H_

#include <string>

namespace rcnn {

struct CommandResult {
  // The exit status, or 128 + signal.
  int exit_code = 0;
  // Standard output and standard error, interleaved.
  std::string output;
};

// Runs `command` with /bin/sh in the current directory and environment and waits
// for it. A command that cannot be started has exit code 127.
CommandResult RunCommand(const std::string& command);

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_COMMAND_H_
