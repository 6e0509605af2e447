#include "rcnn/base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace rcnn {
namespace {

absl::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

bool IsTerminal(std::FILE* stream) { return isatty(fileno(stream)) == 1; }

int TerminalColumns(std::FILE* stream) {
  winsize size = {};
  return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

TextStyle::TextStyle(std::FILE* stream)
    : colored_(IsTerminal(stream) && Environment("NO_COLOR").empty() &&
               Environment("TERM") != "dumb") {}

std::string TextStyle::In(absl::string_view code, absl::string_view text) const {
  if (!colored_) return std::string(text);
  return absl::StrCat("\033[", code, "m", text, "\033[0m");
}

}  // namespace rcnn
