// Writes a command that a reader can paste into a shell.
//
// Example:
//   std::puts(BazelCommand("//data:inspect", {"--dataset=my images"}).c_str());

#ifndef RCNN_BASE_SHELL_COMMAND_H_
#define RCNN_BASE_SHELL_COMMAND_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn {

// The words as one command of a POSIX shell, quoted where the shell would take a character
// for its own: "a b.json" becomes 'a b.json'.
std::string ShellCommand(const std::vector<std::string>& words);

// The command that starts a program of rcnn in the top folder of a checkout:
// "./bazelw run //data:inspect -- --dataset=voc". target: its label.
std::string BazelCommand(absl::string_view target, const std::vector<std::string>& arguments);

}  // namespace rcnn

#endif  // RCNN_BASE_SHELL_COMMAND_H_
