#include "rcnn/data/inspection/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "opencv2/core.hpp"
#include "opencv2/imgproc.hpp"
#include "rcnn/data/image/image_text.h"

namespace rcnn::data {
namespace {

constexpr int kGap = 6;
constexpr int kCaption = 16;
constexpr int kText = 12;

// Okabe and Ito's colours, distinguishable for colour-blind people, as RGB.
const std::array<cv::Scalar, 7> kColors = {cv::Scalar(230, 159, 0),  cv::Scalar(86, 180, 233),
                                           cv::Scalar(0, 158, 115),  cv::Scalar(240, 228, 66),
                                           cv::Scalar(0, 114, 178),  cv::Scalar(213, 94, 0),
                                           cv::Scalar(204, 121, 167)};

// Black or white, whichever has more contrast to the colour.
cv::Scalar TextColor(const cv::Scalar& color) {
  const double luminance = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
  return luminance > 128 ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255);
}

const cv::Scalar& PickColor(const Object& object) {
  return kColors[static_cast<size_t>(object.label - 1) % kColors.size()];
}

cv::Rect ObjectRect(const Object& object, double scale) {
  const auto& [x, y, width, height] = object.xywh;
  const cv::Point low(static_cast<int>(x * scale), static_cast<int>(y * scale));
  const cv::Point high(static_cast<int>((x + width) * scale),
                       static_cast<int>((y + height) * scale));
  return cv::Rect(low, high);
}

std::string Label(const Object& object, const ClassList& classes) {
  const auto k = static_cast<size_t>(object.label - 1);
  return absl::StrCat(DrawableName(classes.names[k], classes.category_ids[k]),
                      object.difficult ? " (difficult)" : "", object.crowd ? " (crowd)" : "");
}

// Pixels of the sheet per pixel of the image.
double TileScale(const Sample& sample, int tile_px) {
  return tile_px / static_cast<double>(std::max(sample.image->width(), sample.image->height()));
}

cv::Size ScaledSize(const Sample& sample, int tile_px) {
  const double scale = TileScale(sample, tile_px);
  return {std::max(1, static_cast<int>(static_cast<double>(sample.image->width()) * scale)),
          std::max(1, static_cast<int>(static_cast<double>(sample.image->height()) * scale))};
}

void DrawSample(cv::Mat tile, const Sample& sample, const ClassList& classes, int tile_px) {
  const Image& image = *sample.image;
  const cv::Mat pixels(static_cast<int>(image.height()), static_cast<int>(image.width()), CV_8UC3,
                       const_cast<uint8_t*>(image.data()));
  const double scale = TileScale(sample, tile_px);
  cv::Mat resized;
  cv::resize(pixels, resized, ScaledSize(sample, tile_px), 0, 0,
             scale < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  for (const Object& object : sample.objects) {
    const int thickness = object.difficult || object.crowd ? 1 : 2;
    cv::rectangle(resized, ObjectRect(object, scale), PickColor(object), thickness);
  }
  LabelPlates plates(resized, kText);
  for (const Object& object : sample.objects) {
    const cv::Scalar& color = PickColor(object);
    plates.Draw(ObjectRect(object, scale), Label(object, classes), color, TextColor(color));
  }
  resized.copyTo(tile(cv::Rect(0, 0, resized.cols, resized.rows)));
  PutText(tile, FitText(sample.info.name, tile_px, kText), {1, resized.rows + 2}, kText,
          cv::Scalar(0, 0, 0));
}

}  // namespace

Image ContactSheet(const std::vector<Sample>& samples, const ClassList& classes,
                   const ContactSheetOptions& options) {
  const int count = static_cast<int>(samples.size());
  const int columns = std::max(1, std::min(options.columns, count));
  const int rows = (count + columns - 1) / columns;
  int tile_height = 0;
  for (const Sample& sample : samples) {
    tile_height = std::max(tile_height, ScaledSize(sample, options.tile_px).height + kCaption);
  }
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
