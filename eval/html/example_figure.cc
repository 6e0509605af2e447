#include "rcnn/eval/html/example_figure.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

constexpr int kWidth = 320;
constexpr int kHeight = 240;
constexpr int kJpegQuality = 78;
// In pixels of the thumbnail: points of an outline that are less than kStep apart are merged,
// points beyond kFar are not drawn.
constexpr double kStep = 0.7;
constexpr double kFar = 1e5;

std::string Px(double value) { return absl::StrFormat("%.1f", value); }

// Turns boxes of the image into those of the thumbnail.
class Viewport {
 public:
  explicit Viewport(const XywhBox& part) : part_(part), scale_(kWidth / part.width) {}

  std::string Draw(const FigureBox& box) const {
    return box.outline.empty() ? Rect(box) : Outline(box);
  }

 private:
  std::string Rect(const FigureBox& box) const {
    const double left = (box.box.x - part_.x) * scale_;
    const double top = (box.box.y - part_.y) * scale_;
    const double right = left + box.box.width * scale_;
    const double bottom = top + box.box.height * scale_;
    // SVG has no rectangle of a negative size.
    const bool visible =
        right > 0 && bottom > 0 && left < kWidth && top < kHeight && right >= left && bottom >= top;
    if (!visible || !std::isfinite(right) || !std::isfinite(bottom)) return "";
    const std::string shape =
        absl::StrCat("x=\"", Px(left), "\" y=\"", Px(top), "\" width=\"", Px(right - left),
                     "\" height=\"", Px(bottom - top), "\"");
    return absl::StrCat("<rect class=\"rim", box.style == "other" ? " thin" : "", "\" ", shape,
                        "/><rect class=\"box ", box.style, "\" ", shape, "/>");
  }

  // A path, closed or open, without points that would fall on the last one.
  std::string Path(const std::vector<OutlinePoint>& points, bool closed) const {
    std::string path;
    double last_x = 0;
    double last_y = 0;
    for (const auto& [image_x, image_y] : points) {
      const double x = (image_x - part_.x) * scale_;
      const double y = (image_y - part_.y) * scale_;
      if (!(std::abs(x) < kFar && std::abs(y) < kFar)) continue;
      const bool near = std::abs(x - last_x) < kStep && std::abs(y - last_y) < kStep;
      if (!path.empty() && near && closed) continue;
      absl::StrAppend(&path, path.empty() ? "M" : "L", Px(x), " ", Px(y));
      last_x = x;
      last_y = y;
    }
    if (!path.empty() && closed) path += "Z";
    return path;
  }

  static std::string Stroke(const std::string& path, const std::string& style, const char* more) {
    if (path.empty()) return "";
    return absl::StrCat("<path class=\"rim shape", style == "other" ? " thin" : "", more, "\" d=\"",
                        path, "\"/><path class=\"box shape ", style, more, "\" d=\"", path, "\"/>");
  }

  std::string Outline(const FigureBox& box) const {
    std::string path;
    for (const auto& ring : box.outline.rings) path += Path(ring, true);
    for (const auto& line : box.outline.lines) path += Path(line, false);
    std::string dots;
    // A line without length is drawn as a dot, because its caps are round.
    for (const OutlinePoint& point : box.outline.points) dots += Path({point, point}, false);
    const char* area = box.outline.rings.empty() ? "" : " area";
    return Stroke(path, box.style, area) + Stroke(dots, box.style, " dots");
  }

  XywhBox part_;
  double scale_;
};

std::string EncodePart(const data::Image& image, const XywhBox& part) {
  const cv::Mat rgb(static_cast<int>(image.height()), static_cast<int>(image.width()), CV_8UC3,
                    const_cast<uint8_t*>(image.data()));
  const cv::Rect wanted(static_cast<int>(std::floor(part.x)), static_cast<int>(std::floor(part.y)),
                        std::max(1, static_cast<int>(std::lround(part.width))),
                        std::max(1, static_cast<int>(std::lround(part.height))));
  const cv::Rect inside = wanted & cv::Rect(0, 0, rgb.cols, rgb.rows);
  cv::Mat canvas(wanted.size(), CV_8UC3, cv::Scalar(128, 128, 128));
  if (inside.area() > 0) rgb(inside).copyTo(canvas(inside - wanted.tl()));
  cv::Mat small;
  cv::resize(canvas, small, cv::Size(kWidth, kHeight), 0, 0,
             wanted.width > kWidth ? cv::INTER_AREA : cv::INTER_CUBIC);
  // Contiguous, as cv::resize makes it.
  data::Image thumbnail(kHeight, kWidth);
  std::memcpy(thumbnail.data(), small.data, static_cast<size_t>(thumbnail.size_bytes()));
  const auto jpeg = data::EncodeJpeg(thumbnail, kJpegQuality);
  return jpeg.ok() ? DataUrl("image/jpeg", *jpeg) : "";
}

std::string Compose(const ExampleFigure& figure, const XywhBox& part, const std::string& url) {
  std::string html = "<figure class=\"ex\"";
  for (const auto& [name, value] : figure.data) {
    absl::StrAppend(&html, " data-", name, "=\"", EscapeHtml(value), "\"");
  }
  // The caption says the rest.
  absl::StrAppendFormat(&html, "><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">",
                        kWidth, kHeight, EscapeHtml(figure.file));
  if (url.empty()) {
    absl::StrAppendFormat(&html, "<rect class=\"ground\" width=\"%d\" height=\"%d\"/>", kWidth,
                          kHeight);
  } else {
    absl::StrAppendFormat(&html, "<image width=\"%d\" height=\"%d\" href=\"%s\"/>", kWidth, kHeight,
                          url);
  }
  const Viewport viewport(part);
  for (const FigureBox& box : figure.boxes) absl::StrAppend(&html, viewport.Draw(box));
  absl::StrAppend(&html, "</svg><figcaption><b>", figure.heading, "</b> ", figure.text,
                  "<span class=\"file\">", NameHtml(Shorten(figure.file, 60)),
                  "</span></figcaption></figure>");
  return html;
}

}  // namespace

std::string ImageName(const GroundTruth& truth, int64_t image) {
  const std::string& file = truth.images[image].file;
  if (file.empty()) return absl::StrCat("image ", truth.images[image].id);
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? file : file.substr(slash + 1);
}

XywhBox ChoosePart(const std::vector<XywhBox>& focus, double width, double height) {
  double left = std::numeric_limits<double>::max();
  double top = left;
  double right = std::numeric_limits<double>::lowest();
  double bottom = right;
  for (const XywhBox& box : focus) {
    left = std::min(left, box.x);
    top = std::min(top, box.y);
    right = std::max(right, box.x + box.width);
    bottom = std::max(bottom, box.y + box.height);
  }
  if (focus.empty()) left = top = 0, right = std::max(width, 4.0), bottom = std::max(height, 3.0);
  // As much again around them, at least a fifth of the image, in the shape of the figure.
  double part_width = std::max({1.9 * (right - left), 0.2 * width, 40.0});
  double part_height = std::max({1.9 * (bottom - top), 0.2 * height, 30.0});
  part_width = std::max(part_width, part_height * kWidth / kHeight);
  // At most the whole image.
  const double whole = std::max(width, height * kWidth / kHeight);
  if (whole > 0) part_width = std::min(part_width, whole);
  part_height = part_width * kHeight / kWidth;
  // Moved into the image where it fits, else centred on it.
  const auto place = [](double center, double size, double whole) {
    if (whole <= 0) return center - size / 2;
    if (size >= whole) return (whole - size) / 2;
    return std::min(std::max(center - size / 2, 0.0), whole - size);
  };
  return {place((left + right) / 2, part_width, width),
          place((top + bottom) / 2, part_height, height), part_width, part_height};
}

std::vector<std::string> DrawFigures(const std::vector<ExampleFigure>& figures,
                                     const LoadImageFunction& load_image, int threads,
                                     UnreadableImages* unreadable) {
  std::map<int64_t, std::vector<size_t>> by_image;
  for (size_t i = 0; i < figures.size(); ++i) by_image[figures[i].image].push_back(i);
  const std::vector<std::pair<int64_t, std::vector<size_t>>> work(by_image.begin(), by_image.end());
  std::vector<std::string> html(figures.size());
  std::vector<absl::Status> problems(work.size());
  ParallelFor(static_cast<int64_t>(work.size()), threads, [&](int64_t w) {
    absl::StatusOr<std::shared_ptr<const data::Image>> image = absl::NotFoundError("");
    if (load_image) {
      image = load_image(work[w].first);
      problems[w] = image.status();
    }
    for (size_t i : work[w].second) {
      const ExampleFigure& figure = figures[i];
      const double width = image.ok() ? static_cast<double>((*image)->width()) : 0;
      const double height = image.ok() ? static_cast<double>((*image)->height()) : 0;
      const XywhBox part = ChoosePart(figure.focus, width, height);
      html[i] = Compose(figure, part, image.ok() ? EncodePart(**image, part) : "");
    }
  });
  for (const absl::Status& problem : problems) {
    if (problem.ok()) continue;
    if (unreadable->count++ == 0) unreadable->first = problem;
    KeepUnreadable(problem, unreadable->now);
  }
  return html;
}

}  // namespace rcnn::eval
