#include "rcnn/base/shell_command.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace rcnn {

std::string ShellCommand(const std::vector<std::string>& words) {
  constexpr char kPlain[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  std::string command;
  for (const std::string& word : words) {
    if (!command.empty()) command += ' ';
    const bool plain = !word.empty() && word.find_first_not_of(kPlain) == std::string::npos;
    absl::StrAppend(
        &command,
        plain ? word : absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'"));
  }
  return command;
}

std::string BazelCommand(absl::string_view target, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"./bazelw", "run", std::string(target), "--"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return ShellCommand(words);
}

}  // namespace rcnn
