// Escapes names from files for a terminal, a log or a table.
//
// The name of an image, a class or a tensor may hold anything: sequences that move a
// terminal's cursor or set its title, line breaks that look like another message, marks
// that turn the direction of writing. Here they become visible: "\x1b", "\n", "\u202e".
// Other Unicode is kept. For JSON see json_string.h.
//
// Example:
//   absl::StrAppend(&table, Printable(name), "  ", 640, "\n");
//   std::fputs(PrintableLines(report).c_str(), stdout);

#ifndef RCNN_BASE_PRINTABLE_H_
#define RCNN_BASE_PRINTABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn {

// Returns `name` as one line. Escapes control characters (C1 and line separators
// included), direction marks, and bytes that are not UTF-8.
std::string Printable(absl::string_view name);

// The same, but at most `most` code points, >= 4: "..." stands for the middle of a longer name,
// because names of one dataset often begin alike.
std::string ShortName(absl::string_view name, size_t most);

// The first `most` names, escaped: "cat, dog, ...".
std::string NameList(const std::vector<std::string>& names, size_t most);

// For the program's own text with names in it: as Printable, but keeps line breaks.
std::string PrintableLines(absl::string_view text);

// For an error or a notice: also indents the lines after the first, so that a name with a
// line break in it cannot pass for another message.
std::string PrintableMessage(absl::string_view text);

// A cell of a CSV file (RFC 4180), as one line of text that neither a terminal nor a spreadsheet
// obeys. Escapes what Printable escapes, and a backslash as "\\", so that the text can be had
// back: "\n", "\r", "\t"; "\x" and two hexadecimal digits are a byte, "\u" and four a code point.
// Text that a spreadsheet would run as a formula (it begins with = + - @, or the same in full
// width) gets an apostrophe before it. So does such a character after a semicolon within the
// text, where spreadsheets of some languages begin another cell.
std::string CsvCell(absl::string_view text);

// Escapes text for an element or a quoted attribute of XML, HTML or SVG, as one line.
std::string XmlText(absl::string_view text);

// The same, but keeps line breaks and tabs.
std::string XmlLines(absl::string_view text);

// The width to which a table pads its names: that of the widest, but at least `least` and
// at most `most`, so that one very long name does not widen every row. Counted in columns of
// a terminal: a Chinese, Japanese or Korean character has two.
class NameWidth {
 public:
  explicit NameWidth(size_t least, size_t most = 60) : width_(least), most_(most) {}
  void Add(absl::string_view name);
  // The name padded with spaces; a longer name is unchanged.
  std::string Pad(absl::string_view name) const;
  size_t width() const { return width_; }

 private:
  size_t width_;
  size_t most_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_PRINTABLE_H_
