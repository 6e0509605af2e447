#include "rcnn/eval/html/html_text.h"

#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rcnn::eval {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the UTF-8 sequence that starts at `i`, 0 if there is none that is
// well-formed (overlong forms, surrogates and what exceeds U+10FFFF are not).
size_t SequenceLength(absl::string_view text, size_t i) {
  const auto byte = [&](size_t n) {
    return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0u;
  };
  const auto follows = [&](size_t n) { return (byte(n) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    return !overlong && !surrogate && follows(1) && follows(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
    return !overlong && !beyond && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// U+202A to U+202E and U+2066 to U+2069: embeddings, overrides and isolates.
bool TurnsDirection(absl::string_view sequence) {
  if (sequence.size() != 3 || sequence[0] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(sequence[2]);
  return (sequence[1] == '\x80' && last >= 0xAA && last <= 0xAE) ||
         (sequence[1] == '\x81' && last >= 0xA6 && last <= 0xA9);
}

void AppendAscii(char c, std::string& out) {
  switch (c) {
    case '&':
      out += "&amp;";
      return;
    case '<':
      out += "&lt;";
      return;
    case '>':
      out += "&gt;";
      return;
    case '"':
      out += "&quot;";
      return;
    case '\'':
      out += "&#39;";
      return;
    default:
      break;
  }
  const auto code = static_cast<unsigned char>(c);
  const bool control = (code < 0x20 && c != '\t' && c != '\n') || code == 0x7F;
  if (control) {
    absl::StrAppend(&out, kReplacement);
  } else {
    out += c;
  }
}

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text, i);
    // U+0080 to U+009F are control characters too.
    const bool control = length == 2 && text[i] == '\xC2' && text[i + 1] < '\xA0';
    if (length == 1) {
      AppendAscii(text[i], out);
    } else if (length == 0 || control || TurnsDirection(text.substr(i, length))) {
      absl::StrAppend(&out, kReplacement);
    } else {
      absl::StrAppend(&out, text.substr(i, length));
    }
    i += length == 0 ? 1 : length;
  }
  return out;
}

std::string Shorten(absl::string_view text, size_t most) {
  size_t points = 0;
  size_t cut = text.size();
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) == 0x80) continue;
    if (points == most - 1) cut = i;
    if (++points > most) return absl::StrCat(text.substr(0, cut), "\xE2\x80\xA6");
  }
  return std::string(text);
}

bool IsDefined(double value) { return std::isfinite(value) && value != -1; }

std::string PercentText(double fraction) {
  return IsDefined(fraction) ? absl::StrFormat("%.1f", 100 * fraction) : "\xE2\x80\x93";
}

std::string SignedPercentText(double fraction) {
  if (!std::isfinite(fraction)) return "\xE2\x80\x93";
  const std::string digits = absl::StrFormat("%.1f", std::abs(100 * fraction));
  if (digits == "0.0") return digits;
  return absl::StrCat(fraction < 0 ? "\xE2\x88\x92" : "+", digits);
}

std::string CountText(int64_t count) {
  std::string digits = absl::StrCat(count);
  const size_t first = count < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string CountedText(int64_t count, absl::string_view singular, absl::string_view plural) {
  if (count == 1) return absl::StrCat("1 ", singular);
  if (!plural.empty()) return absl::StrCat(CountText(count), " ", plural);
  return absl::StrCat(CountText(count), " ", singular, "s");
}

std::string DataUrl(absl::string_view type, absl::string_view bytes) {
  return absl::StrCat("data:", type, ";base64,", absl::Base64Escape(bytes));
}

}  // namespace rcnn::eval
