// Coloured text on a terminal, plain text elsewhere.
//
// Example:
//   const TextStyle style(stdout);
//   std::printf("%s\n", style.Green("done").c_str());

#ifndef RCNN_BASE_TERMINAL_H_
#define RCNN_BASE_TERMINAL_H_

#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// Whether the stream is a terminal.
bool IsTerminal(std::FILE* stream);

// Width of the terminal in characters; 0 if the stream is not a terminal or the
// width is unknown.
int TerminalColumns(std::FILE* stream);

// Each function returns the text in its colour, or unchanged. Colours are used on a
// terminal unless the environment has a non-empty NO_COLOR or TERM=dumb. Pad text
// before colouring it, because the colour codes count as characters.
class TextStyle {
 public:
  explicit TextStyle(std::FILE* stream);

  std::string Bold(absl::string_view text) const { return In("1", text); }
  std::string Dim(absl::string_view text) const { return In("2", text); }
  std::string Red(absl::string_view text) const { return In("1;31", text); }
  std::string Green(absl::string_view text) const { return In("32", text); }
  std::string Yellow(absl::string_view text) const { return In("33", text); }

 private:
  std::string In(absl::string_view code, absl::string_view text) const;

  bool colored_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_TERMINAL_H_
