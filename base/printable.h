// Names from files, made fit for a terminal, a log or a table.
//
// The name of an image, a class or a tensor may hold anything: sequences that move a
// terminal's cursor or set its title, line breaks that look like another message, marks
// that turn the direction of writing. Here they become visible: "\x1b", "\n", "\u202e".
// Other Unicode stays. Not for JSON, whose library escapes by itself.
//
// Example:
//   absl::StrAppend(&table, Printable(image.name), "  ", image.width, "\n");
//   std::fputs(PrintableLines(report).c_str(), stdout);

#ifndef RCNN_BASE_PRINTABLE_H_
#define RCNN_BASE_PRINTABLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// One line: control characters, C1 ones and line separators included, marks of direction,
// and bytes that are not UTF-8 are escaped.
std::string Printable(absl::string_view name);

// A text of our own with names in it: the same, but line breaks stay.
std::string PrintableLines(absl::string_view text);

// The same for an error or a notice: lines after the first are indented, so that a name with
// a line break in it does not pass for another message.
std::string PrintableMessage(absl::string_view text);

// A cell of a CSV file (RFC 4180). What a spreadsheet would run as a formula, a text that
// begins with = + - @, tab or carriage return, gets an apostrophe before it.
std::string CsvCell(absl::string_view text);

// The text in XML, HTML or SVG, in an element or a quoted attribute.
std::string XmlText(absl::string_view text);

// The width to which a table pads names: the widest of them, but at most `most`. A table of
// n names is then as long as the names, and not n times the longest.
class NameWidth {
 public:
  explicit NameWidth(size_t least, size_t most = 60) : width_(least), most_(most) {}
  void Add(absl::string_view name);
  // The name, padded with spaces; longer ones as they are.
  std::string Pad(absl::string_view name) const;
  size_t width() const { return width_; }

 private:
  size_t width_;
  size_t most_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_PRINTABLE_H_
