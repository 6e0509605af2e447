#include "rcnn/eval/html/html_text.h"

#include <cmath>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"

namespace rcnn::eval {
std::string EscapeHtml(absl::string_view text) { return XmlLines(text); }

std::string NameHtml(absl::string_view name) {
  return absl::StrCat("<bdi>", EscapeHtml(name), "</bdi>");
}

std::string Shorten(absl::string_view text, size_t most) {
  std::vector<size_t> starts;  // of the code points
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) != 0x80) starts.push_back(i);
  }
  if (starts.size() <= most) return std::string(text);
  const size_t tail = (most - 1) / 2;
  const size_t head = most - 1 - tail;
  return absl::StrCat(text.substr(0, starts[head]), "\xE2\x80\xA6",
                      tail == 0 ? "" : text.substr(starts[starts.size() - tail]));
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
    digits.insert(i, 1, ',');
  }
  return digits;
}

std::string CountedText(int64_t count, absl::string_view singular, absl::string_view plural) {
  return absl::StrCat(CountText(count), " ", Noun(count, singular, plural));
}

std::string DataUrl(absl::string_view type, absl::string_view bytes) {
  return absl::StrCat("data:", type, ";base64,", absl::Base64Escape(bytes));
}

}  // namespace rcnn::eval
