#include "rcnn/eval/drawing.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "rcnn/data/image/image_text.h"

namespace rcnn::eval {
namespace {

const cv::Scalar kDark(30, 30, 30);

void DashedLine(cv::Mat& canvas, cv::Point2d from, cv::Point2d to, const cv::Scalar& color,
                int thickness, double dash) {
  const cv::Point2d way = to - from;
  const double length = std::hypot(way.x, way.y);
  for (double at = 0; at < length; at += 2 * dash) {
    const double end = std::min(at + dash, length);
    cv::line(canvas, from + way * (at / length), from + way * (end / length), color, thickness,
             cv::LINE_AA);
  }
}

void DrawFrame(cv::Mat& canvas, const cv::Rect& r, BoxKind kind, const cv::Scalar& color,
               int thickness, double dash) {
  if (kind == BoxKind::kMiss || kind == BoxKind::kNeutral) {
    const cv::Point2d corners[] = {{1. * r.x, 1. * r.y},
                                   {1. * r.x + r.width, 1. * r.y},
                                   {1. * r.x + r.width, 1. * r.y + r.height},
                                   {1. * r.x, 1. * r.y + r.height}};
    for (int i = 0; i < 4; ++i) {
      DashedLine(canvas, corners[i], corners[(i + 1) % 4], color, thickness, dash);
    }
    return;
  }
  cv::rectangle(canvas, r, color, thickness, cv::LINE_AA);
  if (kind != BoxKind::kFalsePositive) return;
  const int arm = std::max(3, std::min({r.width / 6, r.height / 6, static_cast<int>(dash)}));
  const cv::Point c(r.x + r.width - 2 * arm, r.y + 2 * arm);
  cv::line(canvas, c + cv::Point(-arm, -arm), c + cv::Point(arm, arm), color, thickness,
           cv::LINE_AA);
  cv::line(canvas, c + cv::Point(-arm, arm), c + cv::Point(arm, -arm), color, thickness,
           cv::LINE_AA);
}

cv::Scalar PickColor(const LabelledBox& box) {
  return box.color.value_or(eval::PickColor(box.kind));
}

// By luma (ITU-R BT.601) of blue, green, red.
bool IsDark(const cv::Scalar& color) {
  return 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] < 140;
}

cv::Rect Scaled(const XywhBox& box, double scale, const cv::Size& size) {
  auto clamp = [](double v, int most) {
    return static_cast<int>(std::lround(std::max(0.0, std::min(v, static_cast<double>(most)))));
  };
  const int x1 = clamp(box.x * scale, size.width - 1);
  const int y1 = clamp(box.y * scale, size.height - 1);
  const int x2 = clamp((box.x + box.width) * scale, size.width - 1);
  const int y2 = clamp((box.y + box.height) * scale, size.height - 1);
  return cv::Rect(x1, y1, std::max(1, x2 - x1), std::max(1, y2 - y1));
}

}  // namespace

cv::Scalar PickColor(BoxKind kind) {
  switch (kind) {
    case BoxKind::kHit:
      return cv::Scalar(233, 180, 86);  // sky blue
    case BoxKind::kFalsePositive:
      return cv::Scalar(0, 94, 213);  // vermilion
    case BoxKind::kMiss:
      return cv::Scalar(66, 228, 240);  // yellow
    case BoxKind::kNeutral:
      break;
  }
  return cv::Scalar(190, 190, 190);
}

const char* KindName(BoxKind kind) {
  switch (kind) {
    case BoxKind::kHit:
      return "hit";
    case BoxKind::kFalsePositive:
      return "false positive";
    case BoxKind::kMiss:
      return "missed";
    case BoxKind::kNeutral:
      break;
  }
  return "ignored";
}

cv::Mat DrawBoxes(const cv::Mat& image, const std::vector<LabelledBox>& boxes, int min_side_px) {
  cv::Mat canvas;
  const int side = std::max(image.cols, image.rows);
  const double scale = side < min_side_px ? static_cast<double>(min_side_px) / side : 1.0;
  cv::resize(image, canvas, cv::Size(), scale, scale, cv::INTER_CUBIC);
  const int text_px = std::max(20, std::max(canvas.cols, canvas.rows) / 32);
  const int thickness = std::max(2, text_px / 9);
  std::vector<cv::Rect> frames;
  for (const LabelledBox& box : boxes) {
    frames.push_back(Scaled(box.box, scale, canvas.size()));
    DrawFrame(canvas, frames.back(), box.kind, kDark, thickness + 2, 4.0 * thickness);
    DrawFrame(canvas, frames.back(), box.kind, PickColor(box), thickness, 4.0 * thickness);
  }
  data::LabelPlates plates(canvas, text_px);
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (boxes[i].label.empty()) continue;
    const cv::Scalar color = PickColor(boxes[i]);
    plates.Draw(frames[i], boxes[i].label, color,
                IsDark(color) ? cv::Scalar(255, 255, 255) : kDark);
  }
  return canvas;
}

}  // namespace rcnn::eval
