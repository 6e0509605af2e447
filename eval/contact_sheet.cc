#include "rcnn/eval/contact_sheet.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/image_text.h"
#include "rcnn/eval/bgr_image.h"
#include "rcnn/eval/dataset_ground_truth.h"

namespace rcnn::eval {
namespace {

constexpr int kCellWidth = 560;
constexpr int kCellHeight = 420;
constexpr int kMargin = 20;
constexpr int kCaption = 58;
constexpr int kHeader = 108;
constexpr int kText = 24;
const cv::Scalar kPaper(250, 250, 250);
const cv::Scalar kInk(40, 40, 40);

std::string BaseName(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

void PlaceTile(const Tile& tile, const cv::Point& at, cv::Mat& sheet) {
  const double scale = std::min(static_cast<double>(kCellWidth) / tile.image.cols,
                                static_cast<double>(kCellHeight) / tile.image.rows);
  const cv::Size size(std::max(1, static_cast<int>(tile.image.cols * scale)),
                      std::max(1, static_cast<int>(tile.image.rows * scale)));
  cv::Mat fitted;
  cv::resize(tile.image, fitted, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  cv::rectangle(sheet, cv::Rect(at, cv::Size(kCellWidth, kCellHeight)), cv::Scalar(225, 225, 225),
                cv::FILLED);
  const cv::Point corner =
      at + cv::Point((kCellWidth - size.width) / 2, (kCellHeight - size.height) / 2);
  fitted.copyTo(sheet(cv::Rect(corner, size)));
  data::PutText(sheet, data::FitText(tile.name, kCellWidth, kText),
                at + cv::Point(0, kCellHeight + 4), kText, kInk);
  data::PutText(sheet, data::FitText(tile.text, kCellWidth, kText),
                at + cv::Point(0, kCellHeight + 30), kText, cv::Scalar(90, 90, 90));
}

void DrawLegend(cv::Mat& sheet, cv::Point at) {
  for (BoxKind kind : {BoxKind::kHit, BoxKind::kFalsePositive, BoxKind::kMiss, BoxKind::kNeutral}) {
    const cv::Rect swatch(at.x, at.y, 34, 26);
    cv::rectangle(sheet, swatch, PickColor(kind), cv::FILLED);
    cv::rectangle(sheet, swatch, kInk, 1);
    data::PutText(sheet, KindName(kind), at + cv::Point(44, 1), kText, kInk);
    at.x += 44 + data::TextWidth(KindName(kind), kText) + 30;
  }
}

absl::StatusOr<cv::Mat> ReadBgr(const std::string& folder, const GroundTruthImage& image) {
  std::string path = image.file;
  if (!folder.empty()) {
    RCNN_ASSIGN_OR_RETURN(path, JoinInside(folder, image.file));
  }
  data::DecodeOptions options;
  options.apply_exif_orientation = image.exif_applied;
  RCNN_ASSIGN_OR_RETURN(const data::Image pixels, data::ReadImage(path, options));
  return ToBgr(pixels);
}

absl::Status WriteJpeg(const std::string& path, const cv::Mat& image) {
  RCNN_ASSIGN_OR_RETURN(const std::string jpeg, EncodeBgrAsJpeg(image), path);
  return WriteFileAtomically(path, jpeg).status();
}

std::string Describe(const ImageErrors& errors) {
  return absl::StrCat(
      errors.misses.size(), " missed, ",
      Counted(static_cast<int64_t>(errors.false_positives.size()), "false positive"), ", ",
      Counted(static_cast<int64_t>(errors.hits.size()), "hit"));
}

// Letters, digits, '-', '_' and '.' only.
std::string SafeName(const std::string& name) {
  std::string safe;
  for (char c : name) {
    const bool fine = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                      c == '-' || c == '_' || c == '.';
    safe += fine ? c : '_';
  }
  return safe.substr(0, 100);
}

}  // namespace

cv::Mat ContactSheet(const std::string& title, const std::vector<Tile>& tiles) {
  const int count = static_cast<int>(tiles.size());
  const int columns = count <= 4 ? 2 : count <= 9 ? 3 : 4;
  const int rows = std::max(1, (count + columns - 1) / columns);
  cv::Mat sheet(kHeader + rows * (kCellHeight + kCaption + kMargin) + kMargin,
                kMargin + columns * (kCellWidth + kMargin), CV_8UC3, kPaper);
  data::PutText(sheet, title, {kMargin, 16}, 34, kInk);
  DrawLegend(sheet, {kMargin, 64});
  for (int i = 0; i < count; ++i) {
    PlaceTile(tiles[i],
              {kMargin + i % columns * (kCellWidth + kMargin),
               kHeader + i / columns * (kCellHeight + kCaption + kMargin)},
              sheet);
  }
  return sheet;
}

std::vector<LabelledBox> BoxesToDraw(const ImageErrors& errors, const GroundTruth& truth,
                                     const Detections& detections) {
  std::vector<LabelledBox> boxes;
  auto name = [&](int64_t category_id) {
    return data::DrawableName(truth.categories[truth.CategoryIndex(category_id)].name, category_id);
  };
  auto add_annotations = [&](BoxKind kind, const std::vector<int64_t>& indices) {
    for (int64_t i : indices) {
      const Annotation& a = truth.annotations[i];
      boxes.push_back({kind, a.box, name(a.category_id)});
    }
  };
  auto add_detections = [&](BoxKind kind, const std::vector<int64_t>& indices) {
    for (int64_t i : indices) {
      const Detection d = detections[i];
      boxes.push_back({kind, d.box, absl::StrFormat("%s %.2f", name(d.category_id), d.score)});
    }
  };
  add_annotations(BoxKind::kNeutral, errors.neutral_annotations);
  add_detections(BoxKind::kNeutral, errors.neutral);
  add_annotations(BoxKind::kMiss, errors.misses);
  add_detections(BoxKind::kHit, errors.hits);
  add_detections(BoxKind::kFalsePositive, errors.false_positives);
  return boxes;
}

absl::Status WriteWorstImages(const GroundTruth& truth, const Detections& detections,
                              const WorstImagesOptions& options) {
  RCNN_RETURN_IF_ERROR(CreateDirectories(options.out_folder));
  const std::vector<ImageErrors> errors =
      FindImageErrors(truth, detections, {.min_score = options.min_score});
  std::vector<Tile> tiles;
  for (int64_t i : WorstImages(errors, options.count)) {
    const std::string& file = truth.images[i].file;
    if (file.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("image ", truth.images[i].id, " has no file_name to draw on"));
    }
    RCNN_ASSIGN_OR_RETURN(cv::Mat image, ReadBgr(options.images_folder, truth.images[i]));
    const cv::Mat drawn = DrawBoxes(image, BoxesToDraw(errors[i], truth, detections));
    const std::string name = BaseName(file);
    const std::string stem = name.substr(0, name.rfind('.'));
    RCNN_RETURN_IF_ERROR(WriteJpeg(
        absl::StrFormat("%s/%02d_%s.jpg", options.out_folder, tiles.size() + 1, SafeName(stem)),
        drawn));
    tiles.push_back({drawn, name, Describe(errors[i])});
  }
  const std::string title =
      tiles.empty() ? "No image has errors"
                    : absl::StrFormat("The %d worst of %s, at a score of %g or more", tiles.size(),
                                      Counted(static_cast<int64_t>(truth.images.size()), "image"),
                                      options.min_score);
  return WriteJpeg(absl::StrCat(options.out_folder, "/contact_sheet.jpg"),
                   ContactSheet(title, tiles));
}

absl::Status WriteSampleSheet(const data::Dataset& dataset, const Detections& detections,
                              const std::string& path, const SampleSheetOptions& options) {
  const GroundTruth truth = FromDataset(dataset);
  const std::vector<ImageErrors> errors =
      FindImageErrors(truth, detections, {.min_score = options.min_score});
  const int64_t count = std::min(options.count, dataset.size());
  std::vector<Tile> tiles;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t index = t * dataset.size() / count;
    const data::ImageInfo info = dataset.image(index);
    RCNN_ASSIGN_OR_RETURN(const auto image, dataset.LoadImage(index));
    const ImageErrors& found = errors[static_cast<size_t>(truth.ImageIndex(info.id))];
    tiles.push_back({DrawBoxes(ToBgr(*image), BoxesToDraw(found, truth, detections)), info.name,
                     Describe(found)});
  }
  const std::string title = absl::StrFormat("%d of %s, at a score of %g or more", count,
                                            Counted(dataset.size(), "image"), options.min_score);
  return WriteJpeg(path, ContactSheet(title, tiles));
}

}  // namespace rcnn::eval
