#include "rcnn/data/image/image_text.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rcnn::data {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
const cv::Scalar kRim(30, 30, 30);

// The letters U+00C0 to U+017F without their marks.
constexpr absl::string_view kLetters =
    "A A A A A A AE C E E E E I I I I D N O O O O O x O U U U U Y Th ss "
    "a a a a a a ae c e e e e i i i i d n o o o o o / o u u u u y th y "
    "A a A a A a C c C c C c C c D d D d E e E e E e E e E e G g G g G g G g H h H h "
    "I i I i I i I i I i IJ ij J j K k k L l L l L l L l L l N n N n N n n N n "
    "O o O o O o OE oe R r R r R r S s S s S s S s T t T t T t U u U u U u U u U u U u "
    "W w Y y Y Z z Z z Z z s";

absl::string_view Letter(uint32_t code) {
  static const std::vector<absl::string_view> letters = absl::StrSplit(kLetters, ' ');
  return letters[code - 0xC0];
}

// The code point of two bytes of UTF-8 at the beginning, 0 for anything else.
uint32_t TwoByteCode(absl::string_view text) {
  if (text.size() < 2) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  const auto second = static_cast<unsigned char>(text[1]);
  if (first < 0xC2 || first > 0xDF || (second & 0xC0) != 0x80) return 0;
  return (first & 0x1Fu) << 6 | (second & 0x3Fu);
}

// The scale at which capitals are about 70 % of height_px.
double FontScale(int height_px) { return height_px * 0.7 / 21.0; }

int FontThickness(int height_px) { return std::max(1, static_cast<int>(height_px / 12.0 + 0.5)); }

// The first and the last of `kept` characters.
std::string WithoutMiddle(absl::string_view text, size_t kept) {
  const size_t tail = kept / 2;
  return absl::StrCat(text.substr(0, kept - tail), "...", text.substr(text.size() - tail));
}

// Possible positions of a plate: at the four corners of its box, outside and inside.
std::vector<cv::Rect> PlatePlaces(const cv::Rect& box, const cv::Size& plate) {
  const int right = box.x + box.width - plate.width;
  const int below = box.y + box.height;
  std::vector<cv::Rect> places;
  for (const cv::Point& at :
       {cv::Point(box.x, box.y - plate.height), cv::Point(box.x, below), cv::Point(box.x, box.y),
        cv::Point(right, box.y - plate.height), cv::Point(right, below),
        cv::Point(box.x, below - plate.height), cv::Point(right, below - plate.height),
        cv::Point(box.x, box.y - 2 * plate.height), cv::Point(box.x, below + plate.height)}) {
    places.emplace_back(at, plate);
  }
  return places;
}

cv::Rect MovedInside(cv::Rect r, const cv::Size& size) {
  r.x = std::max(0, std::min(r.x, size.width - r.width));
  r.y = std::max(0, std::min(r.y, size.height - r.height));
  return r;
}

// The position that hides the least of other plates; the first of equals.
cv::Rect ChoosePlace(const std::vector<cv::Rect>& places, const std::vector<cv::Rect>& used,
                     const cv::Size& size) {
  cv::Rect best;
  int least = -1;
  for (const cv::Rect& place : places) {
    const cv::Rect inside = MovedInside(place, size);
    int hidden = 0;
    for (const cv::Rect& other : used) hidden += (inside & other).area();
    if (least >= 0 && hidden >= least) continue;
    least = hidden;
    best = inside;
  }
  return best;
}

}  // namespace

std::string DrawableText(absl::string_view text) {
  std::string drawable;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const uint32_t code = TwoByteCode(text.substr(i));
    if (byte >= 0x20 && byte < 0x7F) {
      drawable += text[i];
    } else if (code >= 0xC0 && code <= 0x17F) {
      absl::StrAppend(&drawable, Letter(code));
    } else if ((byte >= 0xC0 && (code < 0x300 || code > 0x36F)) || byte < 0x20) {
      drawable += '?';  // not for the following bytes of a code point
    }
  }
  return drawable;
}

std::string DrawableName(absl::string_view name, int64_t number) {
  const std::string text = DrawableText(name);
  const bool is_readable =
      std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(c); });
  return is_readable || text == name ? text : absl::StrCat("class ", number);
}

int TextWidth(absl::string_view text, int height_px) {
  int baseline = 0;
  return cv::getTextSize(DrawableText(text), kFont, FontScale(height_px), FontThickness(height_px),
                         &baseline)
      .width;
}

void PutText(cv::Mat& canvas, absl::string_view text, cv::Point at, int height_px,
             const cv::Scalar& color) {
  cv::putText(canvas, DrawableText(text), at + cv::Point(0, static_cast<int>(height_px * 0.78)),
              kFont, FontScale(height_px), color, FontThickness(height_px), cv::LINE_AA);
}

std::string FitText(absl::string_view text, int width_px, int height_px) {
  const std::string whole = DrawableText(text);
  // A character takes a pixel at least.
  const auto most = static_cast<size_t>(std::max(width_px, 1));
  if (whole.size() <= most && TextWidth(whole, height_px) <= width_px) return whole;
  size_t fitting = 0;
  size_t too_many = std::min(whole.size(), most);
  while (fitting + 1 < too_many) {
    const size_t kept = (fitting + too_many) / 2;
    const bool fits = TextWidth(WithoutMiddle(whole, kept), height_px) <= width_px;
    (fits ? fitting : too_many) = kept;
  }
  return WithoutMiddle(whole, fitting);
}

LabelPlates::LabelPlates(const cv::Mat& canvas, int text_px) : canvas_(canvas), text_px_(text_px) {}

void LabelPlates::Draw(const cv::Rect& box, absl::string_view label, const cv::Scalar& plate,
                       const cv::Scalar& ink) {
  const int margin = text_px_ / 4;
  const int wide = std::max(box.width, std::max(canvas_.cols, canvas_.rows) * 2 / 5);
  const std::string text = FitText(label, std::min(wide, canvas_.cols) - 2 * margin, text_px_);
  const cv::Size size(TextWidth(text, text_px_) + 2 * margin, text_px_ + 4);
  const cv::Rect place = ChoosePlace(PlatePlaces(box, size), used_, canvas_.size());
  used_.push_back(place);
  cv::rectangle(canvas_, place, plate, cv::FILLED);
  cv::rectangle(canvas_, place, kRim, 1);
  PutText(canvas_, text, place.tl() + cv::Point(margin, 2), text_px_, ink);
}

}  // namespace rcnn::data
