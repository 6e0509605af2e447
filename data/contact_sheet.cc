#include "rcnn/data/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "opencv2/core.hpp"
#include "opencv2/imgproc.hpp"

namespace rcnn::data {
namespace {

constexpr int kGap = 6;
constexpr int kCaption = 16;
constexpr double kFontScale = 0.4;

// Okabe and Ito's colours, which colour-blind people tell apart, as RGB.
const std::array<cv::Scalar, 7> kColors = {cv::Scalar(230, 159, 0),  cv::Scalar(86, 180, 233),
                                           cv::Scalar(0, 158, 115),  cv::Scalar(240, 228, 66),
                                           cv::Scalar(0, 114, 178),  cv::Scalar(213, 94, 0),
                                           cv::Scalar(204, 121, 167)};

void DrawLabel(cv::Mat& tile, const std::string& text, cv::Point corner, const cv::Scalar& color) {
  int below = 0;
  const cv::Size size = cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, kFontScale, 1, &below);
  corner.x = std::clamp(corner.x, 0, std::max(0, tile.cols - size.width - 2));
  corner.y = std::clamp(corner.y, size.height + 3, std::max(size.height + 3, tile.rows - 1));
  cv::rectangle(tile, {corner.x, corner.y - size.height - 3},
                {corner.x + size.width + 2, corner.y + 1}, color, cv::FILLED);
  cv::putText(tile, text, {corner.x + 1, corner.y - 1}, cv::FONT_HERSHEY_SIMPLEX, kFontScale,
              cv::Scalar(0, 0, 0), 1, cv::LINE_AA);
}

void DrawObject(cv::Mat& tile, const Object& object, const ClassList& classes, double scale) {
  const cv::Scalar& color = kColors[(object.label - 1) % kColors.size()];
  const auto& [x, y, width, height] = object.xywh;
  const cv::Point low(static_cast<int>(x * scale), static_cast<int>(y * scale));
  const cv::Point high(static_cast<int>((x + width) * scale) - 1,
                       static_cast<int>((y + height) * scale) - 1);
  const bool marked = object.difficult || object.crowd;
  cv::rectangle(tile, low, high, color, marked ? 1 : 2);
  DrawLabel(tile,
            absl::StrCat(classes.names[object.label - 1], object.difficult ? " (difficult)" : "",
                         object.crowd ? " (crowd)" : ""),
            low, color);
}

void DrawSample(cv::Mat tile, const Sample& sample, const ClassList& classes, int tile_px) {
  const Image& image = *sample.image;
  const cv::Mat pixels(static_cast<int>(image.height()), static_cast<int>(image.width()), CV_8UC3,
                       const_cast<uint8_t*>(image.data()));
  const double scale = tile_px / static_cast<double>(std::max(image.width(), image.height()));
  cv::Mat picture;
  cv::resize(pixels, picture,
             {std::max(1, static_cast<int>(static_cast<double>(image.width()) * scale)),
              std::max(1, static_cast<int>(static_cast<double>(image.height()) * scale))},
             0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  for (const Object& object : sample.objects) DrawObject(picture, object, classes, scale);
  picture.copyTo(tile(cv::Rect(0, 0, picture.cols, picture.rows)));
  cv::putText(tile, sample.info.name, {1, tile_px + kCaption - 5}, cv::FONT_HERSHEY_SIMPLEX,
              kFontScale, cv::Scalar(0, 0, 0), 1, cv::LINE_AA);
}

}  // namespace

Image ContactSheet(const std::vector<Sample>& samples, const ClassList& classes,
                   const ContactSheetOptions& options) {
  const int count = static_cast<int>(samples.size());
  const int columns = std::max(1, std::min(options.columns, count));
  const int rows = (count + columns - 1) / columns;
  const int tile_height = options.tile_px + kCaption;
  Image sheet(std::max(1, rows * (tile_height + kGap)), columns * (options.tile_px + kGap));
  cv::Mat canvas(static_cast<int>(sheet.height()), static_cast<int>(sheet.width()), CV_8UC3,
                 sheet.data());
  canvas.setTo(cv::Scalar(255, 255, 255));
  for (int i = 0; i < count; ++i) {
    const cv::Rect place(i % columns * (options.tile_px + kGap), i / columns * (tile_height + kGap),
                         options.tile_px, tile_height);
    DrawSample(canvas(place), samples[static_cast<size_t>(i)], classes, options.tile_px);
  }
  return sheet;
}

}  // namespace rcnn::data
