// Writes a command that a reader can paste into a shell.
//
// Example:
//   std::puts(ShellCommand(gflags::GetArgvs()).c_str());

#ifndef RCNN_BASE_SHELL_COMMAND_H_
#define RCNN_BASE_SHELL_COMMAND_H_

#include <string>
#include <vector>

namespace rcnn {

// The words as one command of a POSIX shell, quoted where the shell would take a character
// for its own: "a b.json" becomes 'a b.json'.
std::string ShellCommand(const std::vector<std::string>& words);

}  // namespace rcnn

#endif  // RCNN_BASE_SHELL_COMMAND_H_
