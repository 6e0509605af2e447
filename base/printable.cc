#include "rcnn/base/printable.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace rcnn {
namespace {

bool IsControl(unsigned char c) { return c < 0x20 || c == 0x7f; }

std::string EscapedByte(unsigned char c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return absl::StrFormat("\\x%02x", c);
  }
}

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: not UTF-8
};

// The first code point, by RFC 3629: shortest form, no surrogates.
CodePoint Decode(absl::string_view text) {
  constexpr uint32_t kMin[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return {first, 1};
  const size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return {};
  uint32_t value = first & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    value = value << 6 | (next & 0x3fu);
  }
  const bool is_valid =
      value >= kMin[bytes] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
  return is_valid ? CodePoint{value, bytes} : CodePoint{};
}

// C1 controls, line separators, marks and overrides of direction.
bool IsHidden(uint32_t code) {
  return (code >= 0x80 && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

// All but the control characters of `kept`.
std::string Escaped(absl::string_view text, absl::string_view kept) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const CodePoint code = Decode(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (IsControl(first) && kept.find(text.front()) != absl::string_view::npos) {
      shown += text.front();
    } else if (code.bytes == 0 || IsControl(first)) {
      shown += EscapedByte(first);
    } else if (IsHidden(code.value)) {
      absl::StrAppendFormat(&shown, "\\u%04x", code.value);
    } else {
      absl::StrAppend(&shown, text.substr(0, code.bytes));
    }
    text.remove_prefix(std::max<size_t>(1, code.bytes));
  }
  return shown;
}

// Code points of a text that is UTF-8.
size_t CodePoints(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// Columns of a terminal. The ranges are the blocks whose East Asian Width is W or F (Unicode
// 15, EastAsianWidth.txt), and the combining marks of alphabets, which take none.
size_t Columns(uint32_t code) {
  struct Range {
    uint32_t first, last;
    size_t columns;
  };
  constexpr Range kRanges[] = {
      {0x300, 0x36f, 0},     {0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},
      {0x200b, 0x200d, 0},   {0x20d0, 0x20ff, 0},   {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},
      {0xa960, 0xa97c, 2},   {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},
      {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},   {0xff01, 0xff60, 2},   {0xffe0, 0xffe6, 2},
      {0x1f300, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1faff, 2}, {0x20000, 0x3fffd, 2}};
  for (const Range& range : kRanges) {
    if (code >= range.first && code <= range.last) return range.columns;
  }
  return 1;
}

// Bytes that are not UTF-8 count as one column each.
size_t TextColumns(absl::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const CodePoint code = Decode(text);
    columns += Columns(code.value);
    text.remove_prefix(std::max<size_t>(1, code.bytes));
  }
  return columns;
}

// Where the code point after the first `count` begins.
size_t EndOfCodePoints(absl::string_view text, size_t count) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    if ((text[end] & 0xc0) != 0x80 && count-- == 0) break;
  }
  return end;
}

// = + - @, also in full width (U+FF1D, U+FF0B, U+FF0D, U+FF20).
bool BeginsFormula(absl::string_view text) {
  for (const absl::string_view sign :
       {"=", "+", "-", "@", "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"}) {
    if (absl::StartsWith(text, sign)) return true;
  }
  return false;
}

// Without formulas where a spreadsheet may begin a cell. The text has no line breaks or tabs.
std::string WithoutFormulas(absl::string_view text) {
  std::string safe;
  safe.reserve(text.size() + 1);
  for (size_t i = 0; i < text.size(); ++i) {
    const bool at_start = i == 0 || text[i - 1] == ';';
    if (at_start && BeginsFormula(text.substr(i))) safe += '\'';
    safe += text[i];
  }
  return safe;
}

std::string WithEntities(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

}  // namespace

std::string Printable(absl::string_view name) { return Escaped(name, /*kept=*/""); }

std::string ShortName(absl::string_view name, size_t most) {
  const std::string shown = Printable(name);
  const size_t points = CodePoints(shown);
  if (points <= most) return shown;
  const size_t tail = (most - 3) / 2;
  return absl::StrCat(shown.substr(0, EndOfCodePoints(shown, most - 3 - tail)), "...",
                      shown.substr(EndOfCodePoints(shown, points - tail)));
}

std::string NameList(const std::vector<std::string>& names, size_t most) {
  std::string list;
  for (size_t i = 0; i < names.size() && i < most; ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ", ", Printable(names[i]));
  }
  return names.size() > most ? absl::StrCat(list, ", ...") : list;
}

std::string PrintableLines(absl::string_view text) { return Escaped(text, /*kept=*/"\n"); }

std::string PrintableMessage(absl::string_view text) {
  std::string shown;
  for (const char c : PrintableLines(text)) {
    if (!shown.empty() && shown.back() == '\n' && c != ' ' && c != '\n') shown += "  ";
    shown += c;
  }
  return shown;
}

std::string CsvCell(absl::string_view text) {
  // With two backslashes for each, no name looks like the escaped form of another one.
  const std::string safe = WithoutFormulas(Printable(absl::StrReplaceAll(text, {{"\\", "\\\\"}})));
  if (safe.find_first_of("\",") == std::string::npos) return safe;
  return absl::StrCat("\"", absl::StrReplaceAll(safe, {{"\"", "\"\""}}), "\"");
}

std::string XmlText(absl::string_view text) { return WithEntities(Printable(text)); }

std::string XmlLines(absl::string_view text) { return WithEntities(Escaped(text, "\n\t")); }

void NameWidth::Add(absl::string_view name) {
  width_ = std::max(width_, std::min(most_, TextColumns(name)));
}

std::string NameWidth::Pad(absl::string_view name) const {
  const size_t width = TextColumns(name);
  return absl::StrCat(name, std::string(width < width_ ? width_ - width : 0, ' '));
}

}  // namespace rcnn
